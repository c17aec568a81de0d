"""Read-only view of a run directory at its newest whole generation, also while the run goes on.

Example:
    with RunView.read(Path("my-run")) as view:         # structures=False where only numbers are wanted
        view.numbers.steps, view.numbers.time_s, len(view.searches)
        view.settings.temperature_K, view.states[0].processes[0].barrier

A view is one moment of the run: it has the journals up to the lengths that the generation's manifest gives, and eOn's files by
the digests in it. Structure files are links into `objects/`; they exist until the block ends.
"""

import configparser
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from mlip_kmc.ground.container import binding
from mlip_kmc.ground.errors import RunStateError, StructureError
from mlip_kmc.ground.scratch import temporary
from mlip_kmc.model.records import (
    EonResult,
    Epoch,
    Event,
    Minimised,
    RefreshedState,
    RunNumbers,
    SearchRecord,
    Start,
    StateRecord,
    Status,
    made,
    potential_epochs,
    prefactor_reasons,
    reasons_of,
)
from mlip_kmc.store.contents import Contents
from mlip_kmc.store.eon_tree import read_states
from mlip_kmc.store.journals import committed
from mlip_kmc.store.live_tree import LiveTree
from mlip_kmc.store.manifest import Manifest, numbers_in, path_of
from mlip_kmc.store.whole import NotWholeError

EON_PREFACTORS = (
    "eOn computed its harmonic prefactors, from Hessians of some atoms with translations left in: rates may be "
    "wrong by a factor of two, and searches were lost; make the run again in a new run directory"
)
Array = npt.NDArray[np.float64]
Detail = Literal["structures", "tables", "present", "numbers"]

_ATTEMPTS = 5
_PAUSE_S = 0.2


@dataclass(frozen=True)
class RunSettings:
    """Settings of a run, from the `config.ini` that eOn reads.

    Attributes:
        potential: eOn's name of the potential; `lammps` for an ACE potential.
        temperature_K: the present one, K; see `RunView.earlier_temperatures_K`.
        confidence_scheme, confidence: the confidence at which a state is left, and its scheme.
        prefactor_per_s: the constant prefactor, 1/s; None where each process has its own.
        prefactors: `constant`, `harmonic`, or `eon`: harmonic as eOn's own client makes them, in runs of earlier versions.
        fallback_per_s: prefactor of processes without a harmonic one, 1/s; None where prefactors are not harmonic.
        thermal_window_kT: processes with barriers further above the lowest one stay out of the rate table.
        seed: seed of the run, 31 bits.
        saddle_force_eV_per_A, minimum_force_eV_per_A: convergence limits for the force on an atom.
        superbasins, recycling: whether eOn uses them.
    """

    potential: str = ""
    temperature_K: float | None = None
    confidence_scheme: str = ""
    confidence: float | None = None
    prefactor_per_s: float | None = None
    prefactors: str = "constant"
    fallback_per_s: float | None = None
    thermal_window_kT: float | None = None
    seed: int | None = None
    saddle_force_eV_per_A: float | None = None
    minimum_force_eV_per_A: float | None = None
    superbasins: bool = False
    recycling: bool = False


@dataclass(frozen=True)
class RunView:
    """One moment of a run.

    Attributes:
        path: the run directory.
        generation: the number of the generation.
        epochs: the epochs of the run, in order; searches, events and processes carry their numbers.
        numbers: steps, time, present state and counters.
        settings: the run's settings.
        minimised: the report on state 0.
        events, searches, starts, refreshes: the journals.
        states: every state with its process table.
        raw: the generation's content besides files and journals, as JSON values.
    """

    path: Path
    generation: int
    epochs: tuple[Epoch, ...]
    numbers: RunNumbers
    settings: RunSettings
    minimised: Minimised | None
    events: tuple[Event, ...]
    searches: tuple[SearchRecord, ...]
    starts: tuple[Start, ...]
    refreshes: tuple[RefreshedState, ...]
    states: tuple[StateRecord, ...]
    raw: Mapping[str, Any]

    @classmethod
    @contextmanager
    def read(cls, path: Path, *, detail: Detail = "structures") -> Iterator[Self]:
        """Read the newest whole generation. If one is torn, or removed during the reading, the next one is tried.

        Args:
            path: the run directory.
            detail: `structures` reads everything. `tables` leaves structure files out: their paths do not exist. `numbers` also
                leaves the states out; `present` has the present one alone, where it has a table. The time of these two does not
                grow with the number of states.

        Raises:
            RunStateError: `path` is not a run directory, nothing was committed, or no generation is whole.
        """
        generations = path / "generations"
        if not generations.is_dir():
            advice = binding(generations) or "name one that `mlip-kmc run --dir` made"
            raise RunStateError(f"{path} is no run directory (it has no generations); {advice}")
        with temporary("view", parent=Path(tempfile.gettempdir())) as folder:
            yield cls._newest(path.absolute(), generations, folder, detail=detail)

    @classmethod
    def _newest(cls, path: Path, generations: Path, folder: Path, *, detail: Detail) -> Self:
        for attempt in range(_ATTEMPTS):
            numbers = numbers_in(generations)
            if not numbers:
                raise RunStateError(
                    f"nothing is committed yet in {path}; wait until its first searches run"
                )
            reasons = []
            for number in numbers:
                try:
                    manifest = Manifest.read(path_of(generations, number))
                    return cls._at(path, manifest, folder / f"{attempt}-{number}", detail=detail)
                except NotWholeError as error:
                    reasons.append(f"generation {number} is damaged: {error}")
            time.sleep(_PAUSE_S)
        raise RunStateError(
            f"no generation in {generations} is whole ({'; '.join(reasons)}); restore it from a backup"
        )

    @classmethod
    def _at(cls, path: Path, manifest: Manifest, root: Path, *, detail: Detail) -> Self:
        journals = {
            name: committed(path / "journal", name, end).decode().splitlines()
            for name, end in manifest.journals.items()
        }
        numbers = _numbers(manifest.state.get("numbers", {}))
        folders = _wanted(manifest.folders, detail, numbers.state)
        _lay_out(path, folders, manifest.texts, root, detail=detail)
        searches = tuple(SearchRecord.from_json(line) for line in journals.get("searches", []))
        return cls(
            path=path,
            generation=manifest.number,
            epochs=manifest.epochs,
            numbers=numbers,
            settings=_settings(root / "config.ini", manifest.epochs[-1].facts),
            minimised=_minimised(manifest.state.get("minimised")),
            events=tuple(Event.from_json(line) for line in journals.get("events", [])),
            searches=searches,
            starts=tuple(Start.from_json(line) for line in journals.get("starts", [])),
            refreshes=tuple(
                RefreshedState.from_json(line) for line in journals.get("refreshes", [])
            ),
            states=read_states(root, searches) if detail != "numbers" else (),
            raw=manifest.state,
        )

    def result(
        self, *, status: Status = Status.MORE_TO_DO, reason: str = "read from its directory"
    ) -> EonResult:
        """The run as `export` takes it. The status is an argument, since a run directory does not hold it."""
        outcomes = [record.outcome for record in self.searches]
        return EonResult(
            status=status,
            reason=reason,
            run_dir=self.path,
            kmc_steps=len(made(self.events)),
            simulated_time_s=self.numbers.time_s,
            minimised=self.minimised,
            states=self.states,
            events=self.events,
            searches={outcome: outcomes.count(outcome) for outcome in dict.fromkeys(outcomes)},
            reasons=reasons_of(self.searches),
            prefactor_reasons=prefactor_reasons(self.searches),
        )

    @property
    def epoch(self) -> Epoch:
        """The present epoch."""
        return self.epochs[-1]

    @property
    def searches_now(self) -> tuple[SearchRecord, ...]:
        """Those by the present potential: confidences, gammas and process tables rest on them alone."""
        return tuple(one for one in self.searches if one.epoch >= self.since)

    @property
    def since(self) -> int:
        """The number of the epoch that began with the present potential."""
        return potential_epochs(self.epochs)[self.epoch.number]

    @property
    def identity(self) -> str:
        """Digest of all settings that determine the trajectory from here on (physics, potential, structure)."""
        return self.epoch.identity

    @property
    def earlier_temperatures_K(self) -> tuple[float, ...]:  # noqa: N802 - a unit
        """Other temperatures than the present one at which KMC steps were made, K, in the order of their first ones."""
        made = dict.fromkeys(event.temperature_K for event in self.events)
        return tuple(
            temperature_K
            for temperature_K in made
            if temperature_K is not None and temperature_K != self.settings.temperature_K
        )

    @property
    def outdated(self) -> tuple[str, ...]:
        """Warnings about numbers that an earlier version computed wrongly, one line each."""
        return (EON_PREFACTORS,) if self.settings.prefactors == "eon" else ()

    def rotation(self) -> Array | None:
        """The rotation R from eOn's frame to the user's, (3, 3): v_user = v_eon @ R, from the cell of the exported trajectory.

        Returns:
            R; None where there is no exported trajectory, or its cell is not eOn's cell rotated.
        """
        from mlip_kmc.model.structure import (
            read_structure,
        )  # `status` looks at numbers alone, and often

        exported = self.path / "results" / "trajectory.xyz"
        if not self.states or not exported.is_file():
            return None
        try:
            user = np.asarray(read_structure(exported).cell.array)
        except StructureError:
            return None
        cell = np.asarray(read_structure(self.states[0].structure).cell.array)
        found: Array = np.linalg.solve(cell, user)
        return found if np.allclose(found @ found.T, np.eye(3), atol=1e-6) else None


def _wanted(folders: Mapping[str, str], detail: Detail, present: int) -> dict[str, str]:
    """The folders that a view of this detail has; `present` is the number of the present state."""
    if detail in ("structures", "tables"):
        return dict(folders)
    names = ("", f"states/{present}") if detail == "present" else ("",)
    return {name: digest for name, digest in folders.items() if name in names}


def _lay_out(
    path: Path, folders: Mapping[str, str], texts: Mapping[str, str], root: Path, *, detail: Detail
) -> None:
    """Lay out the committed tree below `root`: links to structure files, which never change, and copies of the others."""
    contents = Contents(path / "objects", live=LiveTree(path / "eon"))
    root.mkdir(parents=True)
    for name, digest in contents.files(folders, texts).items():
        place = root / name
        if place.parent.name == "procdata" and not (
            detail == "structures" and place.suffix == ".con"
        ):
            continue
        found, data = contents.find(name, digest, texts)
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.suffix == ".con" and found is not None:
            place.symlink_to(found)
        else:
            place.write_bytes(data)


def _numbers(raw: Mapping[str, Any]) -> RunNumbers:
    known = {entry.name: raw[entry.name] for entry in fields(RunNumbers) if entry.name in raw}
    return RunNumbers(**{**known, "pending": tuple(known.get("pending", ()))})


def _minimised(raw: Mapping[str, Any] | None) -> Minimised | None:
    return None if raw is None else Minimised.from_json(json.dumps(raw))


def _settings(path: Path, facts: Mapping[str, Any]) -> RunSettings:
    ini = configparser.ConfigParser(interpolation=None)
    ini.read(path, encoding="utf-8")

    def number(section: str, key: str) -> float | None:
        return ini.getfloat(section, key, fallback=None)

    default_per_s = number("Prefactor", "default_value")
    prefactors = (
        "eon"
        if default_per_s == 0
        else "harmonic"
        if facts.get("prefactor.harmonic")
        else "constant"
    )
    return RunSettings(
        potential=ini.get("Potential", "potential", fallback=""),
        temperature_K=number("Main", "temperature"),
        confidence_scheme=ini.get("AKMC", "confidence_scheme", fallback=""),
        confidence=number("AKMC", "confidence"),
        prefactor_per_s=default_per_s if prefactors == "constant" else None,
        prefactors=prefactors,
        fallback_per_s=default_per_s if prefactors == "harmonic" else None,
        thermal_window_kT=number("AKMC", "thermally_accessible_window"),
        seed=ini.getint("Main", "random_seed", fallback=None),
        saddle_force_eV_per_A=number("Saddle Search", "converged_force"),
        minimum_force_eV_per_A=number("Optimizer", "converged_force"),
        superbasins=ini.getboolean("Coarse Graining", "use_mcamc", fallback=False),
        recycling=ini.getboolean("Recycling", "use_recycling", fallback=False),
    )
