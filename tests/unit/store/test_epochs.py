"""Epochs: each record names with which potential and physics it was made, and the run's own store says what they are."""

import json
import math
from dataclasses import replace

import pytest

from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.ground.files import unsealed
from mlip_kmc.model.records import Epoch, Event, SearchRecord, identity_of
from mlip_kmc.store.checkpoints import Checkpoints
from mlip_kmc.store.manifest import FORMAT
from mlip_kmc.store.run_directory import RunDirectory
from mlip_kmc.store.view import RunView

from ..synthetic import State, as_format_2, commit, event, search

OLD = {"seed": 1, "structure": "aa", "potential.ace": "bb"}
REFITTED = OLD | {"potential.ace": "cc"}


@pytest.fixture
def run(tmp_path):
    """A search and a KMC step of an epoch; state 1 has the way back, which no search found, and one that none knows."""
    return commit(
        tmp_path / "run",
        states=[
            State(processes=[(7, 0.8, 1, 3)], good=4),
            State(processes=[(9, 0.8, 0, 0), (4, 0.6, -1, 0)]),
        ],
        events=[event(0, time_s=1e-6, process=7)],
        searches=[search(0, outcome="new", process=7)],
        potential_note={"facts": OLD, "inputs": {"potential_sha256": "bb"}},
    )


def refitted(run):
    """A second epoch: the run goes on with another potential."""
    with RunDirectory(run) as directory:
        store = Checkpoints(directory)
        saved = store.restore(identity_of(OLD))
        epoch = store.begin_epoch(REFITTED, inputs={"potential_sha256": "cc"})
        found = search(0, state=1, outcome="new", process=4)
        store.append("searches", replace(found, epoch=epoch.number).to_json())
        store.append("events", replace(event(1, time_s=2e-6), epoch=epoch.number).to_json())
        store.commit(saved.state, touched=[])
    return run


def manifest_of(run):
    return json.loads(unsealed(max((run / "generations").iterdir()).read_bytes()))


def test_digests_tell_potential_from_physics():
    old, other = (Epoch.of(facts, inputs={}) for facts in (OLD, REFITTED))
    assert old.physics == other.physics == identity_of({"seed": 1, "structure": "aa"})
    assert old.potential == identity_of({"potential.ace": "bb"}) != other.potential
    assert old.identity == identity_of(OLD) != other.identity
    hotter = Epoch.of(OLD | {"seed": 2}, inputs={})
    assert (hotter.potential, hotter.physics == old.physics) == (old.potential, False)


def test_every_record_leads_to_its_potential(run):
    with RunView.read(refitted(run)) as view:
        assert [epoch.number for epoch in view.epochs] == [0, 1]
        assert [epoch.facts["potential.ace"] for epoch in view.epochs] == ["bb", "cc"]
        assert [epoch.inputs["potential_sha256"] for epoch in view.epochs] == ["bb", "cc"]
        assert [(epoch.first_step, epoch.first_search) for epoch in view.epochs] == [(0, 0), (1, 1)]
        assert [record.epoch for record in view.searches] == [0, 1]
        assert [record.epoch for record in view.events] == [0, 1]
        assert view.epoch == view.epochs[1]
        rows = {
            (row.state, row.process): row.epoch for state in view.states for row in state.processes
        }
    # the way back has the epoch of the search that found the way there
    assert rows == {(0, 7): 0, (1, 9): 0, (1, 4): 1}


def test_a_row_that_no_search_explains_has_no_epoch(run):
    with RunView.read(run) as view:
        assert [row.epoch for row in view.states[1].processes] == [0, None]


def test_a_run_goes_on_with_its_last_epoch_only(run):
    refitted(run)
    with RunDirectory(run) as directory:
        with pytest.raises(RunStateError, match=r"another configuration \(cc\)"):
            Checkpoints(directory).restore(
                identity_of(OLD), difference=lambda facts: facts["potential.ace"]
            )
        store = Checkpoints(directory)
        assert store.restore(identity_of(REFITTED)).number == 2
        assert len(store.epochs) == 2


def test_an_epoch_that_was_begun_and_not_committed_never_was(run):
    with RunDirectory(run) as directory:
        store = Checkpoints(directory)
        store.restore(identity_of(OLD))
        store.begin_epoch(REFITTED, inputs={})
        store.append("searches", "never")
        store.restore(identity_of(OLD))  # as after a full disk
        assert [epoch.facts for epoch in store.epochs] == [OLD]
        assert Checkpoints(directory).restore(identity_of(OLD)).number == 1


def test_nothing_is_committed_without_an_epoch(tmp_path):
    with RunDirectory(tmp_path) as directory:
        with pytest.raises(ValueError, match="none was begun"):
            Checkpoints(directory).commit({}, touched=[])
        assert not list((tmp_path / "generations").iterdir())


def test_a_run_from_before_epochs_is_read_as_one_epoch_and_not_touched(run):
    as_format_2(run)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with RunView.read(run) as view:
        (epoch,) = view.epochs
        assert epoch == Epoch.of(OLD, inputs={"potential_sha256": "bb"})
        assert "facts" not in view.raw
        assert [record.epoch for record in (*view.searches, *view.events)] == [0, 0]
        assert [row.epoch for row in view.states[0].processes] == [0]
    assert {path: path.read_bytes() for path in before} == before


def test_a_run_from_before_epochs_is_written_in_the_present_format_from_the_next_commit_on(run):
    as_format_2(run)
    with RunDirectory(run) as directory:
        store = Checkpoints(directory)
        saved = store.restore(identity_of(OLD))
        assert manifest_of(run)["format"] == 2
        store.append("events", event(1, time_s=2e-6).to_json())
        store.commit(saved.state, touched=[])
    manifest = manifest_of(run)
    assert (manifest["format"], manifest["number"]) == (FORMAT, 2)
    with RunView.read(run) as view:
        assert view.identity == identity_of(OLD)
        assert len(view.events) == 2
    # and the one before it is still there, should the newest be damaged
    max((run / "generations").iterdir()).write_bytes(b"torn")
    with RunDirectory(run) as directory:
        assert Checkpoints(directory).restore(identity_of(OLD)).number == 1


def test_json_has_no_word_for_what_is_no_number(run):
    halted = replace(search(3), outcome="halted", gamma_path=math.nan, gamma_saddle=math.inf)
    read = SearchRecord.from_json(halted.to_json())
    assert (read.gamma_path, read.gamma_saddle, read.outcome) == (None, None, "halted")
    for bad in (replace(search(3), barrier=math.nan), event(1, time_s=math.inf)):
        with pytest.raises(RunStateError, match="is not finite, and it is not written down"):
            bad.to_json()
    with RunDirectory(run) as directory:
        store = Checkpoints(directory)
        store.restore(identity_of(OLD))
        with pytest.raises(RunStateError, match="generation 2 has a number that is not finite"):
            store.commit({"numbers": {"time_s": math.nan}}, touched=[])
        assert store.restore(identity_of(OLD)).number == 1


def test_an_event_without_an_epoch_is_of_the_first():
    line = json.loads(event(0, time_s=1.0).to_json())
    del line["epoch"]
    assert Event.from_json(json.dumps(line)).epoch == 0
