"""What the server relies on, of eOn's states and of the invented ones alike."""

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from mlip_kmc.config.eon_options import ini_text
from mlip_kmc.evaluate.client import End
from mlip_kmc.ground.errors import SearchesFailedError
from mlip_kmc.model.atom_path import AtomPath
from mlip_kmc.model.structure import to_con
from mlip_kmc.search.outcome import FoundProcess, SearchOutcome, Termination

from .invented import NOTHING, PATH, InventedStates, Landscape

REPEATS = 4
"""That make a state confident."""


class Invented:
    """States that are a graph; a found process is told by its saddle's energy."""

    path = PATH

    def __init__(self, folder):
        self.states = InventedStates(Landscape(1), repeats_wanted=REPEATS)

    def good(self, name, process):
        found = FoundProcess(
            0.0, float(process), 0.0, 1e12, 1e12, NOTHING, NOTHING, NOTHING, NOTHING
        )
        return SearchOutcome(
            name, "random", End.FINISHED, termination=Termination.GOOD, found=found
        )


class Eon:
    """eOn's, on a copper crystal; process p moves atom p."""

    crystal = bulk("Cu", "fcc", a=3.6, cubic=True).repeat(2)
    path = AtomPath.start(
        np.asarray(crystal.cell.array), crystal.get_chemical_symbols(), anchored=False
    )

    def __init__(self, folder):
        pytest.importorskip("eon", reason="NOT TESTED: eOn's server is not installed")
        from mlip_kmc.akmc.eon_states import EonStates

        ini = ini_text(
            {
                "Main": {"job": "akmc", "temperature": 300.0},
                "AKMC": {
                    "confidence": 1 - 1 / REPEATS,
                    "confidence_scheme": "old",
                    "thermally_accessible_window": 20.0,
                    "thermally_accessible_buffer": 10.0,
                },
            }
        )
        (folder / "eon").mkdir()
        (folder / "spool").mkdir()
        self.states = EonStates(
            folder / "eon",
            pos_con=to_con(self.crystal),
            config_ini=ini,
            seed=1,
            spool=folder / "spool",
        )
        self.states.begin()

    def good(self, name, process):
        start = self.crystal.positions
        saddle, product = start.copy(), start.copy()
        saddle[process] += [0.9, 0.0, 0.0]
        product[process] += [1.8, 0.0, 0.0]
        drift = np.tile((product - start).mean(axis=0), (len(start), 1))
        found = FoundProcess(
            -10.0, -9.5, -10.0, 1e12, 2e12, start, saddle, product - drift, np.eye(len(start), 3)
        )
        return SearchOutcome(
            name,
            "random",
            End.FINISHED,
            termination=Termination.GOOD,
            found=found,
            barrier_eV=0.5,
        )


@pytest.fixture(params=[Invented, Eon], ids=["invented", "eOn"])
def world(request, tmp_path):
    return request.param(tmp_path)


def bad(name):
    return SearchOutcome(name, "random", End.FINISHED, termination=Termination.NOT_CONNECTED)


def test_a_place_that_nobody_has_searched(world):
    place = world.states.place(0, previous=-1)
    assert (place.state, tuple(place.states), place.superbasin) == (0, (0,), None)
    assert (place.registered, place.processes, place.confident) == (0, 0, False)
    assert place.least_known == 0
    assert not place.shut_in
    assert place.still_needed >= 1
    assert isinstance(place.reactant_con(0), str)


def test_a_search_has_one_start_by_its_name(world):
    place = world.states.place(0, previous=-1)
    one, same, other = place.start("0_0"), place.start("0_0"), place.start("0_1")
    assert one == same
    assert one != other
    assert (one.name, one.kind) == ("0_0", "random")
    again = world.states.place(0, previous=-1)
    assert again.start("0_1") == other


def test_what_is_registered_counts(world):
    place = world.states.place(0, previous=-1)
    records = [place.register(bad("0_0"))]
    assert place.is_new(world.good("0_1", 1))
    records.append(place.register(world.good("0_1", 1)))
    assert not place.is_new(world.good("0_2", 1))
    assert not place.is_new(bad("0_2"))
    records.append(place.register(world.good("0_2", 1)))
    assert [record.outcome for record in records] == ["bad", "new", "repeat"]
    assert [(record.state, record.index) for record in records] == [(0, 0), (0, 1), (0, 2)]
    assert records[0].process is None
    assert records[1].process == records[2].process is not None
    assert (place.registered, place.processes) == (3, 1)
    assert world.states.place(0, previous=-1).registered == 3


def test_confidence_grows_with_repeats_and_news_starts_it_anew(world):
    place = world.states.place(0, previous=-1)
    found = [place.confidence]
    for index in range(REPEATS + 1):
        place.register(world.good(f"0_{index}", 1))
        found.append(place.confidence)
    assert found == sorted(found)
    assert place.confident
    place.register(world.good(f"0_{REPEATS + 1}", 0))
    assert not place.confident


def test_a_step_is_drawn_by_its_stream_and_leads_to_a_place(world):
    place = world.states.place(0, previous=-1)
    for index in range(REPEATS + 1):
        place.register(world.good(f"0_{index}", 1))
    one, same = (place.depart(world.path, np.random.default_rng(5)) for _ in range(2))
    assert (one.left, one.process, one.product, one.time_s) == (
        same.left,
        same.process,
        same.product,
        same.time_s,
    )
    assert one.left == 0
    assert one.time_s > 0
    assert one.rate_per_s > 0
    mapping, images = world.path.changes_to(one.path)
    assert world.path.changed(mapping, images, one.path.drift_A).changes_to(one.path) == ({}, {})
    world.states.moved(one)
    reached = world.states.place(one.product, previous=0)
    assert reached.state == one.product
    assert world.states.count >= 1


def test_without_a_process_there_is_no_step(world):
    place = world.states.place(0, previous=-1)
    with pytest.raises((SearchesFailedError, ValueError)):
        place.depart(world.path, np.random.default_rng(5))


def test_what_changed_is_told_until_it_is_committed(world):
    place = world.states.place(0, previous=-1)
    place.register(bad("0_0"))
    assert world.states.written()
    assert world.states.written()
    world.states.committed()
    assert isinstance(world.states.written(), set)
    assert not any(Path(place).is_absolute() for place in world.states.written())
