"""Apptainer's image files from outside: what one says of itself, without running it.

Example:
    recipe_of(Path("image.sif"))          # 'a3f0...': what it was built from; None where it does not say

The Singularity Image Format: a header, descriptors of 585 bytes, data objects. Apptainer keeps the labels that `apptainer
inspect` shows in an object of JSON of its own, outside of the file system of the image.
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from mlip_kmc.ground.errors import ReleaseError

MARK, MARK_AT = b"SIF_MAGIC", 32
RECIPE_LABEL = "mlip-kmc.recipe"
_HEADER_BYTES, _COUNTS_AT = 128, 80
_COUNTS = struct.Struct("<4q")
"""Free and all descriptors, where they begin, and their bytes."""
_DESCRIPTOR = struct.Struct("<i?IIIqq")
_DESCRIPTOR_BYTES = 585
_JSON = 0x4006
_MOST_DESCRIPTORS, _MOST_JSON_BYTES = 1000, 10_000_000


def is_sif(stream: IO[bytes]) -> bool:
    """Does a file begin as an image does?"""
    stream.seek(0)
    return stream.read(_HEADER_BYTES)[MARK_AT : MARK_AT + len(MARK)] == MARK


def recipe_of(image: Path) -> str | None:
    """The label with the digest of all that the image was built from; None where the file has none.

    Raises:
        ReleaseError: it cannot be read.
    """
    try:
        with image.open("rb") as stream:
            for content in _json_objects(stream):
                found = _label(content)
                if found is not None:
                    return found
    except OSError as error:
        raise ReleaseError(
            f"cannot read the image {image}: {error.strerror}; name the SIF file that the run was made in"
        ) from error
    return None


def _json_objects(stream: IO[bytes]) -> Iterator[bytes]:
    header = stream.read(_HEADER_BYTES)
    if header[MARK_AT : MARK_AT + len(MARK)] != MARK or len(header) < _HEADER_BYTES:
        return
    _, count, begin, _ = _COUNTS.unpack_from(header, _COUNTS_AT)
    if begin < 0:
        return
    for number in range(min(count, _MOST_DESCRIPTORS)):
        stream.seek(begin + number * _DESCRIPTOR_BYTES)
        raw = stream.read(_DESCRIPTOR.size)
        if len(raw) < _DESCRIPTOR.size:
            return
        kind, used, _, _, _, offset, size = _DESCRIPTOR.unpack(raw)
        if used and kind == _JSON and offset > 0 and 0 < size <= _MOST_JSON_BYTES:
            stream.seek(offset)
            yield stream.read(size)


def _label(content: bytes) -> str | None:
    try:
        found: Any = json.loads(content)
        label = found["data"]["attributes"]["labels"][RECIPE_LABEL]
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    return label if isinstance(label, str) else None
