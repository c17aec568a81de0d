"""`mlip-kmc release`: build a release of a run's potential, verify one, print the schemas."""

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlip_kmc.cli.common import PATH, Command

if TYPE_CHECKING:
    from mlip_kmc.release.package import ProductionDeployer

_log = logging.getLogger(__name__)


@click.group()
def release() -> None:
    """Release a potential: a zip that standard tools can verify, and that says what it was tested for.

    \b
    Example:  mlip-kmc release build my-run --settings release.yaml --training-set train.xyz --sign ~/.ssh/id_ed25519
    """  # noqa: D301 - click's own mark for lines that are not to be wrapped


@release.command(cls=Command)
@click.argument("run_dir", metavar="RUN", type=PATH)
@click.option(
    "--training-set",
    "training_sets",
    type=PATH,
    multiple=True,
    metavar="FILE",
    help="What the potential was fitted to, extended XYZ with energy and forces; may be given several times "
    "[default: release.training_sets].",
)
@click.option(
    "--validation-set",
    type=PATH,
    default=None,
    metavar="FILE",
    help="Structures that it was not fitted to, likewise [default: release.validation_set, else the record's errors].",
)
@click.option(
    "--settings",
    type=PATH,
    default=Path("release.yaml"),
    show_default=True,
    help="The release's own settings: oracle, licences, citation, reference values (docs/release.md).",
)
@click.option(
    "--version",
    default=None,
    help="SemVer; 1.0 is 1.0.0 [default: release.version of the settings].",
)
@click.option(
    "--author", default=None, help="Whom to ask [default: release.author of the settings]."
)
@click.option(
    "--image",
    type=PATH,
    default=None,
    help="The image's file, whose digest goes into the manifest [default: release.image].",
)
@click.option(
    "--potential",
    "yace",
    type=PATH,
    default=None,
    metavar="FILE",
    help="Where the run's .yace is now, .yaml and .asi beside it [default: where the run found it].",
)
@click.option(
    "--include-training-set",
    is_flag=True,
    help="Put the set itself into the release, not only its fingerprint.",
)
@click.option(
    "--allow",
    "allowed",
    multiple=True,
    metavar="CHECK",
    help="Release although this check does not pass; each needs its own --because. Both go into the manifest.",
)
@click.option(
    "--because",
    "reasons",
    multiple=True,
    metavar="TEXT",
    help="Why; as many as --allow, in the same order.",
)
@click.option(
    "--output",
    type=PATH,
    default=Path(),
    help="The directory that gets the zip [default: this one].",
)
@click.option(
    "--sign",
    "key",
    type=PATH,
    default=None,
    metavar="KEY",
    help="Sign it with this key, by ssh-keygen. One that asks for a passphrase: `just release`, or by hand.",
)
def build(  # noqa: PLR0917 - click passes by name
    run_dir: Path,
    training_sets: tuple[Path, ...],
    validation_set: Path | None,
    settings: Path,
    version: str | None,
    author: str | None,
    image: Path | None,
    yace: Path | None,
    include_training_set: bool,  # noqa: FBT001
    allowed: tuple[str, ...],
    reasons: tuple[str, ...],
    output: Path,
    key: Path | None,
) -> None:
    """Check the potential of the run in RUN, and write release_vVERSION.zip.

    The same inputs give the same zip, byte for byte. Its time is SOURCE_DATE_EPOCH, the settings' date, or the run's last start.

    \b
    Example:  mlip-kmc release build my-run --training-set train.xyz --image image.sif
              mlip-kmc release build my-run --training-set train.xyz --allow barrier --because "no value is published"
    """  # noqa: D301
    from rich.console import Console

    from mlip_kmc.potential import AcePotential
    from mlip_kmc.release.gate import sentence
    from mlip_kmc.release.package import ProductionDeployer
    from mlip_kmc.release.settings import load_settings, with_overrides
    from mlip_kmc.release.signature import sign

    if len(allowed) != len(reasons):
        raise click.UsageError("every --allow CHECK needs its own --because TEXT")
    chosen = with_overrides(
        load_settings(settings),
        version=version,
        author=author,
        training_sets=training_sets,
        validation_set=validation_set,
        image=image,
        include_training_set=include_training_set,
        allow=dict(zip(allowed, reasons, strict=True)),
    )
    potential = None if yace is None else AcePotential.read(yace)
    console = Console(highlight=False, soft_wrap=True)
    with console.status("") as status:
        deployer = ProductionDeployer(
            chosen,
            on_check=lambda check: console.print(sentence(check), markup=False),
            on_doing=lambda what: status.update(f"{what} ..."),
        )
        package = deployer.build(run_dir, into=output, potential=potential)
    click.echo(f"release: {package}")
    if key is not None:
        click.echo(f"signature: {sign(package, key=key)}")


def deployer_of(settings: Path | None) -> "ProductionDeployer | None":
    """What makes the release of a run that reached its target, and logs each check; None where no settings are given.

    Raises:
        ConfigError, ReleaseError: the settings are not enough; better known before the run.
    """
    if settings is None:
        return None
    from mlip_kmc.release.gate import sentence
    from mlip_kmc.release.package import ProductionDeployer
    from mlip_kmc.release.settings import load_settings

    return ProductionDeployer(
        load_settings(settings), on_check=lambda check: _log.info("%s", sentence(check))
    )


@release.command(cls=Command)
@click.argument("package", metavar="ZIP", type=PATH)
@click.option(
    "--signers",
    type=PATH,
    required=True,
    metavar="FILE",
    help="ssh-keygen's file of allowed signers.",
)
@click.option(
    "--signature", type=PATH, default=None, metavar="FILE", help="The signature [default: ZIP.sig]."
)
@click.option(
    "--image",
    type=PATH,
    default=None,
    help="The image's file, if it is here: its digest must be the manifest's.",
)
@click.option(
    "--try",
    "try_potential",
    is_flag=True,
    help="Evaluate the example with LAMMPS and python-ace: energy to 1e-8 eV, and gamma.",
)
@click.option(
    "--unpack",
    type=PATH,
    default=None,
    metavar="DIR",
    help="Then write the files into this empty directory.",
)
def verify(  # noqa: PLR0917 - click passes by name
    package: Path,
    signers: Path,
    signature: Path | None,
    image: Path | None,
    try_potential: bool,  # noqa: FBT001
    unpack: Path | None,
) -> None:
    """See whether ZIP is what one of the signers signed, in numbered steps.

    The signature comes before anything is opened. The first step that does not hold ends it, with exit code 9.

    \b
    Example:  mlip-kmc release verify release_v1.0.zip --signers allowed_signers --try
    """  # noqa: D301
    from mlip_kmc.release.verification import Policy
    from mlip_kmc.release.verification import verify as verified

    policy = Policy(signers=signers, signature=signature, image=image, try_potential=try_potential)
    found = verified(
        package,
        policy=policy,
        on_step=lambda number, name, said: click.echo(f"{number} {name:<10} {said}"),
    )
    if unpack is not None:
        found.unpack(unpack)
        click.echo(f"unpacked: {unpack}")
    for note in found.notes:
        click.echo(f"note: {note}")
    click.echo(f"{package.name} is verified: signed by {found.signer.principal}")


@release.command(cls=Command)
@click.option("--settings", is_flag=True, help="That of release.yaml instead.")
def schema(settings: bool) -> None:  # noqa: FBT001
    """Print the JSON Schema of the manifest.

    \b
    Example:  mlip-kmc release schema > manifest.schema.json
    """  # noqa: D301
    from mlip_kmc.release.manifest import schema_bytes
    from mlip_kmc.release.settings import settings_schema

    click.echo(
        json.dumps(settings_schema(), indent=2)
        if settings
        else schema_bytes().decode().rstrip("\n")
    )
