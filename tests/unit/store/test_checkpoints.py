"""Generations: what is committed comes back, what is torn is passed over, what belongs elsewhere is refused."""

import hashlib
import json
import os
import random
import subprocess
import sys

import pytest

from mlip_kmc.ground.errors import RunStateError, StorageError
from mlip_kmc.ground.files import sealed, unsealed
from mlip_kmc.model.records import identity_of
from mlip_kmc.store import committed_tree
from mlip_kmc.store.checkpoints import KEPT, Checkpoints
from mlip_kmc.store.contents import Contents
from mlip_kmc.store.live_tree import LiveTree
from mlip_kmc.store.run_directory import RunDirectory

FACTS = {"seed": 1, "potential.eon": "morse_pt"}
ME = identity_of(FACTS)


@pytest.fixture
def run(tmp_path):
    with RunDirectory(tmp_path / "run") as directory:
        yield directory


def write(store, name, text):
    path = store.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def commit(store, number):
    write(store, "states/0/info", f"searches {number}")
    write(store, f"states/0/procdata/saddle_{number}.con", f"saddle {number}")
    write(store, "states/state_table", f"0 {number}")
    store.append("searches", json.dumps({"n": number}))
    if not store.epochs:
        store.begin_epoch(FACTS, inputs={"structure_file": "pt.con"})
    return store.commit({"n": number}, touched=["states/0", "states/state_table"])


def again(run):
    store = Checkpoints(run)
    return store, store.restore(ME)


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "eon").mkdir()
    (tmp_path / "eon" / "thesis.tex").write_text("mine")
    with (
        RunDirectory(tmp_path) as directory,
        pytest.raises(RunStateError, match="no part of a run"),
    ):
        Checkpoints(directory)
    assert (tmp_path / "eon" / "thesis.tex").read_text() == "mine"


def test_an_empty_directory_has_nothing(run):
    assert Checkpoints(run).restore(ME) is None


@pytest.mark.parametrize("commits", [1, 2, 5])
def test_a_manifest_that_was_being_written_is_no_damage(run, commits):
    store, _ = again(run)
    for number in range(commits):
        commit(store, number)
    left = run.path / "generations" / f".{commits + 1:08d}.json.abc.tmp"
    left.write_text("half a generat")
    _, saved = again(run)
    assert (saved.number, saved.damage) == (commits, ())
    assert not left.exists()


def test_what_is_committed_comes_back_and_what_is_not_is_gone(run):
    store, _ = again(run)
    for number in range(5):
        commit(store, number)
    write(store, "states/0/info", "torn after the commi")
    write(store, "states/7/info", "a state that was never committed")
    store.append("searches", "never")
    (run.path / "journal/searches.jsonl").open("a").write('{"half a li')
    store, saved = again(run)
    assert saved.state == {"n": 4}
    assert (store.root / "states/0/info").read_text() == "searches 4"
    assert not (store.root / "states/7").exists()
    assert [json.loads(line)["n"] for line in store.records("searches")] == [0, 1, 2, 3, 4]
    assert (store.root / "states/0/procdata/saddle_2.con").read_text() == "saddle 2"


def test_a_lost_live_tree_is_made_again(run):
    store, _ = again(run)
    commit(store, 1)
    for path in sorted(store.root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    store, saved = again(run)
    assert saved.state == {"n": 1}
    assert (store.root / "states/state_table").read_text() == "0 1"


def test_a_damaged_newest_generation_gives_way_to_the_one_before(run):
    store, _ = again(run)
    for number in range(3):
        commit(store, number)
    newest = max((run.path / "generations").iterdir())
    newest.write_bytes(newest.read_bytes()[:-7])
    store, saved = again(run)
    assert saved.state == {"n": 1}
    assert (store.root / "states/0/info").read_text() == "searches 1"
    assert [json.loads(line)["n"] for line in store.records("searches")] == [0, 1]
    assert commit(store, 9) == saved.number + 1
    assert again(run)[1].state == {"n": 9}


def test_content_that_is_lost_everywhere_gives_way_too(run):
    store, _ = again(run)
    commit(store, 0)
    commit(store, 1)
    for path in (run.path / "objects").rglob("*"):
        if path.is_file() and path.read_text() == "saddle 1":
            path.unlink()
    (store.root / "states/0/procdata/saddle_1.con").unlink()
    assert again(run)[1].state == {"n": 0}


def test_damaged_content_is_taken_from_the_live_tree_and_mended(run):
    store, _ = again(run)
    commit(store, 0)
    damaged = next(
        p
        for p in (run.path / "objects").rglob("*")
        if p.is_file() and p.read_text() == "searches 0"
    )
    damaged.chmod(0o644)
    damaged.write_text("rotten")
    assert again(run)[1].state == {"n": 0}
    assert damaged.read_text() == "searches 0"


def test_when_nothing_is_whole_it_says_so(run):
    store, _ = again(run)
    commit(store, 0)
    for path in (run.path / "generations").iterdir():
        path.write_bytes(b"x")
    with pytest.raises(RunStateError, match=r"no generation .* is whole"):
        again(run)


def test_another_configuration_is_refused(run):
    commit(again(run)[0], 0)
    with pytest.raises(RunStateError, match="another configuration"):
        Checkpoints(run).restore("someone else")


def test_old_generations_and_their_contents_go(run):
    store, _ = again(run)
    for number in range(300):
        commit(store, number)
    assert len(list((run.path / "generations").iterdir())) <= KEPT
    contents = [p.read_text() for p in (run.path / "objects").rglob("*") if p.is_file()]
    assert len([text for text in contents if text.startswith("searches")]) < 300
    assert again(run)[1].state == {"n": 299}
    contents = [p.read_text() for p in (run.path / "objects").rglob("*") if p.is_file()]
    assert not [text for text in contents if text.startswith("searches")]
    assert len([text for text in contents if text.startswith("saddle")]) == 300


def objects(run):
    return {p.read_text() for p in (run.path / "objects").rglob("*") if p.is_file()}


def manifest(run, number):
    return json.loads(unsealed((run.path / f"generations/{number:08d}.json").read_bytes()))


def test_texts_that_change_are_in_the_manifest_and_become_objects_when_they_stay(run):
    """A commit of them alone syncs the journal, the manifest, and the manifest's folder."""
    store, _ = again(run)
    commit(store, 0)
    assert {"searches 0", "saddle 0", "0 0"} <= objects(run)
    commit(store, 1)
    assert set(manifest(run, 2)["texts"].values()) >= {"searches 1", "0 1"}
    assert {"searches 1", "0 1"}.isdisjoint(objects(run))
    write(store, "states/0/info", "searches 2")
    store.commit({"n": 2}, touched=["states/0"])
    assert "0 1" in objects(run), (
        "a file that was not touched, and one that is another generation's text"
    )
    assert "searches 1" not in objects(run)
    store.commit({"n": 3}, touched=[])
    assert "searches 2" in objects(run)
    assert manifest(run, 4)["texts"] == {}
    for number in (0, 1):  # and after a start
        store, saved = again(run)
        assert saved.state == {"n": 3 + number}
        assert (store.root / "states/0/info").read_text() == "searches 2"
        assert store.commit({"n": 4 + number}, touched=["states/0"]) == 5 + number


def test_a_commit_of_texts_alone_takes_three_syncs(run, monkeypatch):
    store, _ = again(run)
    commit(store, 0)
    commit(store, 1)
    syncs, plain = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: syncs.append(plain(descriptor)))
    for number in range(5):
        write(store, "states/0/info", f"a search more: {number}")
        store.append("searches", json.dumps({"n": number}))
        store.commit({"n": number}, touched=["states/0"])
    # two texts of the second commit, which the third does not change, become objects: both, their folders, the folder of those
    assert len(syncs) == 3 * 5 + 5


def test_texts_come_back_where_the_live_tree_is_lost_and_go_with_their_generation(run):
    store, _ = again(run)
    for number in range(3):
        commit(store, number)
    for path in sorted(store.root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert again(run)[1].damage == ()
    assert (store.root / "states/0/info").read_text() == "searches 2"
    newest = run.path / "generations/00000003.json"
    newest.write_bytes(newest.read_bytes().replace(b"searches 2", b"searches 7"))
    store, saved = again(run)
    assert saved.state == {"n": 1}
    assert (store.root / "states/0/info").read_text() == "searches 1"


def test_texts_that_several_files_share_are_there_as_long_as_one_has_them(run):
    """Any file may take another's content, lose it, or go; what is committed is whole without the live tree."""
    chance, store = random.Random(3), again(run)[0]  # noqa: S311
    commit(store, 0)
    names = [f"states/{state}/{name}" for state in (0, 1) for name in ("info", "table", "log")]
    elsewhere = Contents(run.path / "objects", live=LiveTree(run.path / "nowhere"))
    shared = 0
    for number in range(200):
        for name in chance.sample(names, chance.randrange(1, 4)):
            if chance.random() < 0.1:
                (store.root / name).unlink(missing_ok=True)
            else:
                write(store, name, f"text {(number - chance.randrange(3)) // 4}")
        store.commit({"n": number}, touched=["states/0", "states/1"])
        raw = manifest(run, number + 2)
        files = elsewhere.files(raw["folders"], raw["texts"])
        for name, digest in files.items():
            elsewhere.find(name, digest, raw["texts"])
        texts = [digest for digest in files.values() if digest in raw["texts"]]
        shared += len(texts) > len(set(texts))
    assert shared > 20


def test_what_is_no_text_or_too_long_is_an_object(run, monkeypatch):
    monkeypatch.setattr(committed_tree, "_LONGEST_TEXT", 200)
    store, _ = again(run)
    commit(store, 0)
    for number in (1, 2):
        (store.root / "states/0/info").write_bytes(b"\xff%d" % number)
        write(store, "states/state_table", f"{number}" * 201)
        store.commit({"n": number}, touched=["states/0", "states/state_table"])
        for name, data in (
            ("states/0/info", b"\xff%d" % number),
            ("states/state_table", b"%d" % number * 201),
        ):
            digest = hashlib.sha256(data).hexdigest()
            assert (run.path / "objects" / digest[:2] / digest[2:]).read_bytes() == data, name
    store, _ = again(run)
    assert (store.root / "states/0/info").read_bytes() == b"\xff2"


def test_a_run_whose_manifests_hold_no_texts_goes_on(run):
    """As the version before wrote it, format 3."""
    store, _ = again(run)
    commit(store, 0)
    path = run.path / "generations/00000001.json"
    raw = manifest(run, 1)
    assert raw.pop("texts") == {}
    path.write_bytes(sealed(json.dumps(raw | {"format": 3}).encode()))
    store, saved = again(run)
    assert (saved.state, saved.damage) == ({"n": 0}, ())
    commit(store, 1)
    assert manifest(run, 2)["format"] == 4
    assert again(run)[1].state == {"n": 1}


def test_two_processes_cannot_use_one_directory(run):
    code = (
        "import sys, pathlib\nfrom mlip_kmc.store.run_directory import RunDirectory\n"
        "from mlip_kmc.ground.errors import RunStateError\n"
        "try:\n  RunDirectory(pathlib.Path(sys.argv[1])).__enter__()\nexcept RunStateError as e: print(e)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run.path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert f"in use by process {os.getpid()}" in done.stdout


def test_a_full_disk_leaves_the_last_generation(run, monkeypatch):
    store, _ = again(run)
    commit(store, 0)

    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="the disk is full; make room"):
            commit(store, 1)
    store, saved = again(run)
    assert saved.state == {"n": 0}
    assert (store.root / "states/0/info").read_text() == "searches 0"
    assert commit(store, 2) == 2
