"""The text of a structure file, compressed or not; comments in other encodings do no harm."""

from pathlib import Path

from ase.io.formats import open_with_compression

from mlip_kmc.ground.errors import StructureError


def text_of_file(path: Path, *, most: int = -1) -> str:
    """Its text, or at most so many bytes of it.

    Raises:
        StructureError: it is not text.
        OSError: it cannot be read.
    """
    with open_with_compression(str(path), "rb") as stream:
        data: bytes = stream.read(most)
    if b"\0" in data:
        raise StructureError("it is not text")
    return data.decode("utf-8", errors="replace")
