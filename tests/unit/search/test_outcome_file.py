"""An outcome keeps every bit, between processes and on the disk; what is damaged is never taken for one."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlip_kmc.evaluate.client import End
from mlip_kmc.ground.files import sealed, unsealed
from mlip_kmc.model.records import Rated
from mlip_kmc.search.outcome import FoundProcess, SearchOutcome, Termination
from mlip_kmc.search.outcome_file import DamagedOutcomeError, from_bytes, to_bytes, with_bytes

from .outcomes import bits, outcomes

PLACES = np.arange(6.0).reshape(2, 3) / 7
FOUND = FoundProcess(-2.0, -1.0, -2.0, 1e12, 2e12, PLACES, PLACES + 1, PLACES + 2, PLACES + 3)
GOOD = SearchOutcome("0_17", "random", End.FINISHED, termination=Termination.GOOD, found=FOUND)


@settings(max_examples=30, deadline=None)
@given(outcomes())
def test_it_comes_back_the_same_to_the_last_bit(outcome):
    assert bits(pickle.loads(pickle.dumps(outcome))) == bits(outcome)  # noqa: S301 - our own
    assert bits(from_bytes(to_bytes(outcome))) == bits(outcome)


def test_bytes_travel_with_an_outcome_and_not_with_what_is_made_of_it():
    made = with_bytes(replace(GOOD))
    there = pickle.loads(pickle.dumps(made))  # noqa: S301 - made here
    object.__setattr__(there, "seconds", -1.0)  # nobody does: it shows that nothing is made again
    assert to_bytes(there) == to_bytes(made) == to_bytes(GOOD)
    assert from_bytes(to_bytes(replace(made, seconds=1.0))).seconds == 1.0


def test_numbers_that_are_none_come_back_too():
    """A bad search may have any number as its barrier."""
    bad = SearchOutcome("0_1", "random", End.FINISHED, termination=Termination.BAD_BARRIER)
    for value in (float("nan"), float("inf"), -0.0, 5e-324):
        assert bits(from_bytes(to_bytes(replace(bad, barrier_eV=value)))) == bits(
            replace(bad, barrier_eV=value)
        )


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_is_seen_wherever_it_is(data):
    whole = to_bytes(GOOD)
    at = data.draw(st.integers(0, len(whole) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :]):
        with pytest.raises(DamagedOutcomeError):
            from_bytes(damaged)


@pytest.mark.parametrize(
    "change",
    [
        ('"end": "finished"', '"end": "done"'),
        ('"termination": "Good"', '"termination": null'),
        ('"kind"', '"sort"'),
        ('"mode": "', '"mode": "AAAAAAAAAAA="'[:-1] + '", "x": "'),
        ('"mode": "', '"mode": "*'),
        ('"format": 2', '"format": 2, "saddle": 1'),
    ],
)
def test_sealed_bytes_of_something_else_are_refused(change):
    text = unsealed(to_bytes(GOOD)).decode()
    assert change[0] in text
    with pytest.raises(DamagedOutcomeError):
        from_bytes(sealed(text.replace(*change).encode()))


def test_another_format_is_no_damage():
    text = unsealed(to_bytes(GOOD)).decode()
    assert from_bytes(sealed(text.replace('"format": 2', '"format": 3').encode())) is None
    assert from_bytes(sealed(b'{"name": "0_17", "end": "finished", "files": {}}')) is None


def test_a_good_end_and_a_process_belong_together():
    for termination, found in (
        (Termination.GOOD, None),
        (Termination.HALTED, FOUND),
        (None, FOUND),
    ):
        with pytest.raises(ValueError, match="search 0_17 ended as"):
            SearchOutcome("0_17", "random", End.FINISHED, termination=termination, found=found)


def test_prefactors_of_its_own_take_the_place_of_the_clients():
    rated = Rated(3e12, 4e12, "harmonic", "", atoms=2, of_atoms=2, force_calls=24)
    found = GOOD.with_rated(rated)
    assert (found.found.forward_per_s, found.found.back_per_s) == (3e12, 4e12)
    assert (found.rated, found.force_calls.total) == (rated, 24)
    assert GOOD.with_rated(None) is GOOD
    bad = SearchOutcome("0_1", "random", End.FINISHED, termination=Termination.BAD_BARRIER)
    assert bad.with_rated(rated) is bad


def test_reasons_are_shown_in_eons_words_or_ours():
    def said(termination, message=""):
        return SearchOutcome(
            "0_1", "random", End.FINISHED, message=message, termination=termination
        ).reason

    assert said(Termination.NOT_CONNECTED) == "Not Connected"
    assert said(Termination.HALTED, "gamma 17 at the saddle") == "halted: gamma 17 at the saddle"
    assert said(Termination.NOT_FINITE) == "energies that are no finite numbers"
    assert said(Termination.DAMAGED, "mode.dat is torn") == (
        "the client's files are damaged: mode.dat is torn"
    )
    assert said(None) == GOOD.reason == ""
