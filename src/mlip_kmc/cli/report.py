"""`mlip-kmc report`: a run, a campaign, or several runs side by side, as one HTML page, or as JSON."""

import json
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlip_kmc.cli.common import PATH, Command

if TYPE_CHECKING:
    from mlip_kmc.report.summary import Report
    from mlip_kmc.store.view import RunView

_PACKAGES = ("ase", "numpy", "scipy")
_REST = 20
"""So many times the processor time of its last page --follow waits before the next: it takes at most a twentieth of a core."""


@click.command(cls=Command)
@click.argument("run_dirs", metavar="RUN...", type=PATH, nargs=-1, required=True)
@click.option(
    "--output",
    type=PATH,
    default=None,
    help="The page [default: RUN/results/report.html; of several runs it must be named].",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the numbers as one JSON object; no page is written.",
)
@click.option(
    "--follow",
    is_flag=True,
    help="Write the page anew as the run commits, until it is done, or Ctrl-C.",
)
@click.option(
    "--interval-s",
    type=click.FloatRange(min=0.2),
    default=30.0,
    show_default=True,
    help="How often to look, with --follow; never more than a twentieth of a core goes into pages.",
)
def report(
    run_dirs: tuple[Path, ...],
    output: Path | None,
    *,
    as_json: bool,
    follow: bool,
    interval_s: float,
) -> None:
    """Report the results of the run or campaign in RUN, also while it goes on; of several runs, compare them.

    The page holds everything itself: it asks for no network and no second file.

    \b
    Example:  mlip-kmc report my-run --output my-run.html
              mlip-kmc report my-run --follow
              mlip-kmc report run-500K run-600K --output compared.html
    """  # noqa: D301
    from mlip_kmc.campaign.report import is_campaign

    if as_json and follow:
        raise click.UsageError("--json and --follow do not go together: --follow writes a page")
    if len(run_dirs) > 1:
        _compare(run_dirs, output, as_json=as_json, follow=follow)
        return
    (run_dir,) = run_dirs
    target = output or run_dir / "results" / "report.html"
    campaign = is_campaign(run_dir)
    if follow and campaign:
        raise click.UsageError(f"--follow is for runs; that of this campaign is {run_dir / 'run'}")
    if follow:
        _follow(run_dir, target, interval_s=interval_s, pause=time.sleep)
        return
    page, numbers = (_campaign if campaign else _run)(run_dir, as_json=as_json)
    if as_json:
        click.echo(numbers)
        return
    _write(target, page)


def _write(target: Path, page: str) -> None:
    from mlip_kmc.ground.files import make_directory, write_durably

    make_directory(target.parent)
    write_durably(target, page.encode())
    click.echo(f"report: {target}")


def _follow(
    run_dir: Path, target: Path, *, interval_s: float, pause: Callable[[float], object]
) -> None:
    """Write the page of each newest generation, until the run has done what it was asked for."""
    import sys

    from mlip_kmc.report.following import age, newest
    from mlip_kmc.report.page import render
    from mlip_kmc.report.status import is_done
    from mlip_kmc.report.viewer import library
    from mlip_kmc.store.view import RunView

    text = library(Path(sys.prefix))
    seen, done = None, False
    while not done:
        began, found = time.process_time(), newest(run_dir)
        if (found is None and not (run_dir / "generations").is_dir()) or found != seen:
            with RunView.read(run_dir) as view:
                done = is_done(view)
                page = render(collected(view), library=text, age=None if done else age(view))
            _write(target, page)
            seen = found
        if not done:
            pause(max(interval_s, _REST * (time.process_time() - began)))


def _compare(
    run_dirs: tuple[Path, ...], output: Path | None, *, as_json: bool, follow: bool
) -> None:
    """Several runs side by side; structures are read while all of them are open."""
    import contextlib

    from mlip_kmc.campaign.report import is_campaign
    from mlip_kmc.report.compare import compare
    from mlip_kmc.report.compare_page import render
    from mlip_kmc.store.view import RunView

    if follow:
        raise click.UsageError("--follow is for one run")
    if output is None and not as_json:
        raise click.UsageError("several runs: name the page with --output")
    if len({run_dir.resolve() for run_dir in run_dirs}) < len(run_dirs):
        raise click.UsageError("a run is named twice")
    for run_dir in filter(is_campaign, run_dirs):
        raise click.UsageError(f"{run_dir} is a campaign; its run is {run_dir / 'run'}")
    with contextlib.ExitStack() as stack:
        views = [stack.enter_context(RunView.read(run_dir)) for run_dir in run_dirs]
        found = compare([collected(view) for view in views])
        if as_json:
            runs = [json.loads(one.as_json()) for one in found.reports]
            together = {"format": 1, "runs": runs, **found.as_json()}
            click.echo(json.dumps(together, indent=2, allow_nan=False, ensure_ascii=False))
            return
        page = render(found)
    if output is not None:
        _write(output, page)


def _campaign(directory: Path, *, as_json: bool) -> tuple[str, str]:
    """Page or JSON of a campaign; the other is empty."""
    from mlip_kmc.campaign.report import read_campaign, render

    found = read_campaign(directory)
    return ("", found.as_json()) if as_json else (render(found), "")


def _run(run_dir: Path, *, as_json: bool) -> tuple[str, str]:
    """Page or JSON of a run; the other is empty."""
    import sys

    from mlip_kmc.report.page import render
    from mlip_kmc.report.viewer import library
    from mlip_kmc.store.view import RunView

    with RunView.read(run_dir) as view:
        found = collected(view)
        if as_json:
            return "", found.as_json()
        return render(found, library=library(Path(sys.prefix))), ""


def collected(view: "RunView") -> "Report":
    """A run's numbers, with the versions of what made them."""
    import sys

    from mlip_kmc import __version__
    from mlip_kmc.report.summary import collect

    versions = {
        "mlip-kmc": __version__,
        **{name: metadata.version(name) for name in _PACKAGES},
        "Python": sys.version.split()[0],
    }
    return collect(view, etc=Path(sys.prefix) / "etc", software=versions)
