"""The first files of a user's own run or campaign: commented configurations, JSON Schemas, an example where nothing is given.

Example:
    written = write_starter(Path("my-run"), structure=None, potential=None)
    written = write_campaign_starter(Path("my-campaign"), own=None)

Nothing that is there already is overwritten.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from mlip_kmc.config import campaign_schema, example_directory, json_schema
from mlip_kmc.ground.errors import ConfigError
from mlip_kmc.ground.files import make_directory, why_no_file, write_durably

CONFIG, SCHEMA = "akmc.yaml", "akmc.schema.json"
CAMPAIGN, CAMPAIGN_SCHEMA = "campaign.yaml", "campaign.schema.json"
_STRUCTURE, _POTENTIAL = "vacancy.xyz", "cu.yace"
_TRAINING, _TEST = "train.xyz", "test.xyz"
_EXAMPLE = "cu-campaign"
_COPIED = ("*.xyz", "bulk.*", CONFIG)


@dataclass(frozen=True)
class OwnFiles:
    """What a user's campaign begins with.

    Attributes:
        structure, potential: where its run starts, and the `.yace`.
        training, test: what the potential was fitted to, and is tested on; both, or None where they are not known.
    """

    structure: Path
    potential: Path
    training: Path | None = None
    test: Path | None = None


def starter_text(*, structure: str, potential: str) -> str:
    """The commented configuration of a run, with the two files it cannot do without.

    Args:
        structure: a file name as it shall stand in it.
        potential: another.
    """
    return (
        _template(CONFIG)
        .replace(_STRUCTURE, _quoted(structure))
        .replace(_POTENTIAL, _quoted(potential))
    )


def campaign_text(*, sets: tuple[str, str] | None) -> str:
    """The commented configuration of a user's campaign.

    Args:
        sets: names of the training and test set as they shall stand in it; None: they are not known, and left out.
    """
    text = _template(CAMPAIGN)
    text = _without(text, r"  zero_eV: .*", "  # zero_eV: {}                     # by element")
    if sets is None:
        return _commented(text, "training")
    return text.replace(_TRAINING, _quoted(sets[0])).replace(_TEST, _quoted(sets[1]))


def write_starter(directory: Path, *, structure: Path | None, potential: Path | None) -> list[Path]:
    """Write the files of a run.

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
    _look_for(structure, potential)
    files: dict[str, bytes] = {}
    if structure is None or potential is None:
        example = example_directory()
        wanted = [_STRUCTURE] if structure is None else []
        wanted += sorted(path.name for path in example.glob("cu.*")) if potential is None else []
        files.update({name: (example / name).read_bytes() for name in wanted})
    files |= _run_files(
        _named(structure, directory) or _STRUCTURE, _named(potential, directory) or _POTENTIAL
    )
    return _placed(files, directory)


def write_campaign_starter(directory: Path, *, own: OwnFiles | None) -> list[Path]:
    """Write the files of a campaign: its configuration and that of its run.

    Args:
        directory: made if it is missing.
        own: the user's files, or None: those of the example are copied.

    Returns:
        what was written.

    Raises:
        ConfigError, StorageError: as of `write_starter`.
    """
    if own is None:
        example = example_directory(_EXAMPLE)
        names = sorted(path.name for pattern in _COPIED for path in example.glob(pattern))
        files = {name: (example / name).read_bytes() for name in names}
        files[SCHEMA] = _schema_bytes(json_schema())
        files[CAMPAIGN] = _template(CAMPAIGN).encode()
    else:
        _look_for(own.structure, own.potential, own.training, own.test)
        files = _run_files(_named(own.structure, directory), _named(own.potential, directory))
        sets = (
            None
            if own.training is None or own.test is None
            else (_named(own.training, directory), _named(own.test, directory))
        )
        files[CAMPAIGN] = campaign_text(sets=sets).encode()
    files[CAMPAIGN_SCHEMA] = _schema_bytes(campaign_schema())
    return _placed(files, directory)


def _run_files(structure: str, potential: str) -> dict[str, bytes]:
    return {
        CONFIG: starter_text(structure=structure, potential=potential).encode(),
        SCHEMA: _schema_bytes(json_schema()),
    }


def _template(name: str) -> str:
    return (resources.files(__name__) / name).read_text(encoding="utf-8")


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _schema_bytes(schema: Mapping[str, Any]) -> bytes:
    return (json.dumps(schema, indent=1) + "\n").encode()


def _without(text: str, pattern: str, instead: str) -> str:
    return re.sub(rf"^{pattern}$", instead, text, count=1, flags=re.MULTILINE)


def _commented(text: str, section: str) -> str:
    """The text with a section's lines turned into comments."""
    found = re.search(rf"^{section}:.*\n(?: .*\n)*", text, re.MULTILINE)
    assert found is not None  # noqa: S101 - the template has it
    lines = re.sub(r"^  # ", "  ", found.group(), flags=re.MULTILINE)
    lines = re.sub(r"^", "# ", lines.removesuffix("\n"), flags=re.MULTILINE)
    return f"{text[: found.start()]}{lines}\n{text[found.end() :]}"


def _look_for(*paths: Path | None) -> None:
    for path in paths:
        if path is not None and (wrong := why_no_file(path)):
            raise ConfigError(wrong)


def _placed(files: Mapping[str, bytes], directory: Path) -> list[Path]:
    """Write them, all or none."""
    _refuse([name for name in files if (directory / name).exists()], directory)
    make_directory(directory)
    for name, data in files.items():
        write_durably(directory / name, data)
    return [directory / name for name in files]


def _refuse(there: Iterable[str], directory: Path) -> None:
    if names := ", ".join(there):
        raise ConfigError(
            f"{directory} has {names} already; nothing was written: choose another directory"
        )


def _named(path: Path | None, directory: Path) -> str:
    """A file as the configuration in `directory` names it; empty where none is given."""
    return "" if path is None else os.path.relpath(path.resolve(), directory.resolve())
