"""The first files of a user's own run: a commented configuration, its JSON Schema, and the example where nothing is given.

Example:
    written = write_starter(Path("my-run"), structure=None, potential=None)

Nothing that is there already is overwritten.
"""

import json
import os
from importlib import resources
from pathlib import Path

from mlip_kmc.config import example_directory, json_schema
from mlip_kmc.ground.errors import ConfigError
from mlip_kmc.ground.files import make_directory, why_no_file, write_durably

CONFIG, SCHEMA = "akmc.yaml", "akmc.schema.json"
_STRUCTURE, _POTENTIAL = "vacancy.xyz", "cu.yace"


def starter_text(*, structure: str, potential: str) -> str:
    """The commented configuration, with the two files it cannot do without.

    Args:
        structure: a file name as it shall stand in it.
        potential: another.
    """
    text = (resources.files(__name__) / CONFIG).read_text(encoding="utf-8")
    return text.replace("vacancy.xyz", json.dumps(structure, ensure_ascii=False)).replace(
        "cu.yace", json.dumps(potential, ensure_ascii=False)
    )


def write_starter(directory: Path, *, structure: Path | None, potential: Path | None) -> list[Path]:
    """Write the files.

    Args:
        directory: made if it is missing.
        structure: the user's, or None: the example's is copied.
        potential: the user's `.yace`, or None: the example's is copied, with what belongs to it.

    Returns:
        what was written.

    Raises:
        ConfigError: a file is missing, or one of the files is there already.
        StorageError: the directory cannot be written.
    """
    for path in (structure, potential):
        if path is not None and (wrong := why_no_file(path)):
            raise ConfigError(wrong)
    files: dict[str, bytes] = {}
    if structure is None or potential is None:
        example = example_directory()
        wanted = [_STRUCTURE] if structure is None else []
        wanted += sorted(path.name for path in example.glob("cu.*")) if potential is None else []
        files.update({name: (example / name).read_bytes() for name in wanted})
    files[CONFIG] = starter_text(
        structure=_named(structure, directory) or _STRUCTURE,
        potential=_named(potential, directory) or _POTENTIAL,
    ).encode()
    files[SCHEMA] = (json.dumps(json_schema(), indent=1) + "\n").encode()
    there = [name for name in files if (directory / name).exists()]
    if there:
        raise ConfigError(
            f"{directory} has {', '.join(there)} already; nothing was written: choose another directory"
        )
    make_directory(directory)
    for name, data in files.items():
        write_durably(directory / name, data)
    return [directory / name for name in files]


def _named(path: Path | None, directory: Path) -> str | None:
    """A file as the configuration in `directory` names it."""
    return None if path is None else os.path.relpath(path.resolve(), directory.resolve())
