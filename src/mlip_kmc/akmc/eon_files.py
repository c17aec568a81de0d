"""The files by which eOn registers a search, made of its outcome: the one place where an outcome becomes eOn's text.

    result = eon_result(outcome, index=17, reactant_con=con)      # the mapping that eOn's AKMCState takes

eOn's process table names a process by a digest of its `saddle.con`: the same outcome must give the same bytes, always.
"""

import io
from dataclasses import dataclass
from typing import Any

from mlip_kmc.model.records import Registered, SearchRecord
from mlip_kmc.model.structure import moved_con
from mlip_kmc.search.outcome import Array, SearchOutcome

_BEYOND = "barrier > max_thermal_window"
"""In the journal, why a search whose barrier is high found nothing that counts; eOn's words for it."""


@dataclass(frozen=True)
class Entry:
    """What eOn's registration made of a search.

    Attributes:
        outcome: what the search came to.
        process: the row of the process table that it is, or None.
    """

    outcome: Registered
    process: int | None = None


def eon_result(
    outcome: SearchOutcome, *, index: int, reactant_con: str | None = None
) -> dict[str, Any]:
    """What eOn's `add_process`, `register_bad_saddle` and `append_search_result` take.

    Args:
        outcome: of the search.
        index: its number among the searches of the state.
        reactant_con: of the state, in which the search's atoms have their order, masses and constraints; None: without
            structures, where what it found gets no row.
    """
    results = _results(outcome)
    return {
        "wuid": index,
        "type": outcome.kind,
        "results": results,
        "remark": outcome.reason,
        **_files(outcome, results, reactant_con),
    }


def search_record(outcome: SearchOutcome, entry: Entry, *, state: int, index: int) -> SearchRecord:
    """The journal's line of a registered search.

    Args:
        outcome: of the search.
        entry: what eOn made of it.
        state: where it started.
        index: its number there.
    """
    graded = outcome.graded
    return SearchRecord(
        state=state,
        index=index,
        outcome=entry.outcome,
        reason=_BEYOND if entry.outcome is Registered.HIGH else outcome.reason,
        process=entry.process,
        barrier=None if outcome.found is None else outcome.barrier_eV,
        force_calls=outcome.force_calls.total,
        seconds=round(outcome.seconds, 3),
        kind=outcome.kind,
        gamma_reactant=graded.gamma_reactant,
        gamma_saddle=graded.gamma_saddle,
        gamma_product=graded.gamma_product,
        gamma_path=graded.gamma_path,
        rated=outcome.rated if entry.outcome is Registered.NEW else None,
        barrier_error=None if outcome.found is None else outcome.barrier_error_eV,
        centres=outcome.centres,
        region_A=outcome.region_A,
        grown=tuple(outcome.grown),
        twin=None if outcome.told_apart is None else outcome.told_apart.kind,
    )


def mode_of(mode: Array) -> str:
    """The `mode.dat` text of a direction (N, 3), as eOn's client writes it."""
    return "".join("\t".join(f"{value:.17g}" for value in row) + "\n" for row in mode.tolist())


def _files(
    outcome: SearchOutcome, results: dict[str, float | int | str], reactant_con: str | None
) -> dict[str, io.StringIO]:
    found = outcome.found
    if found is None or reactant_con is None:
        return {}
    texts = {
        "results.dat": "".join(
            f"{value!r} {key}\n" if isinstance(value, float) else f"{value} {key}\n"
            for key, value in results.items()
        ),
        "reactant.con": moved_con(reactant_con, found.reactant_A),
        "saddle.con": moved_con(reactant_con, found.saddle_A),
        "product.con": moved_con(reactant_con, found.product_A),
        "mode.dat": mode_of(found.mode),
    }
    return {name: io.StringIO(text) for name, text in texts.items()}


def _results(outcome: SearchOutcome) -> dict[str, float | int | str]:
    """`results.dat` as a mapping, with all that eOn's registration reads."""
    if outcome.termination is None:
        raise ValueError(f"search {outcome.name} has no result: {outcome.end}")
    results: dict[str, float | int | str] = {
        "barrier_reactant_to_product": outcome.barrier_eV,
        "displacement_saddle_distance": outcome.saddle_distance_A,
        "force_calls_saddle": outcome.force_calls.saddle,
        "force_calls_minimization": outcome.force_calls.minimization,
        "force_calls_prefactors": outcome.force_calls.prefactors,
        "termination_reason": outcome.termination.number,
    }
    found = outcome.found
    if found is None:
        return results
    return {
        **results,
        **found.provenance,
        "potential_energy_saddle": found.saddle_eV,
        "potential_energy_reactant": found.reactant_eV,
        "potential_energy_product": found.product_eV,
        "prefactor_reactant_to_product": found.forward_per_s,
        "prefactor_product_to_reactant": found.back_per_s,
    }
