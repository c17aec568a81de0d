"""A generation's manifest: the one place that knows its format; those of earlier formats are converted as they are read.

Example:
    for number in numbers_in(generations):                     # the newest first
        manifest = Manifest.read(path_of(generations, number))
        manifest.epochs[-1].potential, manifest.journals["events"].length

Formats: 4 holds texts that change with nearly every generation, so that a commit is one file more, not ten. 3 has epochs; all
contents were objects. 2 had one epoch, whose facts and inputs lay in `state`: it is read as that, and the next commit writes the
present format. Lines of its journals have no epoch: they belong to the first.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.ground.files import sealed, unsealed
from mlip_kmc.model.records import Epoch
from mlip_kmc.store.whole import NotWholeError, bytes_or_none

FORMAT = 4
OLDEST_FORMAT = 2
_NAME = re.compile(r"^(\d{8})\.json$")


@dataclass(frozen=True)
class JournalEnd:
    """How much of a journal counts: its length in bytes, and the sha256 of that."""

    length: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a generation consists of.

    Attributes:
        number: of the generation.
        epochs: with which potentials and physics the run was made up to here; the last is the present one.
        state: what the run committed: JSON values.
        journals: how much of each counts, by name.
        folders: sha256 of each folder's listing, by its path below the live tree.
        texts: contents and listings that are held here, by their sha256; the others are objects.
    """

    number: int
    epochs: tuple[Epoch, ...]
    state: dict[str, Any]
    journals: Mapping[str, JournalEnd]
    folders: Mapping[str, str]
    texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """Digest of what decides the trajectory from here on."""
        return self.epochs[-1].identity

    @classmethod
    def read(cls, path: Path) -> Self:
        """The manifest in a file.

        Raises:
            NotWholeError: it is lost, torn or altered.
            RunStateError: another version wrote it, in a format that is not known here.
        """
        text = unsealed(bytes_or_none(path) or b"")
        if text is None:
            raise NotWholeError(f"{path.name} is torn or altered")
        raw: dict[str, Any] = json.loads(text)
        if raw.get("format") == OLDEST_FORMAT:
            raw = _from_format_2(raw)
        elif raw.get("format") not in (FORMAT, FORMAT - 1):
            raise _unknown_format(path, raw.get("format"))
        return cls(
            number=raw["number"],
            epochs=tuple(map(_epoch, raw["epochs"])),
            state=raw["state"],
            journals={name: JournalEnd(**end) for name, end in raw["journals"].items()},
            folders=raw["folders"],
            texts=raw.get("texts", {}),
        )

    def to_bytes(self) -> bytes:
        """As `read` takes it.

        Raises:
            RunStateError: a number in it is not finite.
        """
        raw = {"format": FORMAT, **asdict(self)}
        try:
            text = json.dumps(raw, separators=(",", ":"), allow_nan=False)
        except ValueError as error:
            raise RunStateError(
                f"generation {self.number} has a number that is not finite, and it is not written down: {self.state}"
            ) from error
        return sealed(text.encode())


def numbers_in(generations: Path) -> list[int]:
    """Numbers of the generations in a folder, the newest first; whether they are whole is not looked at."""
    found = (number_of(path.name) for path in generations.iterdir())
    return sorted((number for number in found if number is not None), reverse=True)


def number_of(name: str) -> int | None:
    """The number of the generation whose manifest has this file name; None for other files."""
    match = _NAME.match(name)
    return int(match.group(1)) if match else None


def path_of(generations: Path, number: int) -> Path:
    """Where a generation's manifest lies."""
    return generations / f"{number:08d}.json"


def _epoch(raw: Mapping[str, Any]) -> Epoch:
    """Keys of newer versions are ignored."""
    return Epoch(**{entry.name: raw[entry.name] for entry in fields(Epoch) if entry.name in raw})


def _from_format_2(raw: dict[str, Any]) -> dict[str, Any]:
    state = dict(raw["state"])
    epoch = Epoch.of(state.pop("facts", {}), inputs=state.pop("inputs", {}))
    return {**raw, "state": state, "epochs": [asdict(replace(epoch, identity=raw["identity"]))]}


def _unknown_format(path: Path, found: Any) -> RunStateError:
    starts = path.parent.parent / "journal" / "starts.jsonl"
    return RunStateError(
        f"{path} has the format {found}, this mlip-kmc reads {OLDEST_FORMAT} to {FORMAT}; use the version that wrote "
        f"it ({_version_in(starts) or f'see {starts}'}), or start anew in another run directory"
    )


def _version_in(starts: Path) -> str:
    """Which mlip-kmc started the run last, by its journal of starts; empty where that cannot be told."""
    lines = (bytes_or_none(starts) or b"").splitlines()
    try:
        version = json.loads(lines[-1])["version"]
    except (IndexError, ValueError, KeyError, TypeError):
        return ""
    return f"mlip-kmc {version}" if re.fullmatch(r"[0-9A-Za-z.+-]{1,40}", str(version)) else ""


def last_facts(generations: Path) -> Mapping[str, Any] | None:
    """What decides a run, as its newest generation says that can be read; None where there is none.

    Args:
        generations: the run directory's folder of them.
    """
    for number in numbers_in(generations):
        with suppress(NotWholeError):
            return Manifest.read(path_of(generations, number)).epochs[-1].facts
    return None
