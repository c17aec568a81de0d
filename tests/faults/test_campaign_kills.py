"""A real campaign, killed while it explores, refits and refreshes, and continued: the generations of one that nothing disturbs.

Two campaigns with the real explorer, oracle and fit take minutes, so this is `just kills`; the unit tests kill one of invented
parts 50 times.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest
import yaml

from mlip_kmc.campaign.generation import Generation, generations_of
from mlip_kmc.campaign.state import FILE, CampaignState, Step
from mlip_kmc.store.pulse import FILE as PULSE

from .lane import EVERY, EXAMPLES, outcome

pytestmark = pytest.mark.skipif(not EVERY, reason="minutes: just kills")
COMMAND = (sys.executable, "-m", "mlip_kmc", "campaign", "campaign.yaml", "--dir", "campaign")
EXAMPLE = EXAMPLES / "cu-campaign"
GENERATIONS = 2
PATIENCE_S = 900.0


def prepared(folder):
    """The example, which ends after so many refits whether it converges or not."""
    folder.mkdir()
    for path in EXAMPLE.glob("*.*"):
        if path.suffix != ".py":
            (folder / path.name).write_bytes(path.read_bytes())
    settings = yaml.safe_load((folder / "campaign.yaml").read_text())
    settings |= {"budget": {"generations": GENERATIONS}, "halts_at_once": 3}
    (folder / "campaign.yaml").write_text(yaml.safe_dump(settings))
    return folder


def begun(folder):
    return subprocess.Popen(
        COMMAND,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=(folder / "stderr.txt").open("a"),
        start_new_session=True,
    )


def killed(process):
    """SIGKILL to its process group, and to what is in groups of its own: every search is."""
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGKILL)
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    assert process.wait(timeout=60) == -signal.SIGKILL


def killed_when(folder, there):
    """Go on with the campaign until something is so, and kill it then."""
    process, deadline = begun(folder), time.monotonic() + PATIENCE_S
    while not there():
        assert process.poll() is None, (folder / "stderr.txt").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    killed(process)


def searches(campaign):
    path = campaign / "run/journal/searches.jsonl"
    return len(path.read_text().splitlines()) if path.exists() else 0


def moments(campaign):
    """In the middle of three steps, in the order in which a campaign comes to them."""

    def at(step, generation):
        with suppress(FileNotFoundError):  # it is replaced
            state = CampaignState.read(campaign / FILE)
            return (state.step, state.generation) == (step, generation)
        return False

    def refits():
        candidate = Generation(campaign, 0).candidate(0)
        inputs, ended = candidate / "inputs.json", list(candidate.glob("*.fit.json"))
        return at(Step.REFIT, 0) and inputs.is_file() and not ended

    def refreshes():
        if not at(Step.REFRESH, 1):
            return False
        with suppress(FileNotFoundError):
            return json.loads((campaign / "run" / PULSE).read_text())["phase"] == "refreshing"
        return False

    known = []

    def explores():
        if not at(Step.EXPLORE, 1):
            return False
        known.append(searches(campaign))
        return known[-1] > known[0]

    return {"refit": refits, "refresh": refreshes, "exploration": explores}


def tree_of(folder):
    """Every file of every generation, with its bytes; a folder's own name is none of its business."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes().replace(
            str(folder).encode(), b"HERE"
        )
        for generation in generations_of(folder / "campaign")
        for path in sorted(generation.folder.rglob("*"))
        if path.is_file()
    }


def test_three_kills_change_no_generation(tmp_path):
    whole, hurt = prepared(tmp_path / "whole"), prepared(tmp_path / "hurt")
    process = begun(whole)
    code = process.wait(timeout=PATIENCE_S)
    assert code in (0, 100), (whole / "stderr.txt").read_text()
    assert len(generations_of(whole / "campaign")) == GENERATIONS + 1
    for name, there in moments(hurt / "campaign").items():
        killed_when(hurt, there)
        state = CampaignState.read(hurt / "campaign" / FILE)
        print(
            f"\nkilled in the middle of the {name}: {state.step} of generation {state.generation}"
        )
    assert begun(hurt).wait(timeout=PATIENCE_S) == code, (hurt / "stderr.txt").read_text()
    wanted, found = tree_of(whole), tree_of(hurt)
    different = sorted(
        name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)
    )
    print(
        f"{len(generations_of(hurt / 'campaign'))} generations, {len(wanted)} files, {len(different)} of them different"
    )
    assert different == []
    assert outcome(hurt / "campaign/run") == outcome(whole / "campaign/run")
