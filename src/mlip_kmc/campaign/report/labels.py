"""What each label was for, and what came of it, read off the folders of selections and labels.

for chosen in chosen_by(Generation(Path("my-campaign"), 0)):
    [(row.name, row.stage, row.gamma_then, row.progress, row.message) for row in chosen.labels]
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlip_kmc.campaign.generation import LABELS, Generation
from mlip_kmc.learning.frame_selection import read_selection
from mlip_kmc.model.labelled import LabelledStructure, read_labelled

_MOST_ROUNDS = 1000
_STATE = "state.json"


@dataclass(frozen=True)
class LabelRow:
    """A structure that was selected.

    Attributes:
        generation: whose potential extrapolated on it. round: 0, or how often more labels had been asked for.
        name, search, state, stage, step, kind: of the frame, as in its file.
        order: its place among those that were selected at once.
        gamma_before: under that generation's active set. gamma_then: with those selected before it. gamma_after: with all.
        reason: why it was selected, in words.
        progress: `done`, `failed`, or how far it is.
        fault, message: of a failed one: the kind, and in words.
        atoms: in the labelled structure; counting: how many of them have forces that count; None where it has no label.
    """

    generation: int
    round: int
    name: str
    search: str
    state: int
    stage: str
    step: int
    kind: str
    order: int
    gamma_before: float | None
    gamma_then: float | None
    gamma_after: float | None
    reason: str
    progress: str
    fault: str = ""
    message: str = ""
    atoms: int | None = None
    counting: int | None = None


@dataclass(frozen=True)
class OtherFrame:
    """A frame that was not selected, and why."""

    generation: int
    round: int
    name: str
    stage: str
    kind: str
    gamma_before: float | None
    verdict: str
    reason: str


@dataclass(frozen=True)
class Chosen:
    """One selection.

    Attributes:
        labels: of those that were selected. others: of those that were not.
        select, halt: its thresholds of gamma.
    """

    labels: tuple[LabelRow, ...]
    others: tuple[OtherFrame, ...]
    select: float
    halt: float


def chosen_by(generation: Generation) -> Iterator[Chosen]:
    """All selections of a generation that are whole, in order."""
    for round_ in range(_MOST_ROUNDS):
        report = read_selection(generation.selection(round_))
        if report is None:
            return
        frames = report["frames"]
        yield Chosen(
            labels=tuple(_labels(generation, round_, frames)),
            others=tuple(
                _other(generation, round_, frame) for frame in frames if frame["order"] is None
            ),
            select=float(report["thresholds"]["select"]),
            halt=float(report["thresholds"]["halt"]),
        )


def _labels(
    generation: Generation, round_: int, frames: list[dict[str, Any]]
) -> Iterator[LabelRow]:
    folder = generation.labels(round_)
    path = folder / LABELS
    collected = path.is_file()
    structures = read_labelled(path) if collected and path.stat().st_size else ()
    known = {one.name: one for one in structures}
    for frame in frames:
        if frame["order"] is None:
            continue
        label = known.get(frame["name"])
        yield LabelRow(
            generation=generation.number,
            round=round_,
            **{
                key: frame[key]
                for key in (
                    "name",
                    "search",
                    "state",
                    "stage",
                    "step",
                    "kind",
                    "order",
                    "gamma_before",
                    "gamma_then",
                    "gamma_after",
                    "reason",
                )
            },
            **progress_of(folder / frame["name"], label=label, collected=collected),
        )


def progress_of(
    folder: Path, *, label: LabelledStructure | None, collected: bool
) -> dict[str, Any]:
    """What a row tells of a label's progress.

    Args:
        folder: of the label.
        label: None where there is none of use.
        collected: all that were asked for with it have an end.
    """
    state = _state(folder / _STATE)
    missing = "failed" if collected else "waiting"
    return {
        "progress": "done" if label is not None else str(state.get("progress") or missing),
        "fault": str(state.get("kind") or ""),
        "message": str(state.get("message") or ""),
        "atoms": None if label is None else len(label.atoms),
        "counting": None if label is None else int((label.force_weights > 0).sum()),
    }


def _state(path: Path) -> dict[str, Any]:
    """How far a label is, as its desk wrote it; empty where it is not written, or torn."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _other(generation: Generation, round_: int, frame: dict[str, Any]) -> OtherFrame:
    return OtherFrame(
        generation=generation.number,
        round=round_,
        **{
            key: frame[key]
            for key in ("name", "stage", "kind", "gamma_before", "verdict", "reason")
        },
    )
