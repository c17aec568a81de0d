"""The active set `.asi`: for each element the inverse of its active set, from which the extrapolation grade follows.

Example:
    active_set = ActiveSet.read(Path("cu.asi"), basis=BBasis.read(Path("cu.yaml")))
    active_set.kind                      # 'linear'
    blindness_of(Path("cu.asi"), basis=Path("cu.yaml"))      # '', or in one line what it does not see

A `.asi` is an uncompressed zip of `.npy` arrays, one an element. Nothing in it is ever unpickled. LAMMPS and python-ace read
it with cnpy, which looks neither at an array's type nor at its order, and skips what is compressed: a file that numpy would
read well can give them another matrix, so anything but plain rows of float64 is refused.

A set whose rank is not full gives gammas that are too small everywhere: it is refused, unless it is only looked at.

The extrapolation grade: Lysogorskiy et al., Phys. Rev. Materials 7, 043801 (2023).
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.potential.basis import BBasis
from mlip_kmc.potential.kept import Kept
from mlip_kmc.potential.rank import Rank, rank_of_inverse

_ADVICE = "make it again with mlip-kmc potential activeset"
BLIND_ADVICE = (
    "make it again with mlip-kmc potential activeset from more kinds of structures, or with --complete, which makes "
    "gamma huge where the training set says nothing"
)
_FLOAT64 = np.dtype("<f8")


@dataclass(frozen=True)
class ActiveSet:
    """A checked active set.

    Attributes:
        path: its file.
        kind: `linear`: as many rows as an element has basis functions; `full`: that many for each density.
        digest: sha256 of the file.
        ranks: by element, how many independent environments it rests on.
    """

    path: Path
    kind: Literal["linear", "full"]
    digest: str
    ranks: Mapping[str, Rank]

    @property
    def blindness(self) -> str:
        """What a set of deficient rank does not see, in one line without advice; empty where it sees every direction."""
        short = [
            f"{element} ({rank.independent} independent environments for {rank.functions} functions)"
            for element, rank in self.ranks.items()
            if not rank.full
        ]
        return (
            f"the active set {self.path} is rank-deficient in {', '.join(short)}: its gammas are too small"
            if short
            else ""
        )

    @classmethod
    def read(cls, path: Path, *, basis: BBasis, allow_blind: bool = False) -> "ActiveSet":
        """Read and check it against the B-basis that it belongs to.

        Args:
            path: the file.
            basis: its B-basis.
            allow_blind: True where a set of deficient rank is to be described, not used.

        Raises:
            PotentialError: it cannot be read, is damaged, of deficient rank, or belongs to another basis.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise PotentialError(
                f"cannot read the active set {path}: {error.strerror}", advice=_ADVICE
            ) from error
        digest = hashlib.sha256(data).hexdigest()
        both = f"{digest} {basis.digest}"
        found = _READ.get(both) or _READ.put(both, cls._checked(path, data, digest, basis=basis))
        found = replace(found, path=path)
        if found.blindness and not allow_blind:
            raise PotentialError(f"{found.blindness}, and nothing would halt", advice=BLIND_ADVICE)
        return found

    @classmethod
    def _checked(cls, path: Path, data: bytes, digest: str, *, basis: BBasis) -> Self:
        inverses = {}
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                entries = _entries(path, archive, basis)
                for element, entry in entries.items():
                    inverses[element] = _checked(path, archive, entry, element)
        except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, ValueError) as error:
            raise PotentialError(
                f"{path} is not an active set, or a truncated or damaged one", advice=_ADVICE
            ) from error
        kind = _kind(path, {element: len(inverse) for element, inverse in inverses.items()}, basis)
        return cls(
            path=path,
            kind=kind,
            digest=digest,
            ranks={
                element: rank_of_inverse(inverse) for element, inverse in sorted(inverses.items())
            },
        )


_READ = Kept[ActiveSet]()


def blindness_of(path: Path, *, basis: Path) -> str:
    """What an active set of deficient rank does not see, in one line; empty where it sees, or where the files cannot be read.

    For those who tell of what was made with it; whoever uses it reads it by `ActiveSet.read`, which refuses.
    """
    try:
        return ActiveSet.read(path, basis=BBasis.read(basis), allow_blind=True).blindness
    except PotentialError:
        return ""


def _entries(path: Path, archive: zipfile.ZipFile, basis: BBasis) -> dict[str, zipfile.ZipInfo]:
    """The archive's entries by element."""
    entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
    if len(entries) != len(archive.infolist()) or set(entries) != set(basis.elements):
        found = ", ".join(repr(name[:20]) for name in sorted(entries)) or "nothing"
        raise PotentialError(
            (
                f"the active set {path} is of {found}, but the B-basis {basis.path} is of "
                f"{', '.join(map(repr, basis.elements))}"
            ),
            advice=_ADVICE,
        )
    packed = [
        element for element, entry in entries.items() if entry.compress_type != zipfile.ZIP_STORED
    ]
    if packed:
        raise PotentialError(
            f"the active set {path} is compressed, and LAMMPS would not see {', '.join(packed)}",
            advice=_ADVICE,
        )
    return entries


def _checked(
    path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, element: str
) -> npt.NDArray[np.float64]:
    """An element's array (n, n), after a look at all its numbers."""
    data = archive.read(entry)
    stream = io.BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("a version of .npy that cnpy does not read")
    shape, by_columns, dtype = np.lib.format.read_array_header_1_0(stream)
    where = f"the array of {element} in the active set {path}"
    if dtype.hasobject:
        raise PotentialError(
            f"{where} holds pickled Python objects, which are never loaded", advice=_ADVICE
        )
    if dtype != _FLOAT64:
        raise PotentialError(
            f"{where} is of the type {dtype}, but LAMMPS reads float64", advice=_ADVICE
        )
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] == 0:
        raise PotentialError(f"{where} has the shape {shape}, which is not square", advice=_ADVICE)
    if by_columns and shape[0] > 1:
        raise PotentialError(
            f"{where} is stored by columns, and LAMMPS would read it transposed", advice=_ADVICE
        )
    numbers: npt.NDArray[np.float64] = np.frombuffer(data, dtype=_FLOAT64, offset=stream.tell())
    if numbers.size != shape[0] * shape[1]:
        raise ValueError("fewer or more numbers than its shape says")
    if not np.isfinite(numbers).all() or not numbers.any():
        raise PotentialError(
            f"{where} holds numbers that are not finite, or zeros only", advice=_ADVICE
        )
    return numbers.reshape(shape)


def _kind(path: Path, sizes: dict[str, int], basis: BBasis) -> Literal["linear", "full"]:
    """Linear or full, the same for all elements, as LAMMPS tells them apart."""
    if all(size == basis.functions[element] for element, size in sizes.items()):
        return "linear"
    if all(
        size == basis.functions[element] * basis.densities[element]
        for element, size in sizes.items()
    ):
        return "full"
    element = next(element for element, size in sizes.items() if size != basis.functions[element])
    raise PotentialError(
        (
            f"the active set {path} has {sizes[element]} functions of {element}, but the B-basis {basis.path} has "
            f"{basis.functions[element]}: they do not belong together"
        ),
        advice=_ADVICE,
    )
