"""What searches evaluated, from their records."""

import pytest

from mlip_kmc.model.records import Grown, Registered, SearchRecord, regions_of


def record(**what):
    return SearchRecord(
        state=0,
        index=0,
        outcome=Registered.NEW,
        reason="",
        process=0,
        barrier=0.5,
        force_calls=10,
        seconds=1.0,
        **what,
    )


def test_records_are_counted_and_survive_the_journal():
    records = [
        record(centres=1000, region_A=6.0),
        record(centres=5000, region_A=13.5, grown=(Grown.BARRIER, Grown.BARRIER, Grown.LEFT)),
        record(centres=9000, grown=(Grown.OTHER,)),
        record(),
    ]
    again = [SearchRecord.from_json(one.to_json()) for one in records]
    assert again == records
    found = regions_of(again)
    assert (found.searches, found.centres, found.in_regions) == (3, 15000, 2)
    assert found.grown == {"barrier": 2, "left": 1, "other": 1}
    assert found.said == (
        "2 of 3 searches in a region, 5000 evaluations of a centre each; regions grew: 2 as the barrier moved, 1 as an atom "
        "left, 1 as the process was another"
    )


@pytest.mark.parametrize("records", [[], [record()], [record(centres=300)]])
def test_nothing_is_said_where_there_are_no_regions(records):
    assert regions_of(records).said == ""
