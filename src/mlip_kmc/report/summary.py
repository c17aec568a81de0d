"""The content of the report as one value, and as JSON.

Example:
    report = collect(view, etc=Path(sys.prefix) / "etc", software={"mlip-kmc": "0.1.0"})
    report.as_json()                 # docs/report.md describes it

Reads the run directory's view and the image's own notes (`etc/parts.json`, `etc/image.json`); writes nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlip_kmc.ground.image import ImageNotes
from mlip_kmc.model.low_barriers import Barrier, LowBarriers, low_barriers
from mlip_kmc.model.records import StateRecord, prefactor_reasons
from mlip_kmc.model.structure import fixed_atoms, read_structure
from mlip_kmc.potential.whereabouts import noted_blindness
from mlip_kmc.report.diffusion import SpeciesDiffusion, Trajectory, diffusion, follow
from mlip_kmc.report.kinds import Kind
from mlip_kmc.report.numbers import RunNumbersSummary, StateNumbers, summarise
from mlip_kmc.report.refreshes import Refreshes, refreshes_of
from mlip_kmc.report.state_kinds import state_kinds
from mlip_kmc.store.view import RunView

FORMAT = 2


@dataclass(frozen=True)
class Sample:
    """The structure of state 0.

    Attributes:
        formula: as `Cu107`. elements: symbols by first appearance. atoms, fixed: how many.
        lengths_A, angles_deg: of the cell.
    """

    formula: str
    elements: tuple[str, ...]
    atoms: int
    fixed: int
    lengths_A: tuple[float, ...]
    angles_deg: tuple[float, ...]


@dataclass(frozen=True)
class GammaSummary:
    """The extrapolation grade in a run: the largest of an atom, None where it is unknown.

    Attributes:
        state_0: of the minimum that the run starts from.
        saddle: of the saddles of all processes.
        path: of the force calls that were looked at, in searches that were not halted.
        halted_searches: how many were, of how many `searches` under the present potential.
        select, halt: the thresholds.
        active_set_blind: what an active set of deficient rank does not see; empty where it sees, or its files are gone.
    """

    state_0: float | None
    saddle: float | None
    path: float | None
    halted_searches: int
    searches: int
    select: float | None
    halt: float | None
    active_set_blind: str


@dataclass(frozen=True)
class PrefactorNumbers:
    """Where a run's prefactors come from.

    Attributes:
        kind: `constant`, `harmonic`, or `eon` (harmonic as eOn's client makes them, in runs of earlier versions).
        rated: processes that searches found and that were to have harmonic ones. constant: of them, those that have none.
        reasons: why, with counts, the most frequent first.
        fewest_atoms, of_atoms: in a Hessian, and free ones; None where none was made.
    """

    kind: str
    rated: int
    constant: int
    reasons: Mapping[str, int]
    fewest_atoms: int | None
    of_atoms: int | None


@dataclass(frozen=True)
class Report:
    """Everything.

    Attributes:
        name: of the run directory. view: the moment of the run. numbers: see there.
        sample: None where no state is committed.
        walks: the KMC steps, by temperature and epoch, in the order of their first ones.
        diffusion: of each of them, of each species.
        grade: the extrapolation grade.
        software: what made the report: versions and the image's recipe; an entry is missing outside an image.
        inputs: what the run noted of its potential and structure, by name; empty where it noted nothing.
        prefactors: what the run's prefactors are.
        refreshes: what changes of the potential did.
        low: which barriers of the rate tables are low.
    """

    name: str
    view: RunView
    numbers: RunNumbersSummary
    sample: Sample | None
    walks: tuple[Trajectory, ...]
    diffusion: tuple[tuple[SpeciesDiffusion, ...], ...]
    grade: GammaSummary
    software: Mapping[str, str]
    inputs: Mapping[str, str]
    prefactors: PrefactorNumbers
    refreshes: Refreshes
    low: LowBarriers

    def as_json(self) -> str:
        """One JSON object, indented; eOn's process numbers, of 63 bits, are strings."""
        return json.dumps(_plain(self), indent=2, allow_nan=False, ensure_ascii=False)


def collect(view: RunView, *, etc: Path, software: Mapping[str, str]) -> Report:
    """Evaluate a run.

    Args:
        view: the run.
        etc: the folder of the image's notes.
        software: versions of the packages at work, by name.
    """
    walks = follow(view.states, view.events)
    numbers = summarise(
        states=view.states,
        events=view.events,
        searches=view.searches,
        settings=view.settings,
        time_s=view.numbers.time_s,
        starts=view.starts,
        epoch=view.since,
    )
    return Report(
        name=view.path.name,
        view=view,
        walks=walks,
        diffusion=tuple(map(diffusion, walks)),
        sample=_sample(view),
        numbers=numbers,
        grade=_grade(view),
        software={**software, **_notes(etc)},
        inputs=_texts(view.epoch.inputs),
        prefactors=_prefactors(view),
        refreshes=refreshes_of(view),
        low=low_barriers(
            (
                Barrier(process.barrier, process.barrier_error)
                for state in view.states
                for process in state.processes
            ),
            kT_eV=numbers.kT_eV,
        ),
    )


def _grade(view: RunView) -> GammaSummary:
    facts, kept = (
        view.epoch.facts,
        [record for record in view.searches_now if record.outcome != "halted"],
    )
    saddles = [
        row.gamma_saddle
        for state in view.states
        for row in state.processes
        if row.gamma_saddle is not None
    ]
    return GammaSummary(
        state_0=view.minimised.gamma if view.minimised else None,
        saddle=max(saddles, default=None),
        path=max(
            (record.gamma_path for record in kept if record.gamma_path is not None), default=None
        ),
        halted_searches=len(view.searches_now) - len(kept),
        searches=len(view.searches_now),
        select=facts.get("gamma.select"),
        halt=facts.get("gamma.halt"),
        active_set_blind=noted_blindness(view.path, digest=facts.get("potential.active_set")),
    )


def _prefactors(view: RunView) -> PrefactorNumbers:
    rated = [record.rated for record in view.searches_now if record.rated]
    return PrefactorNumbers(
        kind=view.settings.prefactors,
        rated=len(rated),
        constant=sum(one.kind == "constant" for one in rated),
        reasons=prefactor_reasons(view.searches_now),
        fewest_atoms=min((one.atoms for one in rated), default=None),
        of_atoms=max((one.of_atoms for one in rated), default=None),
    )


def _sample(view: RunView) -> Sample | None:
    if not view.states or not view.states[0].structure.is_file():
        return None
    atoms = read_structure(view.states[0].structure)
    cell = atoms.cell.cellpar()
    return Sample(
        formula=atoms.get_chemical_formula(),
        elements=tuple(dict.fromkeys(atoms.get_chemical_symbols())),
        atoms=len(atoms),
        fixed=len(fixed_atoms(atoms)),
        lengths_A=tuple(map(float, np.round(cell[:3], 6))),
        angles_deg=tuple(map(float, np.round(cell[3:], 6))),
    )


def _notes(etc: Path) -> dict[str, str]:
    """Versions of the parts and the image's recipe; nothing outside an image."""
    notes = ImageNotes.read(etc)
    more = {"compiled for": notes.march, "image recipe": notes.recipe}
    return {**notes.programs, **{name: value for name, value in more.items() if value is not None}}


def _texts(raw: Any) -> dict[str, str]:
    return (
        {str(key): str(value) for key, value in raw.items() if value is not None}
        if isinstance(raw, Mapping)
        else {}
    )


def _plain(report: Report) -> dict[str, Any]:
    view, numbers = report.view, report.numbers
    records = {state.number: state for state in view.states}
    return {
        "format": FORMAT,
        "run": {
            "name": report.name,
            "generation": view.generation,
            "identity": view.identity,
            "kmc_steps": numbers.steps,
            "simulated_time_s": numbers.time_s,
            "present_state": view.numbers.state,
            "starts": view.numbers.starts,
            "searches_in_flight_at_commit": len(view.numbers.pending),
            "bad_searches_in_a_row": view.numbers.bad_in_a_row,
        },
        "computation": {
            "wall_s": round(view.numbers.wall_s, 3),
            "busy_s": round(view.numbers.busy_s, 3),
            "capacity_s": round(view.numbers.capacity_s, 3),
            "searches_made_useless": view.numbers.discarded,
            "kmc_steps_a_day": view.numbers.events_a_day,
            "starts": [asdict(start) for start in view.starts],
        },
        "inputs": dict(report.inputs),
        "outdated": list(view.outdated),
        "low_barriers": {**asdict(report.low), "meaning": report.low.said},
        "prefactors": {**asdict(report.prefactors), "reasons": dict(report.prefactors.reasons)},
        "settings": {
            **asdict(view.settings),
            "earlier_temperatures_K": list(view.earlier_temperatures_K),
            "kT_eV": numbers.kT_eV,
            "thermal_window_eV": numbers.window_eV if np.isfinite(numbers.window_eV) else None,
        },
        "structure": asdict(report.sample) if report.sample else None,
        "minimised": asdict(view.minimised) if view.minimised else None,
        "software": dict(report.software),
        "extrapolation_grade": None if report.grade.state_0 is None else asdict(report.grade),
        "diffusion": [
            {
                "steps": walk.steps,
                "time_s": walk.time_s,
                "ambiguous_steps": walk.ambiguous,
                **{k: v for k, v in asdict(one).items() if not k.startswith(("lags", "msd"))},
            }
            for walk, found in zip(report.walks, report.diffusion, strict=True)
            for one in found
        ],
        "refreshes": report.refreshes.to_json() if report.refreshes.changed else None,
        "returns": numbers.returns,
        "superbasin_steps": numbers.superbasin_steps,
        "unsound_superbasin_steps": numbers.unsound_superbasin_steps,
        "searches": _searches(numbers),
        "visited": list(numbers.visited),
        "edges": [asdict(edge) for edge in numbers.edges],
        "states": [_state(state, records.get(state.state)) for state in numbers.states],
    }


def _searches(numbers: RunNumbersSummary) -> dict[str, Any]:
    return {
        "registered": sum(numbers.outcomes.values()),
        "outcomes": dict(numbers.outcomes),
        "force_calls_without_dimer_rotations": numbers.force_calls,
        "centres": numbers.centres,
        "seconds": round(numbers.seconds, 3),
        "reasons": [
            {"outcome": outcome, "reason": reason, "count": count}
            for outcome, reason, count in numbers.reasons
        ],
    }


def _state(state: StateNumbers, record: StateRecord | None) -> dict[str, Any]:
    raw = asdict(state)
    kinds = () if record is None else state_kinds(state, record)
    processes = [{**row, "process": str(row["process"])} for row in raw.pop("processes")]
    return {
        **raw,
        "outcomes": dict(raw["outcomes"]),
        "seconds": round(raw["seconds"], 3),
        "processes": processes,
        "kinds": list(map(_kind, kinds)),
    }


def _kind(kind: Kind) -> dict[str, Any]:
    return {
        "barrier_eV": kind.lead.barrier_eV,
        "reverse_barrier_eV": kind.lead.reverse_barrier_eV,
        "prefactor_per_s": kind.lead.prefactor_per_s,
        "symmetric": kind.symmetric,
        "rate_per_s": kind.rate_per_s,
        "share": kind.share,
        "in_rate_table": kind.in_rate_table,
        "used": kind.used,
        "ranks": [row.rank for row in kind.rows],
    }
