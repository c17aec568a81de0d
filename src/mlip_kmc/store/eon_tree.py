"""eOn's tree of a run, and its journals, as typed records.

Example:
    result = read_result(run_dir, status=Status.DONE, reason="10 KMC steps are done", minimised=None)
    result.states[0].processes[0].barrier
"""

import configparser
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.model.records import (
    EonResult,
    Event,
    Minimised,
    Process,
    Registered,
    SearchRecord,
    StateRecord,
    Status,
    made,
    prefactor_reasons,
    read_lines,
    reasons_of,
)

ORBITS = "orbits.json"
"""In a state's folder: lists of processes that are images of each other by the state's symmetry."""


def read_states(root: Path, searches: Iterable[SearchRecord] = ()) -> tuple[StateRecord, ...]:
    """Every state of eOn's tree, in the order of their numbers.

    Args:
        root: of eOn's tree.
        searches: the journal, which knows the gammas and the epoch of each process.
    """
    numbers = sorted(
        int(entry.name) for entry in (root / "states").glob("*") if entry.name.isdigit()
    )
    found_by: dict[tuple[int, int | None], SearchRecord] = {}
    for record in searches:
        for process in record.images:  # by symmetry as good as what was found
            found_by.setdefault((record.state, process), record)
        if record.outcome == Registered.NEW:
            found_by[record.state, record.process] = record
    constant_per_s = default_prefactor_per_s(root / "config.ini")
    return _with_reverse_epochs(
        tuple(
            _graded(_state(root / "states" / str(number), number, constant_per_s), found_by)
            for number in numbers
        )
    )


def default_prefactor_per_s(path: Path) -> float | None:
    """What eOn's client gives to every process: 0 where it makes harmonic prefactors of its own, None where it is not said."""
    ini = configparser.ConfigParser(interpolation=None)
    ini.read(path, encoding="utf-8")
    return ini.getfloat("Prefactor", "default_value", fallback=None)


def _kind(prefactor_per_s: float, constant_per_s: float | None) -> str:
    """Where a prefactor comes from; both directions of a process have the constant one, or none has."""
    if constant_per_s is None or prefactor_per_s == constant_per_s:
        return "constant"
    return "harmonic" if constant_per_s > 0 else "eon"


def _graded(
    state: StateRecord, found_by: Mapping[tuple[int, int | None], SearchRecord]
) -> StateRecord:
    processes = [
        (process, found_by.get((state.number, process.process))) for process in state.processes
    ]
    return replace(
        state,
        processes=tuple(
            process
            if record is None
            else replace(
                process,
                gamma_saddle=record.gamma_saddle,
                gamma_product=record.gamma_product,
                gamma_path=record.gamma_path,
                epoch=record.epoch,
                barrier_error=record.barrier_error,
            )
            for process, record in processes
        ),
    )


def _with_reverse_epochs(states: tuple[StateRecord, ...]) -> tuple[StateRecord, ...]:
    """A row that no search found is the reverse of one that a search found: it has the same saddle, epoch and error."""
    found: dict[tuple[int | None, int | None, float], Process] = {
        (process.product, process.state, process.saddle_energy): process
        for state in states
        for process in state.processes
        if process.epoch is not None
    }
    return tuple(
        replace(
            state,
            processes=tuple(
                process if process.epoch is not None else _like_its_reverse(process, found)
                for process in state.processes
            ),
        )
        for state in states
    )


def _like_its_reverse(
    process: Process, found: Mapping[tuple[int | None, int | None, float], Process]
) -> Process:
    other = found.get((process.state, process.product, process.saddle_energy))
    if other is None:
        return process
    return replace(process, epoch=other.epoch, barrier_error=other.barrier_error)


def _state(folder: Path, number: int, constant_per_s: float | None) -> StateRecord:
    info = configparser.ConfigParser(interpolation=None)
    info.read(folder / "info", encoding="utf-8")
    section: Any = info["MetaData"] if info.has_section("MetaData") else {}
    energy = section.get("reactant energy")
    return StateRecord(
        number=number,
        energy=None if energy is None else float(energy),
        good=int(section.get("good_saddles", 0)),
        bad=int(section.get("bad_saddles", 0)),
        structure=folder / "reactant.con",
        processes=tuple(_processes(folder, number, constant_per_s)),
        orbits=_orbits(folder / ORBITS),
    )


def _orbits(path: Path) -> tuple[tuple[int, ...], ...]:
    """What a state's folder says of them; nothing where it says nothing.

    Raises:
        RunStateError: it is damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return tuple(tuple(int(process) for process in orbit) for orbit in found)
    except FileNotFoundError:
        return ()
    except (ValueError, TypeError) as error:
        raise RunStateError(f"{path} is damaged ({error}); restore it from a backup") from error


def _processes(folder: Path, number: int, constant_per_s: float | None) -> Iterator[Process]:
    """Rows of a process table: id, saddle energy, prefactor, product, its energy, its prefactor, barrier, rate, repeats."""
    for line in (folder / "processtable").read_text(encoding="utf-8").splitlines()[1:]:
        fields = line.split()
        if len(fields) == 9:
            process = int(fields[0])
            yield Process(
                state=number,
                process=process,
                product=int(fields[3]) if int(fields[3]) >= 0 else None,
                barrier=float(fields[6]),
                prefactor=float(fields[2]),
                rate=float(fields[7]),
                saddle_energy=float(fields[1]),
                product_energy=float(fields[4]),
                repeats=int(fields[8]),
                saddle=folder / "procdata" / f"saddle_{process}.con",
                product_structure=folder / "procdata" / f"product_{process}.con",
                prefactor_kind=_kind(float(fields[2]), constant_per_s),
            )


def read_result(
    run_dir: Path, *, status: Status, reason: str, minimised: Minimised | None
) -> EonResult:
    """Everything that a run has come to; the run directory must be at rest, at a committed generation."""
    events = tuple(read_lines(run_dir / "journal" / "events.jsonl", Event))
    searches = read_lines(run_dir / "journal" / "searches.jsonl", SearchRecord)
    return EonResult(
        status=status,
        reason=reason,
        run_dir=run_dir,
        kmc_steps=len(made(events)),
        simulated_time_s=events[-1].time_s if events else 0.0,
        minimised=minimised,
        states=read_states(run_dir / "eon", searches),
        events=events,
        searches=dict(Counter(record.outcome for record in searches)),
        prefactor_reasons=prefactor_reasons(searches),
        reasons=reasons_of(searches),
    )
