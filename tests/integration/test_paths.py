"""A baseline and minimum distances: absolute numbers, slopes, and reports; test_evaluators.py has the agreement."""

import re

import numpy as np
import pytest
import readcon
import yaml
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list

from mlip_kmc.akmc.start import point_energy
from mlip_kmc.config.eon_options import ini_text
from mlip_kmc.driver.standalone.short_range import shortest_distances
from mlip_kmc.evaluate.calculator import calculator_of
from mlip_kmc.ground.errors import ExtrapolationError
from mlip_kmc.model.frames import Kind, read_kept_frames
from mlip_kmc.model.structure import to_con
from mlip_kmc.potential import AcePotential
from mlip_kmc.potential.baseline import pair_names
from mlip_kmc.potential.minimum_distance import NEAR_FILE, read_too_near

from .conftest import EXAMPLE, example_settings, mlip_kmc
from .paths_material import (
    ELEMENTS,
    ace_maker,
    job_folder,
    run,
    structure,
    with_baseline,
    with_lammps,
)


@pytest.fixture(scope="module")
def ace(tmp_path_factory):
    """Small linear ACEs of one to three elements with random coefficients, with core repulsion or without."""
    return ace_maker(tmp_path_factory.mktemp("ace"))


def with_eon(atoms, folder):
    """A minimisation that is content with any force ends at its start; energy and forces are in its `.con`."""
    (folder / "config.ini").write_text(
        ini_text(
            {
                "Main": {"job": "minimization", "write_con_forces": True},
                "Potential": {"potential": "lammps"},
                "Optimizer": {"converged_force": 1e12},
            }
        )
    )
    (folder / "pos.con").write_text(to_con(atoms))
    run(["eonclient"], folder)
    frame = readcon.read_con(str(folder / "min.con"))[-1]
    entries = sorted(frame.atoms, key=lambda entry: entry.atom_id)
    return frame.energy, np.array([[entry.fx, entry.fy, entry.fz] for entry in entries])


def with_python(atoms, potential):
    calculated = atoms.copy()
    calculated.calc = calculator_of(potential)
    return calculated.get_potential_energy(), calculated.get_forces(), calculated.get_stress()


@pytest.mark.parametrize(
    ("seed", "baseline"), [(3, "zbl"), (5, "lj"), (2, "several"), (8, "two zbl and no default")]
)
def test_forces_are_the_energy_s_slope(ace, seed, baseline):
    potential = with_baseline(ace(ELEMENTS, False), baseline)
    atoms = structure(seed, ELEMENTS)
    forces, step_A = with_python(atoms, potential)[1], 1e-5
    slopes = np.zeros_like(forces)
    for index in np.ndindex(forces.shape):
        energies = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[index] += sign * step_A
            energies.append(with_python(moved, potential)[0])
        slopes[index] = (energies[1] - energies[0]) / (2 * step_A)
    np.testing.assert_allclose(slopes, forces, atol=1e-6 * np.abs(forces).max())


def test_the_baseline_adds_what_it_should_to_the_ace(ace, tmp_path):
    """Against an absolute number, not only between paths: two Cu at 0.5 A are 1.4 keV apart."""
    plain = ace(("Al", "Cu"), False)
    potential = with_baseline(plain, "zbl")
    atoms = Atoms("Cu2", positions=[(0, 0, 0), (0.5, 0, 0)], cell=[9, 9, 9], pbc=True)
    added = with_lammps(atoms, job_folder(tmp_path / "with", atoms, potential))[0]
    added -= with_lammps(atoms, job_folder(tmp_path / "without", atoms, plain))[0]
    r, a = 0.5, 0.4685 / (2 * 29**0.23)
    phi = sum(
        weight * np.exp(-rate * r / a)
        for weight, rate in (
            (0.18175, 3.1998),
            (0.50986, 0.94229),
            (0.28022, 0.4029),
            (0.02817, 0.20162),
        )
    )
    assert added == pytest.approx(29**2 * 14.399645 / r * phi, rel=0.1), (
        "but for the constant that ends it at outer_A"
    )


MINIMUM = {
    "one for all": {"Cu-Cu": 1.2, "Cu-Ni": 1.2, "Ni-Ni": 1.2},
    "their own": {"Cu-Cu": 1.6, "Cu-Ni": 0.8, "Ni-Ni": 1.3},
}


@pytest.mark.parametrize("minimum", MINIMUM.values(), ids=MINIMUM)
@pytest.mark.parametrize(
    ("cell", "positions"),
    [
        ((6.0, 6.0, 6.0), [(0, 0, 0), (1.4, 0, 0), (3, 3, 0)]),
        ((6.0, 6.0, 6.0), [(0, 0, 0), (3, 0, 0), (3, 1.1, 0)]),
        ((6.0, 6.0, 6.0), [(0, 0, 0), (3, 0, 0), (5.3, 0, 0)]),
        ((6.0, 6.0, 6.0), [(0, 0, 0), (2, 0, 0), (4, 0, 0)]),
        ((1.25, 6.0, 6.0), [(0, 0, 0), (0, 3, 0), (0, 0, 3)]),
    ],
)
def test_lammps_and_python_refuse_the_same_distances(ace, tmp_path, minimum, cell, positions):
    potential = with_baseline(ace(("Cu", "Ni"), False), "zbl", **minimum)
    atoms = Atoms("NiCuNi", positions=positions, cell=cell, pbc=True)
    with_lammps(atoms, folder := job_folder(tmp_path / "job", atoms, potential))
    found = list(read_too_near((folder / NEAR_FILE).read_text()))
    shortest = shortest_distances(
        atoms.get_chemical_symbols(), atoms.positions, atoms.cell.array, 2.0
    )
    wanted = {name for name, distance in shortest.items() if distance < minimum[name]}
    assert {entry.pair for entry in found} == (
        {"any"} if wanted and len(set(minimum.values())) == 1 else wanted
    )
    if wanted:
        with pytest.raises(ExtrapolationError, match="nearer than their minimum distance"):
            with_python(atoms, potential)
    else:
        with_python(atoms, potential)


def test_eon_s_client_reports_every_evaluation_and_instances_append(ace, tmp_path):
    minimum = {"Cu-Cu": 1.2}
    potential = with_baseline(ace(("Cu", "Ni"), False), "zbl", **minimum)
    atoms = Atoms("Cu2", positions=[(0, 0, 0), (0.9, 0, 0)], cell=[8, 8, 8], pbc=True)
    folder = job_folder(tmp_path / "job", atoms, potential)
    counts = []
    for _ in range(2):
        (folder / "config.ini").write_text(
            ini_text(
                {
                    "Main": {"job": "minimization"},
                    "Potential": {"potential": "lammps"},
                    "Optimizer": {"converged_force": 0.05, "max_iterations": 20},
                }
            )
        )
        (folder / "pos.con").write_text(to_con(atoms))
        run(["eonclient"], folder)
        text = (folder / NEAR_FILE).read_text()
        assert "\0" not in text
        counts.append(
            (
                len([line for line in text.splitlines() if line[:1].isdigit()]),
                len(list(read_too_near(text))),
            )
        )
    (once, near), (twice, _) = counts
    assert twice == 2 * once, "the second client appended"
    assert 1 <= near < once, "the atoms were too near at first, and not for ever"


def test_what_is_reported_does_not_change_the_numbers(ace, tmp_path):
    potential = with_baseline(ace(ELEMENTS, False), "several")
    atoms = structure(8, ELEMENTS)
    minimum = dict.fromkeys(pair_names(ELEMENTS), 1.0) | {"Al-Al": 1.1}
    plain = with_eon(atoms, job_folder(tmp_path / "plain", atoms, potential))
    folder = job_folder(
        tmp_path / "watched", atoms, with_baseline(ace(ELEMENTS, False), "several", **minimum)
    )
    watched = with_eon(atoms, folder)
    assert list(read_too_near((folder / NEAR_FILE).read_text())), "atoms 0.5 A apart are reported"
    assert plain[0] == watched[0]
    np.testing.assert_array_equal(plain[1], watched[1])


def test_gamma_falls_where_atoms_overlap_and_the_minimum_distance_acts(tmp_path):
    """ACE core repulsion switches the radial functions off, and with them what gamma is made of."""
    from pyace import PyACECalculator

    graded = PyACECalculator(str(EXAMPLE / "cu.yaml"))
    graded.set_active_set(str(EXAMPLE / "cu.asi"))
    plain = AcePotential.read(EXAMPLE / "cu.yace")
    assert plain.core_repulsion
    guarded = plain.guarded(baseline=None, minimum_distance_A={"Cu-Cu": 1.3})
    calculator = calculator_of(guarded)
    crystal = bulk("Cu", a=3.6, cubic=True) * (2, 2, 2)
    gammas = {}
    for distance in (1.2, 1.1, 0.8):
        atoms = crystal.copy()
        atoms.set_distance(0, 1, distance, fix=0.5)
        graded.calculate(atoms)
        gammas[distance] = graded.results["gamma"].max()
        with pytest.raises(ExtrapolationError, match="Cu-Cu atoms are"):
            calculator.calculate(atoms)
        with pytest.raises(
            ExtrapolationError, match=r"Cu-Cu atoms came nearer than 1\.3 A at force call 0"
        ):
            point_energy(atoms, guarded, evidence=tmp_path)
        alone = Atoms("Cu2", positions=[(0, 0, 0), (distance, 0, 0)])
        graded.calculate(alone)
        with pytest.raises(ExtrapolationError, match="Cu-Cu atoms are"):
            calculator.calculate(alone)
    assert graded.results["gamma"].max() == 0.0, (
        "two atoms at 0.8 A look like a single one, which gamma takes for known"
    )
    assert gammas[1.2] > 5 > gammas[1.1], "a threshold of 5 would let atoms at 1.1 A pass"
    assert gammas[0.8] < 5
    calculator.calculate(crystal)
    assert point_energy(crystal, guarded, evidence=tmp_path) == pytest.approx(
        calculator.results["energy"], abs=1e-8
    )


def test_a_search_whose_atoms_come_too_near_halts_the_run(tmp_path):
    """Neighbours at a hop's saddle are 2.3 A apart, and displaced ones nearer: with a minimum above, the first search halts."""
    settings = example_settings()
    settings["structure"] = str(EXAMPLE / "vacancy.xyz")
    settings["potential"] = {"ace": str(EXAMPLE / "cu.yace"), "minimum_distance_A": {"Cu-Cu": 2.35}}
    (tmp_path / "akmc.yaml").write_text(yaml.safe_dump(settings))
    for _ in range(2):
        done = mlip_kmc("run", "akmc.yaml", "--dir", "run", cwd=tmp_path)
        assert done.returncode == 100, done.stdout + done.stderr
        assert re.search(
            r"search 0_\d+ was halted: Cu-Cu atoms came nearer than 2\.35 A at force call \d+; ",
            done.stdout,
        )
    (halt,), warnings = read_kept_frames(tmp_path / "run" / "halts")
    assert (halt.kind, halt.gammas, warnings) == (Kind.EVIDENCE, None, ())
    assert 1.5 < neighbor_list("d", halt.atoms, 3.0).min() < 2.35
    assert (tmp_path / "run" / "results" / "events.csv").read_text().count("\n") == 1, (
        "nothing of it enters a rate table"
    )
