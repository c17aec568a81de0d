"""Sources and finished parts that a user hands over by path, for machines without network.

    handed = Handed([Path("/media/usb")])
    handed.source("eon_akmc-3.6.0.tar.gz", sha256)      # its path, or None where it was not handed over
    handed.part("eon", "eon-0123456789abcdef.tar")      # a part with its .sha256 beside it

Nothing is used whose digest is not the expected one.
"""

import hashlib
import re
from pathlib import Path

from building.failure import BuildError

_PART = re.compile(r"(base|viewer|python|eon|lammps)-[0-9a-f]{16}\.(sif|tar)")


class Handed:
    """What was handed over, by file name."""

    def __init__(self, paths):
        self._files = {}
        self._named = set()
        for path in map(Path, paths):
            if path.is_dir():
                self._files.update(
                    (file.name, file) for file in sorted(path.iterdir()) if file.is_file()
                )
            elif path.is_file():
                self._files[path.name] = path
                self._named.add(path.name)
                beside = path.with_name(path.name + ".sha256")
                if beside.is_file():
                    self._files[beside.name] = beside
            else:
                raise BuildError(f"--from {path}: there is no such file or folder")

    def source(self, name, sha256):
        """The source archive of that name.

        Raises:
            BuildError: its sha256 is not the one that the pins name.
        """
        path = self._files.get(name)
        if path is not None and (found := digest(path)) != sha256:
            raise BuildError(f"{path} has sha256 {found}, the pins say {sha256}; it is not used")
        return path

    def part(self, name, file_name):
        """The finished part of that file name.

        Raises:
            BuildError: it has no `.sha256` beside it, or not that digest; or only one for other pins was handed over by name.
        """
        path = self._files.get(file_name)
        if path is None:
            other = [
                file
                for file in sorted(self._named)
                if _PART.fullmatch(file) and file.startswith(f"{name}-")
            ]
            if other:
                raise BuildError(
                    f"{self._files[other[0]]} was built from other pins: here {file_name} is needed"
                )
            return None
        beside = self._files.get(f"{file_name}.sha256")
        if beside is None:
            raise BuildError(
                f"{path} was handed over without its {file_name}.sha256, which the build wrote beside it"
            )
        expected = (beside.read_text(encoding="utf-8").split() or [""])[0]
        if (found := digest(path)) != expected:
            raise BuildError(
                f"{path} has sha256 {found}, {beside.name} says {expected or 'nothing'}; copy it again"
            )
        return path

    def check_all_known(self, known):
        """Refuse a file that was handed over by its own name and is of no use here.

        Raises:
            BuildError: it is neither a source nor a part.
        """
        for name in sorted(self._named - set(known)):
            if not _PART.fullmatch(name) and not name.endswith(".sha256"):
                raise BuildError(
                    f"--from {self._files[name]}: this is neither a source of the pins "
                    f"({', '.join(sorted(known))}) nor a part that containers/build made"
                )


def digest(path):
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
