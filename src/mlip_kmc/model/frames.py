"""Frames where the potential left what it was trained on: one durable extended XYZ file a frame, in `halts/` of a run.

Example:
    frame = KeptFrame(atoms=atoms, gammas=gammas, search="0_17", state=0, stage=Stage.SEARCH, step=240, kind=Kind.HALT,
                potential=potential_digest(basis=Path("cu.yaml"), active_set=Path("cu.asi")))
    write_kept_frame(Path("my-run/halts"), frame)         # my-run/halts/0_17-240.xyz
    frames, warnings = read_kept_frames(Path("my-run/halts"))   # warnings name what is torn or foreign

A file is one frame of extended XYZ: `Lattice`, `Properties=species:S:1:pos:R:3:gamma:R:1` (without gamma where it is unknown:
unknown is never 0), `pbc`, and the keys format, search, state, stage, step, gamma (the largest), kind, potential. Numbers are
written with all their digits. It is read here and not by ASE, which takes the name `0_17` for the number 17.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from mlip_kmc.ground.errors import StructureError
from mlip_kmc.ground.files import make_directory, sha256_of, write_durably
from mlip_kmc.model.structure import Array, extended_xyz

FORMAT = 1
_KEY = re.compile(r'([A-Za-z_][\w-]*)=(?:"([^"]*)"|(\S+))')
_COLUMN = re.compile(r"([^:]+):([SRIL]):(\d+)(?::|$)")
_SEARCH = re.compile(r"[A-Za-z0-9_.+-]{1,200}", re.ASCII)
_NAME_LENGTH = 64
_LARGEST_BYTES = 256 * 2**20


class Stage(StrEnum):
    """What a search was doing."""

    REACTANT = "reactant"
    SEARCH = "search"
    SADDLE = "saddle"
    PRODUCT = "product"
    MINIMISATION = "minimisation"


class Kind(StrEnum):
    """Why a frame was kept."""

    HALT = "halt"
    """The first above the `halt` threshold."""
    CANDIDATE = "candidate"
    """Between `select` and `halt`."""
    EVIDENCE = "evidence"
    """Under the minimum distance or above max_energy: nothing to label."""


@dataclass(frozen=True)
class KeptFrame:
    """A structure that a search met, with the search, the force call and the reason it was kept for.

    Attributes:
        atoms: positions and cell in A, periodic.
        gammas: (N,) extrapolation grade of each atom; None where it is unknown.
        search: the search's name, as `0_17`.
        state: the state it started from.
        stage: what it was doing.
        step: the number of the force call.
        kind: why the frame was kept.
        potential: digest of the B-basis and active set that gave the gammas, as of `potential_digest`.
    """

    atoms: Atoms
    gammas: Array | None
    search: str
    state: int
    stage: Stage
    step: int
    kind: Kind
    potential: str

    @property
    def gamma(self) -> float | None:
        """The largest extrapolation grade; None where it is unknown."""
        return None if self.gammas is None else float(np.max(self.gammas))

    @property
    def name(self) -> str:
        """The file's name without its ending: no more than 85 characters, of letters, digits, `_` and `-`."""
        return f"{_bounded(self.search)}-{self.step}"


def potential_digest(*, basis: Path, active_set: Path) -> str:
    """The sha256 that stands for a B-basis and an active set together: whatever gamma depends on."""
    return hashlib.sha256(f"{sha256_of(basis)} {sha256_of(active_set)}".encode()).hexdigest()


def write_kept_frame(directory: Path, frame: KeptFrame) -> Path:
    """Write one frame; the same frame again is the same file.

    Args:
        directory: made if it is missing.
        frame: what is written.

    Returns:
        the file.

    Raises:
        StructureError: the frame cannot be written so that it reads back the same.
        StorageError: the file could not be made durable.
    """
    text = to_text(frame)
    path = make_directory(directory) / f"{frame.name}.xyz"
    write_durably(path, text.encode())
    return path


def to_text(frame: KeptFrame) -> str:
    """The content of a frame's file.

    Raises:
        StructureError: a number is not finite, or a name cannot be written.
    """
    if not _SEARCH.fullmatch(frame.search):
        raise StructureError(
            f"a frame's search must be named by letters, digits and _ . + - (it is {frame.search[:40]!r})"
        )
    if (
        frame.state < 0
        or not 0 <= frame.step < 10**18
        or not re.fullmatch(r"[0-9a-f]{64}", frame.potential)
    ):
        raise StructureError(
            f"the frame of search {frame.search} needs a state and step from 0 on, and a sha256 of its potential"
        )
    keys = {
        "format": FORMAT,
        "search": frame.search,
        "state": frame.state,
        "stage": Stage(frame.stage),
        "step": frame.step,
        "kind": Kind(frame.kind),
        "potential": frame.potential,
    }
    if frame.gamma is not None:
        keys["gamma"] = repr(frame.gamma)
    return extended_xyz(
        frame.atoms,
        keys={key: str(value) for key, value in keys.items()},
        columns={} if frame.gammas is None else {"gamma": frame.gammas},
    )


def read_kept_frames(directory: Path) -> tuple[tuple[KeptFrame, ...], tuple[str, ...]]:
    """All frames of a directory, by search and step; and a line for each file that is none.

    Hidden files are left alone: they are frames that are being written, or were when their process was killed.
    """
    frames, warnings = [], []
    for path in _entries(directory):
        try:
            frames.append(_read(path))
        except (OSError, ValueError, StructureError) as error:
            warnings.append(f"{path} is left out: {getattr(error, 'strerror', None) or error}")
    return tuple(sorted(frames, key=_order)), tuple(warnings)


def _entries(directory: Path) -> list[Path]:
    if not directory.is_dir():
        return []
    return sorted(path for path in directory.iterdir() if not path.name.startswith("."))


def _read(path: Path) -> KeptFrame:
    if path.suffix != ".xyz" or not path.is_file():
        raise StructureError("it is no .xyz file")
    if path.stat().st_size > _LARGEST_BYTES:
        raise StructureError("it is too large for one frame")
    frame = from_text(path.read_text(encoding="utf-8"))
    if path.name != f"{frame.name}.xyz":
        raise StructureError(f"it holds the frame of {frame.name}.xyz")
    return frame


def _order(frame: KeptFrame) -> tuple[list[tuple[int, str]], int]:
    """Numbers in names by their size: 0_2 before 0_10."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part)
        for part in re.split(r"(\d+)", frame.search)
    ], frame.step


def from_text(text: str) -> KeptFrame:
    """The frame of a file's content.

    Raises:
        StructureError: it is torn, or no frame of this format.
    """
    lines = text.split("\n")
    if (
        len(lines) < 3
        or lines[-1] != ""
        or not re.fullmatch(r"[0-9]{1,9}", lines[0].strip(), re.ASCII)
    ):
        raise StructureError("it is torn, or no extended XYZ")
    keys = {
        match[1]: match[2] if match[2] is not None else match[3]
        for match in _KEY.finditer(lines[1])
    }
    if keys.get("format") != str(FORMAT):
        raise StructureError(f"it has no key format={FORMAT}")
    rows = [line.split() for line in lines[2:-1]]
    if len(rows) != int(lines[0]) or not rows:
        raise StructureError(f"it is torn: {len(rows)} rows of {lines[0].strip()} atoms")
    try:
        return _frame(keys, rows)
    except KeyError as error:
        raise StructureError(f"it has no key {error.args[0]}") from error
    except (ValueError, IndexError, OverflowError) as error:
        raise StructureError(f"it is no whole frame ({error})") from error


def _frame(keys: Mapping[str, str], rows: list[list[str]]) -> KeptFrame:
    columns = dict(_columns(keys["Properties"], width={len(row) for row in rows}))
    symbols = [row[columns["species"]] for row in rows]
    unknown = sorted(
        {symbol for symbol in symbols if symbol not in atomic_numbers or symbol == "X"}
    )
    if unknown:
        raise ValueError(f"no elements: {', '.join(map(repr, unknown[:3]))}")
    first = columns["pos"]
    positions = np.array([row[first : first + 3] for row in rows], dtype=float)
    gammas = (
        np.array([row[columns["gamma"]] for row in rows], dtype=float)
        if "gamma" in columns
        else None
    )
    cell = np.array(keys["Lattice"].split(), dtype=float).reshape(3, 3)
    atoms = Atoms(
        symbols, positions=positions, cell=cell, pbc=[flag == "T" for flag in keys["pbc"].split()]
    )
    frame = KeptFrame(
        atoms=atoms,
        gammas=gammas,
        search=keys["search"],
        state=int(keys["state"]),
        stage=Stage(keys["stage"]),
        step=int(keys["step"]),
        kind=Kind(keys["kind"]),
        potential=keys["potential"],
    )
    to_text(frame)  # what cannot be written is no frame either
    return frame


def _columns(properties: str, *, width: set[int]) -> Iterator[tuple[str, int]]:
    """Where each property's first column is."""
    at = 0
    for name, kind, count in _COLUMN.findall(properties):
        if (name, kind, count) in (("species", "S", "1"), ("pos", "R", "3"), ("gamma", "R", "1")):
            yield name, at
        at += int(count)
    if width != {at}:
        raise ValueError(f"rows of {sorted(width)} columns, not of {at}")


def _bounded(search: str) -> str:
    """A search's name for a file's: other characters and long names give way to a digest, so that no two collide."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", search)
    if plain == search and len(plain) <= _NAME_LENGTH:
        return plain
    return f"{plain[: _NAME_LENGTH - 9]}_{hashlib.sha256(search.encode()).hexdigest()[:8]}"
