"""`mlip-kmc potential`: what a potential's files hold, and the record that keeps them together."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from mlip_kmc.cli.activeset import activeset
from mlip_kmc.cli.common import PATH, Command
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.ground.wording import counted, plain

if TYPE_CHECKING:
    from mlip_kmc.potential import AcePotential


@click.group()
def potential() -> None:
    """Look at a potential's files; make its active set, or its record.

    \b
    Example:  mlip-kmc potential info cu.yace
    """  # noqa: D301 - click's own mark for lines that are not to be wrapped


@potential.command(cls=Command)
@click.argument("file", type=PATH)
@click.option(
    "--training",
    type=PATH,
    default=None,
    help="The training set, extended XYZ: count the independent environments of the active set.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(file: Path, *, training: Path | None, as_json: bool) -> None:
    """Print what FILE, a .yace, and the files beside it hold.

    \b
    Example:  mlip-kmc potential info cu.yace
              mlip-kmc potential info cu.yace --training train.xyz
    """  # noqa: D301
    from mlip_kmc.potential import AcePotential

    facts = _facts(AcePotential.read(file, check_record=False, allow_blind=True), training=training)
    click.echo(json.dumps(facts, indent=2) if as_json else "\n".join(_lines(facts)))


potential.add_command(activeset)


@potential.command(cls=Command)
@click.argument("file", type=PATH)
@click.option("--force", is_flag=True, help="Replace a record with other content.")
def record(file: Path, force: bool) -> None:  # noqa: FBT001
    """Write the record of FILE, a .yace, beside it: FILE.record.json.

    Files that it holds of another potential stay out of every later run. A record that is right already is left as it is.

    \b
    Example:  mlip-kmc potential record cu.yace
    """  # noqa: D301
    from mlip_kmc.potential import AcePotential
    from mlip_kmc.potential.record import record_path, write_record

    found = AcePotential.read(file, check_record=False)
    path = record_path(found.yace)
    state, problem, _ = _state(found)
    if state == "valid":
        click.echo(f"{path} is right already")
        return
    if state == "invalid" and not force:
        raise PotentialError(
            f"{path} is there and says something else: {problem.fault if problem else 'it is invalid'}",
            advice="give --force to replace it (what it knows of recipe, training set and errors is lost)",
        )
    write_record(path, found.new_record())
    click.echo(f"wrote {path}")


def _state(
    found: "AcePotential",
) -> tuple[str, PotentialError | None, dict[str, Any] | None]:
    """Is there a record, is it of these files, what is wrong with it, and what it says."""
    from mlip_kmc.potential.record import read_record, record_path

    said = None
    try:
        record = read_record(record_path(found.yace))
        if record is None:
            return "none", None, None
        said = record.model_dump(mode="json")
        found.check_against(record)
    except PotentialError as error:
        return "invalid", error, said
    return "valid", None, said


def _sight(found: "AcePotential", training: Path | None) -> dict[str, Any]:
    """What the active set sees: its ranks, why its gamma is of no use, and what the training set holds."""
    from mlip_kmc.evaluate.gamma import Extrapolation
    from mlip_kmc.learning.active_set_maker import support_of
    from mlip_kmc.learning.training_set import read_training
    from mlip_kmc.potential.active_set import BLIND_ADVICE, ActiveSet
    from mlip_kmc.potential.basis import BBasis

    if found.basis is None or found.active_set is None:
        return {
            "gamma": "unknown",
            "gamma_problem": None,
            "active_set_ranks": None,
            "training_environments": None,
        }
    active_set = ActiveSet.read(found.active_set, basis=BBasis.read(found.basis), allow_blind=True)
    ranks = {
        element: {
            "functions": rank.functions,
            "independent": rank.independent,
            "condition": rank.condition if rank.full else None,
        }
        for element, rank in active_set.ranks.items()
    }
    problem, support = (
        f"{active_set.blindness}; {BLIND_ADVICE}" if active_set.blindness else None,
        None,
    )
    try:
        grade = None if problem else Extrapolation.of(found)
    except PotentialError as error:
        grade, problem = None, str(error)
    if grade is not None and training is not None:
        rests = support_of(grade, read_training(training))
        support = {
            "largest_gamma": rests.largest_gamma,
            "elements": {
                element: {
                    "atoms": rests.atoms[element],
                    "independent": rank.independent,
                    "functions": rank.functions,
                }
                for element, rank in rests.ranks.items()
            },
        }
    return {
        "gamma": "refused" if problem else "available",
        "gamma_problem": problem,
        "active_set_ranks": ranks,
        "training_environments": support,
    }


def _facts(found: "AcePotential", *, training: Path | None) -> dict[str, Any]:
    from mlip_kmc.config import AcePotentialSection
    from mlip_kmc.potential.record import record_path

    state, problem, said = _state(found)
    return {
        "file": str(found.yace),
        "elements": list(found.elements),
        "cutoff_A": found.cutoff_A,
        "functions": dict(found.functions),
        "basis": found.basis and str(found.basis),
        "basis_functions": found.basis_functions and dict(found.basis_functions),
        "active_set": found.active_set and str(found.active_set),
        "active_set_kind": found.active_set_kind,
        **_sight(found, training),
        "core_repulsion": found.core_repulsion,
        "evaluators": list(get_args(AcePotentialSection.model_fields["evaluator"].annotation)),
        "digests": found.digests.model_dump(),
        "record": {
            "file": str(record_path(found.yace)),
            "state": state,
            "problem": problem and str(problem),
            "content": said,
        },
    }


def _lines(facts: dict[str, Any]) -> list[str]:
    """The facts, for reading."""
    record = facts["record"]
    basis = f"{facts['basis']} ({_counts(facts['basis_functions'])})" if facts["basis"] else "none"
    active_set = (
        f"{facts['active_set']} ({facts['active_set_kind']})" if facts["active_set"] else "none"
    )
    unknown = (
        "unknown: it needs a B-basis .yaml and an active set .asi (mlip-kmc potential activeset)"
    )
    gamma = {"available": "available", "refused": f"REFUSED: {facts['gamma_problem']}"}.get(
        facts["gamma"], unknown
    )
    lines = [
        f"potential    {facts['file']}",
        f"elements     {', '.join(facts['elements'])}",
        f"cutoff       {facts['cutoff_A']:g} A",
        f"functions    {_counts(facts['functions'])}",
        f"B-basis      {basis}",
        f"active set   {active_set}",
        *_ranks(facts),
        f"gamma        {gamma}",
        f"core         {'has a repulsion of its own' if facts['core_repulsion'] else 'no repulsion of its own'}",
        f"evaluators   {', '.join(facts['evaluators'])}",
        f"record       {record['state']}" + (f": {record['problem']}" if record["problem"] else ""),
    ]
    if record["state"] == "valid":
        lines += _history(record["content"])
    return lines


def _ranks(facts: dict[str, Any]) -> list[str]:
    """What the active set rests on."""
    lines = []
    for element, rank in (facts["active_set_ranks"] or {}).items():
        condition = (
            "RANK-DEFICIENT" if rank["condition"] is None else f"condition {rank['condition']:.1e}"
        )
        lines.append(
            f"  {element:<10} rank {rank['independent']} of {rank['functions']}, {condition}"
        )
    support = facts["training_environments"]
    if support:
        said = "; ".join(
            f"{one['atoms']} atoms of {element}, {one['independent']} independent environments for "
            f"{one['functions']} functions"
            for element, one in support["elements"].items()
        )
        lines.append(
            f"  rests on   {said}; largest gamma in the training set {plain(support['largest_gamma'])}"
        )
    return lines


def _history(content: dict[str, Any]) -> list[str]:
    """What a record says of where the potential comes from."""
    lines = []
    if content["recipe"]:
        versions = ", ".join(
            f"{name} {version}" for name, version in content["recipe"]["versions"].items()
        )
        lines.append(f"recipe       {content['recipe']['name']} ({versions})")
    if content["training"]:
        nearest = ", ".join(
            f"{pair} {distance:g} A"
            for pair, distance in content["training"]["smallest_distance_A"].items()
        )
        lines.append(
            f"training     {counted(content['training']['structures'], 'structure')}, "
            f"{counted(content['training']['atoms'], 'atom')}; "
            f"shortest distances {nearest}"
        )
    if content["test_errors"]:
        errors = content["test_errors"]
        lines.append(
            f"test errors  {plain(1e3 * errors['energy_rmse_eV_per_atom'])} meV/atom, "
            f"{plain(1e3 * errors['force_rmse_eV_per_A'])} meV/A (RMSE of {counted(errors['structures'], 'structure')})"
        )
    return lines


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} of {element}" for element, count in counts.items())
