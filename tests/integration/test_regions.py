"""Regions of a long cell with ACE by LAMMPS: exact forces and gamma, barriers of the whole cell, runs that are the same."""

from dataclasses import replace

import numpy as np
import pytest
import yaml
from ase.build import bulk
from ase.constraints import FixAtoms

from mlip_kmc.akmc.start import relaxed
from mlip_kmc.config import GammaSection
from mlip_kmc.evaluate.client import ClientJob
from mlip_kmc.evaluate.gamma import gamma_of
from mlip_kmc.evaluate.warm import WarmEvaluator, recipe_of
from mlip_kmc.model.frames import potential_digest
from mlip_kmc.model.records import Grown, SearchRecord, read_lines, regions_of
from mlip_kmc.model.structure import from_con, to_con
from mlip_kmc.potential import AcePotential
from mlip_kmc.search.native.region import Region
from mlip_kmc.search.native.task import NativeSearch, NativeSetup
from mlip_kmc.search.outcome import Termination
from mlip_kmc.search.watch import Watch

from .conftest import EXAMPLE, killed_often, mlip_kmc, outcome
from .test_engines import options, texts

KILLS = 2
SAME_EV = 5e-3
CUTOFF_A = 5.0


@pytest.fixture(scope="module")
def ace():
    return AcePotential.read(EXAMPLE / "cu.yace")


def rod(length, *, vacuum_A=0.0):
    atoms = bulk("Cu", a=3.615, cubic=True).repeat((length, 3, 3))
    del atoms[0]
    if vacuum_A:
        atoms.cell[2, 2] += vacuum_A
    return atoms


@pytest.fixture(scope="module")
def vacancy():
    atoms = bulk("Cu", a=3.615, cubic=True).repeat((10, 10, 3))
    del atoms[0]
    return from_con(to_con(atoms))


def held(atoms):
    atoms.set_constraint(FixAtoms(range(2, len(atoms), 5)))
    return atoms


@pytest.mark.parametrize(
    "atoms", [rod(12), rod(12, vacuum_A=12.0), held(rod(12))], ids=["bulk", "slab", "fixed atoms"]
)
def test_forces_energies_and_gamma_are_those_of_the_whole_cell(ace, atoms):
    region = Region.about(atoms, centre_A=np.zeros(3), radius_A=4.0, cutoff_A=CUTOFF_A)
    evaluator = WarmEvaluator(recipe_of(ace))
    free = np.setdiff1d(np.arange(len(region.atoms)), region.held)
    moves = np.random.default_rng(1).normal(0.0, 0.1, (2, len(free), 3))
    direction = moves[1] / np.linalg.norm(moves[1])
    energies, changes = [], []
    for size in (0.0, 1.0, 1.0 + 1e-4, 1.0 - 1e-4):
        positions = region.atoms.positions.copy()
        positions[free] += (size > 0.0) * moves[0] + (size - 1.0) * (size > 0.0) * direction
        here = evaluator.evaluate(positions, atoms=region.atoms, graded=True, aloof=region.aloof)
        plain = evaluator.evaluate(positions, atoms=region.atoms, aloof=region.aloof)
        assert plain.energy == pytest.approx(here.energy, abs=1e-8)
        whole = evaluator.evaluate(region.whole(positions), atoms=atoms, graded=True)
        own, all_of_it = (np.reshape(one.forces, (-1, 3)) for one in (here, whole))
        assert own[free] == pytest.approx(all_of_it[region.indices[free]], abs=1e-10)
        gammas = np.array(here.gamma)[region.seeing]
        assert gammas == pytest.approx(np.array(whole.gamma)[region.indices[region.seeing]])
        energies.append((here.energy, whole.energy))
        changes.append((own, all_of_it[region.indices]))
        if size == 1.0:
            along = -float((own[free] * direction).sum())
    assert len(region.aloof) > len(region.indices) / 3
    for own, all_of_it in changes:  # of the forces on every atom of the cut-out
        assert own - changes[0][0] == pytest.approx(all_of_it - changes[0][1], abs=1e-9)
    own, all_of_it = np.transpose(energies)
    assert own - own[0] == pytest.approx(all_of_it - all_of_it[0], abs=1e-9)
    assert (own[2] - own[3]) / 2e-4 == pytest.approx(along, abs=1e-5)


def displaced(atoms, seed, *, alone=False):
    """Texts of a start: a neighbour of the vacancy, and those near it, moved at random; or it alone, towards the vacancy."""
    cell = atoms.cell.array
    places = atoms.positions - np.round(atoms.positions @ np.linalg.inv(cell)) @ cell
    few = np.flatnonzero(np.linalg.norm(places, axis=1) < 2.8)
    random = np.random.default_rng(seed)
    chosen = int(random.choice(few))
    moved = np.zeros_like(atoms.positions)
    if alone:
        moved[chosen] = -0.4 * places[chosen]
    else:
        near = atoms.get_distances(chosen, range(len(atoms)), mic=True) < 3.0
        moved[near] = random.normal(0.0, 0.3, (int(near.sum()), 3))
    return texts(atoms, moved)


def searched(ace, atoms, files, *, region_A, watch=None, name="0_1"):
    job = ClientJob(
        name=name,
        files={
            "pos.con": to_con(atoms),
            "config.ini": options(converged_force_eV_per_A=0.01),
            **files,
        },
        links={},
        time_limit_s=120.0,
    )
    setup = NativeSetup(recipe_of(ace), region_A=region_A, cutoff_A=ace.cutoff_A)
    return NativeSearch(job, setup=setup, watch=watch).run()


def watched(ace):
    return Watch(
        thresholds=GammaSection(select=1e3, halt=1e4, every=10),
        basis=ace.basis,
        active_set=ace.active_set,
        digest=potential_digest(basis=ace.basis, active_set=ace.active_set),
        max_energy_eV=20.0,
    )


def test_a_barrier_is_that_of_the_whole_cell_and_is_found_for_less(ace, vacancy):
    """Gamma, too, which is looked at."""
    atoms = vacancy
    files = displaced(atoms, 3)
    whole = searched(ace, atoms, files, region_A=None, watch=watched(ace))
    found = searched(ace, atoms, files, region_A=5.0, watch=watched(ace))
    assert (whole.termination, found.termination) == (Termination.GOOD, Termination.GOOD)
    assert whole.region_A is None
    assert whole.centres == whole.force_calls.total * len(atoms)
    assert found.grown
    assert found.barrier_eV == pytest.approx(whole.barrier_eV, abs=SAME_EV)
    assert found.found.reactant_eV == pytest.approx(whole.found.reactant_eV, abs=1e-5)
    assert found.found.product_eV == pytest.approx(whole.found.product_eV, abs=1e-3)
    assert np.abs(found.found.saddle_A - whole.found.saddle_A).max() < 0.05
    assert found.centres < 0.8 * whole.centres
    saddle = atoms.copy()
    saddle.positions = found.found.saddle_A
    largest = float(gamma_of(saddle, potential=ace).max())
    assert found.graded.gamma_saddle == pytest.approx(largest, rel=1e-6)
    assert found.graded.gamma_path >= found.graded.gamma_reactant
    evaluator = WarmEvaluator(recipe_of(ace))
    answer = evaluator.evaluate(found.found.saddle_A, atoms=atoms)
    assert answer.energy == pytest.approx(found.found.saddle_eV, abs=1e-7)
    assert np.abs(np.reshape(answer.forces, (-1, 3))).max() < 0.06


def test_a_region_that_is_too_small_is_found_out(ace, vacancy):
    """One atom may move: with its neighbours held there is a saddle of another height; it grows until it is that of the whole."""
    atoms = vacancy
    files = displaced(atoms, 5, alone=True)
    whole = searched(ace, atoms, files, region_A=None)
    found = searched(ace, atoms, files, region_A=1.2)
    assert found.termination is whole.termination is Termination.GOOD
    assert found.barrier_eV == pytest.approx(whole.barrier_eV, abs=SAME_EV)
    assert {Grown.BARRIER} <= set(found.grown) <= set(Grown)
    assert len(found.grown) >= 3


def test_in_a_small_cell_the_numbers_are_the_same(ace, tmp_path):
    small = bulk("Cu", a=3.615, cubic=True).repeat((3, 3, 3))
    del small[0]
    atoms = from_con(to_con(relaxed(small, ace, evidence=tmp_path, force=1e-3).atoms))
    files = displaced(atoms, 1)
    one, other = (searched(ace, atoms, files, region_A=radius) for radius in (None, 4.0))
    assert replace(one, seconds=0.0, found=None, termination=None) == replace(
        other, seconds=0.0, found=None, termination=None
    )
    assert one.found.saddle_eV == other.found.saddle_eV
    assert (one.found.saddle_A == other.found.saddle_A).all()


def configuration(folder, workers, **search):
    if not (folder / "vacancy.xyz").exists():
        rod(14).write(folder / "vacancy.xyz")
    settings = {
        "structure": "vacancy.xyz",
        "potential": {"ace": str(EXAMPLE / "cu.yace")},
        "temperature_K": 500,
        "search": {
            "engine": "native",
            "region_A": 4.0,
            "displace": "under_coordinated",
            "displacement_A": 0.3,
            "displacement_radius_A": 3.0,
            "max_iterations": 300,
            **search,
        },
        "confidence": {"scheme": "old", "value": 0.2},
        "stop": {"kmc_steps": 1},
        "workers": workers,
        "seed": 3,
    }
    (folder / "akmc.yaml").write_text(yaml.safe_dump(settings))
    return folder / "akmc.yaml"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    done = mlip_kmc("run", configuration(folder, 1), "--dir", "run", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run"


def test_a_run_says_what_its_searches_evaluated(made):
    records = read_lines(made / "journal" / "searches.jsonl", SearchRecord)
    found = regions_of(records)
    assert found.searches == len(records)
    assert found.grown
    assert found.centres < 503 * sum(record.force_calls for record in records)
    assert set(found.grown) <= set(Grown)
    shown = mlip_kmc("status", made, cwd=made).stdout
    assert "evaluations of a centre each" in shown


def test_workers_and_kills_change_nothing(made, tmp_path):
    killed_often(configuration(tmp_path, 2), tmp_path / "run", kills=KILLS)
    assert outcome(tmp_path / "run") == outcome(made)
    counted = [
        [
            (record.centres, record.region_A, record.grown, record.force_calls)
            for record in read_lines(run / "journal" / "searches.jsonl", SearchRecord)
        ]
        for run in (made, tmp_path / "run")
    ]
    assert counted[0] == counted[1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"engine": "eon"}, "set search.engine: native with it"),
        ({"region_A": -1.0}, "region_A"),
        ({"region_A": float("nan")}, "region_A"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, change, said):
    done = mlip_kmc("check", configuration(tmp_path, 1, **change), cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
