"""What a campaign did, generation by generation, read off its files.

Example:
    for entry in history_of(Path("my-campaign")):
        print(entry.generation, entry.labels, entry.force_rmse_eV_per_A, entry.reason)
    labels_spent(Path("my-campaign"))
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from mlip_kmc.campaign.generation import (
    CHOSEN,
    LABELS,
    VERDICT,
    Generation,
    generations_of,
    read_facts,
)
from mlip_kmc.learning.frame_selection import read_selection
from mlip_kmc.learning.labels.folder import Progress

_CALMER = 0.5
"""A largest gamma that fell to this share of the one before is progress."""


@dataclass(frozen=True)
class GenerationSummary:
    """One generation in short.

    Attributes:
        generation: its number. origin: `given` or `refit`.
        labels: how many were asked for to repair it. labelled: how many of these are of use.
        kmc_steps: of the run, when exploring with it ended; None where it has not. searches: registered until then, by outcome.
        status, reason: how exploring ended.
        largest_gamma: under it, of what was selected; None where nothing was.
        energy_rmse_eV_per_atom, force_rmse_eV_per_A: on the test set; None where there is none.
    """

    generation: int
    origin: str
    labels: int
    labelled: int
    kmc_steps: int | None
    searches: dict[str, int]
    status: str
    reason: str
    largest_gamma: float | None
    energy_rmse_eV_per_atom: float | None
    force_rmse_eV_per_A: float | None

    @property
    def good(self) -> int:
        """Searches of the run until then that found a process, new or known."""
        return sum(self.searches.get(outcome, 0) for outcome in ("new", "repeat", "high"))


def history_of(directory: Path) -> list[GenerationSummary]:
    """All generations of a campaign's directory, in order."""
    return [_summary(generation) for generation in generations_of(directory)]


def labels_spent(directory: Path) -> int:
    """How many labels were asked for, those without use included."""
    return sum(map(_labels_of, generations_of(directory)))


def steps_before(generation: Generation) -> int:
    """KMC steps of the run when exploring with this generation began."""
    if generation.number == 0:
        return 0
    earlier = Generation(generation.directory, generation.number - 1).explored() or {}
    return int(earlier.get("kmc_steps", 0))


def after_confirmation(generation: Generation) -> bool:
    """The generation before reached the target, but not with the oracle's barriers."""
    if generation.number == 0:
        return False
    before = Generation(generation.directory, generation.number - 1).confirmed()
    return before is not None and not before["agrees"]


def work_done(directory: Path) -> int:
    """A number that grows as a campaign gets on, beside what its run does: labels asked for, with an end, fits, generations.

    Args:
        directory: of the campaign; 0 where there is none.
    """
    work = len(generations_of(directory)) + len(
        list(directory.glob(f"gen-*/candidates/*/{VERDICT}"))
    )
    for label in _label_states(directory):
        work += 2 if label.get("progress") in {Progress.DONE, Progress.FAILED} else 1
    return work


def jobs_of(directory: Path) -> list[str]:
    """Numbers of the scheduler's jobs whose labels are not collected yet."""
    return [
        str(label["job"])
        for label in _label_states(directory)
        if label.get("progress") == Progress.WITH_SCHEDULER and str(label.get("job")).isdigit()
    ]


def _label_states(directory: Path) -> Iterator[dict[str, Any]]:
    """Content of each label's state that can be read, by generation and name."""
    for path in sorted(directory.glob("gen-*/labels*/*/state.json")):
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(raw, dict) and "progress" in raw:
            yield raw


def stalled(directory: Path, *, at_most: int) -> bool:
    """So many generations in a row ended where the one before did: no KMC step more, no good search more, no calmer halt."""
    ends = [entry for entry in history_of(directory) if entry.kmc_steps is not None]
    last = ends[-at_most - 1 :]
    return len(last) > at_most and not any(
        _got_further(before, after) for before, after in pairwise(last)
    )


def _got_further(before: GenerationSummary, after: GenerationSummary) -> bool:
    if (before.kmc_steps, before.good) != (after.kmc_steps, after.good):
        return True
    gammas = (before.largest_gamma, after.largest_gamma)
    return None not in gammas and bool(gammas[1] <= _CALMER * gammas[0])  # type: ignore[operator]


def _summary(generation: Generation) -> GenerationSummary:
    facts, explored = generation.facts(), generation.explored() or {}
    reports = _selections(generation)
    errors = _errors(generation, facts)
    gammas = [
        frame["gamma_before"]
        for report in reports
        for frame in report["frames"]
        if frame["order"] is not None
    ]
    return GenerationSummary(
        generation=generation.number,
        origin=str(facts["origin"]),
        labels=_labels_of(generation),
        labelled=len(generation.labelled()),
        kmc_steps=explored.get("kmc_steps"),
        searches=explored.get("searches", {}),
        status=str(explored.get("status", "")),
        reason=str(explored.get("reason", "")),
        largest_gamma=max(gammas, default=None),
        energy_rmse_eV_per_atom=errors.get("energy_rmse_eV_per_atom"),
        force_rmse_eV_per_A=errors.get("force_rmse_eV_per_A"),
    )


def _errors(generation: Generation, facts: dict[str, Any]) -> dict[str, Any]:
    """On the test set; those of generation 0 are known from the verdict on its first refit."""
    found: dict[str, Any] = facts.get("test_errors") or {}
    verdict = generation.candidate(0) / VERDICT
    if not found and verdict.is_file():
        found = read_facts(verdict).get("test_errors_before") or {}
    return found


def _labels_of(generation: Generation) -> int:
    """How many were asked for, whose answers have come: to repair it, and to confirm its barriers."""
    selected = sum(int(report["selected"]) for report in _selections(generation))
    if not (generation.confirmation_labels / LABELS).is_file():
        return selected
    return selected + int(read_facts(generation.confirmation / CHOSEN)["asked"])


def _selections(generation: Generation) -> list[dict[str, Any]]:
    """Those whose labels have come."""
    reports = (read_selection(generation.selection(round_)) for round_ in generation.rounds())
    return [report for report in reports if report is not None]
