"""Structures that are kept: the format of mlip_kmc.model.frames.

keep("halts", HALTED_ON, structure, gamma=answer.gamma, source={"search": "0_3"}, potential=sha256)
"""

import errno
import os

from .basics import DIGITS, DISK, LETTERS, DriverError, Structure, digest_of, made_of
from .protocol import packed_question
from .structures import symbols_of

HALTED_ON, CANDIDATE, EVIDENCE = "halt", "candidate", "evidence"
MOST_FRAMES = 100
"""Of one search, from which on candidates are left out."""
_LONGEST_NAME = 64
_CANNOT_SYNC = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF)
"""What a file system answers that cannot sync a directory (CIFS, sshfs)."""


def keep(
    folder: str,
    kind: str,
    structure: Structure,
    *,
    gamma: list[float] | None,
    source: dict[str, str],
    potential: str,
) -> str:
    """Write a structure, durably, as one frame of extended XYZ, which `mlip-kmc select` reads.

    Args:
        folder: made if it is missing.
        kind: HALTED_ON, CANDIDATE or EVIDENCE.
        structure: the atoms.
        gamma: of each atom; None where it is unknown.
        source: search, state, stage and step; without a search it is named after the structure.
        potential: sha256 of what gamma depends on.

    Returns:
        the file; an empty text for a candidate too many.

    Raises:
        DriverError: it could not be made durable; the structure is still where the caller has it from.
    """
    search = source.get("search") or f"by_hand_{digest_of(packed_question(structure, {}))[:12]}"
    start = search.split("_")[0]
    facts = {
        "search": search,
        "state": source.get("state") or (start if made_of(start, DIGITS) else "0"),
        "stage": source.get("stage", "search"),
        "step": source.get("step", "0"),
        "kind": kind,
        "potential": potential,
    }
    body = _extended_xyz(structure, gamma, facts).encode()
    name = _file_name(search)
    path = os.path.join(folder, f"{name}-{facts['step']}.xyz")
    try:
        os.makedirs(folder, exist_ok=True)
        if (
            kind == CANDIDATE
            and sum(entry.startswith(f"{name}-") for entry in os.listdir(folder)) >= MOST_FRAMES
        ):
            return ""
        _write_durably(folder, path, body)
    except OSError as error:
        raise DriverError(
            DISK,
            f"the structure cannot be kept at {path}: {error.strerror or error}; make room, it is still in "
            "the caller's directory",
        ) from error
    return path


def _file_name(search: str) -> str:
    """A search's name for a file's: other characters and long names give way to a digest, so that no two collide."""
    plain = "".join(letter if letter in f"{LETTERS}{DIGITS}_" else "_" for letter in search)
    if plain == search and len(plain) <= _LONGEST_NAME:
        return plain
    return f"{plain[: _LONGEST_NAME - 9]}_{digest_of(search.encode())[:8]}"


def _extended_xyz(structure: Structure, gamma: list[float] | None, facts: dict[str, str]) -> str:
    words = [
        f'Lattice="{" ".join(map(repr, structure.cell))}"',
        f"Properties=species:S:1:pos:R:3{':gamma:R:1' if gamma else ''}",
        'pbc="T T T"',
        "format=1",
    ]
    words += [f"{key}={value}" for key, value in facts.items()]
    if gamma:
        words.append(f"gamma={max(gamma)!r}")
    rows = []
    for index, symbol in enumerate(symbols_of(structure.numbers)):
        numbers = [
            *structure.positions[3 * index : 3 * index + 3],
            *([gamma[index]] if gamma else []),
        ]
        rows.append(" ".join([symbol, *map(repr, numbers)]))
    return "\n".join([str(len(structure)), " ".join(words), *rows, ""])


def _write_durably(folder: str, path: str, body: bytes) -> None:
    temporary = os.path.join(folder, f".{os.path.basename(path)}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as stream:
            stream.write(body)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
    finally:
        os.close(descriptor)
