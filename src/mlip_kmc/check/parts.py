"""What this image is made of, and whether this processor can run it."""

import json
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from mlip_kmc.check.findings import Finding, Level, Value
from mlip_kmc.ground.programs import check_cpu
from mlip_kmc.ground.programs.cpu import parts_file

_PROGRAMS = {"eOn": "eon", "LAMMPS": "lammps", "python-ace": "python-ace"}


def versions(etc: Path | None = None) -> tuple[list[Finding], bool]:
    """Versions of the parts and the image's recipe; unknown outside of the image."""
    etc = etc or parts_file().parent
    parts, image = _object(etc / "parts.json"), _object(etc / "image.json")
    known = {name: str(parts[key]) for name, key in _PROGRAMS.items() if key in parts}
    values: dict[str, Value] = {
        "mlip_kmc": metadata_version("mlip-kmc"),
        "eon": parts.get("eon"),
        "lammps": parts.get("lammps"),
        "python_ace": parts.get("python-ace"),
        "python": platform.python_version(),
    }
    recipe = image.get("recipe")
    level = Level.OK if len(known) == len(_PROGRAMS) else Level.UNKNOWN
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
    found.append(
        Finding(
            "image",
            Level.OK if recipe else Level.UNKNOWN,
            f"recipe {str(recipe)[:16]}" if recipe else f"no recipe in {sys.prefix}/etc/image.json",
            values={"recipe": recipe, "source": image.get("source")},
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
    march = _object(parts_file()).get("march")
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


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
