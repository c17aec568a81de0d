"""`mlip-kmc refit`: a potential fitted again with labels, and the verdict on it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlip_kmc.cli.common import PATH, Command

if TYPE_CHECKING:
    from mlip_kmc.campaign.parts import Judged


@click.command(cls=Command)
@click.argument("config", type=PATH)
@click.argument("labelled", type=PATH)
@click.option("--output", type=PATH, required=True, help="The folder of the new potential.")
@click.option(
    "--name", default=None, help="Of its files [default: the potential's name, ending in -refit]."
)
@click.option(
    "--larger",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Which of refit.larger_bases; 0: the present basis.",
)
def refit(config: Path, labelled: Path, *, output: Path, name: str | None, larger: int) -> None:
    """Fit the potential of a campaign's CONFIG again, to its training set and the labels in LABELLED; judge the new one.

    LABELLED is what `mlip-kmc label` wrote, or extended XYZ with energies and forces of the oracle. The verdict is a
    campaign's; a refused potential stays in the folder (exit code 4).

    \b
    Example:  mlip-kmc refit campaign.yaml labelled.xyz --output refitted
    """  # noqa: D301
    from mlip_kmc.campaign.alone import refit_alone
    from mlip_kmc.config import load_campaign, load_config
    from mlip_kmc.ground.errors import ConfigError, PotentialError
    from mlip_kmc.model.labelled import Role, read_labelled
    from mlip_kmc.potential.inputs import potential_of

    settings = load_campaign(config)
    run_settings = load_config(settings.explore)
    labels = read_labelled(labelled, role=Role.LABEL)
    if not labels:
        raise ConfigError(f"{labelled} holds no structure")
    stem = Path(getattr(potential_of(run_settings), "yace", "potential")).stem
    judged = refit_alone(
        settings,
        run_config=run_settings,
        labels=labels,
        directory=output,
        name=name or f"{stem}-refit",
        larger=larger,
    )
    _print(judged)
    if not judged.accepted:
        raise PotentialError(f"{judged.yace} is refused: {'; '.join(judged.reasons)}")
    click.echo(f"accepted: {judged.yace}")


def _print(judged: "Judged") -> None:
    """What was found, a line each."""
    from mlip_kmc.ground.wording import plain

    def change(before: float | None, after: float | None, *, scale: float = 1.0) -> str:
        told = [
            "-" if value is None else plain(value * scale, digits=3) for value in (before, after)
        ]
        return " -> ".join(told)

    facts: dict[str, Any] = judged.facts
    counts = ", ".join(f"{count} {role}" for role, count in facts["structures"].items())
    click.echo(f"fitted to: {counts}")
    before, after = facts["test_errors_before"] or {}, facts["test_errors"] or {}
    if after:
        for key, unit in (
            ("energy_rmse_eV_per_atom", "energies, meV/atom"),
            ("force_rmse_eV_per_A", "forces, meV/A"),
        ):
            click.echo(
                f"error on the test set, {unit}: {change(before.get(key), after.get(key), scale=1e3)}"
            )
    gammas = change(facts["largest_gamma_before"], facts["largest_gamma"])
    click.echo(f"largest gamma of the labelled structures: {gammas}")
    failed = [name for name, verdict in facts["checks"].items() if verdict != "passed"]
    click.echo(f"physical checks: {', '.join(failed) if failed else 'passed'}")
