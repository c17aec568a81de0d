"""What the run itself says: did it stay, in its last steps, where the potential knows its way?

Example:
    check = halts_check(events=view.events, searches=view.searches, present=view.numbers.state, halt="", steps=10)
"""

from collections.abc import Sequence

from mlip_kmc.model.records import Event, SearchRecord
from mlip_kmc.release.gate import LIMITS, Check, Verdict, measured, not_tested


def halts_check(
    *,
    events: Sequence[Event],
    searches: Sequence[SearchRecord],
    present: int,
    halt: str,
    steps: int,
) -> Check:
    """No search may have been halted on extrapolation in any state of the last steps.

    Args:
        events: all KMC steps.
        searches: all that were registered.
        present: the state that the run is in.
        halt: what halted the run, in words; empty where nothing did.
        steps: how many count; a run that made fewer is not tested.
    """
    about = (
        f"searches that were halted on extrapolation in the states of the last {steps} KMC steps"
    )
    last = events[-steps:]
    states = {present, *(event.reactant for event in last), *(event.product for event in last)}
    halted = sum(record.outcome == "halted" for record in searches if record.state in states)
    if len(events) < steps and not halted and not halt:
        return not_tested(
            "halts", about=about, why=f"the run made {len(events)} KMC steps, fewer than {steps}"
        )
    looked_at = sum(record.state in states for record in searches)
    if not looked_at and not halt:
        return not_tested(
            "halts", about=about, why=f"no search of these {len(states)} states is on record"
        )
    found = measured(
        "halts",
        float(halted),
        limit=LIMITS["halts"],
        unit="searches",
        about=about,
        detail=f"{looked_at} searches of {len(states)} states",
    )
    if halt and found.verdict is Verdict.PASSED:  # a halt before the first registered search
        return found.model_copy(
            update={
                "verdict": Verdict.FAILED,
                "number": None,
                "detail": "the run stands halted",
            }
        )
    return found
