"""What the image says of itself: the one reader of its `etc/parts.json` and `etc/image.json`.

notes = ImageNotes.read()
notes.programs, notes.recipe         # {'eOn': '3.6.0', ...}, 'f00c...'; empty and None outside of an image
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

_PROGRAMS = {"eon": "eOn", "lammps": "LAMMPS", "python-ace": "python-ace"}
PROGRAMS = tuple(_PROGRAMS.values())
"""What a whole image names."""


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


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
