"""Where a run is, read from its directory: from any node, touching nothing.

Example:
    status = read_status(Path("my-run"))
    status.condition, status.kmc_steps, status.events_a_day

What the run committed is exact. Whether its process lives is known from what it last said of itself (`live.json`).
"""

import json
import math
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from mlip_kmc.ground.constants import EON_KELVIN_PER_EV
from mlip_kmc.model.low_barriers import FEW_KT, Barrier, low_barriers
from mlip_kmc.model.records import (
    Live,
    Regions,
    Registered,
    RunNumbers,
    SearchRecord,
    Shortcuts,
    prefactor_reasons,
    reasons_of,
    regions_of,
    shortcuts_of,
    unsound,
    unsound_steps,
)
from mlip_kmc.report.refreshes import Refreshes, refreshes_of
from mlip_kmc.store.view import RunView

_LIVE = "live.json"
_BEATS = 15
"""A process that said nothing for so many of its intervals is taken for dead; file systems of clusters show files late."""
_RECENT = 200


class Condition(StrEnum):
    """What the run's process does, as far as its directory tells."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    LOST = "lost"
    HALTED = "halted"


@dataclass(frozen=True)
class RunStatus:
    """Where a run is.

    Attributes:
        path: the run directory. condition: running, done, stopped, halted on extrapolation, or lost (it stopped
            without saying so). halt: what halted it, in words. halt_kind: see `HaltKind`.
        phase: what a running process does. host, pid: where it is, or was last.
        seen_s: seconds since it last said so; None if it never did, or stopped cleanly.
        kmc_steps, kmc_steps_wanted: steps done and asked for. simulated_time_s, simulated_time_wanted_s: the same for time.
        temperature_K: at present. earlier_temperatures_K: others at which KMC steps were made, in order.
        state: number of the present state. states: how many are known.
        confidence, confidence_wanted, confidence_scheme: of the present state.
        searches: registered ones by outcome. searches_here: of the present epoch in the
            present state. reasons: of bad ones, most frequent first.
        prefactors: processes that searches found, by where their prefactor comes from; empty where it is one for all.
        prefactor_reasons: why some are constant where they should be harmonic, most frequent first.
        outdated: what an earlier version computed in a way that is known to be wrong, one line each.
        bad_in_a_row: so many bad ones came last. pending: searches not registered.
        workers: searches at a time. busy: of them at work now.
        nodes: searches at a time, by machine, where workers joined from others.
        utilisation: busy share of the workers over the run's life.
        ahead: what was begun before the run came to its state, in words.
        discarded: searches that were started and that a KMC step made useless.
        wall_s: time that its processes ran. events_a_day: KMC steps a day of that time.
        force_calls: over all registered searches; what eOn's client made is its own count, which leaves out dimer rotations.
        regions: evaluations of centres in them, and how much of the cell they evaluated.
        engine: that searches now: eon, or native.
        force_calls_per_s: of the last searches, a busy worker.
        search_s: median time of the last good searches.
        unsound_superbasin_steps: those of a version whose times of superbasin steps may be wrong.
        unsound: what that means for the run, in words; empty where there are none.
        left: atoms that have left the rest (desorbed, evaporated) since state 0.
        ambiguous_steps: KMC steps in which an atom may have gone by another periodic image.
        low_barriers: of processes that searches found, which are below a few kT or their own error, and what that means; empty
            where none is. low_barrier_steps: KMC steps over such a barrier.
        starts: how often it was started. last_commit_s: seconds since the newest generation.
        shortcuts: what followed without a search or without the end of one, and what its audits say.
        refreshes: what changes of the potential did: epochs, how barriers moved, what waits for its refresh.
        active_set_blind: what the run's active set does not see; empty where it sees, or its files are gone.
        run_bytes: size of the run directory. free_bytes: what its file system has left.
    """

    path: str
    condition: Condition
    halt: str
    halt_kind: str
    phase: str
    host: str | None
    pid: int | None
    seen_s: float | None
    kmc_steps: int
    kmc_steps_wanted: int | None
    simulated_time_s: float
    simulated_time_wanted_s: float | None
    temperature_K: float | None
    earlier_temperatures_K: tuple[float, ...]
    state: int
    states: int
    confidence: float
    confidence_wanted: float | None
    confidence_scheme: str
    searches: dict[str, int]
    searches_here: int
    reasons: dict[str, int]
    prefactors: dict[str, int]
    prefactor_reasons: dict[str, int]
    outdated: tuple[str, ...]
    bad_in_a_row: int
    pending: int
    workers: int | None
    busy: int
    nodes: dict[str, int]
    utilisation: float | None
    discarded: int
    ahead: str
    wall_s: float
    events_a_day: float | None
    force_calls: int
    regions: Regions
    engine: str
    force_calls_per_s: float | None
    search_s: float | None
    unsound_superbasin_steps: int
    unsound: str
    left: int
    ambiguous_steps: int
    low_barriers: str
    low_barrier_steps: int
    starts: int
    last_commit_s: float
    shortcuts: Shortcuts
    refreshes: Refreshes
    active_set_blind: str
    run_bytes: int
    free_bytes: int

    def to_json(self) -> str:
        """Everything, as one JSON object; units are in the keys, and what is no finite number is null."""
        values = {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(self).items()
        }
        told = {**values, "refreshes": self.refreshes.to_json()}
        return json.dumps(told, indent=2, allow_nan=False)


def read_status(run_dir: Path) -> RunStatus:
    """Look at a run.

    Raises:
        RunStateError: it is no run directory, or nothing was committed yet.
    """
    with RunView.read(run_dir, detail="numbers") as view:
        return status_of(view, now_s=time.time())


def read_work(run_dir: Path) -> tuple[int, int]:
    """KMC steps, and registered searches: each grows as work is done; both 0 where nothing was committed yet.

    Raises:
        RunStateError: no generation is whole.
    """
    if not any((run_dir / "generations").glob("*.json")):
        return 0, 0
    with RunView.read(run_dir, detail="numbers") as view:
        return view.numbers.kmc_steps, len(view.searches)


def is_done(view: RunView) -> bool:
    """One of the limits of the run's section `stop` is reached."""
    return _done(view.numbers, view.raw.get("limits", {}))


def status_of(view: RunView, *, now_s: float) -> RunStatus:
    """Where the run of a view is, at a time in s since 1970."""
    numbers, limits, live = view.numbers, view.raw.get("limits", {}), _live(view.path)
    condition = _condition(live, now_s=now_s, done=is_done(view), halt=numbers.halt)
    running = live is not None and condition is Condition.RUNNING
    workers = live.workers if live and running else view.starts[-1].workers if view.starts else None
    recent, (run_bytes, free_bytes) = view.searches[-_RECENT:], _disk(view.path)
    return RunStatus(
        path=str(view.path),
        condition=condition,
        halt=numbers.halt,
        halt_kind=numbers.halt_kind,
        phase=live.phase if live and running else "",
        host=live.host if live else view.starts[-1].host if view.starts else None,
        pid=live.pid if live else view.starts[-1].pid if view.starts else None,
        seen_s=max(now_s - live.time_s, 0.0) if live else None,
        kmc_steps=numbers.kmc_steps,
        kmc_steps_wanted=limits.get("stop.kmc_steps"),
        simulated_time_s=numbers.time_s,
        simulated_time_wanted_s=limits.get("stop.simulated_time_s"),
        **_low(view, limits.get("temperature_K", view.settings.temperature_K)),
        earlier_temperatures_K=view.earlier_temperatures_K,
        state=numbers.state,
        states=_states(view),
        confidence=numbers.confidence,
        confidence_wanted=view.settings.confidence,
        confidence_scheme=view.settings.confidence_scheme,
        searches=dict(Counter(record.outcome for record in view.searches)),
        searches_here=sum(record.state == numbers.state for record in view.searches_now),
        reasons=reasons_of(view.searches),
        prefactors=dict(Counter(record.rated.kind for record in view.searches_now if record.rated)),
        prefactor_reasons=prefactor_reasons(view.searches_now),
        outdated=view.outdated,
        bad_in_a_row=numbers.bad_in_a_row,
        pending=len(numbers.pending),
        workers=workers,
        busy=live.busy if live and running else 0,
        nodes=live.nodes if live and running else {},
        utilisation=numbers.utilisation(workers=view.starts[-1].workers if view.starts else 0),
        discarded=numbers.discarded,
        wall_s=numbers.wall_s,
        events_a_day=numbers.events_a_day,
        engine=str(view.epoch.facts.get("search.engine") or "eon"),
        force_calls=sum(record.force_calls for record in view.searches),
        regions=regions_of(view.searches),
        force_calls_per_s=_force_calls_per_s(recent),
        search_s=_median([record.seconds for record in recent if record.outcome != "bad"]),
        starts=numbers.starts,
        unsound_superbasin_steps=len(unsound_steps(view.events)),
        unsound=unsound(view.events),
        left=numbers.left,
        ambiguous_steps=sum(event.ambiguous for event in view.events),
        ahead=numbers.ahead,
        last_commit_s=_since_commit_s(view, now_s=now_s),
        shortcuts=shortcuts_of(view.searches),
        refreshes=refreshes_of(view),
        run_bytes=run_bytes,
        free_bytes=free_bytes,
        active_set_blind=_blindness(view.path, digest=view.epoch.facts.get("potential.active_set")),
    )


def _done(numbers: RunNumbers, limits: Mapping[str, Any]) -> bool:
    """One of the limits of the section `stop` is reached."""
    wanted = (
        (limits.get("stop.kmc_steps"), numbers.kmc_steps),
        (limits.get("stop.simulated_time_s"), numbers.time_s),
        (limits.get("stop.desorbed_atoms"), numbers.left),
    )
    return any(limit is not None and reached >= limit for limit, reached in wanted)


def _low(view: RunView, temperature_K: float | None) -> dict[str, Any]:
    """The present temperature, and what is said of low barriers: those of found processes at it, and steps at their own."""
    found = (
        Barrier(record.barrier, record.barrier_error)
        for record in view.searches_now
        if record.outcome == Registered.NEW and record.barrier is not None
    )
    kT = None if temperature_K is None else temperature_K / EON_KELVIN_PER_EV
    steps = sum(
        event.temperature_K is not None
        and not event.barrier >= FEW_KT * event.temperature_K / EON_KELVIN_PER_EV
        for event in view.events
        if not event.relabelled
    )
    said = low_barriers(found, kT_eV=kT).said
    return {"temperature_K": temperature_K, "low_barriers": said, "low_barrier_steps": steps}


def _condition(live: Live | None, *, now_s: float, done: bool, halt: str) -> Condition:
    """A run that has its steps is done, whatever its process does; a halt is told of one whose process does not run."""
    if done:
        found = Condition.DONE
    elif live is None:
        found = Condition.STOPPED
    else:
        silent_s = now_s - live.time_s
        found = Condition.RUNNING if silent_s < _BEATS * live.interval_s else Condition.LOST
    return Condition.HALTED if halt and found is not Condition.RUNNING else found


def _states(view: RunView) -> int:
    """States that the events name, and state 0; their numbers have no gaps."""
    named = (number for event in view.events for number in (event.reactant, event.product))
    return 1 + max(named, default=view.numbers.state)


def _force_calls_per_s(records: Sequence[SearchRecord]) -> float | None:
    worked_s = sum(record.seconds for record in records)
    return sum(record.force_calls for record in records) / worked_s if worked_s > 0 else None


def _live(run_dir: Path) -> Live | None:
    try:
        return Live.from_json((run_dir / _LIVE).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return None


def _median(values: list[float]) -> float | None:
    return sorted(values)[len(values) // 2] if values else None


def _modified_s(path: Path, otherwise_s: float) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return otherwise_s


def _since_commit_s(view: RunView, *, now_s: float) -> float:
    path = view.path / "generations" / f"{view.generation:08d}.json"
    return max(now_s - _modified_s(path, now_s), 0.0)


def _disk(path: Path) -> tuple[int, int]:
    """Bytes that the directory takes, and that its file system has left for an ordinary user."""
    used = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                used += (Path(folder) / name).lstat().st_size
            except OSError:
                continue  # gone meanwhile
    left: Any = os.statvfs(path)
    return used, left.f_bavail * left.f_frsize


def _blindness(run_dir: Path, *, digest: str | None) -> str:
    """What the run's active set does not see; potentials are imported only where there is one, which takes most of a second."""
    if digest is None:
        return ""
    from mlip_kmc.potential.whereabouts import noted_blindness

    return noted_blindness(run_dir, digest=digest)
