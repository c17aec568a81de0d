"""`mlip-kmc report`: a run, or a campaign, as one HTML page, or as JSON."""

from importlib import metadata
from pathlib import Path

import click

from mlip_kmc.cli.common import PATH, Command

_PACKAGES = ("ase", "numpy", "scipy")


@click.command(cls=Command)
@click.argument("run_dir", metavar="RUN", type=PATH)
@click.option(
    "--output", type=PATH, default=None, help="The page [default: RUN/results/report.html]."
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the numbers as one JSON object; no page is written.",
)
def report(run_dir: Path, output: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Report the results of the run or campaign in RUN, also while it goes on.

    The page holds everything itself: it asks for no network and no second file.

    \b
    Example:  mlip-kmc report my-run --output my-run.html
    """  # noqa: D301
    from mlip_kmc.campaign.report import is_campaign

    page, numbers = (_campaign if is_campaign(run_dir) else _run)(run_dir, as_json=as_json)
    if as_json:
        click.echo(numbers)
        return
    from mlip_kmc.ground.files import make_directory, write_durably

    target = output or run_dir / "results" / "report.html"
    make_directory(target.parent)
    write_durably(target, page.encode())
    click.echo(f"report: {target}")


def _campaign(directory: Path, *, as_json: bool) -> tuple[str, str]:
    """Page or JSON of a campaign; the other is empty."""
    from mlip_kmc.campaign.report import read_campaign, render

    found = read_campaign(directory)
    return ("", found.as_json()) if as_json else (render(found), "")


def _run(run_dir: Path, *, as_json: bool) -> tuple[str, str]:
    """Page or JSON of a run; the other is empty."""
    import sys

    from mlip_kmc import __version__
    from mlip_kmc.report.page import render
    from mlip_kmc.report.summary import collect
    from mlip_kmc.report.viewer import library
    from mlip_kmc.store.view import RunView

    versions = {
        "mlip-kmc": __version__,
        **{name: metadata.version(name) for name in _PACKAGES},
        "Python": sys.version.split()[0],
    }
    with RunView.read(run_dir) as view:
        found = collect(view, etc=Path(sys.prefix) / "etc", software=versions)
        if as_json:
            return "", found.as_json()
        return render(found, library=library(Path(sys.prefix))), ""
