"""What the run itself says: did it stay, in its last steps, where the potential knows its way?

Example:
    check = halts_in(view, steps=10)
"""

from collections.abc import Sequence

from mlip_kmc.model.records import Event, SearchRecord, made
from mlip_kmc.release.gate import LIMITS, Check, Verdict, measured, not_tested
from mlip_kmc.store.view import RunView


def halts_in(view: RunView, *, steps: int) -> Check:
    """The check on a run: of its present potential alone, which is the one that is released."""
    now = view.epoch.number
    return halts_check(
        events=[event for event in made(view.events) if event.epoch == now],
        searches=view.searches_now,
        present=view.numbers.state,
        halt=view.numbers.halt,
        steps=steps,
    )


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
        events: the KMC steps made with the run's present potential.
        searches: those that were registered with it.
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
            "halts",
            about=about,
            why=f"the run made {len(events)} KMC steps with this potential, fewer than {steps}",
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
