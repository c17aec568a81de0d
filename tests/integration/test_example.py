"""The example: copper vacancy hops under ACE, held against a nudged elastic band and against EMT."""

import itertools

import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.io import read
from ase.mep import NEB
from ase.optimize import BFGS, FIRE
from pyace import PyACECalculator

from mlip_kmc.model.structure import from_con
from mlip_kmc.store.eon_tree import read_states

from .conftest import EXAMPLE
from .golden import differences, golden, numbers_of

CUTOFF_FIRST_SHELL_A = 3.0


def ace():
    return PyACECalculator(str(EXAMPLE / "cu.yace"))


@pytest.fixture(scope="module")
def state_0(example_run):
    return read_states(example_run / "eon")[0]


def hops(state):
    """Processes whose hopping atom moves by a nearest-neighbour distance into the vacancy."""
    start = from_con(state.structure.read_text())
    found = []
    for process in state.processes:
        product = from_con(process.product_structure.read_text())
        moved = np.linalg.norm(product.positions - start.positions, axis=1)
        if np.sum(moved > 1.0) == 1 and abs(moved.max() - 2.54) < 0.2:
            found.append(process)
    return found


def test_all_twelve_nearest_neighbour_hops_of_state_0_are_found(state_0):
    start = from_con(state_0.structure.read_text())
    atoms = set()
    for process in hops(state_0):
        product = from_con(process.product_structure.read_text())
        atoms.add(int(np.argmax(np.linalg.norm(product.positions - start.positions, axis=1))))
    assert len(atoms) == 12
    barriers = [process.barrier for process in hops(state_0)]
    assert max(barriers) - min(barriers) < 1e-3  # they are one by symmetry


def band_barrier(start, end, calculator, fmax=0.01):
    """A climbing-image band, done apart from eOn, to forces of `fmax` (eV/A)."""
    images = [start.copy() for _ in range(6)] + [end.copy()]
    for image in images:
        image.set_constraint()
        image.calc = calculator()
    for image in (images[0], images[-1]):
        BFGS(image, logfile=None).run(fmax=0.002)
    band = NEB(images, climb=True, method="improvedtangent")
    band.interpolate(mic=True)
    assert FIRE(band, logfile=None).run(fmax=fmax, steps=500)
    return max(image.get_potential_energy() for image in images) - images[0].get_potential_energy()


def test_the_barrier_is_that_of_a_climbing_image_band(state_0, record_property):
    start = from_con(state_0.structure.read_text())
    process = hops(state_0)[0]
    end = from_con(process.product_structure.read_text())
    expected = band_barrier(start, end, ace)
    emt = band_barrier(start, end, EMT, fmax=0.05)  # held to a tenth of an eV alone
    record_property(
        "barriers_eV", {"eOn": float(process.barrier), "band": float(expected), "EMT": float(emt)}
    )
    print(
        f"\nbarrier: eOn {process.barrier:.5f} eV, climbing-image band {expected:.5f} eV, EMT's own {emt:.5f} eV"
    )
    assert process.barrier == pytest.approx(expected, abs=5e-3)
    assert process.barrier == pytest.approx(emt, abs=0.1)


def test_the_saddle_is_a_saddle(state_0):
    """Forces vanish, one mode is negative, and the energy falls to both sides, to the two minima of the process."""
    process = hops(state_0)[0]
    saddle = from_con(process.saddle.read_text())
    saddle.set_constraint()
    saddle.calc = ace()
    assert np.linalg.norm(saddle.get_forces(), axis=1).max() < 0.01
    step, size = 1e-3, 3 * len(saddle)
    rest, columns = saddle.positions.copy(), []
    for coordinate in range(size):
        forces = []
        for sign in (1, -1):
            saddle.positions = rest
            saddle.positions.ravel()[coordinate] += sign * step
            forces.append(saddle.get_forces().ravel())
        columns.append((forces[1] - forces[0]) / (2 * step))
    values, vectors = np.linalg.eigh((np.array(columns) + np.array(columns).T) / 2)
    assert np.sum(values < -0.01) == 1
    energy = process.saddle_energy
    ends = []
    for sign in (1, -1):
        saddle.positions = rest + sign * 0.1 * vectors[:, 0].reshape(-1, 3)
        assert saddle.get_potential_energy() < energy
        assert BFGS(saddle, logfile=None).run(fmax=0.005, steps=300)
        ends.append(saddle.get_potential_energy())
    reactant = from_con(state_0.structure.read_text())
    reactant.calc = ace()
    assert sorted(ends) == pytest.approx(
        sorted([reactant.get_potential_energy(), process.product_energy]), abs=1e-3
    )


def test_rates_are_arrhenius(state_0):
    for process in state_0.processes:
        assert process.rate == pytest.approx(
            1e13 * np.exp(-process.barrier * 11604.5 / 500), rel=1e-9
        )


def test_its_numbers_are_those_of_the_first_houses(example_run):
    """Searches, process tables and KMC steps, number by number."""
    assert differences(numbers_of(example_run), golden("example")) == []


def test_the_trajectory_is_continuous_and_does_not_drift(example_run):
    frames = read(example_run / "results" / "trajectory.xyz", ":")
    assert len(frames) == 3
    given = read(EXAMPLE / "vacancy.xyz")
    for before, after in itertools.pairwise(frames):
        step = after.positions - before.positions
        assert np.linalg.norm(step.mean(axis=0)) < 1e-3
        moved = np.linalg.norm(step, axis=1)
        assert np.sum(moved > 1.0) == 1
        assert moved.max() == pytest.approx(2.54, abs=0.2)
    assert np.abs(frames[0].positions - given.positions).max() < 0.2
    assert frames[0].get_chemical_symbols() == given.get_chemical_symbols()
    np.testing.assert_allclose(frames[0].cell.array, given.cell.array, atol=1e-9)


def test_products_do_not_drift(state_0):
    start = from_con(state_0.structure.read_text())
    for process in state_0.processes:
        for path in (process.saddle, process.product_structure):
            shift = from_con(path.read_text()).positions - start.positions
            assert np.linalg.norm(shift.mean(axis=0)) < 1e-3
