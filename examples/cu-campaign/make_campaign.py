"""A campaign that begins with a potential of bulk copper alone: its first potential, its sets, and where its run starts.

Run as ``python make_campaign.py [--output DIR]``; it takes about 10 seconds on one core and writes

* ``train.xyz``: bulk copper, strained and rattled, labelled by ASE's effective-medium theory (EMT),
* ``test.xyz``: the same with vacancies and hops, which nothing is fitted to,
* ``bulk.yaml``, ``bulk.yace``, ``bulk.asi``, ``bulk.record.json``: a linear ACE fitted to ``train.xyz``, with its active set,
* ``vacancy.xyz``: 107 atoms, 3x3x3 conventional fcc cells less one atom, not relaxed.

The potential has seen no vacancy and no hop, so a run from ``vacancy.xyz`` halts at once (``akmc.yaml``). The campaign
(``campaign.yaml``) labels what it halts on by EMT, the oracle, and fits again, until the run reaches its target.

Basis and fit are those of ``examples/cu-vacancy/make_potential.py``. The files come out the same, byte for byte, whenever they
are made again with the same versions. ``bench/campaign.py`` takes its first potentials from here, too.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ase import Atoms

    from mlip_kmc.model.labelled import LabelledStructure

HERE = Path(__file__).resolve().parent


def _other_recipe() -> Any:
    """`examples/cu-vacancy/make_potential.py`, imported; it sets threads and kernels before numpy computes anything."""
    path = HERE.parent / "cu-vacancy" / "make_potential.py"
    spec = importlib.util.spec_from_file_location("make_potential", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is missing")
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_potential"] = module
    spec.loader.exec_module(module)
    return module


make = _other_recipe()

NAME = "bulk"
"""Of the potential's files."""
TRAIN_SEED, TEST_SEED = 20261128, 778
TRAINING, TEST = 40, 8
"""How many structures the training set has, and how many of each kind the test set."""
STRAIN, RATTLE = 0.02, 0.05
"""Less than a crystal has at room temperature: what the potential knows ends early."""
PLACES, DIGITS = 6, 10
"""Decimal places of positions (A) before they are labelled; significant digits of labels."""


def labelled(name: str, atoms: Atoms) -> LabelledStructure:
    """A structure with EMT's energy above free atoms, and its forces."""
    from mlip_kmc.model.labelled import LabelledStructure, Role

    bare = make.Atoms(
        atoms.numbers,
        np.round(atoms.positions, PLACES),
        cell=np.round(atoms.cell.array, PLACES),
        pbc=atoms.pbc,
    )
    probe = bare.copy()
    probe.calc = make.EMT()
    zero = sum(free_atom_eV(symbol) for symbol in atoms.get_chemical_symbols())
    return LabelledStructure.whole(
        name,
        bare,
        energy_eV=float(f"{probe.get_potential_energy() - zero:.{DIGITS}g}"),
        forces_eV_per_A=np.round(probe.get_forces(), DIGITS),
        role=Role.TRAINING,
    )


def free_atom_eV(symbol: str) -> float:  # noqa: N802 - a unit
    """EMT's energy of a free atom; `oracle.zero_eV` of a campaign has it, too."""
    return float(-make.emt_parameters[symbol][0])


def training_set() -> list[LabelledStructure]:
    """Labelled bulk copper: 32 atoms, strained by up to `STRAIN` and rattled by up to `RATTLE` (A)."""
    rng, found = np.random.default_rng(TRAIN_SEED), []
    for index in range(TRAINING):
        atoms = make.strained(make.perfect(), rng, STRAIN)
        found.append(labelled(f"train-{index}", make.rattled(atoms, rng, rng.uniform(0, RATTLE))))
    return found


def test_set() -> list[LabelledStructure]:
    """Labelled bulk copper, vacancies and hops, as the test set of the other example has them."""
    rng, found = np.random.default_rng(TEST_SEED), []
    for group in (make.bulk_structures, make.vacancy_structures, make.hop_structures):
        for index, atoms in enumerate(group(rng, TEST)):
            found.append(labelled(f"test-{group.__name__.split('_')[0]}-{index}", atoms))
    return found


def basis(elements: Sequence[str], *, scale: float = 1.0, larger: bool = False) -> Any:
    """The basis of the other example, whose lengths are copper's times `scale`; a smaller one for several elements.

    Args:
        elements: of the potential.
        scale: of its lengths.
        larger: with angles, which the others have none of: 88 functions of one element.
    """
    if tuple(elements) == ("Cu",) and scale == 1.0 and not larger:
        return make.basis_configuration()
    one = {"nradmax_by_orders": make.NRADMAX, "lmax_by_orders": make.LMAX}
    several = {"nradmax_by_orders": [7, 2, 1], "lmax_by_orders": [0, 0, 0]}
    if larger:
        one = {"nradmax_by_orders": [10, 4, 3, 2], "lmax_by_orders": [0, 2, 1, 1]}
    bond = {
        "radbase": "ChebExpCos",
        "radparameters": [make.LAMBDA],
        "rcut": make.CUTOFF * scale,
        "dcut": 0.01,
        "NameOfCutoffFunction": "cos",
        "r_in": make.R_IN * scale,
        "delta_in": make.DELTA_IN,
        "core-repulsion": make.CORE_REPULSION,
    }
    embedding = {
        "npot": "FinnisSinclair",
        "fs_parameters": [1, 1],
        "ndensity": 1,
        "rho_core_cut": 200000,
        "drho_core_cut": 250,
    }
    return make.create_multispecies_basis_config(
        {
            "deltaSplineBins": 0.001,
            "elements": list(elements),
            "embeddings": {"ALL": embedding},
            "bonds": {"ALL": bond},
            "functions": {"ALL": one if len(elements) == 1 else several},
        }
    )


def fit(
    folder: Path,
    name: str,
    training: Sequence[LabelledStructure],
    *,
    elements: Sequence[str],
    scale: float = 1.0,
) -> None:
    """Write ``NAME.yaml``, ``NAME.yace`` and ``NAME.asi``: fitted to a set, with the active set of it."""
    from mlip_kmc.learning.active_set_maker import make_active_set, write_active_set

    configuration, yaml = basis(elements, scale=scale), folder / f"{name}.yaml"
    if len(elements) == 1:
        configuration.set_func_coeffs(coefficients(configuration, training))
        configuration.save(str(yaml))
    else:
        configuration.save(str(yaml))
        several(yaml, training)
    make.ACEBBasisSet(str(yaml)).to_ACECTildeBasisSet().save_yaml(str(yaml.with_suffix(".yace")))
    active_set = make_active_set(yaml, [one.atoms for one in training])
    write_active_set(yaml.with_suffix(".asi"), active_set, force=True)


def coefficients(configuration: Any, training: Sequence[LabelledStructure]) -> list[float]:
    """Of the functions of one element, as python-ace's linear fit finds them."""
    structures = [
        make.Labelled("first", one.atoms, one.energy_eV, one.forces_eV_per_A) for one in training
    ]
    data = make.dataset(configuration, structures)
    linear = make.LinearACEFit(
        model=make.Ridge(alpha=make.RIDGE, fit_intercept=False, solver="svd"), train_dataset=data
    )
    model = linear.fit(sample_weight=make.row_weights(structures))
    return [float(f"{c:.{make.DIGITS}g}") for c in model.coef_]


def several(yaml: Path, training: Sequence[LabelledStructure]) -> None:
    """Give a basis of several elements its coefficients, by the campaign's own fit.

    A configuration has them block by block (Cu, CuNi, ...), python-ace's design matrix element by element.
    """
    from mlip_kmc.config.campaign import RefitSection
    from mlip_kmc.learning.refit.design import LinearBasis
    from mlip_kmc.learning.refit.linear import fit_linear, in_order

    found = LinearBasis.read(yaml)
    fitted = fit_linear(found, in_order(training), section=RefitSection(), baseline=None)
    found.with_coefficients(fitted.coefficients).save(str(yaml))


def write_record(yace: Path, training: Iterable[LabelledStructure]) -> None:
    """Write ``NAME.record.json``: the digests of the files, and what they were made from."""
    potential = make.AcePotential.read(yace, check_record=False)
    record = potential.new_record().model_copy(
        update={
            "recipe": make.Recipe(
                name="examples/cu-campaign/make_campaign.py",
                versions={name: make.metadata.version(name) for name in make.PACKAGES},
            ),
            "training": make.Training.of([one.atoms for one in training], cutoff_A=make.CUTOFF),
        }
    )
    make.write_record(make.record_path(yace), record)


def main() -> None:
    """Make the files."""
    from mlip_kmc.model.labelled import write_labelled

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=HERE, help="directory to write to")
    folder: Path = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    training = training_set()
    write_labelled(folder / "train.xyz", training)
    write_labelled(folder / "test.xyz", test_set())
    fit(folder, NAME, training, elements=("Cu",))
    write_record(folder / f"{NAME}.yace", training)
    start = make.with_vacancy(3)
    make.write(folder / "vacancy.xyz", start, format="extxyz", columns=["symbols", "positions"])


if __name__ == "__main__":
    main()
