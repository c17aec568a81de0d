"""Climbs that end at known saddles in real runs of our own engine: the same with any number of workers, and through kills."""

import contextlib

import psutil
import pytest
import yaml
from ase.build import bulk

from mlip_kmc.akmc import early
from mlip_kmc.model.records import SearchRecord, read_lines, shortcuts_of

from .conftest import EXAMPLE, KILLS, killed_often, mlip_kmc, outcome, to_its_end
from .processes import DEADLINE_S, descendants, started, until

CHILD = "mlip_kmc.evaluate.apart.child"
LOADED_S = 2.0


def configuration(folder, workers):
    atoms = bulk("Cu", a=3.615, cubic=True) * (2, 2, 2)  # 31 atoms: a call is a third of 107's
    del atoms[0]
    atoms.write(folder / "vacancy.xyz")
    settings = {
        "structure": {"file": "vacancy.xyz", "allow_small_cell": True},
        "potential": {"ace": str(EXAMPLE / "cu.yace")},
        "temperature_K": 500,
        "search": {
            "engine": "native",
            "early_stop": True,
            "early_stop_lag": 6,
            "displace": "under_coordinated",
            "displacement_A": 0.3,
            "displacement_radius_A": 3.0,
            "max_iterations": 300,
        },
        "symmetry": {"orbits": True, "classes": True},
        "confidence": {"scheme": "old", "value": 0.99},
        "stop": {"kmc_steps": 2},
        "workers": workers,
        "seed": 3,
    }
    (folder / "akmc.yaml").write_text(yaml.safe_dump(settings))
    return folder / "akmc.yaml"


def run(folder, workers):
    return to_its_end(configuration(folder, workers))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return run(tmp_path_factory.mktemp("made"), workers=1)


def test_sixty_audits_come_first_and_then_climbs_end_early(made):
    records = read_lines(made / "journal" / "searches.jsonl", SearchRecord)
    told = [record for record in records if record.early in ("stopped", "confirmed", "wrong")]
    assert shortcuts_of(records).early_wrong == 0
    first = next(index for index, record in enumerate(told) if record.early == "stopped")
    assert first >= early.CLEAN
    assert {record.early for record in told[first + 12 :]} >= {"stopped"}
    stopped = [record.force_calls for record in told if record.early == "stopped"]
    audited = [record.force_calls for record in told if record.early == "confirmed"]
    assert sum(stopped) / len(stopped) < 0.75 * sum(audited) / len(audited)
    assert all(record.outcome == "repeat" for record in told)


def searcher(process):
    """A child of a run that is in the middle of a search: loading took it a second."""
    for one in descendants(process):
        with contextlib.suppress(psutil.Error):
            if CHILD in one.cmdline() and one.cpu_times().user > LOADED_S:
                return one
    return None


def searches(run):
    path = run / "journal" / "searches.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_neither_the_number_of_workers_nor_kills_change_anything(made, tmp_path):
    """First of two workers' children, whose searches are made again; then of all processes at once."""
    config, here = configuration(tmp_path, 2), tmp_path / "run"
    with started("run", config, "--dir", "run", cwd=tmp_path) as main:
        killed = set()
        for _ in range(2):
            child = until(lambda: searcher(main), what="a child that searches")
            child.kill()
            killed.add(child.pid)
            child.wait(DEADLINE_S)
        seen = searches(here)
        until(lambda: searches(here) > seen + 2 * len(killed), what="the searches that were killed")
    assert len(killed) == 2
    killed_often(config, here, kills=KILLS)
    assert outcome(here) == outcome(made)


def test_eight_workers_change_nothing(made, tmp_path):
    assert outcome(run(tmp_path, workers=8)) == outcome(made)


def test_eons_client_is_told_nothing(tmp_path):
    path = configuration(tmp_path, 2)
    path.write_text(path.read_text().replace("engine: native", "engine: eon"))
    done = mlip_kmc("check", path, cwd=tmp_path)
    assert done.returncode != 0
    assert "early_stop" in done.stderr
    assert "engine: native" in done.stderr
