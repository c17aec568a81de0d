"""A few real process searches from state 0, and what they tell of the run: outcomes, barriers, cost of a KMC step, traps.

Example:
    trial = run_searches(config, potential, minimum, count=4, run_dir=Path("scratch/run"))
    trial.records, trial.processes
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from mlip_kmc.akmc.wrapper import EonWrapper
from mlip_kmc.check.estimates import (
    Range,
    bounds,
    coupon_collector,
    good_searches_that_bound,
    mean_range,
    process_range,
    repeats_wanted,
    searches_range,
    thermal_barriers,
)
from mlip_kmc.check.findings import Finding, Level, Value
from mlip_kmc.check.thermal import flicker, window
from mlip_kmc.config import ConfidenceSection, Config, ConstantPrefactor
from mlip_kmc.ground.constants import EON_KELVIN_PER_EV
from mlip_kmc.ground.errors import SearchesFailedError
from mlip_kmc.ground.wording import counted, duration, durations, plural, reasons
from mlip_kmc.ground.wording import outcomes as outcomes_text
from mlip_kmc.model.low_barriers import FEW_KT, MEANING, Barrier, low_barriers
from mlip_kmc.model.records import OUTCOMES, Process, SearchRecord, read_lines
from mlip_kmc.model.structure import from_con
from mlip_kmc.potential import Potential

BAD_SHARE = 0.5
LONG_STEP_H = 24.0


@dataclass(frozen=True)
class Trial:
    """What trial searches brought.

    Attributes:
        records: of every search. processes: state 0's, as they are found. saddles: their structures.
    """

    records: tuple[SearchRecord, ...]
    processes: tuple[Process, ...]
    saddles: tuple[Atoms, ...]


def run_searches(
    config: Config, potential: Potential, minimum: Atoms, *, count: int, run_dir: Path
) -> Trial:
    """Make so many searches from the minimised structure, as the run makes them.

    Raises:
        MlipKmcError: what would stop the run, too.
    """
    one_for_all = ConstantPrefactor(
        constant_per_s=config.prefactor.default_per_s
    )  # a harmonic one is tried by itself
    going_on = config.model_copy(
        update={
            "gamma": config.gamma.model_copy(update={"on_halt": "continue"}),
            "prefactor": one_for_all,
        }
    )
    wrapper = EonWrapper(going_on, run_dir=run_dir, needs_room=False)
    result = wrapper.search(potential, minimum, count=count)
    processes = result.states[0].processes if result.states else ()
    return Trial(
        records=tuple(read_lines(run_dir / "journal" / "searches.jsonl", SearchRecord)),
        processes=processes,
        saddles=tuple(
            from_con(process.saddle.read_text(encoding="utf-8")) for process in processes
        ),
    )


def judge(trial: Trial, config: Config) -> list[Finding]:
    """All findings of a trial."""
    findings = [outcomes(trial.records, engine=config.search.engine)]
    if trial.processes:
        findings.append(
            barriers(
                trial.processes,
                trial.records,
                temperature_K=config.temperature_K,
                workers=config.worker_count,
            )
        )
    if trial.records:
        findings.append(cost(trial.records, config.confidence, workers=config.worker_count))
    if trial.processes:
        forward = [process.barrier for process in trial.processes]
        back = [process.saddle_energy - process.product_energy for process in trial.processes]
        found = thermal_barriers(
            forward,
            back,
            kT_eV=config.temperature_K / EON_KELVIN_PER_EV,
            window_kT=config.search.thermal_window_kT,
        )
        findings.append(low(trial.processes, config.temperature_K))
        beyond = sum(record.outcome == "high" for record in trial.records)
        findings += [
            window(found, config.search.thermal_window_kT, found_count=len(forward), beyond=beyond),
            flicker(
                found, superbasins=config.superbasins, window_kT=config.search.thermal_window_kT
            ),
        ]
    return findings


def low(processes: Sequence[Process], temperature_K: float) -> Finding:
    """Whether a barrier, or one back, is too low for transition-state theory."""
    found = low_barriers(
        (
            Barrier(height, process.barrier_error)
            for process in processes
            for height in (process.barrier, process.saddle_energy - process.product_energy)
        ),
        kT_eV=temperature_K / EON_KELVIN_PER_EV,
    )
    values: dict[str, Value] = {
        "low": found.count,
        "below_own_error": found.unsure,
        "barriers": found.of,
        "lowest_eV": found.lowest_eV,
        "limit_eV": found.limit_eV,
    }
    if found.counted:
        return Finding(
            "low barriers",
            Level.WARN,
            f"there and back, {found.counted}",
            advice=MEANING,
            values=values,
        )
    return Finding(
        "low barriers", Level.OK, f"none below {FEW_KT:g} kT, there or back", values=values
    )


def outcomes(records: Sequence[SearchRecord], *, engine: str = "eon") -> Finding:
    """How the searches ended, and what each took.

    Args:
        records: of the searches.
        engine: that made them.
    """
    of_eon = " by eOn's count (without dimer rotations)" if engine == "eon" else ""
    counts = Counter(record.outcome for record in records)
    bad = [record.reason for record in records if record.outcome == "bad"]
    values: dict[str, Value] = {
        "searches": len(records),
        **{kind: counts[kind] for kind in OUTCOMES},
    }
    if not records:
        return Finding(
            "searches",
            Level.FAIL,
            "none was registered",
            exit_code=SearchesFailedError.exit_code,
            values=values,
        )
    seconds, calls = (
        [record.seconds for record in records],
        [record.force_calls for record in records],
    )
    values |= {
        "mean_s": float(np.mean(seconds)),
        "longest_s": max(seconds),
        "mean_force_calls": float(np.mean(calls)),
        "reasons": tuple(sorted(set(bad))),
    }
    text = (
        f"{outcomes_text(counts)}; {duration(float(np.mean(seconds)))} each ({durations(min(seconds), max(seconds))}), "
        f"{np.mean(calls):.0f} force calls{of_eon}"
    )
    if bad:
        text += f"; bad: {reasons(Counter(bad))}"
    level, advice = _judged(halted=counts["halted"], bad=len(bad), of=len(records))
    return Finding("searches", level, text, values=values, advice=advice)


def _judged(*, halted: int, bad: int, of: int) -> tuple[Level, str]:
    """How so many halted and bad searches are judged, and what to do."""
    if halted:
        return Level.WARN, (
            "the potential extrapolates on the way (gamma reaches gamma.halt), where a run would stop: fit again with such "
            "structures"
        )
    if bad == of:
        return Level.WARN, (
            "not one good search: try --searches 20, then another search.displace or a larger search.displacement_A"
        )
    if not bad <= BAD_SHARE * of:
        return Level.WARN, (
            "most are bad: look at the search section (displacement, max_iterations, max_energy_eV)"
        )
    return Level.OK, ""


def barriers(
    processes: Sequence[Process],
    records: Sequence[SearchRecord],
    *,
    temperature_K: float,
    workers: int,
) -> Finding:
    """The barriers that were found, and those back; a warning where so few searches cannot tell how many there are.

    Args:
        processes: that were found.
        records: of all searches.
        temperature_K: the run's.
        workers: searches at a time.
    """
    kT = temperature_K / EON_KELVIN_PER_EV
    forward = sorted(process.barrier for process in processes)
    back = [process.saddle_energy - process.product_energy for process in processes]
    shown = ", ".join(f"{barrier:.3f}" for barrier in forward[:6]) + (
        ", ..." if len(forward) > 6 else ""
    )
    text = (
        f"{shown} eV (lowest found {forward[0] / kT:.1f} kT at {temperature_K:g} K); back from {min(back):.3f} eV; "
        f"{_seen(records)}"
    )
    wanted = _wanted(records)
    values: dict[str, Value] = {
        "barriers_eV": tuple(forward),
        "lowest_back_eV": min(back),
        "kT_eV": kT,
        "searches_that_bound": wanted,
    }
    if wanted is None:
        return Finding("barriers", Level.OK, text, values=values)
    time_s = wanted * float(np.mean([record.seconds for record in records])) / workers
    return Finding(
        "barriers",
        Level.WARN,
        text,
        values=values,
        advice=(
            f"too few searches to bound the number of processes; a lower barrier may be missing: "
            f"--searches {wanted} ({duration(time_s)}) is the smallest "
            "number that could show nine processes in ten"
        ),
    )


def _tally(records: Sequence[SearchRecord]) -> tuple[int, int]:
    """Different processes, and good searches that found them."""
    good = [record.process for record in records if record.process is not None]
    return len(set(good)), len(good)


def _seen(records: Sequence[SearchRecord]) -> str:
    """How many processes, in how many good searches, and how many there may be."""
    found, good = _tally(records)
    there = process_range(found=found, good=good)
    may = (
        "no process was found twice, so their number is not bounded"
        if found == good
        else f"there may be {_span(there)}"
    )
    certain = there == Range(found, found)
    return f"{counted(found, 'process')} in {good} good {plural(good, 'search')}" + (
        "" if certain else f", {may}"
    )


def _wanted(records: Sequence[SearchRecord]) -> int | None:
    """Searches that would leave at most a tenth of the processes unseen, were they as few as they can be; None: these do."""
    found, good = _tally(records)
    there = process_range(found=found, good=good)
    if not good or bounds(there, found=found):
        return None
    more = max(good_searches_that_bound(int(there.low)), good + 1)
    return int(np.ceil(more * len(records) / good))


def cost(
    records: Sequence[SearchRecord], confidence: ConfidenceSection, *, workers: int
) -> Finding:
    """Searches and hours that a step out of a new state takes, as ranges."""
    found, good = _tally(records)
    if not good:
        return Finding(
            "cost",
            Level.UNKNOWN,
            "no good search to judge by",
            values={"searches_least": None, "searches_most": None},
        )
    there = process_range(found=found, good=good)
    searches = searches_range(
        confidence.scheme, confidence=confidence.value, found=found, good=good, whole=len(records)
    )
    seconds = mean_range([record.seconds for record in records])
    hours = searches.times(seconds).times(Range(1 / workers / 3600, 1 / workers / 3600))
    open_end = searches.high is None
    spent = (
        duration(3600 * hours.low)
        if hours.high is None
        else durations(3600 * hours.low, 3600 * hours.high)
    )
    text = f"a step out of a new state takes {_span(searches)} searches{' and' if open_end else ','} {spent} with "
    likely = (
        "there is one process"
        if there.high == 1
        else f"{_span(there)} processes are equally likely"
    )
    text += f"{counted(workers, 'worker')} (if {likely}: {_reason(confidence, there)})"
    long = not hours.low <= LONG_STEP_H
    if open_end:
        why = ", since no process was found twice" if found == good else ""
        text += f"; no upper end{why}"
    advice = (
        "more workers, or a confidence that costs less (docs/confidence.md)"
        if long
        else (f"--searches {_wanted(records) or 2 * len(records)} narrows it" if open_end else "")
    )
    return Finding(
        "cost",
        Level.WARN if long else Level.UNKNOWN if open_end else Level.OK,
        text,
        advice=advice,
        values={
            "scheme": confidence.scheme,
            "confidence": confidence.value,
            "processes_least": there.low,
            "processes_most": there.high,
            "searches_least": searches.low,
            "searches_most": searches.high,
            "search_s_least": seconds.low,
            "search_s_most": seconds.high,
            "step_h_least": hours.low,
            "step_h_most": hours.high,
            "workers": workers,
        },
    )


def _reason(confidence: ConfidenceSection, there: Range) -> str:
    if confidence.scheme != "old":
        return f"scheme {confidence.scheme} at {confidence.value:g}"
    find = Range(
        coupon_collector(int(there.low)),
        None if there.high is None else coupon_collector(int(there.high)),
    )
    return (
        f"scheme old at {confidence.value:g} ends with {repeats_wanted(confidence.value)} repeats in a row, finding them all "
        f"takes {_span(find)}"
    )


def _span(span: Range) -> str:
    if span.high is None:
        return f"at least {span.low:.0f}"
    return (
        f"{span.low:.0f}"
        if round(span.low) == round(span.high)
        else f"{span.low:.0f} to {span.high:.0f}"
    )
