"""`mlip-kmc select`: from a run's halts to the structures to label."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlip_kmc.cli.common import PATH, Command
from mlip_kmc.ground.wording import plain

if TYPE_CHECKING:
    from mlip_kmc.learning.frame_selection import Decision, Selection
    from mlip_kmc.potential import Potential

_MOST_LINES = 12


@click.command(cls=Command)
@click.argument("run", type=PATH)
@click.option(
    "--config",
    type=PATH,
    default=None,
    help="The configuration whose potential counts [default: the run's own].",
)
@click.option(
    "--potential",
    "yace",
    type=PATH,
    default=None,
    help="Another potential, with .yaml and .asi beside it.",
)
@click.option(
    "--select",
    "select_gamma",
    type=click.FloatRange(min=1, min_open=True),
    default=None,
    help="No gamma shall be left at or above it [default: the run's gamma.select].",
)
@click.option(
    "--halt",
    "halt_gamma",
    type=click.FloatRange(min=1, min_open=True),
    default=None,
    help="Gamma that halts a search; it is only recorded [default: the run's gamma.halt].",
)
@click.option(
    "--most", type=click.IntRange(min=1), default=None, help="The largest number of structures."
)
@click.option(
    "--tolerance-A",
    "tolerance_a",
    type=click.FloatRange(min=0, max=0.2),
    default=0.02,
    show_default=True,
    help="Structures within it are duplicates.",
)
@click.option(
    "--output", type=PATH, default=None, help="The folder to write to [default: RUN/selection]."
)
@click.option(
    "--all", "show_all", is_flag=True, help="Print a line for each structure that was not selected."
)
def select(
    run: Path,
    *,
    config: Path | None,
    yace: Path | None,
    select_gamma: float | None,
    halt_gamma: float | None,
    most: int | None,
    tolerance_a: float,
    output: Path | None,
    show_all: bool,
) -> None:
    """Choose from RUN/halts the fewest structures to label; write them to RUN/selection.

    It looks at the halts only, and may be asked while the run goes on.

    \b
    Example:  mlip-kmc select my-run
              mlip-kmc select my-run --potential cu.yace --most 10
    """  # noqa: D301
    from mlip_kmc.evaluate.gamma import Extrapolation
    from mlip_kmc.ground.container import binding
    from mlip_kmc.ground.errors import PotentialError, RunStateError
    from mlip_kmc.learning.frame_selection import select_frames, write_selection
    from mlip_kmc.model.frames import read_kept_frames

    if config and yace:
        raise click.UsageError("give --config or --potential, not both")
    if not run.is_dir():
        advice = binding(run) or "name the one that holds halts/"
        raise RunStateError(f"there is no run directory {run}; {advice}")
    if not (run / "halts").is_dir() and (run / "run").is_dir():
        raise RunStateError(f"{run} is a campaign's directory; its run is {run / 'run'}")
    grade = Extrapolation.of(_potential_of(run, config=config, yace=yace))
    if grade is None:
        raise PotentialError(
            "the potential's gamma is unknown: it has no B-basis .yaml and active set .asi; "
            "mlip-kmc potential activeset makes one"
        )
    frames, warnings = read_kept_frames(run / "halts")
    usual_select, usual_halt = _thresholds_of(run)
    selection = select_frames(
        frames,
        grade=grade,
        select=select_gamma or usual_select,
        halt=halt_gamma or usual_halt,
        most=most,
        tolerance_A=tolerance_a,
        warnings=warnings,
    )
    path = write_selection(output or run / "selection", selection)
    print_selection(selection, show_all=show_all)
    click.echo(f"written: {path}" if selection.frames else "no structure needs a label")


def _thresholds_of(run: Path) -> tuple[float, float]:
    """The run's own gamma thresholds; the usual ones where it has none."""
    from mlip_kmc.config import GammaSection
    from mlip_kmc.ground.errors import RunStateError
    from mlip_kmc.store.view import RunView

    usual = GammaSection()
    try:
        with RunView.read(run, detail="numbers") as view:
            facts = view.epoch.facts
    except RunStateError:
        return usual.select, usual.halt
    return float(facts.get("gamma.select", usual.select)), float(
        facts.get("gamma.halt", usual.halt)
    )


def _potential_of(run: Path, *, config: Path | None, yace: Path | None) -> "Potential":
    from mlip_kmc.config import load_config
    from mlip_kmc.potential import AcePotential
    from mlip_kmc.potential.inputs import inputs_of
    from mlip_kmc.potential.whereabouts import noted_potential

    if yace is not None:
        return AcePotential.read(yace)
    if config is not None:
        return inputs_of(load_config(config))[0]
    noted = noted_potential(run)
    if noted is None:
        raise click.UsageError("which potential? give --potential cu.yace, or the run's --config")
    return noted


def print_selection(selection: "Selection", *, show_all: bool = False) -> None:
    """Print what was selected as a table, and how many frames were not, and why."""
    from rich.console import Console
    from rich.table import Table

    chosen = [decision for decision in selection.decisions if decision.order is not None]
    if chosen:
        table = Table(
            box=None,
            pad_edge=False,
            padding=(0, 2, 0, 0),
            title_justify="left",
            title="structures to label",
        )
        table.add_column("", justify="right")
        table.add_column("frame", overflow="fold", max_width=24)
        table.add_column("stage")
        for name in ("gamma", "then", "log vol", "left"):
            table.add_column(name, justify="right", no_wrap=True)
        for decision in chosen:
            table.add_row(*_row(decision))
        Console(highlight=False, markup=False, emoji=False).print(table)
        click.echo(
            "gamma: under the present active set; then: after those above; log vol: growth\n"
            "of the active set's volume; left: the largest gamma of all structures after it"
        )
    others = [decision for decision in selection.decisions if decision.order is None]
    if others:
        counts = {
            verdict: count for verdict, count in selection.counts().items() if verdict != "selected"
        }
        click.echo(
            "not selected: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        )
    for decision in others if show_all else []:
        click.echo(f"  {decision.name}: {decision.verdict}: {decision.reason}")
    for line in selection.warnings[: None if show_all else _MOST_LINES]:
        click.echo(f"warning: {line}")
    if not selection.complete:
        click.echo(
            f"gamma is still at or above {selection.select:g} in some; --most leaves them for later"
        )


def _row(decision: "Decision") -> tuple[str, ...]:
    numbers = (
        decision.gamma_before,
        decision.gamma_then,
        decision.log_volume,
        decision.largest_left,
    )
    return (
        f"{decision.order}",
        decision.name,
        decision.stage,
        *("-" if value is None else plain(value) for value in numbers),
    )
