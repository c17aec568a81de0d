"""Everything that a campaign's page tells, read off the plain files of its directory; also while it runs.

report = read_campaign(Path("my-campaign"))
report.headline, report.generations[-1].force_rmse_eV_per_A, report.labels[0].reason
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlip_kmc.campaign.generation import (
    ENDING,
    OUTCOME,
    VERDICT,
    Generation,
    generations_of,
    read_facts,
)
from mlip_kmc.campaign.history import GenerationSummary, history_of
from mlip_kmc.campaign.report.confirmations import (
    ConfirmedBarrier,
    confirmation_labels,
    confirmed_barriers,
)
from mlip_kmc.campaign.report.labels import Chosen, LabelRow, OtherFrame, chosen_by
from mlip_kmc.campaign.state import FILE, CampaignState, Step
from mlip_kmc.ground.errors import EXIT_HALTED, RunStateError
from mlip_kmc.ground.wording import counted
from mlip_kmc.model.frames import potential_digest, read_kept_frames
from mlip_kmc.report.refreshes import Refreshes, refreshes_of
from mlip_kmc.store.view import RunView

FORMAT = 1
ORACLE = "oracle_barriers.json"
"""In the campaign's directory, where somebody put it: `{"format": 1, "oracle_barriers_eV": {"hop": 0.69}}`."""


@dataclass(frozen=True)
class Refit:
    """A candidate for the next generation.

    Attributes:
        generation: that it was to repair. candidate: its number among those.
        accepted: it became the next. reasons: why not, in words.
        energy_rmse_eV_per_atom, force_rmse_eV_per_A: on the test set; None where there is none.
        gamma_before, gamma: the largest of what was halted on, before and with it.
        checks: the physical ones, with their verdicts.
    """

    generation: int
    candidate: int
    accepted: bool
    reasons: tuple[str, ...]
    energy_rmse_eV_per_atom: float | None
    force_rmse_eV_per_A: float | None
    gamma_before: float | None
    gamma: float | None
    checks: Mapping[str, str]


@dataclass(frozen=True)
class Halts:
    """Kept frames of one generation's potential.

    Attributes:
        generation: None where the potential is none of the campaign's.
        stages: halts by what the search was doing. candidates, evidence: frames of the other kinds.
    """

    generation: int | None
    stages: Mapping[str, int]
    candidates: int
    evidence: int


@dataclass(frozen=True)
class Ended:
    """How the last process of the campaign came back; nothing of it is there while one runs, or where it was killed.

    Attributes:
        exit_code, line, why: see `state.Ending`.
    """

    exit_code: int
    line: str
    why: str


@dataclass(frozen=True)
class Explored:
    """The run that explores.

    Attributes:
        kmc_steps, simulated_time_s: up to now. wall_s: that its processes ran.
        refreshes: see there. names: of its epochs, by the generations whose potentials they are.
    """

    kmc_steps: int
    simulated_time_s: float
    wall_s: float
    refreshes: Refreshes
    names: tuple[str, ...]


@dataclass(frozen=True)
class CampaignReport:
    """A campaign.

    Attributes:
        name: of its directory. state: what comes next. ended: None while it runs, or where it was killed.
        outcome: the best generation and its evidence, once the target is reached.
        generations: in order. labels, others, refits: likewise.
        select, halt: thresholds of gamma; None before the first selection.
        halts: by generation. explored: None where the run cannot be read; `no_run` says why then.
        oracle_barriers_eV: barriers that are known otherwise, by name.
        confirmed: barriers that the oracle was asked about at the target.
    """

    name: str
    state: CampaignState
    ended: Ended | None
    outcome: Mapping[str, Any] | None
    generations: tuple[GenerationSummary, ...]
    labels: tuple[LabelRow, ...]
    others: tuple[OtherFrame, ...]
    refits: tuple[Refit, ...]
    select: float | None
    halt: float | None
    halts: tuple[Halts, ...]
    explored: Explored | None
    no_run: str
    oracle_barriers_eV: Mapping[str, float]
    confirmed: tuple[ConfirmedBarrier, ...]

    @property
    def spent(self) -> tuple[int, ...]:
        """Labels that had been asked for when each generation was fitted."""
        total, found = 0, []
        for one in self.generations:
            found.append(total)
            total += one.labels
        return tuple(found)

    @property
    def converged(self) -> bool:
        """The target is reached."""
        return self.outcome is not None and self.state.step is Step.FINALIZE

    @property
    def headline(self) -> str:
        """How it stands, in one sentence."""
        labels = counted(sum(one.labels for one in self.generations), "label")
        if self.converged and self.outcome is not None:
            steps = counted(
                int((self.outcome.get("explored") or {}).get("kmc_steps") or 0), "KMC step"
            )
            refits = counted(max(len(self.generations) - 1, 0), "refit")
            return f"Converged: {self.outcome['best']} reached the target, {steps}, after {refits} and {labels}."
        if self.ended is not None and self.ended.exit_code == EXIT_HALTED:
            return f"Does not converge: {self.ended.why or self.ended.line}."
        where = (
            f"generation {self.state.generation} is at the step {self.state.step}, {labels} so far"
        )
        if self.ended is not None:
            return f"Paused: {where}. {self.ended.line}"
        return f"Not finished: {where}."

    def as_json(self) -> str:
        """One JSON object, indented."""
        return json.dumps(_plain(self), indent=2, allow_nan=False, ensure_ascii=False)


def read_campaign(directory: Path) -> CampaignReport:
    """Read it.

    Args:
        directory: of the campaign.

    Raises:
        RunStateError: a file of it is damaged.
    """
    generations = generations_of(directory)
    chosen = [one for generation in generations for one in chosen_by(generation)]
    explored, no_run = _explored(directory / "run", generations)
    return CampaignReport(
        name=directory.absolute().name,
        state=CampaignState.read(directory / FILE),
        ended=_ended(directory / ENDING),
        outcome=read_facts(directory / OUTCOME) if (directory / OUTCOME).is_file() else None,
        generations=tuple(history_of(directory)),
        labels=(
            *(label for one in chosen for label in one.labels),
            *(label for generation in generations for label in confirmation_labels(generation)),
        ),
        others=tuple(other for one in chosen for other in one.others),
        refits=tuple(refit for generation in generations for refit in _refits(generation)),
        **_thresholds(chosen),
        halts=tuple(_halts(directory / "run" / "halts", generations)),
        explored=explored,
        no_run=no_run,
        oracle_barriers_eV=_oracle(directory / ORACLE),
        confirmed=tuple(row for one in generations for row in confirmed_barriers(one)),
    )


def _ended(path: Path) -> Ended | None:
    if not path.is_file():
        return None
    facts = read_facts(path)
    return Ended(int(facts["exit_code"]), str(facts["line"]), str(facts["why"]))


def _thresholds(chosen: Sequence[Chosen]) -> dict[str, Any]:
    first = chosen[0] if chosen else None
    return {"select": first.select if first else None, "halt": first.halt if first else None}


def _refits(generation: Generation) -> list[Refit]:
    found = []
    for number in range(1000):
        path = generation.candidate(number) / VERDICT
        if not path.is_file():
            break
        facts = read_facts(path)
        errors: Mapping[str, Any] = facts.get("test_errors") or {}
        found.append(
            Refit(
                generation=generation.number,
                candidate=number,
                accepted=bool(facts["accepted"]),
                reasons=tuple(map(str, facts["reasons"])),
                energy_rmse_eV_per_atom=errors.get("energy_rmse_eV_per_atom"),
                force_rmse_eV_per_A=errors.get("force_rmse_eV_per_A"),
                gamma_before=facts.get("largest_gamma_before"),
                gamma=facts.get("largest_gamma"),
                checks=dict(facts.get("checks") or {}),
            )
        )
    return found


def _halts(folder: Path, generations: Sequence[Generation]) -> list[Halts]:
    """By generation; those of other potentials last."""
    of: dict[str, int] = {}
    for generation in generations:
        basis, active_set = (generation.yace.with_suffix(end) for end in (".yaml", ".asi"))
        if basis.is_file() and active_set.is_file():
            of.setdefault(potential_digest(basis=basis, active_set=active_set), generation.number)
    counts: dict[int | None, Counter[tuple[str, str]]] = {}
    for frame in read_kept_frames(folder)[0]:
        counts.setdefault(of.get(frame.potential), Counter())[frame.kind, frame.stage] += 1
    return [
        Halts(
            generation=number,
            stages={
                stage: count for (kind, stage), count in sorted(found.items()) if kind == "halt"
            },
            candidates=sum(count for (kind, _), count in found.items() if kind == "candidate"),
            evidence=sum(count for (kind, _), count in found.items() if kind == "evidence"),
        )
        for number, found in sorted(counts.items(), key=lambda one: (one[0] is None, one[0] or 0))
    ]


def _explored(run: Path, generations: Sequence[Generation]) -> tuple[Explored | None, str]:
    if not (run / "generations").is_dir():
        return None, ""
    try:
        with RunView.read(run, detail="numbers") as view:
            found = refreshes_of(view)
            return Explored(
                kmc_steps=view.numbers.kmc_steps,
                simulated_time_s=view.numbers.time_s,
                wall_s=view.numbers.wall_s,
                refreshes=found,
                names=_names(found, generations),
            ), ""
    except RunStateError as error:
        return None, str(error)


def _names(found: Refreshes, generations: Sequence[Generation]) -> tuple[str, ...]:
    """Of each epoch: its generation's, by the potential's digest."""
    digests = [str((one.facts().get("digests") or {}).get("yace")) for one in generations]
    names, first = [], 0
    for epoch in found.epochs:
        place = next((i for i in range(first, len(digests)) if digests[i] == epoch.sha256), None)
        names.append(f"epoch {epoch.epoch}" if place is None else generations[place].name)
        first = first if place is None else place + 1
    return tuple(names)


def _oracle(path: Path) -> dict[str, float]:
    if not path.is_file():
        return {}
    facts = read_facts(path)
    try:
        return {str(name): float(eV) for name, eV in facts["oracle_barriers_eV"].items()}
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise RunStateError(
            f"{path} must hold oracle_barriers_eV, a barrier in eV by name; correct or remove it"
        ) from error


def _plain(report: CampaignReport) -> dict[str, Any]:
    explored = report.explored
    return {
        "format": FORMAT,
        "campaign": {
            "name": report.name,
            "headline": report.headline,
            "converged": report.converged,
            "best": report.outcome["best"] if report.converged and report.outcome else None,
            "ended": asdict(report.ended) if report.ended else None,
            **{
                key: value
                for key, value in asdict(report.state).items()
                if key not in {"wall_s", "by_step_s"}
            },
        },
        "generations": [
            {"labels_before": before, **asdict(one)}
            for before, one in zip(report.spent, report.generations, strict=True)
        ],
        "thresholds": {"select": report.select, "halt": report.halt},
        "labels": [asdict(one) for one in report.labels],
        "not_selected": [asdict(one) for one in report.others],
        "refits": [{**asdict(one), "checks": dict(one.checks)} for one in report.refits],
        "halts": [{**asdict(one), "stages": dict(one.stages)} for one in report.halts],
        "run": None
        if explored is None
        else {
            "kmc_steps": explored.kmc_steps,
            "simulated_time_s": explored.simulated_time_s,
            "generations": list(explored.names),
            "refreshes": explored.refreshes.to_json(),
        },
        "oracle_barriers_eV": dict(report.oracle_barriers_eV),
        "confirmed": [{**asdict(one), "faults": list(one.faults)} for one in report.confirmed],
        "cost": {
            "wall_s": report.state.wall_s,
            "by_step": [
                {"generation": generation, "step": step, "wall_s": seconds}
                for generation, steps in sorted(report.state.by_step_s.items())
                for step, seconds in steps.items()
            ],
            "run_wall_s": None if explored is None else round(explored.wall_s, 1),
            "labels": sum(one.labels for one in report.generations),
            "labels_of_use": sum(one.labelled for one in report.generations),
            "refits": len(report.refits),
        },
    }
