"""Which states are like another one but for their place, and have its process table (docs/symmetry.md). Pure.

Example:
    like = like_of(view.searches_now)            # {7: 0, 9: 0}: states 7 and 9 were recognised as like state 0

A state that an audit ended elsewhere in, or in which a search found a process that its table did not have, is on its own again.
"""

from collections.abc import Iterable

from mlip_kmc.model.records import AUDIT, Registered, SearchRecord


def like_of(searches: Iterable[SearchRecord]) -> dict[int, int]:
    """The state that each recognised state is like; both have the same table.

    Args:
        searches: of the present potential, in the order of the journal.
    """
    found: dict[int, int] = {}
    for record in searches:
        if record.outcome == Registered.KNOWN and record.like is not None:
            found[record.state] = found.get(record.like, record.like)
        elif record.outcome == Registered.NEW or (
            record.kind == AUDIT and record.outcome != Registered.REPEAT
        ):
            found.pop(record.state, None)
    return found
