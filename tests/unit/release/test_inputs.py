"""The ready inputs of an alloy: elements and LAMMPS' types stay together, whatever the order of a structure's atoms."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms

from mlip_kmc.potential import AcePotential
from mlip_kmc.potential.baseline import Baseline, Zbl
from mlip_kmc.release.agreement import agreement_check
from mlip_kmc.release.gate import CheckVerdict
from mlip_kmc.release.inputs import example_of, ready_inputs
from mlip_kmc.release.smoothness import cutoff_check, cutoffs_of

ELEMENTS = ("Cu", "Ni")


@pytest.fixture(scope="module")
def alloy(tmp_path_factory):
    """A small linear ACE of two elements with random coefficients, and a baseline for each pair."""
    from pyace import ACEBBasisSet, create_multispecies_basis_config

    stem = tmp_path_factory.mktemp("alloy") / "CuNi"
    configuration = create_multispecies_basis_config(
        {
            "deltaSplineBins": 0.001,
            "elements": list(ELEMENTS),
            "embeddings": {
                "ALL": {
                    "npot": "FinnisSinclair",
                    "fs_parameters": [1, 1],
                    "ndensity": 1,
                    "rho_core_cut": 200000,
                    "drho_core_cut": 250,
                }
            },
            "bonds": {
                "ALL": {
                    "radbase": "ChebExpCos",
                    "radparameters": [3.0],
                    "rcut": 4.0,
                    "dcut": 0.01,
                    "NameOfCutoffFunction": "cos",
                }
            },
            "functions": {"ALL": {"nradmax_by_orders": [3, 2, 1], "lmax_by_orders": [0, 1, 1]}},
        }
    )
    rng = np.random.default_rng(7)
    configuration.set_func_coeffs(
        rng.normal(0.0, 0.3, len(configuration.get_func_coeffs())).tolist()
    )
    configuration.save(str(stem.with_suffix(".yaml")))
    ACEBBasisSet(str(stem.with_suffix(".yaml"))).to_ACECTildeBasisSet().save_yaml(
        str(stem.with_suffix(".yace"))
    )
    baseline = Baseline(
        pairs={
            "Cu-Cu": Zbl(inner_A=1.9, outer_A=2.7),
            "Cu-Ni": Zbl(inner_A=2.0, outer_A=2.6),
            "Ni-Ni": Zbl(inner_A=1.8, outer_A=2.5),
        }
    )
    potential = AcePotential.read(stem.with_suffix(".yace")).guarded(
        baseline=baseline, minimum_distance_A={"Cu-Ni": 0.5}
    )
    return replace(potential, basis=stem.with_suffix(".yaml"))


def structure(symbols):
    rng = np.random.default_rng(len(symbols))
    cell = np.array([[5.0, 0.0, 0.0], [1.3, 5.2, 0.0], [-0.7, 0.9, 5.4]])
    corners = np.array([[x, y, z] for x in (0.0, 0.5) for y in (0.0, 0.5) for z in (0.0, 0.5)])[
        : len(symbols)
    ]
    return Atoms(
        symbols,
        positions=corners @ cell + rng.normal(0.0, 0.1, (len(symbols), 3)),
        cell=cell,
        pbc=True,
    )


@pytest.mark.parametrize(
    "symbols", [["Ni", "Cu", "Ni", "Cu", "Cu"], ["Cu", "Cu", "Ni"], ["Ni", "Ni", "Ni"]], ids="".join
)
def test_all_paths_agree_on_an_alloy(alloy, symbols, tmp_path):
    example = example_of(structure(symbols))
    check, _ = agreement_check(alloy, example, inputs=ready_inputs(alloy, example), folder=tmp_path)
    assert check.verdict is CheckVerdict.PASSED, check


def test_what_the_files_say(alloy):
    files = {
        name: content.decode()
        for name, content in ready_inputs(alloy, example_of(structure(["Ni", "Cu"]))).items()
    }
    commands = [
        line for line in files["in.potential"].splitlines() if line and not line.startswith("#")
    ]
    assert commands[0].startswith("pair_style hybrid/overlay pace product zbl")
    assert commands[1] == "pair_coeff * * pace potential.yace Cu Ni"
    assert commands[-2:] == ["mass 1 63.546", "mass 2 58.6934"]
    assert "near.txt" not in files["in.potential"], (
        "what halts a search of ours is no part of the energy"
    )
    assert "2 atom types" in files["example.data"]
    assert files["in.lammps"].splitlines()[1] == "pair_coeff * * pace potential.yace Ni Cu", (
        "eOn counts types as they appear"
    )


def test_every_pair_is_taken_through_the_cutoff(alloy):
    assert cutoffs_of(alloy) == {"Cu-Cu": (4.0,), "Cu-Ni": (4.0,), "Ni-Ni": (4.0,)}
    check = cutoff_check(
        cutoffs_of(alloy), calculator=replace(alloy, minimum_distance_A={}).calculator()
    )
    assert check.verdict is CheckVerdict.PASSED


def alloy_of(folder, *, kink):
    """Cutoffs of 4, 3.5 and 3 A; the functions of Cu-Ni alone end with a finite slope where `kink` is set."""
    from pyace import ACEBBasisSet, create_multispecies_basis_config

    def bond(rcut_A, radbase="ChebExpCos"):
        return {
            "radbase": radbase,
            "radparameters": [3.0],
            "rcut": rcut_A,
            "dcut": 0.01,
            "NameOfCutoffFunction": "cos",
        }

    configuration = create_multispecies_basis_config(
        {
            "deltaSplineBins": 0.001,
            "elements": list(ELEMENTS),
            "embeddings": {
                "ALL": {
                    "npot": "FinnisSinclair",
                    "fs_parameters": [1, 1],
                    "ndensity": 1,
                    "rho_core_cut": 200000,
                    "drho_core_cut": 250,
                }
            },
            "bonds": {
                "Cu": bond(4.0),
                "Ni": bond(3.0),
                "BINARY": bond(3.5, "ChebLinear" if kink else "ChebExpCos"),
            },
            "functions": {"ALL": {"nradmax_by_orders": [3, 2], "lmax_by_orders": [0, 1]}},
        }
    )
    configuration.set_func_coeffs(
        np.random.default_rng(7).normal(0.0, 0.3, len(configuration.get_func_coeffs())).tolist()
    )
    configuration.save(str(folder / "a.yaml"))
    ACEBBasisSet(str(folder / "a.yaml")).to_ACECTildeBasisSet().save_yaml(str(folder / "a.yace"))
    return AcePotential.read(folder / "a.yace")


@pytest.mark.parametrize("kink", [False, True])
def test_a_pair_is_taken_through_its_own_cutoff(tmp_path, kink):
    """At the largest cutoff of the potential, 4 A, Cu-Ni is zero already and shows nothing."""
    potential = alloy_of(tmp_path, kink=kink)
    assert cutoffs_of(potential) == {"Cu-Cu": (4.0,), "Cu-Ni": (3.5,), "Ni-Ni": (3.0,)}
    check = cutoff_check(cutoffs_of(potential), calculator=potential.calculator())
    assert check.verdict is (CheckVerdict.FAILED if kink else CheckVerdict.PASSED), check
    assert not kink or check.detail == "worst for Cu-Ni at 3.5 A"
    assert (
        cutoff_check({"Cu-Ni": (4.0,)}, calculator=potential.calculator()).verdict
        is CheckVerdict.PASSED
    )
