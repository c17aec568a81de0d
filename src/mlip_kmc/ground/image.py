"""What the image says of itself: the one reader of its `etc/parts.json` and `etc/image.json`.

notes = ImageNotes.read()
notes.programs, notes.recipe         # {'eOn': '3.6.0', ...}, 'f00c...'; empty and None outside of an image
strangers()                          # {'ase': Path('/home/me/lib/ase/__init__.py')}: packages that are not the image's
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Self

_PROGRAMS = {"eon": "eOn", "lammps": "LAMMPS", "python-ace": "python-ace"}
PROGRAMS = tuple(_PROGRAMS.values())
"""What a whole image names."""
PACKAGES = (
    "ase",
    "numpy",
    "scipy",
    "pyace",
    "lammps",
    "eon",
    "readcon",
    "yaml",
    "pydantic",
    "dask",
    "distributed",
)
"""By what they are imported as: what reads, evaluates and decides."""


@dataclass(frozen=True)
class ImageNotes:
    """Versions and the recipe.

    Attributes:
        programs: version by program; empty outside of an image.
        march: the instruction set that the programs were compiled for.
        recipe: sha256 of what the image was built from.
        source: sha256 of the package that it was built with.
    """

    programs: Mapping[str, str]
    march: str | None = None
    recipe: str | None = None
    source: str | None = None

    @classmethod
    def read(cls, etc: Path | None = None) -> Self:
        """Those of the image that this runs in.

        Args:
            etc: another directory that holds both files.
        """
        folder = etc or Path(sys.prefix) / "etc"
        parts, image = _object(folder / "parts.json"), _object(folder / "image.json")
        return cls(
            programs={name: str(parts[key]) for key, name in _PROGRAMS.items() if key in parts},
            march=_text(parts.get("march")),
            recipe=_text(image.get("recipe")),
            source=_text(image.get("source")),
        )


def strangers() -> dict[str, Path]:
    """Packages of `PACKAGES` that Python takes from elsewhere than the image; empty outside of an image.

    A PYTHONPATH of the machine does not come into the image. One that is given to the container by name does.
    """
    if ImageNotes.read().recipe is None:
        return {}
    found = {}
    for name in PACKAGES:
        spec = PathFinder.find_spec(name)
        if spec is not None and spec.origin and not Path(spec.origin).is_relative_to(sys.prefix):
            found[name] = Path(spec.origin)
    return found


def strangers_told() -> str:
    """In one line; empty where there are none."""
    return ", ".join(f"{name} ({path})" for name, path in strangers().items())


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
