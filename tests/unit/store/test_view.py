"""A run directory read from outside: one committed moment, and nothing is changed."""

import hashlib
import json

import pytest

from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.model.records import identity_of
from mlip_kmc.store.checkpoints import Checkpoints
from mlip_kmc.store.run_directory import RunDirectory
from mlip_kmc.store.view import RunView

from ..synthetic import State, commit, event, search


@pytest.fixture
def run(tmp_path):
    return commit(
        tmp_path / "run",
        states=[State(processes=[(7, 0.8, 1, 3)], good=4, bad=1), State()],
        events=[event(0, time_s=1e-6)],
        searches=[search(0, outcome="new"), search(1)],
    )


def snapshot(path):
    return {
        entry.relative_to(path): (
            entry.stat().st_mtime_ns,
            entry.read_bytes() if entry.is_file() else None,
        )
        for entry in path.rglob("*")
    }


def test_what_was_committed_is_read_and_nothing_is_changed(run):
    before = snapshot(run)
    with RunView.read(run) as view:
        assert (view.generation, view.numbers.steps, view.numbers.time_s) == (1, 1, 1e-6)
        assert view.settings.temperature_K == 500
        assert (view.settings.confidence_scheme, view.settings.confidence) == ("old", 0.99)
        assert view.settings.prefactor_per_s == 1e13
        assert [record.outcome for record in view.searches] == ["new", "repeat"]
        assert view.states[0].processes[0].barrier == 0.8
        assert view.states[0].processes[0].saddle.read_text()
        assert view.minimised.force_calls == 10
        assert view.result().searches == {"new": 1, "repeat": 1}
    assert snapshot(run) == before


def test_structures_can_be_left_out(run):
    with RunView.read(run, detail="tables") as view:
        assert view.states[0].processes[0].barrier == 0.8
        assert not view.states[0].processes[0].saddle.exists()


def test_what_is_not_committed_does_not_count(run):
    with (run / "journal" / "events.jsonl").open("a") as stream:
        stream.write('{"half a li')
    (run / "eon" / "states" / "0" / "processtable").write_text("eOn is writing")
    with RunView.read(run) as view:
        assert len(view.events) == 1
        assert len(view.states[0].processes) == 1


def test_a_torn_newest_generation_gives_way_to_the_one_before(run):
    (run / "generations" / "00000002.json").write_text("torn")
    with RunView.read(run) as view:
        assert view.generation == 1


def test_a_lost_content_is_taken_from_the_live_tree(run):
    table = (run / "eon" / "states" / "0" / "processtable").read_bytes()
    digest = hashlib.sha256(table).hexdigest()
    (run / "objects" / digest[:2] / digest[2:]).unlink()
    with RunView.read(run) as view:
        assert len(view.states[0].processes) == 1


def test_a_damaged_structure_is_noticed(run, monkeypatch):
    """Also one that is only linked: what a report or a release shows is what was committed."""
    monkeypatch.setattr("mlip_kmc.store.view._PAUSE_S", 0.0)
    saddle = (run / "eon/states/0/procdata/saddle_7.con").read_bytes()
    digest = hashlib.sha256(saddle).hexdigest()
    stored = run / "objects" / digest[:2] / digest[2:]
    stored.chmod(0o644)
    stored.write_bytes(saddle.replace(b"1", b"2"))
    with RunView.read(run) as view:  # eOn's own copy is whole
        assert view.states[0].processes[0].saddle.read_bytes() == saddle
    (run / "eon/states/0/procdata/saddle_7.con").unlink()
    with (
        pytest.raises(RunStateError, match=r"content of states/0/procdata/saddle_7.con .* is lost"),
        RunView.read(run),
    ):
        pass


def test_a_lost_listing_is_made_anew_from_the_live_tree(run):
    manifest = json.loads((run / "generations/00000001.json").read_text().partition("\n")[2])
    digest = manifest["folders"]["states/0"]
    (run / "objects" / digest[:2] / digest[2:]).unlink()
    with RunView.read(run) as view:
        assert len(view.states[0].processes) == 1


def test_a_run_that_another_process_holds_can_be_read(run):
    with RunDirectory(run), RunView.read(run) as view:
        assert view.generation == 1


def test_a_newer_commit_is_seen(run):
    with RunDirectory(run) as directory:
        store = Checkpoints(directory)
        saved = store.restore(identity_of({}))
        store.append("searches", search(2).to_json())
        store.commit(saved.state, touched=[])
    with RunView.read(run) as view:
        assert (view.generation, len(view.searches)) == (2, 3)


def test_what_is_no_run_is_refused_with_one_line(tmp_path):
    with pytest.raises(RunStateError, match="is no run directory"), RunView.read(tmp_path):
        pass
    (tmp_path / "generations").mkdir()
    with pytest.raises(RunStateError, match="nothing is committed yet"), RunView.read(tmp_path):
        pass


def test_a_damaged_run_is_refused(run, monkeypatch):
    monkeypatch.setattr("mlip_kmc.store.view._PAUSE_S", 0.0)
    (run / "generations" / "00000001.json").write_text("torn")
    with pytest.raises(RunStateError, match="is whole"), RunView.read(run):
        pass


def test_a_run_of_another_version_is_refused(run):
    path = run / "generations" / "00000001.json"
    manifest = json.loads(path.read_text().partition("\n")[2])
    text = json.dumps({**manifest, "format": 99})
    path.write_text(hashlib.sha256(text.encode()).hexdigest() + "\n" + text)
    with (
        pytest.raises(
            RunStateError,
            match="has the format 99, this mlip-kmc reads 2 to 4; use the version that wrote",
        ),
        RunView.read(run),
    ):
        pass
