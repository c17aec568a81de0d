"""The files of a release: those of the potential, their digests, and how large they may be."""

import hashlib
from collections.abc import Mapping

from mlip_kmc.ground.errors import ReleaseError
from mlip_kmc.potential import AcePotential
from mlip_kmc.release import members
from mlip_kmc.release.manifest import FileEntry


def potential_files(potential: AcePotential) -> dict[str, bytes]:
    """The potential's files by the names that they have in a release.

    Raises:
        ReleaseError: a file changed since the potential was read.
    """
    files = {members.YACE: potential.yace.read_bytes()}
    if potential.basis is not None and potential.active_set is not None:
        files |= {
            members.BASIS: potential.basis.read_bytes(),
            members.ACTIVE_SET: potential.active_set.read_bytes(),
        }
    if potential.record is not None:
        files[members.RECORD] = potential.record.to_json()
    read = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    if [read.get(name) for name in (members.YACE, members.BASIS, members.ACTIVE_SET)] != [
        potential.digest,
        potential.basis_digest,
        potential.active_set_digest,
    ]:
        raise ReleaseError(
            f"{potential.yace} or a file beside it changed while it was checked; build the release again"
        )
    return files


def check_sizes(files: Mapping[str, bytes]) -> None:
    """Refuse to write what `verify` would refuse to read.

    Raises:
        ReleaseError: a file is larger than its member may be.
    """
    for name, content in files.items():
        most = members.MEMBERS[name].most_bytes
        if len(content) > most:
            raise ReleaseError(
                f"{name} would have {len(content)} bytes, and may have {most}; a large training set goes "
                "elsewhere: its fingerprint tells it apart"
            )


def sums_of(files: Mapping[str, bytes]) -> bytes:
    """What `sha256sum --check` reads: every file but this one."""
    return "".join(
        f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n"
        for name in members.MEMBERS
        if name in files and name != members.SUMS
    ).encode()


def entries_of(files: Mapping[str, bytes]) -> dict[str, FileEntry]:
    """Digest and size of every file, in the order of the members."""
    return {
        name: FileEntry(sha256=hashlib.sha256(files[name]).hexdigest(), bytes=len(files[name]))
        for name in members.MEMBERS
        if name in files
    }
