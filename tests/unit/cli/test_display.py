"""What a run shows in a terminal of 80 columns, and in a log."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from mlip_kmc.cli.display import Display
from mlip_kmc.config import load_config
from mlip_kmc.model.records import EonResult, Progress, Status

EXAMPLE = Path(__file__).parents[3] / "examples" / "cu-vacancy"
BEGUN = Progress(
    kmc_steps=0,
    simulated_time_s=0.0,
    state=0,
    confidence=0.0,
    states=1,
    processes=0,
    searches_here=0,
    good=0,
    repeated=0,
    high=0,
    bad=0,
    halted=0,
    running=1,
)
NOTHING = EonResult(
    status=Status.HALTED,
    reason="gamma 2560 in state 0",
    run_dir=Path("run"),
    kmc_steps=0,
    simulated_time_s=0.0,
    minimised=None,
    states=(),
    events=(),
)


@pytest.fixture(scope="module")
def settings():
    return load_config(EXAMPLE / "akmc.yaml")


def printed(settings, *, terminal=False, searches=None, progress=(), result=None):
    out = io.StringIO()
    console = Console(
        file=out,
        width=80,
        force_terminal=terminal,
        highlight=False,
        markup=False,
        emoji=False,
        color_system=None,
    )
    with Display(quiet=False, settings=settings, searches=searches, console=console) as display:
        for now in progress:
            display._shown = float("-inf")
            display.progress(now)
        if result is not None:
            display.result(result)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())


def test_a_run_that_halts_before_any_search_has_no_empty_list(settings):
    first, last = printed(settings, result=NOTHING).splitlines()
    assert first == "halted: gamma 2560 in state 0. 0 KMC steps, 0 s, 0 states; searches none yet"
    assert last == "results: run/results"


def test_bad_searches_are_told_with_their_reasons(settings):
    result = replace(
        NOTHING,
        status=Status.DONE,
        reason="12 searches of state 0 are done",
        searches={"bad": 6, "new": 1, "repeat": 5},
        reasons={"barrier high": 4, "max iterations": 1, "nonlocal abort": 1},
    )
    lines = printed(settings, result=result).splitlines()
    assert lines[0].endswith("searches 12: 1 new, 5 repeated, 6 bad")
    assert lines[1] == "bad because: 4 x barrier high; 1 x max iterations; 1 x nonlocal abort"


def test_a_state_just_reached_is_told_from_one_that_was_searched(settings):
    there = replace(
        BEGUN, state=3, states=4, kmc_steps=1, processes=1, good=12, repeated=100, high=2, bad=3
    )
    steps = settings.stop.kmc_steps
    assert printed(settings, progress=[there]).splitlines()[-1] == (
        f"step 1/{steps}  state 3 of 4: confidence 0.0000 of 0.99, 1 process known by searches of other states  |  all searches "
        "117: 12 new, 100 repeated, 2 beyond the thermal window, 3 bad; 1 running"
    )
    assert "not searched yet  |  all searches none yet; 1 running" in printed(
        settings, progress=[BEGUN]
    )
    assert "1 process in 1 search  |" in printed(
        settings, progress=[replace(BEGUN, processes=1, searches_here=1, good=1)]
    )


def test_a_narrow_terminal_gets_whole_words(settings):
    there = replace(BEGUN, processes=3, searches_here=10, good=3, repeated=6, bad=1, running=2)
    for searches in (None, 12):
        text = printed(settings, terminal=True, progress=[there], searches=searches)
        assert "3 processes in 10 searches" in text or "3 processes in 10\nsearches" in text
        assert "all searches 10: 3 new, 6 repeated, 1 bad; 2 running" in text
        assert "  |  " not in text
    long = replace(NOTHING, reason="word " * 40)
    assert all(
        len(line) <= 80 for line in printed(settings, terminal=True, result=long).splitlines()
    )
    assert len(printed(settings, result=long).splitlines()) == 2
