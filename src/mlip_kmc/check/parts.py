"""What this image is made of, and whether this processor can run it."""

import platform
import sys
from importlib import metadata
from pathlib import Path

from mlip_kmc.check.findings import Finding, Level, Value
from mlip_kmc.ground.image import PROGRAMS, ImageNotes, strangers, strangers_told
from mlip_kmc.ground.programs import check_cpu


def versions(etc: Path | None = None) -> tuple[list[Finding], bool]:
    """Versions of the parts and the image's recipe; unknown outside of the image."""
    notes = ImageNotes.read(etc)
    known = notes.programs
    values: dict[str, Value] = {
        "mlip_kmc": metadata_version("mlip-kmc"),
        **{name.lower().replace("-", "_"): known.get(name) for name in PROGRAMS},
        "python": platform.python_version(),
    }
    recipe = notes.recipe
    level = Level.OK if len(known) == len(PROGRAMS) else Level.UNKNOWN
    found = [
        Finding(
            "versions",
            level,
            ", ".join(f"{name} {version}" for name, version in known.items())
            or "no list of parts: this is not the image",
            values=values,
            advice="" if known else "run inside the image (apptainer exec image.sif)",
        )
    ]
    if told := strangers_told():
        found.append(
            Finding(
                "packages",
                Level.WARN,
                f"not the image's: {told}",
                values={"strangers": tuple(strangers())},
                advice="numbers are theirs: take their folders out of the container's PYTHONPATH, name those of a calculator in "
                "potential.python_path",
            )
        )
    found.append(
        Finding(
            "image",
            Level.OK if recipe else Level.UNKNOWN,
            f"recipe {recipe[:16]}" if recipe else f"no recipe in {sys.prefix}/etc/image.json",
            values={"recipe": recipe, "source": notes.source},
        )
    )
    return found, True


def metadata_version(name: str) -> str | None:
    """The version of an installed package; None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def processor() -> tuple[list[Finding], bool]:
    """Whether the processor has the instructions that the image was compiled for.

    Raises:
        ProgramError: some are missing.
    """
    march = ImageNotes.read().march
    check_cpu()
    if march is None:
        return [
            Finding(
                "processor",
                Level.UNKNOWN,
                "it is unknown for which processor the programs were compiled",
                values={"march": None},
            )
        ], True
    return [
        Finding("processor", Level.OK, f"has the instructions of {march}", values={"march": march})
    ], True
