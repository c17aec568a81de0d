"""The extrapolation grade of a search while it runs and when it has ended: what it crossed, and the frames to keep.

    watch = Watch(thresholds=config.gamma, basis=..., active_set=..., digest=..., max_energy_eV=20.0)
    seen = Watched(watch, directory, search="0_17")
    program.run([], cwd=directory, look=seen.crossed, ...)       # ends the search soon after it crossed `halt`
    found = seen.judge({Stage.SADDLE: saddle, ...})              # Graded(halt="gamma 17.1 at force call 240", ...)

What is decided depends on what LAMMPS wrote, not on when it was looked at: the first crossing counts, also where the search
ended before anybody saw it.
"""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlip_kmc.evaluate.gamma import Extrapolation
from mlip_kmc.ground.wording import plain
from mlip_kmc.model.atom_path import wrap
from mlip_kmc.model.frames import KeptFrame, Kind, Stage
from mlip_kmc.model.records import HaltKind
from mlip_kmc.model.structure import from_con
from mlip_kmc.potential.minimum_distance import NEAR_FRAMES
from mlip_kmc.potential.side_channel import (
    GRADES,
    HALT_FRAMES,
    SELECT_FRAMES,
    Frame,
    Grade,
    parse_dump,
    parse_grades,
)
from mlip_kmc.search.outcome import Graded

if TYPE_CHECKING:
    from mlip_kmc.config import GammaSection

Array = npt.NDArray[np.float64]

NO_POTENTIAL = "0" * 64
"""In place of a digest where no gamma is watched."""
_lock = threading.Lock()


@dataclass(frozen=True)
class Watch:
    """What a search is watched for.

    Attributes:
        thresholds: of gamma.
        basis, active_set: that gamma comes from.
        digest: of both, as of `potential_digest`.
        max_energy_eV: frames further above the search's start are evidence, not candidates.
    """

    thresholds: "GammaSection"
    basis: Path
    active_set: Path
    digest: str
    max_energy_eV: float


@dataclass
class Watched:
    """One running search.

    Attributes:
        watch: what for.
        directory: the search's.
        search: its name, `state_index`.
    """

    watch: Watch
    directory: Path
    search: str
    _read: int = field(default=0, init=False)
    _crossing: bool = field(default=False, init=False)

    def crossed(self) -> bool:
        """Has gamma crossed `halt`, and is the frame that did written down? Reads only what has been written since the last time.

        LAMMPS writes a grade before its frame: whoever ends the client in between loses what the halt is for.
        """
        for grade in self._new_grades():
            if self._crossing:
                return True  # whatever has become of its frame
            self._crossing = self.watch.thresholds.reaches_halt(grade.gamma)

        return self._crossing and any(parse_dump(self._text(HALT_FRAMES)))

    def _new_grades(self) -> list[Grade]:
        try:
            with (self.directory / GRADES).open("rb") as stream:
                stream.seek(self._read)
                new = stream.read()
        except FileNotFoundError:
            return []
        whole = new.rpartition(b"\n")[0] + b"\n"
        self._read += len(whole) if whole != b"\n" else 0
        return list(parse_grades(whole.decode("ascii", errors="replace")))

    def judge(self, points: Mapping[Stage, Atoms], *, until: int | None = None) -> Graded:
        """What the whole search came to.

        Args:
            points: saddle and product, if it ended well.
            until: the force call that ended it otherwise; how far it went on depends on when that was seen.
        """
        grades = self._grades()
        if until is not None and all(
            one.step < other.step for one, other in pairwise(grades)
        ):  # not those of several instances
            grades = [grade for grade in grades if grade.step <= until]
        path = max((grade.gamma for grade in grades), default=None)
        first = next(
            (grade for grade in grades if self.watch.thresholds.reaches_halt(grade.gamma)), None
        )
        if first is not None:
            said = f"gamma {plain(first.gamma)} at force call {first.step}"
            # how far the search went beyond depends on when it was looked at
            path = max(grade.gamma for grade in grades[: grades.index(first) + 1])
            return Graded(
                gamma_path=path,
                halt=said,
                halt_kind=HaltKind.EXTRAPOLATION,
                frames=self._frames(grades, first, until),
            )
        gammas = {stage: self._gammas(atoms) for stage, atoms in points.items()}
        largest = {stage: float(np.max(found)) for stage, found in gammas.items()}
        frames, halt, last = (
            list(self._frames(grades, None, until)),
            "",
            grades[-1].step if grades else 0,
        )
        for number, (stage, gamma) in enumerate(largest.items(), start=1):
            if self.watch.thresholds.reaches_select(gamma):
                beyond = self.watch.thresholds.reaches_halt(gamma)
                halt = halt or (f"gamma {plain(gamma)} at the {stage}" if beyond else "")
                frames += self._kept(
                    points[stage],
                    gammas[stage],
                    stage=stage,
                    step=last + number,
                    kind=Kind.HALT if beyond else Kind.CANDIDATE,
                )
        return Graded(
            gamma_path=path,
            gamma_saddle=largest.get(Stage.SADDLE),
            gamma_product=largest.get(Stage.PRODUCT),
            # the reactant is the state's own minimum, the same for all of its searches
            gamma_reactant=float(np.max(gammas_of_state(self._start(), self.watch)))
            if points
            else None,
            frames=tuple(frames),
            halt=halt,
            halt_kind=HaltKind.EXTRAPOLATION if halt else HaltKind.UNKNOWN,
        )

    def _gammas(self, atoms: Atoms) -> Array:
        """(N,) of a structure of the search's."""
        return gammas_of(atoms, self.watch)

    def _grades(self) -> list[Grade]:
        """Those of the force calls that were looked at."""
        return list(parse_grades(self._text(GRADES)))

    def _between(self) -> list[Frame]:
        """The last frames between the thresholds."""
        return [
            frame
            for path in sorted(self.directory.glob(SELECT_FRAMES), key=_step_of)
            for frame in parse_dump(self._text(path.name))
        ]

    def _beyond(self) -> list[Frame]:
        """Frames at or above `halt`."""
        return list(parse_dump(self._text(HALT_FRAMES)))

    def _start(self) -> str:
        """`.con` text of the state that is searched."""
        return self._text("pos.con")

    def _text(self, name: str) -> str:
        try:
            return (self.directory / name).read_text(encoding="ascii", errors="replace")
        except FileNotFoundError:
            return ""

    def _frames(
        self, grades: list[Grade], first: Grade | None, until: int | None
    ) -> tuple[KeptFrame, ...]:
        """The frame that crossed, and the last ones between the thresholds; without a crossing the largest of those."""
        between = [frame for frame in self._between() if until is None or frame.step <= until]
        halts = []
        if first is not None:
            between = [frame for frame in between if frame.step < first.step]
            halts = self._beyond()[:1]
        elif between:
            between = [max(between, key=_largest)]
        if not between and not halts:
            return ()
        energies = {grade.step: grade.energy_eV for grade in grades}
        ceiling = grades[0].energy_eV + self.watch.max_energy_eV if grades else np.inf
        start = from_con(self._start())
        return tuple(
            kept
            for kind, frames in ((Kind.CANDIDATE, between), (Kind.HALT, halts))
            for frame in frames
            if len(start) == len(frame.positions) and np.isfinite(_largest(frame))
            for kept in self._kept(
                _placed(start, frame),
                frame.gammas,
                stage=Stage.SEARCH,
                step=frame.step,
                kind=kind if energies.get(frame.step, np.inf) <= ceiling else Kind.EVIDENCE,
            )
        )

    def _kept(
        self, atoms: Atoms, gammas: Array | None, *, stage: Stage, step: int, kind: Kind
    ) -> tuple[KeptFrame, ...]:
        """The frame, if its atoms are somewhere; gammas that are no numbers are unknown."""
        if not np.isfinite(atoms.positions).all():
            return ()
        known = gammas is not None and np.isfinite(gammas).all()
        found = KeptFrame(
            atoms=atoms,
            gammas=gammas if known else None,
            search=self.search,
            state=state_of(self.search),
            stage=stage,
            step=step,
            kind=kind,
            potential=self.watch.digest,
        )
        return (found,)


def near_frames(directory: Path, *, search: str, digest: str) -> tuple[KeptFrame, ...]:
    """The first frame in which atoms were too near, as evidence: its gamma is not known, and it is nothing to label."""
    try:
        text = (directory / NEAR_FRAMES).read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return ()
    start = from_con((directory / "pos.con").read_text(encoding="utf-8"))
    return tuple(
        KeptFrame(
            atoms=_placed(start, frame),
            gammas=None,
            search=search,
            state=state_of(search),
            step=frame.step,
            stage=Stage.SEARCH,
            kind=Kind.EVIDENCE,
            potential=digest,
        )
        for frame in list(parse_dump(text))[:1]
        if len(frame.positions) == len(start) and np.isfinite(frame.positions).all()
    )


def _largest(frame: Frame) -> float:
    return float("nan") if frame.gammas is None else float(np.max(frame.gammas))


def state_of(search: str) -> int:
    """The number of the state that a search of that name starts from; 0 where the name has none."""
    state = search.partition("_")[0]
    return int(state) if state.isdecimal() else 0


def _placed(start: Atoms, frame: Frame) -> Atoms:
    """The frame's atoms next to where the search started: LAMMPS wraps them into the cell."""
    atoms = start.copy()
    atoms.set_constraint()
    atoms.positions = start.positions + wrap(
        frame.positions - start.positions, np.asarray(start.cell.array, dtype=np.float64)
    )
    return atoms


def _step_of(path: Path) -> int:
    found = re.search(r"\.(\d+)\.", path.name)
    return int(found[1]) if found else 0


@lru_cache(maxsize=8)
def gammas_of_state(con: str, watch: Watch) -> Array:
    """(N,) gamma of a state, the same for all of its searches."""
    return gammas_of(from_con(con), watch)


def gammas_of(atoms: Atoms, watch: Watch) -> Array:
    """(N,) gamma of a structure."""
    with _lock:  # python-ace's evaluator is one for all threads
        return _extrapolation(watch.basis, watch.active_set, watch.digest).gamma_of(atoms)


@lru_cache(maxsize=2)
def _extrapolation(basis: Path, active_set: Path, digest: str) -> Extrapolation:  # noqa: ARG001 - files that changed are others
    return Extrapolation.read(basis=basis, active_set=active_set)
