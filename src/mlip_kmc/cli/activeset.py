"""`mlip-kmc potential activeset`: the active set of a B-basis, from a training set."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlip_kmc.cli.common import PATH, Command
from mlip_kmc.ground.wording import counted

if TYPE_CHECKING:
    from mlip_kmc.learning.active_set_maker import NewActiveSet

_LENGTHS = ("A", "bohr", "nm")
_FORCES = ("eV/A", "Ha/bohr", "Ry/bohr", "kcal/mol/A", "kJ/mol/nm")


def _pairs(
    _: click.Context, __: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    for value in values:
        if "=" not in value:
            raise click.BadParameter(f"{value!r} is not KEY=VALUE")
    return tuple((value.split("=", 1)[0], value.split("=", 1)[1]) for value in values)


@click.command(cls=Command)
@click.argument("training", type=PATH)
@click.option("--basis", type=PATH, required=True, help="The B-basis .yaml, with its coefficients.")
@click.option(
    "--output",
    type=PATH,
    default=None,
    help="The active set [default: the basis' name, ending in .asi].",
)
@click.option(
    "--length-unit",
    type=click.Choice(_LENGTHS),
    default="A",
    show_default=True,
    help="Of positions and cells.",
)
@click.option(
    "--leave-out",
    metavar="KEY=VALUE",
    multiple=True,
    callback=_pairs,
    help="Leave out structures with KEY=VALUE in their comment line; may be repeated.",
)
@click.option("--forces-key", default=None, help="The name of the forces, for --most-force-error.")
@click.option(
    "--forces-unit",
    type=click.Choice(_FORCES),
    default="eV/A",
    show_default=True,
    help="Of the forces.",
)
@click.option(
    "--most-force-error",
    "most_force_error_ev_per_a",
    type=click.FloatRange(min=0, min_open=True),
    default=None,
    help="Leave out atoms whose force the potential misses by more (eV/A).",
)
@click.option(
    "--trust-pickle",
    is_flag=True,
    help="Read a pickled training set: it runs whatever its maker put in it.",
)
@click.option(
    "--complete",
    is_flag=True,
    help="Where the set does not span the basis, make gamma huge, in place of refusing it.",
)
@click.option("--force", is_flag=True, help="Replace another active set.")
def activeset(
    training: Path,
    *,
    basis: Path,
    output: Path | None,
    length_unit: str,
    leave_out: tuple[tuple[str, str], ...],
    forces_key: str | None,
    forces_unit: str,
    most_force_error_ev_per_a: float | None,
    trust_pickle: bool,
    complete: bool,
    force: bool,
) -> None:
    """Make the active set .asi of a B-basis from the training set TRAINING, extended XYZ.

    Every atom of the set is looked at; MaxVol chooses as many as the basis has functions, so that gamma is at most 1 in the
    set itself. A set with fewer independent environments of an element than it has functions is refused, for gamma would be
    too small everywhere. A pickled set is read only with --trust-pickle.

    \b
    Example:  mlip-kmc potential activeset train.xyz --basis cu.yaml
              mlip-kmc potential activeset train.xyz --basis cu.yaml --length-unit bohr --leave-out group=dimer
              mlip-kmc potential activeset early.xyz --basis cuni.yaml --complete
    """  # noqa: D301
    from mlip_kmc.learning.active_set_maker import (
        make_active_set,
        write_active_set,
    )
    from mlip_kmc.learning.training_set import forces_of, read_training

    if (forces_key is None) != (most_force_error_ev_per_a is None):
        raise click.UsageError("--forces-key and --most-force-error need each other")
    path = output or basis.with_suffix(".asi")
    frames = read_training(
        training, length_unit=length_unit, leave_out=leave_out, trust_pickle=trust_pickle
    )
    forces = (
        None
        if forces_key is None
        else [forces_of(atoms, forces_key, unit=forces_unit) for atoms in frames]
    )
    made = make_active_set(
        basis,
        frames,
        forces=forces,
        most_force_error_eV_per_A=most_force_error_ev_per_a,
        complete=complete,
    )
    write_active_set(path, made, force=force)
    _print_made(path, made)


def _print_made(path: Path, made: "NewActiveSet") -> None:
    """What was made, and whether a record beside it is of another active set now."""
    from mlip_kmc.ground.files import sha256_of
    from mlip_kmc.potential.record import read_record, record_path

    rows = ", ".join(f"{len(inverse)} of {element}" for element, inverse in made.inverses.items())
    left_out = f" ({made.left_out} left out)" if made.left_out else ""
    click.echo(
        f"wrote {path}: {rows}, from {counted(made.structures, 'structure')}, {counted(made.atoms, 'atom')}{left_out}; "
        f"largest gamma in them {made.largest_gamma:.4f}"
    )
    for element, span in made.spans.items():
        condition = f", condition {span.rank.condition:.1e}" if span.rank.full else ""
        small = "" if span.rank.full else "; small rows span the rest, where gamma is huge"
        rests = f"{counted(span.environments, 'atom')}, {counted(span.rank.independent, 'independent environment')}"
        click.echo(f"{element}: {rests} for {span.rank.functions} functions{condition}{small}")
    yace = path.with_suffix(".yace")
    record = read_record(record_path(yace))
    if record is not None and record.digests.asi != sha256_of(path):
        click.echo(
            "its record is of another active set: mlip-kmc potential record --force "
            f"{shlex.quote(str(yace))} writes a new one"
        )
