"""`report --follow`: a page for each commit, none for a look that finds nothing new, and an end."""

import json
import os

import pytest
from click.testing import CliRunner

from mlip_kmc.cli.report import _follow, report
from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.ground.files import sealed, unsealed
from mlip_kmc.store.run_directory import RunDirectory

from ..synthetic import State, commit, event, search

DONE = {"limits": {"stop.kmc_steps": 1}}


class Stopped(BaseException):
    """As Ctrl-C."""


def a_run(path, **note):
    return commit(
        path,
        states=[State(processes=[(7, 0.8, 1, 3)]), State()],
        events=[event(0, time_s=1e-6)],
        searches=[search(0, outcome="new", process=7)],
        potential_note=note,
    )


def looks(run, target, *acts, interval_s=5.0):
    """Follow; between looks the acts are done, and after the last one it is stopped. Pages that were there, and pauses."""
    seen, pauses, left = [], [], list(acts)

    def pause(seconds):
        seen.append((target.stat().st_ino, target.read_text()) if target.exists() else None)
        pauses.append(seconds)
        if not left:
            raise Stopped
        left.pop(0)()

    with pytest.raises(Stopped):
        _follow(run, target, interval_s=interval_s, pause=pause)
    return seen, pauses


def next_generation(run):
    """The same content under the next number, as a commit writes it."""
    newest = max((run / "generations").glob("*.json"))
    number = int(newest.stem) + 1
    raw = {**json.loads(unsealed(newest.read_bytes())), "number": number}
    (run / "generations" / f"{number:08d}.json").write_bytes(sealed(json.dumps(raw).encode()))


def test_a_page_for_each_commit(tmp_path):
    run, target = a_run(tmp_path / "run"), tmp_path / "page.html"
    os.utime(max((run / "generations").glob("*.json")), (1.8e9, 1.8e9))
    seen, pauses = looks(run, target, lambda: None, lambda: next_generation(run))
    first, same, later = seen
    assert "2027-01-15 08:00:00 UTC</time>" in first[1]
    assert same == first  # nothing was written
    assert later[0] != first[0]  # another file in its place: whole at every moment
    assert later[1] != first[1]
    assert min(pauses) >= 5.0


def test_it_waits_for_the_first_commit(tmp_path):
    run, target = tmp_path / "run", tmp_path / "page.html"
    with RunDirectory(run):
        pass
    (run / "generations").mkdir(exist_ok=True)
    seen, _ = looks(run, target)
    assert seen == [None]


def test_it_ends_with_the_run_and_the_last_page_is_the_usual_one(tmp_path):
    run, target = a_run(tmp_path / "run", **DONE), tmp_path / "page.html"
    _follow(run, target, interval_s=5.0, pause=lambda _: pytest.fail("it looks again"))
    plain = tmp_path / "plain.html"
    CliRunner().invoke(report, [str(run), "--output", str(plain)], catch_exceptions=False)
    assert target.read_text() == plain.read_text()
    assert 'id="age"' not in plain.read_text()


def test_no_run(tmp_path):
    with pytest.raises(RunStateError, match="no run directory"):
        _follow(tmp_path, tmp_path / "page.html", interval_s=5.0, pause=lambda _: None)
