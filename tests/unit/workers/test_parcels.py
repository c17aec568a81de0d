"""What waits and what is with dask: order, parcels of short searches, what comes back, what is taken back."""

from dataclasses import dataclass

import pytest

from mlip_kmc.workers.parcels import PARCEL_S, Parcels, Sizes, Waiting


@dataclass(frozen=True)
class Search:
    name: str


def waiting_of(**numbers):
    waiting = Waiting()
    for name, number in numbers.items():
        waiting.put(Search(name), number=number)
    return waiting


def names(parcel):
    return list(parcel.tasks)


def nobody(name):
    return False


def test_what_is_put_back_or_goes_first_has_its_turn():
    waiting = waiting_of(b=2, d=4, a=1, c=3, first=-5, earlier=-4)
    taken = [names(waiting.parcel(1, "{}", alone=nobody))[0] for _ in range(len(waiting))]
    assert taken == ["first", "earlier", "a", "b", "c", "d"]
    assert len(waiting) == 0


def test_a_parcel_takes_so_many_and_nothing_travels_with_what_goes_first_or_killed_workers():
    waiting = waiting_of(first=-1, a=1, b=2, c=3, killer=4, d=5, e=6)
    taken = []
    while len(waiting):
        parcel = waiting.parcel(2, "search-{}-1", alone=lambda name: name == "killer")
        assert (parcel.key, parcel.number) == (
            f"search-{names(parcel)[0]}-1",
            next(iter(parcel.tasks.values()))[0],
        )
        assert len(parcel.packed) == len(parcel.tasks)
        taken.append(names(parcel))
    assert taken == [["first"], ["a", "b"], ["c"], ["killer"], ["d", "e"]]


def test_what_waits_no_longer_is_not_sent():
    waiting = waiting_of(a=1, b=2)
    waiting.drop("a")
    waiting.drop("unknown")
    assert names(waiting.parcel(9, "{}", alone=nobody)) == ["b"]


@pytest.fixture
def sent():
    waiting, parcels = waiting_of(a=1, b=2, c=3, d=4), Parcels()
    for future in ("first", "second"):
        parcels.add(waiting.parcel(2, f"{future}", alone=nobody), future)
    return parcels


def test_outcomes_come_one_by_one_and_once(sent):
    assert sent.begun(9) == {"a", "c"}
    assert sent.begun(1) == {"a"}
    assert sent.came("first", "a") == (1, Search("a"))
    assert sent.begun(9) == {"b", "c"}
    assert sent.came("first", "a") is None
    assert sent.came("gone", "b") is None
    assert sent.came("first", "b") == (2, Search("b"))
    assert len(sent) == 1
    assert sent.end("first") is None


def test_what_did_not_come_is_told_at_the_end(sent):
    sent.came("second", "c")
    assert names(sent.end("second")) == ["d"]
    assert sent.came("second", "d") is None
    assert names(sent.newest()) == ["a", "b"]
    assert len(sent) == 0


def test_a_parcel_is_taken_back_when_nothing_of_it_is_wanted(sent):
    assert sent.take_back(["a", "unknown"]) == []
    assert sent.came("first", "a") is None
    assert sent.take_back(["b", "c"]) == ["first"]
    assert sent.came("second", "d") == (4, Search("d"))


@pytest.mark.parametrize(
    ("seconds", "waiting", "slots", "most"),
    [
        ([], 1000, 2, 1),  # nobody knows how long they take
        ([PARCEL_S / 4] * 3, 1000, 2, 4),
        ([PARCEL_S / 4, PARCEL_S, 100.0], 1000, 2, 1),  # the middle one counts
        ([0.0] * 3, 1000, 2, 64),
        ([PARCEL_S / 10], 12, 2, 3),  # half of what waits stays for whoever is done first
        ([PARCEL_S / 10], 12, 6, 1),
        ([PARCEL_S / 10], 12, 0, 1),
        ([float("nan")], 1000, 2, 1),
    ],
)
def test_how_many_travel_together(seconds, waiting, slots, most):
    sizes = Sizes()
    for each in seconds:
        sizes.note(each)
    assert sizes.most(waiting=waiting, slots=slots) == most
