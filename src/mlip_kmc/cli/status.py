"""`mlip-kmc status`: where a run is, from any node."""

import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlip_kmc.cli.common import PATH, Command
from mlip_kmc.ground.wording import counted, duration, gone, outcomes, plain, plural, reasons, size
from mlip_kmc.model.records.halt import HaltKind

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from mlip_kmc.report.refreshes import Refreshes
    from mlip_kmc.report.status import RunStatus

_AMBIGUOUS = (
    "an atom moves by half the cell to the saddle and may have gone the other way: no diffusion coefficient holds; run again in "
    "a larger cell"
)

_MOST_MOVES = 15
_LITTLE_BYTES = 1_000_000_000


@click.command(cls=Command)
@click.argument("run", type=PATH)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object; units are in its keys."
)
@click.option(
    "--work",
    is_flag=True,
    help="Print two integers: KMC steps and registered searches; 0 0 before the first commit. Of a campaign: what was done, as "
    "one number that grows, what it waits for (nothing, labels, approval), and its jobs with the scheduler.",
)
@click.option("--watch", is_flag=True, help="Print it again and again, until Ctrl-C.")
@click.option(
    "--interval-s",
    type=click.FloatRange(min=0.2),
    default=5.0,
    show_default=True,
    help="How often, with --watch.",
)
def status(run: Path, *, as_json: bool, work: bool, watch: bool, interval_s: float) -> None:
    """Show where the run or campaign in the directory RUN is.

    Reads only what was committed; works from any node, and while it runs.

    \b
    Example:  mlip-kmc status my-run --watch
    """  # noqa: D301
    from mlip_kmc.campaign.generation import is_campaign
    from mlip_kmc.report.status import read_status, read_work

    if as_json + work + watch > 1:
        raise click.UsageError("--json, --work and --watch are three ways to print it; choose one")
    campaign = is_campaign(run)
    if as_json:
        click.echo(_campaign_json(run) if campaign else read_status(run).to_json())
        return
    if work:  # job scripts ask for it often: no more is imported
        click.echo(_campaign_work(run) if campaign else " ".join(map(str, read_work(run))))
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False, markup=False, emoji=False)
    if not watch:
        console.print(_campaign_shown(run) if campaign else shown(read_status(run)))
    else:
        with Live(watched(run, console), console=console, auto_refresh=False) as live:
            while True:
                time.sleep(interval_s)
                live.update(watched(run, console), refresh=True)


def _campaign_shown(directory: Path) -> "RenderableType":
    from mlip_kmc.cli.campaign_status import campaign_shown
    from mlip_kmc.report.status import read_status

    return campaign_shown(directory, run=lambda run: shown(read_status(run)))


def _campaign_json(directory: Path) -> str:
    from mlip_kmc.cli.campaign_status import campaign_json

    return campaign_json(directory)


def _campaign_work(directory: Path) -> str:
    """What `--work` prints of a campaign."""
    from mlip_kmc.campaign.history import jobs_of, work_done
    from mlip_kmc.campaign.state import FILE, CampaignState
    from mlip_kmc.report.status import read_work

    work = work_done(directory) + sum(read_work(directory / "run"))
    waits = CampaignState.read(directory / FILE).waits
    return " ".join((str(work), str(waits), *jobs_of(directory)))


def watched(run: Path, console: "Console") -> "RenderableType":
    """A status with how the present state's searches go."""
    from mlip_kmc.campaign.generation import is_campaign

    if is_campaign(run):
        return _campaign_shown(run)
    from mlip_kmc.cli.course import course_rows
    from mlip_kmc.report.course import read_watched

    now, course = read_watched(run)
    plain_text = not console.encoding.lower().startswith("utf")
    return shown(now, more=course_rows(course, running=now.busy > 0, plain_text=plain_text))


def shown(now: "RunStatus", *, more: Sequence[tuple[str, str]] = ()) -> "RenderableType":
    """A status as a small table; `more` are further rows of it."""
    from rich.console import Group
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, text in [*_rows(now), *more]:
        table.add_row(name, text)
    if not now.refreshes.present:
        return table
    return Group(table, "", _moves(now.refreshes))


def _moves(found: "Refreshes") -> "RenderableType":
    """How barriers moved: what is gone first, then the largest differences."""
    from rich.table import Table

    from mlip_kmc.report.refreshes import FATE_WORDS, by_size

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title_justify="left")
    for name in ("state", "barrier before", "now (eV)", "moved (meV)"):
        table.add_column(name, justify="right")
    table.add_column("how barriers moved", overflow="fold")
    ordered = sorted(found.present, key=by_size)
    for move in ordered[:_MOST_MOVES]:
        reason = f": {move.reason}" if move.reason else ""
        table.add_row(
            str(move.state),
            f"{move.barrier_before_eV:.4f}",
            "-" if move.barrier_eV is None else f"{move.barrier_eV:.4f}",
            "-" if move.moved_eV is None else f"{1e3 * move.moved_eV:+.1f}",
            f"{FATE_WORDS[move.fate]}{reason}",
        )
    if len(ordered) > _MOST_MOVES:
        table.add_row("", "", "", "", f"{len(ordered) - _MOST_MOVES} more: --json has all")
    return table


def _rows(now: "RunStatus") -> list[tuple[str, str]]:
    earlier = now.earlier_temperatures_K
    rows = [
        ("run", now.path),
        ("condition", _condition(now)),
        (
            "KMC steps",
            _of(f"{now.kmc_steps}", now.kmc_steps_wanted)
            + (f", {plain(now.events_a_day)} a day" if now.events_a_day else ""),
        ),
        (
            "simulated time",
            _of(f"{plain(now.simulated_time_s, digits=4)} s", now.simulated_time_wanted_s)
            + (f", at {now.temperature_K:g} K" if now.temperature_K else "")
            + (f" now, before at {', '.join(f'{one:g}' for one in earlier)} K" if earlier else ""),
        ),
        ("state", f"number {now.state}, of {now.states} known"),
        ("confidence", _confidence(now)),
        ("searches", _searches(now)),
    ]
    if now.refreshes.changed:
        rows += _refresh(now.refreshes)
    if now.unsound:
        rows.append(("not sound", now.unsound))
    if now.left:
        rows.append(("desorbed", f"{gone(now.left)}; stop.desorbed_atoms ends a run there"))
    if now.ambiguous_steps:
        steps = counted(now.ambiguous_steps, "KMC step")
        rows.append(("ambiguous", f"in {steps} {_AMBIGUOUS}"))
    if now.low_barriers or now.low_barrier_steps:
        rows.append(("low barriers", _low_barriers(now)))
    if now.reasons:
        rows.append(("bad because", reasons(now.reasons)))
    told = (
        ("by symmetry", now.shortcuts.symmetry),
        ("from other runs", now.shortcuts.sharing),
        ("carried over", now.shortcuts.reuse),
        ("early stops", now.shortcuts.early_stops),
        ("told apart", now.shortcuts.told_apart),
        ("regions", now.regions.said),
        ("ahead of need", now.ahead),
    )
    rows += [(name, text) for name, text in told if text]
    if now.prefactors:
        rows.append(("prefactors", _prefactors(now)))
    rows += [("outdated", line) for line in now.outdated]
    rows += [
        ("workers", _workers(now)),
        ("cost", _cost(now)),
        ("started", _started(now)),
        ("disk", _disk(now)),
    ]
    if now.active_set_blind:
        rows.append(
            (
                "warning",
                f"{now.active_set_blind}, and searches went on where they should have halted",
            )
        )
    return rows


def _refresh(found: "Refreshes") -> list[tuple[str, str]]:
    from mlip_kmc.report.refreshes import moved, waiting

    before, here = found.epochs[-2:]
    names = f"{here.potential}, before that {before.potential}; " if here.potential else ""
    relabelled = f"; {counted(found.relabelled, 'step')} relabelled" if found.relabelled else ""
    cost = f"{here.refresh_force_calls + here.minimisation_force_calls} force calls"
    return [
        ("epoch", f"{here.epoch}: {names}since KMC step {here.first_step}{relabelled}"),
        ("refresh", f"{moved(found)} {waiting(found)} It took {cost}."),
    ]


def _condition(now: "RunStatus") -> str:
    where = f" on {now.host} (process {now.pid})" if now.host else ""
    if now.condition == "running":
        return f"running{where}: {now.phase}"
    if now.condition == "lost":
        return (
            f"lost: no sign of life{where} for {duration(now.seen_s or 0.0)}; if that process is gone, `mlip-kmc run` "
            "continues the run"
        )
    if now.condition == "halted":
        if now.halt_kind == HaltKind.TOO_NEAR:
            return f"halted, atoms too near: {now.halt}; the frame is in {now.path}/halts (docs/baseline.md)"
        return f"halted on extrapolation: {now.halt}; `mlip-kmc select {shlex.quote(now.path)}` chooses the structures to label"
    return "done" if now.condition == "done" else "stopped; `mlip-kmc run` continues it"


def _confidence(now: "RunStatus") -> str:
    wanted = (
        f" of {now.confidence_wanted:g} ({now.confidence_scheme})" if now.confidence_wanted else ""
    )
    here = (
        f"{counted(now.searches_here, 'search')} here" if now.searches_here else "not searched yet"
    )
    return f"{now.confidence:.4f}{wanted}, {here}"


def _started(now: "RunStatus") -> str:
    return f"{counted(now.starts, 'time')}; {duration(now.wall_s)} of running; last commit {duration(now.last_commit_s)} ago"


def _searches(now: "RunStatus") -> str:
    return outcomes(now.searches) + (
        f"; {now.bad_in_a_row} bad in a row" if now.bad_in_a_row > 2 else ""
    )


def _low_barriers(now: "RunStatus") -> str:
    steps = (
        f"{counted(now.low_barrier_steps, 'KMC step')} over barriers below a few kT"
        if now.low_barrier_steps
        else ""
    )
    return "; ".join(part for part in (steps, now.low_barriers) if part)


def _prefactors(now: "RunStatus") -> str:
    constant, total = now.prefactors.get("constant", 0), sum(now.prefactors.values())
    if not constant:
        return f"harmonic, of all {total} processes found"
    return (
        f"{total - constant} of {total} processes found are harmonic, {constant} constant in both directions: "
        f"{reasons(now.prefactor_reasons)}"
    )


def _workers(now: "RunStatus") -> str:
    if now.workers is None:
        return "unknown"
    used = f"; {now.utilisation:.0%} busy over its life" if now.utilisation is not None else ""
    where = (
        f" on {', '.join(f'{node} ({slots})' for node, slots in sorted(now.nodes.items()))}"
        if len(now.nodes) > 1
        else ""
    )
    lost = (
        f"; {counted(now.discarded, 'search')} made useless by KMC steps" if now.discarded else ""
    )
    return f"{now.busy} of {now.workers} busy{where}, {counted(now.pending, 'search')} submitted, not registered yet{used}{lost}"


def _disk(now: "RunStatus") -> str:
    text = f"{size(now.run_bytes)} used, {size(now.free_bytes)} free"
    little = now.free_bytes < max(_LITTLE_BYTES, 2 * now.run_bytes)
    return text + (": make room soon; a full disk pauses the run" if little else "")


def _cost(now: "RunStatus") -> str:
    if now.search_s is None:
        return "no good search yet"
    if not now.force_calls_per_s:
        return f"{duration(now.search_s, digits=3)} a search"
    calls = f"{plain(now.force_calls_per_s)} {plural(now.force_calls_per_s, 'force call')} a second and worker"
    of_eon = " (eOn's count, without dimer rotations)" if now.engine == "eon" else ""
    return f"{duration(now.search_s, digits=3)} a search, {calls}{of_eon}"


def _of(done: str, wanted: float | None) -> str:
    if wanted is None:
        return done
    return f"{done} of {wanted if isinstance(wanted, int) else plain(wanted, digits=6)}"
