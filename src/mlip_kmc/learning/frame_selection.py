"""From the frames that a run kept to those that are to be labelled, each with its reason; written as extended XYZ and JSON.

    frames, warnings = read_kept_frames(run / "halts")
    selection = select_frames(frames, grade=Extrapolation.of(potential), warnings=warnings)
    write_selection(run / "selection", selection)         # selected.xyz, selection.json
    read_selection(run / "selection")                     # what was written, when both files are whole and belong together

Gammas are always computed anew under the potential that is given: those in the files may be another potential's.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from mlip_kmc.evaluate.gamma import Extrapolation
from mlip_kmc.ground.errors import RunStateError, StructureError
from mlip_kmc.ground.files import make_directory, sha256_of, write_durably
from mlip_kmc.ground.wording import six_digits
from mlip_kmc.learning.duplicates import TOLERANCE_A, duplicates_of
from mlip_kmc.learning.selection import USUAL, Choice, Chosen, choose
from mlip_kmc.model.frames import KeptFrame, Kind
from mlip_kmc.model.structure import Array, extended_xyz

SELECTED, REPORT = "selected.xyz", "selection.json"
_FORMAT = 1


class FrameVerdict(StrEnum):
    """What became of a frame."""

    SELECTED = "selected"
    COVERED = "covered"
    """Its gamma is under `select` once the selected ones are in the active set."""
    LOW = "low"
    """Its gamma is under `select` under the present potential."""
    DUPLICATE = "duplicate"
    EVIDENCE = "evidence"
    UNUSABLE = "unusable"
    """The potential cannot be evaluated on it."""
    OVER_BUDGET = "over budget"


@dataclass(frozen=True)
class Decision:
    """One frame and what became of it.

    Attributes:
        name, search, state, stage, step, kind: the frame's, as in its file.
        verdict: what became of it. reason: why.
        order: its place among the selected, from 1; None for the others.
        gamma_in_file: as the file has it. potential_in_file: the digest of the potential that gave it.
        gamma_before: under the present active set.
        gamma_then: after those selected before it; None for the others.
        gamma_after: after all that were selected.
        log_volume: by how much a selected one made log |det| of the active set grow.
        rows: how many of its atoms entered the active set.
        largest_left: the largest gamma of all frames after it.
    """

    name: str
    search: str
    state: int
    stage: str
    step: int
    kind: str
    verdict: FrameVerdict
    reason: str
    gamma_in_file: float | None
    potential_in_file: str
    order: int | None = None
    gamma_before: float | None = None
    gamma_then: float | None = None
    gamma_after: float | None = None
    log_volume: float | None = None
    rows: int | None = None
    largest_left: float | None = None


@dataclass(frozen=True)
class Selection:
    """Frames to label, and what became of the others.

    Attributes:
        frames: those to label, in order, with the present potential's gammas.
        decisions: of all frames: first the selected ones, in order.
        complete: no gamma is left at or above `select`.
        select, halt: the thresholds.
        most: how many may be selected; None: as many as it takes.
        tolerance_A: frames within it are duplicates.
        potential: digest of basis and active set.
        files: sha256 of the B-basis and of the active set.
        warnings: files that were left out.
    """

    frames: tuple[KeptFrame, ...]
    decisions: tuple[Decision, ...]
    complete: bool
    select: float
    halt: float
    most: int | None
    tolerance_A: float
    potential: str
    files: Mapping[str, str]
    warnings: tuple[str, ...]

    def counts(self) -> dict[str, int]:
        """How many frames got each verdict."""
        return {
            str(verdict): count
            for verdict in FrameVerdict
            if (count := sum(decision.verdict is verdict for decision in self.decisions))
        }


@dataclass(frozen=True)
class _Frame:
    """A usable frame, as its file has it; its gammas (N,) and projections under the present potential."""

    kept: KeptFrame
    gammas: Array
    projections: Mapping[str, Array]


def select_frames(
    kept_frames: tuple[KeptFrame, ...],
    *,
    grade: Extrapolation,
    select: float = USUAL.select,
    halt: float = USUAL.halt,
    most: int | None = None,
    tolerance_A: float = TOLERANCE_A,
    warnings: tuple[str, ...] = (),
) -> Selection:
    """Choose frames to label.

    Args:
        kept_frames: in a fixed order, as `read_kept_frames` gives them.
        grade: the present potential's.
        select: no gamma shall be left at or above it.
        halt: gamma above which searches are halted; it is only recorded.
        most: the largest number of frames; None: no limit.
        tolerance_A: displacements up to here make a duplicate.
        warnings: to be kept with the result.
    """
    frames, refused = _usable(kept_frames, grade=grade, tolerance_A=tolerance_A)
    choice = choose(
        [frame.projections for frame in frames], inverses=grade.inverses, select=select, most=most
    )
    decisions = [
        *_chosen(frames, choice, halt=halt),
        *_not_chosen(frames, choice, select=select),
        *refused,
    ]
    chosen = [frames[entry.index] for entry in choice.chosen]
    return Selection(
        frames=tuple(replace(frame.kept, gammas=frame.gammas) for frame in chosen),
        decisions=tuple(decisions),
        complete=choice.complete,
        select=select,
        halt=halt,
        most=most,
        tolerance_A=tolerance_A,
        potential=grade.digest,
        files={"basis": sha256_of(grade.basis), "active_set": sha256_of(grade.active_set)},
        warnings=warnings,
    )


def _usable(
    kept_frames: tuple[KeptFrame, ...], *, grade: Extrapolation, tolerance_A: float
) -> tuple[list[_Frame], list[Decision]]:
    """Frames that may be chosen, and decisions on those that may not."""
    refused, candidates = [], []
    for kept in kept_frames:
        if kept.kind is Kind.EVIDENCE:
            refused.append(
                _decision(
                    kept,
                    FrameVerdict.EVIDENCE,
                    "atoms too near, or too high an energy: no label helps",
                )
            )
        else:
            candidates.append(kept)
    earlier = duplicates_of([kept.atoms for kept in candidates], tolerance_A=tolerance_A)
    frames = []
    for kept, other in zip(candidates, earlier, strict=True):
        if other is not None:
            refused.append(
                _decision(
                    kept,
                    FrameVerdict.DUPLICATE,
                    f"the same as {candidates[other].name}, within {tolerance_A:g} A",
                )
            )
            continue
        try:
            frames.append(_evaluated(kept, grade))
        except StructureError as error:
            refused.append(_decision(kept, FrameVerdict.UNUSABLE, str(error)))
    return frames, refused


def _evaluated(kept: KeptFrame, grade: Extrapolation) -> _Frame:
    projections = grade.projections_of(kept.atoms)
    if not all(np.isfinite(rows).all() for rows in projections.values()):
        raise StructureError("its projections are not finite numbers")
    return _Frame(
        kept=kept, gammas=grade.gamma_from(projections, kept.atoms), projections=projections
    )


def _chosen(frames: list[_Frame], choice: Choice, *, halt: float) -> list[Decision]:
    return [
        _decision(
            frames[chosen.index].kept,
            FrameVerdict.SELECTED,
            _reason_for(chosen, halt=halt),
            order=order,
            gamma_before=six_digits(chosen.gamma_before),
            gamma_then=six_digits(chosen.gamma_then),
            gamma_after=six_digits(choice.gammas_after[chosen.index]),
            log_volume=six_digits(chosen.log_volume),
            rows=chosen.rows,
            largest_left=six_digits(chosen.largest_left),
        )
        for order, chosen in enumerate(choice.chosen, start=1)
    ]


def _reason_for(chosen: Chosen, *, halt: float) -> str:
    limit = "select" if chosen.gamma_then < halt else "halt"
    return (
        f"gamma {chosen.gamma_then:.4g} reaches {limit}; {chosen.rows} of its atoms enter the active set, whose log volume "
        f"grows by {chosen.log_volume:.3g}, more than with any other; the largest gamma left is {chosen.largest_left:.4g}"
    )


def _not_chosen(frames: list[_Frame], choice: Choice, *, select: float) -> list[Decision]:
    taken = {chosen.index for chosen in choice.chosen}
    decisions = []
    for index, frame in enumerate(frames):
        if index in taken:
            continue
        before, after = float(choice.gammas_before[index]), float(choice.gammas_after[index])
        if not after < select:
            verdict, reason = (
                FrameVerdict.OVER_BUDGET,
                f"gamma {after:.4g} is left, but no more may be selected",
            )
        elif not before < select:
            verdict, reason = (
                FrameVerdict.COVERED,
                f"gamma falls from {before:.4g} to {after:.4g} with the selected ones",
            )
        else:
            verdict, reason = (
                FrameVerdict.LOW,
                f"gamma is {before:.4g} under the present potential, below {select:g}",
            )
        decisions.append(
            _decision(
                frame.kept,
                verdict,
                reason,
                gamma_before=six_digits(before),
                gamma_after=six_digits(after),
            )
        )
    return decisions


def _decision(kept: KeptFrame, verdict: FrameVerdict, reason: str, **numbers: Any) -> Decision:
    return Decision(
        name=kept.name,
        search=kept.search,
        state=kept.state,
        stage=str(kept.stage),
        step=kept.step,
        kind=str(kept.kind),
        verdict=verdict,
        reason=reason,
        potential_in_file=kept.potential,
        gamma_in_file=kept.gamma,
        **numbers,
    )


def write_selection(directory: Path, selection: Selection) -> Path:
    """Write `selected.xyz` and, when that is on the disk, `selection.json`, which holds its sha256.

    Args:
        directory: made if it is missing; an earlier selection in it is replaced.
        selection: what was chosen.

    Returns:
        the path of `selected.xyz`.

    Raises:
        StorageError: they could not be made durable.
    """
    text = _frames_text(selection).encode()
    path = make_directory(directory) / SELECTED
    report = {
        "format": _FORMAT,
        "selected": len(selection.frames),
        "selected_xyz_sha256": hashlib.sha256(text).hexdigest(),
        "complete": selection.complete,
        "thresholds": {"select": selection.select, "halt": selection.halt},
        "most": selection.most,
        "duplicate_tolerance_A": selection.tolerance_A,
        "potential": selection.potential,
        "files_sha256": dict(selection.files),
        "counts": selection.counts(),
        "warnings": list(selection.warnings),
        "frames": [asdict(decision) for decision in selection.decisions],
    }
    write_durably(path, text)
    write_durably(directory / REPORT, (json.dumps(report, indent=1) + "\n").encode())
    return path


def _frames_text(selection: Selection) -> str:
    """One frame after the other; keys that begin with a letter keep names such as 0_17 from becoming numbers."""
    texts = []
    for frame, decision in zip(selection.frames, selection.decisions, strict=False):
        assert frame.gammas is not None  # noqa: S101 - computed anew
        keys = {
            "frame": f"halt_{frame.name}",
            "order": decision.order,
            "state": frame.state,
            "stage": frame.stage,
            "kind": frame.kind,
            "gamma_before": decision.gamma_before,
            "gamma_then": decision.gamma_then,
            "potential": f"sha256:{selection.potential}",
            "reason": decision.reason,
        }
        rounded = np.array([six_digits(value) for value in frame.gammas])
        texts.append(
            extended_xyz(
                frame.atoms,
                keys={key: str(value) for key, value in keys.items()},
                columns={"gamma": rounded},
            )
        )
    return "".join(texts)


def read_selection(directory: Path) -> dict[str, Any] | None:
    """The report of an earlier selection; None where there is none, or its two files do not belong together.

    Raises:
        RunStateError: it is of a newer version.
    """
    try:
        report: dict[str, Any] = json.loads((directory / REPORT).read_text(encoding="utf-8"))
        if int(report["format"]) > _FORMAT:
            raise RunStateError(
                f"{directory / REPORT} was written by a newer version of mlip-kmc; use that one"
            )
        whole = report["selected_xyz_sha256"] == sha256_of(directory / SELECTED)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return report if whole else None
