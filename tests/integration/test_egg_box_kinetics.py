"""Kinetics on a landscape whose answers are exact: rates, residence times, diffusion, first passages, superbasins."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from mlip_kmc.akmc.eon_states import EonStates
from mlip_kmc.akmc.step import event_of, timed_departure
from mlip_kmc.config.eon_options import ini_text
from mlip_kmc.ground.errors import SearchesFailedError
from mlip_kmc.model.atom_path import AtomPath
from mlip_kmc.model.kinetics import step_generator
from mlip_kmc.model.records import RunNumbers
from mlip_kmc.model.structure import from_con, to_con
from mlip_kmc.report.diffusion import _positions, diffusion, follow
from mlip_kmc.store.eon_tree import read_states

from .egg_box import Box


class Walk:
    """KMC on eOn's states of an egg-box; where a state is not known, searches find all of its processes, thrice.

    States, tables, matching of structures, steps and atoms' paths are the run's own; only eOn's client is not there.
    """

    def __init__(self, folder, box, kelvin, *, seed=1, constant_per_s=None, superbasins=None):
        (folder / "eon").mkdir(parents=True)
        (folder / "spool").mkdir()
        self.box, self.kelvin, self.constant_per_s, self.seed = box, kelvin, constant_per_s, seed
        atoms = box.atoms()
        ini = {
            "Main": {"job": "akmc", "temperature": float(kelvin)},
            "AKMC": {"confidence": 0.5, "confidence_scheme": "old"},
            "Coarse Graining": {
                "use_mcamc": superbasins is not None,
                "superbasin_scheme": "rate",
                "rate_threshold": superbasins or 1.0,
            },
        }
        self.states = EonStates(
            folder / "eon",
            pos_con=to_con(atoms),
            config_ini=ini_text(ini),
            seed=seed,
            spool=folder / "spool",
        )
        self.states.begin()
        self._root, self._known, self.superbasins = folder / "eon", {}, superbasins
        self.start = self.path = AtomPath.start(
            np.asarray(atoms.cell.array), atoms.get_chemical_symbols(), anchored=True
        )
        self.numbers, self.events = RunNumbers(), []

    def place(self):
        """Where it is, known; what is known of a state stays, where nothing makes superbasins of them."""
        number = self.numbers.state
        if number in self._known:
            return self._known[number]
        place = self.states.place(number, previous=self.numbers.previous)
        while not place.confident:
            place = self._searched(place)
        if self.superbasins is None:
            self._known[number] = place
        return place

    def _searched(self, place):
        start = from_con(place.reactant_con(place.state)).positions
        for way in 3 * self.box.ways(*self.box.lattice_of(start[0])):
            name = f"{place.state}_{place.registered}"
            found = self.box.search(name, start, way, constant_per_s=self.constant_per_s)
            place.register(found)
        return self.states.place(self.numbers.state, previous=self.numbers.previous)

    def go(self, steps):
        for _ in range(steps):
            common = {"path": self.path, "numbers": self.numbers, "temperature_K": self.kelvin}
            departure, clock = timed_departure(
                self.place(), rng=step_generator(seed=self.seed, step=self.numbers.steps), **common
            )
            event = event_of(departure, clock, epoch=0, **common)
            self.states.moved(departure)
            self.events.append(event)
            self.path = departure.path
            self.numbers = RunNumbers(
                steps=event.step + 1,
                time_s=clock.time_s,
                time_rest_s=clock.rest_s,
                state=event.product,
                previous=event.reactant,
            )
        return self

    def records(self):
        """States with their process tables, as a reader of the run has them."""
        self.states.written()
        return read_states(self._root, ())

    def lattice(self):
        """(steps + 1, 2): u and v of the mobile atom after each step, unwrapped."""
        frames = np.array(
            [places[0] for places in _positions(self.records(), self.events, self.start)]
        )
        return np.array([self.box.lattice_of(place) for place in frames])

    def times(self):
        return np.array([event.step_time_s for event in self.events])


SQUARE = Box(0.30, 0.36)
OBLIQUE = Box(0.30, 0.36, a_A=2.4, b_A=3.1, gamma_deg=70.0)
KELVIN = (250, 300, 400, 600, 900)
SIGMAS = 4.0
"""Statistical deviations that are let through: one in 16000, and all seeds are fixed."""


def within(found, exact, error):
    assert np.all(np.abs(found - exact) <= SIGMAS * error), (found, exact, error)
    assert np.all(error < np.abs(exact).max() / 2), "an error that says nothing"


def by_blocks(values, weights, blocks=20):
    """Ratio of sums, and its error by leaving out blocks; values (n, ...), weights (n,)."""
    parts = np.array_split(np.arange(len(weights)), blocks)
    over = np.array([values[part].sum(axis=0) for part in parts])
    under = np.array([weights[part].sum() for part in parts])
    shape = (-1, *[1] * (values.ndim - 1))
    left = (over.sum(axis=0) - over) / (under.sum() - under).reshape(shape)
    error = np.sqrt((blocks - 1) / blocks * ((left - left.mean(axis=0)) ** 2).sum(axis=0))
    return over.sum(axis=0) / under.sum(), error


@pytest.mark.parametrize("box", [SQUARE, OBLIQUE], ids=["square", "oblique"])
@pytest.mark.parametrize("kelvin", KELVIN)
def test_rates_and_residence_times_at_five_temperatures(box, kelvin, tmp_path):
    walk = Walk(tmp_path, box, kelvin, seed=kelvin).go(150)
    exact = sorted(way.rate_per_s(kelvin) for way in box.ways(0, 0))
    states = walk.records()
    assert 6 <= len(states) <= 9, "three wells by three, each of them one state"
    tables = [sorted(process.rate for process in state.processes) for state in states]
    for state, rates in zip(states, tables, strict=True):
        if state.good:
            assert rates == pytest.approx(exact, rel=1e-9)
    assert sum(len(rates) == 4 for rates in tables) > 5
    steps, total = walk.times(), sum(exact)
    within(steps.mean(), 1 / total, 1 / total / np.sqrt(len(steps)))
    along_b = np.mean([event.barrier > 0.33 for event in walk.events])
    share = sum(exact[:2]) / total  # the slower two
    within(along_b, share, np.sqrt(share * (1 - share) / len(steps)))


@pytest.mark.parametrize("box", [SQUARE, OBLIQUE], ids=["square", "oblique"])
def test_the_diffusion_tensor_of_2000_steps(box, tmp_path):
    """Different along a and b, and in an oblique cell not diagonal; the report's own estimates as well."""
    kelvin = 500
    walk = Walk(tmp_path, box, kelvin, seed=11).go(2000)
    hops = np.diff(walk.lattice(), axis=0) @ box.vectors[:, :2]
    found, error = by_blocks(np.einsum("ni,nj->nij", hops, hops) / 2, walk.times())
    exact = box.diffusion(kelvin, None)
    within(found, exact, error + 1e-9 * exact.max())
    assert exact[0, 0] > 1.3 * exact[1, 1]
    assert (abs(exact[0, 1]) > 0.1 * exact[1, 1]) == (box is OBLIQUE)
    moving = diffusion(follow(walk.records(), walk.events)[0])[0]
    assert moving.species == "Cu"
    within(moving.tracer_m2_per_s, np.trace(exact) / 3 * 1e-20, moving.tracer_error_m2_per_s)
    within(moving.hop_m2_per_s, np.trace(exact) / 3 * 1e-20, moving.hop_error_m2_per_s)
    relative = np.sqrt(2 / moving.blocks)
    for axis in range(2):
        within(moving.axes_m2_per_s[axis], exact[axis, axis] * 1e-20, relative * exact[axis, axis] * 1e-20)  # fmt: skip
    assert moving.axes_m2_per_s[2] == pytest.approx(0, abs=1e-30)

    # first passages: out of (-2, 2) along a after 4/(2 k) on average, k being the rate of one direction
    begun, passages, u, time = 0.0, [], walk.lattice()[:, 0], 0.0
    for place, step_s in zip(u[1:], walk.times(), strict=True):
        time += step_s
        if abs(place - begun) > 1.5:
            passages.append(time)
            begun, time = place, 0.0
    k = box.ways(0, 0)[0].rate_per_s(kelvin)
    within(np.mean(passages), 4 / (2 * k), np.std(passages, ddof=1) / np.sqrt(len(passages)))


def test_the_clock_at_its_limits(tmp_path):
    """At 4.68 K the rates are below 1e-308 per s; with 1e308 per s four of them are no number together."""
    cold = Walk(tmp_path / "cold", SQUARE, 4.68, constant_per_s=1e13)
    with pytest.raises(SearchesFailedError) as caught:
        cold.go(1)
    for part in ("temperature_K = 4.68", "too small for a residence time", "1/s", "raise temp"):
        assert part in str(caught.value)
    fast = Walk(tmp_path / "fast", Box(1e-6, 1e-6), 300, constant_per_s=1e308)
    with pytest.raises(
        SearchesFailedError, match=r"too large for a residence time.*constant_per_s"
    ):
        fast.go(1)
    assert cold.events == fast.events == []
    slow = Walk(tmp_path / "slow", SQUARE, 900, constant_per_s=1e15).go(1)
    slow.numbers = replace(slow.numbers, time_s=3.6e4, time_rest_s=0.0)  # after ten hours
    slow.go(200)
    exact = Fraction(3.6e4) + sum(Fraction(event.step_time_s) for event in slow.events[1:])
    held = Fraction(slow.numbers.time_s) + Fraction(slow.numbers.time_rest_s)
    assert abs(held - exact) <= exact * 201 * Fraction(1, 2**104)
    assert min(event.step_time_s for event in slow.events) < 1e-11, "a double would not count it"


def test_a_superbasin_of_pairs_keeps_times_and_diffusion(tmp_path):
    """Pairs of wells with a barrier of 0.030 eV between them make one superbasin each; the way inside counts for diffusion."""
    box, kelvin = Box(0.1133, 0.25, pairing=0.4855), 300
    ways = box.ways(*box.wells[0])
    inner, outer = ways[0].barrier_eV, ways[1].barrier_eV
    assert (inner, outer) == pytest.approx((0.030, 0.250), abs=5e-4)
    walk = Walk(tmp_path, box, kelvin, constant_per_s=1e12, superbasins=1e10).go(150)
    basins = [index for index, event in enumerate(walk.events) if event.superbasin is not None]
    assert len(basins) > 120
    times = walk.times()[basins]
    out = ways[1].rate_per_s(kelvin, 1e12) + 2 * ways[2].rate_per_s(kelvin, 1e12)
    within(times.mean(), 1 / out, 1 / out / np.sqrt(len(times)))
    pair = np.round((walk.lattice()[:, 0] - 0.5) / 2) * 2 * box.a_A  # its middle
    found, error = by_blocks(np.diff(pair) ** 2 / 2, walk.times())
    within(found, box.diffusion(kelvin, 1e12)[0, 0], error)
