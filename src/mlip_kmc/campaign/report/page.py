"""The campaign's page: one HTML file that asks for nothing else, in the style of the run's.

html = render(read_campaign(Path("my-campaign")))

The same files give the same bytes.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mlip_kmc.campaign.report.account import CampaignReport
from mlip_kmc.campaign.report.figures import figures_of
from mlip_kmc.campaign.report.labels import LabelRow
from mlip_kmc.campaign.state import Step
from mlip_kmc.ground.errors import EXIT_HALTED
from mlip_kmc.ground.wording import counted, plain
from mlip_kmc.model.records import Fate
from mlip_kmc.report import words
from mlip_kmc.report.data import table_link
from mlip_kmc.report.environment import environment, page_style
from mlip_kmc.report.heading import Fact
from mlip_kmc.report.refreshes import FATE_WORDS, BarrierMove, moved, short, waiting
from mlip_kmc.report.viewer import policy

MOST_LABELS, MOST_MOVES, MOST_OTHERS = 200, 80, 60
_TEMPLATES = Path(__file__).parent / "templates"
_LABEL_COLUMNS = (
    "generation",
    "round",
    "order",
    "name",
    "search",
    "state",
    "stage",
    "step",
    "kind",
    "gamma_before",
    "gamma_then",
    "gamma_after",
    "progress",
    "fault",
    "message",
    "atoms",
    "counting",
    "reason",
)
_OTHER_COLUMNS = (
    "generation",
    "round",
    "name",
    "stage",
    "kind",
    "gamma_before",
    "verdict",
    "reason",
)


@dataclass(frozen=True)
class CostRow:
    """What one generation cost: force calls of searches by kind, labels, refits."""

    name: str
    searches: int
    force_calls: int
    refreshes: int
    refresh_force_calls: int
    minimisation_force_calls: int
    labels: int
    labels_of_use: int
    refits: int


@dataclass(frozen=True)
class TimeRow:
    """Wall time of one generation's steps, s, in the order of `Step`; 0 for those that were not begun."""

    name: str
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class ChangeRow:
    """A refit: how many processes were converged again, by fate; the lowest of their barriers; the range of the differences."""

    name: str
    refreshed: int
    fates: tuple[int, ...]
    lowest_eV: float | None
    moved_eV: tuple[float, float] | None


@dataclass(frozen=True)
class MoveRow:
    """A process before and after a refit."""

    move: BarrierMove
    names: tuple[str, str]
    process: tuple[str, str]
    fate: str


def render(report: CampaignReport) -> str:
    """The page's text."""
    figures = figures_of(report)
    costs = tuple(_costs(report))
    moves = _moves(report)
    return (
        environment(_TEMPLATES)
        .get_template("campaign.html.j2")
        .render(
            report=report,
            style=page_style(),
            policy=policy(page_style(), None),
            facts=tuple(_facts(report)),
            stuck=report.ended is not None and report.ended.exit_code == EXIT_HALTED,
            figures=figures,
            numbering={key: index for index, key in enumerate(figures, start=1)},
            spent=report.spent,
            by_refit={one.generation + 1: one for one in report.refits if one.accepted},
            labels=report.labels[:MOST_LABELS],
            label_state=_label_state,
            labels_link=table_link(
                "labels.csv", _LABEL_COLUMNS, _rows(report.labels, _LABEL_COLUMNS)
            ),
            others=report.others[:MOST_OTHERS],
            verdicts=Counter(one.verdict for one in report.others),
            others_link=table_link(
                "not_selected.csv", _OTHER_COLUMNS, _rows(report.others, _OTHER_COLUMNS)
            ),
            refused=[one for one in report.refits if not one.accepted],
            told=[one for one in report.generations if one.reason],
            fates=tuple(FATE_WORDS[fate] for fate in _fates(report)),
            changes=tuple(_changes(report)),
            moves=moves[:MOST_MOVES],
            moves_left_out=max(len(moves) - MOST_MOVES, 0),
            moved=_told(report),
            costs=costs,
            total=_total(costs),
            steps=tuple(Step),
            times=tuple(_times(report)),
            plain=plain,
        )
    )


def _rows(records: Iterable[object], columns: tuple[str, ...]) -> Iterator[tuple[object, ...]]:
    for record in records:
        yield tuple(getattr(record, name) for name in columns)


def _label_state(label: LabelRow) -> str:
    """How far a label is, in words."""
    if label.progress == "done" and label.counting is not None:
        whole = label.counting == label.atoms
        return f"done: {counted(label.atoms or 0, 'atom')}" + (
            "" if whole else f", forces of {label.counting} count"
        )
    told = ": ".join(word for word in (label.fault, label.message) if word)
    return f"{label.progress}{f' ({told})' if told else ''}"


def _facts(report: CampaignReport) -> Iterator[Fact]:
    """The block under the headline."""
    last = report.generations[-1] if report.generations else None
    done = sum(one.labelled for one in report.generations)
    asked = sum(one.labels for one in report.generations)
    if report.converged and report.outcome is not None:
        yield Fact("Best potential", str(report.outcome["potential"]))
        digests = (report.outcome.get("evidence") or {}).get("digests") or {}
        if digests.get("yace"):
            yield Fact("Its sha256", str(digests["yace"]), code=True)
        yield Fact("Its evidence", "; ".join(_evidence(report)))
    elif last is not None:
        yield Fact("Present potential", f"gen-{last.generation:03d}")
        yield Fact("What is known of it", "; ".join(_evidence(report)))
    if report.explored is not None:
        explored = report.explored
        yield Fact(
            "The run",
            f"{words.steps(explored.kmc_steps)}, {words.time(explored.simulated_time_s)} of simulated time; its own page: "
            "mlip-kmc report of the folder run",
        )
    elif report.no_run:
        yield Fact("The run", report.no_run)
    waits = sum(one.progress not in ("done", "failed") for one in report.labels)
    yield Fact(
        "Labels",
        f"{asked} asked for, {done} of use" + (f"; {waits} to come" if waits else ""),
    )
    refused = sum(not one.accepted for one in report.refits)
    yield Fact(
        "Refits",
        f"{len(report.refits)}, {refused} of them refused" if refused else f"{len(report.refits)}",
    )
    yield Fact("Wall time", _wall(report))
    if not report.converged:
        yield Fact("Next step", f"{report.state.step} of generation {report.state.generation}")
    if report.ended is not None:
        yield Fact("Ended with", f"exit code {report.ended.exit_code}")


def _evidence(report: CampaignReport) -> Iterator[str]:
    """Of the last generation."""
    last = report.generations[-1]
    if last.force_rmse_eV_per_A is not None:
        yield f"test errors {_meV(last.energy_rmse_eV_per_atom)} meV/atom, {_meV(last.force_rmse_eV_per_A)} meV/Å"
    accepted = [
        one for one in report.refits if one.accepted and one.generation + 1 == last.generation
    ]
    if accepted and accepted[0].gamma is not None:
        yield f"γ of what the one before was halted on: {plain(accepted[0].gamma)}" + (
            f", it was {plain(accepted[0].gamma_before)}" if accepted[0].gamma_before else ""
        )
    if accepted and accepted[0].checks:
        passed = sum(verdict == "passed" for verdict in accepted[0].checks.values())
        yield f"{passed} of {len(accepted[0].checks)} physical checks passed"
    epochs = (
        dict(zip(report.explored.names, report.explored.refreshes.epochs, strict=True))
        if report.explored
        else {}
    )
    if (epoch := epochs.get(f"gen-{last.generation:03d}")) is not None:
        yield f"{words.steps(epoch.kmc_steps)} of the run made with it"
    if last.reason:
        yield f"exploring with it: {last.status}, {last.reason}"
    if last.origin == "given":
        yield "given, not fitted here"


def _meV(value: float | None) -> str:  # noqa: N802 - a unit
    return words.MISSING if value is None else plain(1e3 * value)


def _wall(report: CampaignReport) -> str:
    total = words.duration(report.state.wall_s)
    if report.explored is None or not report.explored.wall_s:
        return f"{total} over all starts"
    own = words.duration(report.explored.wall_s)
    return f"{total} over all starts, up to the last step that ended; the run’s own: {own}"


def _told(report: CampaignReport) -> str:
    if report.explored is None or not report.explored.refreshes.changed:
        return ""
    found = report.explored.refreshes
    return f"{moved(found)} {waiting(found)}".replace("-", words.MINUS)


def _changes(report: CampaignReport) -> Iterator[ChangeRow]:
    """How the processes fared at each refit."""
    if report.explored is None:
        return
    found = report.explored.refreshes
    for epoch, name in zip(found.epochs, report.explored.names, strict=True):
        here = [move for move in found.moves if move.epoch == epoch.epoch]
        differences = [move.moved_eV for move in here if move.moved_eV is not None]
        barriers = [move.barrier_eV for move in here if move.barrier_eV is not None]
        if here:
            yield ChangeRow(
                name=_shortened(name),
                refreshed=len(here),
                fates=tuple(sum(move.fate is fate for move in here) for fate in _fates(report)),
                lowest_eV=min(barriers, default=None),
                moved_eV=(min(differences), max(differences)) if differences else None,
            )


def _fates(report: CampaignReport) -> list[Fate]:
    """Those that some process had."""
    moves = () if report.explored is None else report.explored.refreshes.moves
    return [fate for fate in Fate if any(move.fate is fate for move in moves)]


def _shortened(name: str) -> str:
    """`gen-003` as 3; what is no generation stays."""
    number = name.removeprefix("gen-")
    return str(int(number)) if number.isdecimal() else name


def _moves(report: CampaignReport) -> list[MoveRow]:
    """The newest generation first; in it what is gone first, then the largest differences."""
    if report.explored is None:
        return []
    names = report.explored.names

    def name(epoch: int | None) -> str:
        known = epoch is not None and epoch < len(names)
        return _shortened(names[epoch]) if epoch is not None and known else words.MISSING

    ordered = sorted(
        report.explored.refreshes.moves,
        key=lambda move: (-move.epoch, move.moved_eV is not None, -abs(move.moved_eV or 0.0)),
    )
    return [
        MoveRow(
            move=move,
            names=(name(move.epoch_before), name(move.epoch)),
            process=(short(move.process_before), short(move.process)),
            fate=FATE_WORDS[move.fate],
        )
        for move in ordered
    ]


def _costs(report: CampaignReport) -> Iterator[CostRow]:
    epochs = {}
    if report.explored is not None:
        epochs = dict(zip(report.explored.names, report.explored.refreshes.epochs, strict=True))
    for one in report.generations:
        epoch = epochs.get(f"gen-{one.generation:03d}")
        yield CostRow(
            name=f"gen-{one.generation:03d}",
            searches=epoch.searches if epoch else 0,
            force_calls=epoch.force_calls if epoch else 0,
            refreshes=epoch.refreshes if epoch else 0,
            refresh_force_calls=epoch.refresh_force_calls if epoch else 0,
            minimisation_force_calls=epoch.minimisation_force_calls if epoch else 0,
            labels=one.labels,
            labels_of_use=one.labelled,
            refits=sum(refit.generation == one.generation for refit in report.refits),
        )


def _total(rows: tuple[CostRow, ...]) -> CostRow:
    counts = [name for name in CostRow.__dataclass_fields__ if name != "name"]
    return CostRow(name="All", **{name: sum(getattr(row, name) for row in rows) for name in counts})


def _times(report: CampaignReport) -> Iterator[TimeRow]:
    """By generation, and of all; nothing where no time was noted, as by earlier versions."""
    found = [
        TimeRow(f"gen-{number:03d}", tuple(steps.get(step, 0.0) for step in Step))
        for number, steps in sorted(report.state.by_step_s.items())
    ]
    yield from found
    if found:
        yield TimeRow("All", tuple(map(sum, zip(*(row.seconds for row in found), strict=True))))
