"""What is said of what followed without a search."""

import pytest

from mlip_kmc.model.records import SearchRecord, shortcuts_of


def record(outcome="repeat", **more):
    return SearchRecord(0, 0, outcome, "", None, None, 1, 1.0, **more)


def test_nothing_is_said_of_nothing():
    found = shortcuts_of([record(), record("new")])
    assert (found.symmetry, found.early_stops, found.reuse) == ("", "", "")


def test_orbits_classes_and_their_audits():
    records = [
        record("new", images=(1, 2, 3)),
        record("known", kind="class", images=(5, 6), like=0),
    ]
    assert (
        shortcuts_of(records).symmetry == "3 processes by orbits, 1 state recognised; no audit yet"
    )
    records += [record(kind="audit")] * 30
    assert shortcuts_of(records).symmetry.endswith(
        "; 30 audits, none ended elsewhere (at most 0.1 do, 95 %)"
    )
    records.append(record("bad", kind="audit"))
    assert "1 of 31 audits ended elsewhere" in shortcuts_of(records).symmetry


@pytest.mark.parametrize(
    ("early", "said"),
    [
        (["stopped"], "1 climb ended at a known saddle; no audit yet"),
        (["confirmed"] * 60 + ["stopped"] * 9, "9 climbs ended at a known saddle; 60 audits, none"),
        (["confirmed", "wrong"], "0 climbs ended at a known saddle; 1 of 2 audits ended elsewhere"),
        (["beyond"], "1 climb ended above the thermal window; no audit yet"),
        (
            ["outside", "inside"],
            "0 climbs ended above the thermal window; 1 of 2 audits ended else",
        ),
    ],
)
def test_early_stops(early, said):
    assert shortcuts_of([record(early=entry) for entry in early]).early_stops.startswith(said)


def test_what_was_told_apart():
    assert shortcuts_of([record()]).told_apart == ""
    records = [record(twin=twin) for twin in ("same", "same", "other", "unsure")]
    assert shortcuts_of(records).told_apart == (
        "4 saddles beside known ones converged further: 2 the same, 2 others"
    )


def test_what_was_carried_over():
    records = [record("new", kind="carried", reused="carried")] * 4
    assert (
        shortcuts_of(records).reuse == "4 processes carried over hops, 0 of them gone; no audit yet"
    )
    records += [record(kind="elsewhere", reused="confirmed")] * 60
    assert shortcuts_of(records).reuse.endswith(
        "; 60 audits far from the change, none found a process that was missing (at most 0.05 do, 95 %)"
    )
    records += [
        record("bad", kind="carried", reused="lost"),
        record("new", kind="elsewhere", reused="wrong"),
    ]
    assert shortcuts_of(records).reuse == (
        "5 processes carried over hops, 1 of them gone; 1 of 61 audits far from the change found a process that was missing: "
        "such states are searched whole"
    )
