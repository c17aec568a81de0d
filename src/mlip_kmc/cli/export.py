"""`mlip-kmc export`: a run's trajectory and tables, from its directory."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlip_kmc.cli.common import PATH, Command
from mlip_kmc.ground.wording import counted

if TYPE_CHECKING:
    from mlip_kmc.store.export import Gammas
    from mlip_kmc.store.view import RunView


@click.command(cls=Command)
@click.argument("run_dir", metavar="RUN", type=PATH)
@click.option(
    "--output", type=PATH, default=None, help="The folder to write to [default: RUN/results]."
)
@click.option(
    "--gamma",
    is_flag=True,
    help="Evaluate the extrapolation grade of each atom of each state, for the trajectory; it needs the run's .yaml and .asi.",
)
@click.option(
    "--chemiscope",
    is_flag=True,
    help="Write chemiscope.json.gz, too: states and saddles as a data set of chemiscope.",
)
def export(run_dir: Path, output: Path | None, *, gamma: bool, chemiscope: bool) -> None:
    """Write the trajectory and tables of the run in RUN anew, also while it goes on.

    Written are trajectory.xyz, processes.xyz, and events, processes and states as .csv and .parquet, of the newest generation.

    \b
    Example:  mlip-kmc export my-run --output so-far
              mlip-kmc export my-run --gamma --chemiscope
    """  # noqa: D301
    import numpy as np

    from mlip_kmc.ground.errors import RunStateError
    from mlip_kmc.model.records import made
    from mlip_kmc.store.export import export as write
    from mlip_kmc.store.view import RunView

    target = output or run_dir / "results"
    with RunView.read(run_dir) as view:
        if not view.states or not view.states[0].structure.is_file():
            raise RunStateError(f"{run_dir} holds no state yet; wait until its first searches run")
        rotation = view.rotation()
        if rotation is None:
            click.echo(
                "the orientation is that of eOn's cell: no earlier trajectory tells the given one",
                err=True,
            )
        write(
            view.result(),
            rotation=np.eye(3) if rotation is None else rotation,
            directory=target,
            gammas=_gammas(view) if gamma else None,
            parquet=True,
        )
        if chemiscope:
            _write_chemiscope(view, target)
        click.echo(
            f"{counted(len(made(view.events)), 'KMC step')}, {counted(len(view.states), 'state')}: {target}"
        )


def _gammas(view: "RunView") -> "Gammas":
    """Evaluates with the active set that the run is made with.

    Raises:
        PotentialError: its files are gone or others, or the potential has none.
    """
    from mlip_kmc.evaluate.gamma import Extrapolation
    from mlip_kmc.ground.errors import PotentialError
    from mlip_kmc.ground.files import sha256_of
    from mlip_kmc.potential.whereabouts import noted_potential

    wanted = view.epoch.facts.get("potential.active_set")
    potential = noted_potential(view.path)
    grade = None if potential is None or wanted is None else Extrapolation.of(potential)
    if potential is None or potential.active_set is None or grade is None:
        raise PotentialError(
            f"gamma is unknown in {view.path}: its potential has no B-basis .yaml and active set .asi; leave out --gamma"
        )
    if sha256_of(potential.active_set) != wanted:
        raise PotentialError(
            f"{potential.active_set} is not the active set that {view.path} is made with; put that back, or leave out --gamma"
        )
    return grade.gamma_of


def _write_chemiscope(view: "RunView", target: Path) -> None:
    import gzip
    import json

    from mlip_kmc.cli.report import collected
    from mlip_kmc.ground.files import write_durably
    from mlip_kmc.report.chemiscope import dataset

    found = dataset(collected(view))
    text = json.dumps(found.as_json(), separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    write_durably(target / "chemiscope.json.gz", gzip.compress(text.encode(), mtime=0))
    if found.left_out:
        left_out = counted(found.left_out, "state")
        click.echo(f"chemiscope.json.gz: {left_out} had no room in it", err=True)
