"""Numbers as they are printed: no exponent where plain digits are shorter, no '1 processes', no unit that hides a span."""

import re
from pathlib import Path

import pytest

from mlip_kmc.ground.wording import counted, duration, durations, plain, size

SOURCE = Path(__file__).parents[3] / "src" / "mlip_kmc"


@pytest.mark.parametrize(("value", "digits", "text"), [
    (220.4, 2, "220"), (8.1, 2, "8.1"), (8.0, 2, "8"), (2563, 3, "2560"), (999.7, 3, "1000"), (0.0314, 3, "0.0314"),
    (0.99996, 3, "1"), (1.23456e5, 3, "123000"), (9.9999e5, 3, "1e6"), (2.56e7, 3, "2.56e7"), (3.1e-16, 2, "3.1e-16"),
    (0.0, 3, "0"), (-4.567, 3, "-4.57"), (float("nan"), 3, "nan"), (float("inf"), 2, "inf"),
])  # fmt: skip
def test_numbers(value, digits, text):
    assert plain(value, digits=digits) == text


@pytest.mark.parametrize(("count", "noun", "text"), [
    (0, "search", "0 searches"), (1, "process", "1 process"), (2, "process", "2 processes"), (1, "state", "1 state"),
    (3, "warning", "3 warnings"), (12, "KMC step", "12 KMC steps"),
])  # fmt: skip
def test_counts(count, noun, text):
    assert counted(count, noun) == text


@pytest.mark.parametrize(("seconds", "text"), [
    (0.04, "0.04 s"), (8.13, "8.1 s"), (59.97, "1 min"), (223, "3.7 min"), (7200, "2 h"), (3.3e5, "3.8 d"), (4e8, "4600 d"),
])  # fmt: skip
def test_times(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(("low", "high", "text"), [
    (8.1, 223, "8.1 s to 3.7 min"), (8.1, 22, "8.1 to 22 s"), (8.1, None, "at least 8.1 s"), (30, 30, "30 s"),
    (7200, 3.3e5, "2 h to 3.8 d"),
])  # fmt: skip
def test_spans_of_time(low, high, text):
    assert durations(low, high) == text


@pytest.mark.parametrize(("count", "text"), [
    (0, "0 B"), (999, "999 B"), (999.7, "1 kB"), (64e6, "64 MB"), (999_700_000, "1 GB"), (3.2e12, "3.2 TB"), (1e15, "1 PB"),
])  # fmt: skip
def test_sizes(count, text):
    assert size(count) == text


def test_nothing_that_a_person_reads_is_formatted_by_hand():
    """`:.2g` gives 2.2e+02; where a person reads it, `plain` does. Tables of rates, files and the report have their own ways."""
    by_hand = re.compile(r"\{[^{}]*:\.[1-4]g\}")
    people = [
        *(SOURCE / "check").glob("*.py"),
        *(path for path in (SOURCE / "cli").glob("*.py") if path.name != "display.py"),
        SOURCE / "report/status.py",
    ]
    found = [
        f"{path.name}: {line.strip()}"
        for path in people
        for line in path.read_text(encoding="utf-8").splitlines()
        if by_hand.search(line)
    ]
    assert found == []
