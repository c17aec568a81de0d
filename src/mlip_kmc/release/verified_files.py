"""Whether the files of a package are those of one release: its members, their sums, its manifest and its crate."""

import hashlib
from collections.abc import Mapping
from datetime import datetime

from mlip_kmc.ground.errors import ReleaseError
from mlip_kmc.ground.json_text import JsonError, read_json
from mlip_kmc.release import members
from mlip_kmc.release.consistency import refuse_contradictions
from mlip_kmc.release.crate import TIME
from mlip_kmc.release.manifest import Manifest, read_manifest, release_name, same_schema
from mlip_kmc.release.members import MEMBERS

_ZIP_STEP_S = 2.0
"""A zip counts in steps of so much."""


def check_members(files: Mapping[str, bytes]) -> None:
    """Every file that a release must have is there.

    Raises:
        ReleaseError: one is missing.
    """
    missing = [name for name, member in MEMBERS.items() if member.required and name not in files]
    if missing:
        raise ReleaseError(f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")
    if (members.BASELINE in files) != (members.SHORT_RANGE in files):
        raise ReleaseError(
            f"{members.BASELINE} and {members.SHORT_RANGE} come together, and one of them is missing"
        )


def check_sums(files: Mapping[str, bytes]) -> None:
    """SHA256SUMS lists exactly these files, with their digests.

    Raises:
        ReleaseError: it does not.
    """
    digests = {
        name: hashlib.sha256(content).hexdigest()
        for name, content in files.items()
        if name != members.SUMS
    }
    said: dict[str, str] = {}
    for line in files[members.SUMS].decode("ascii", "replace").splitlines():
        digest, gap, name = line.partition("  ")
        if not gap or name in said:
            raise ReleaseError(
                f"{members.SUMS} has a line that is none of sha256sum, or one twice: {line[:80]!r}"
            )
        said[name] = digest
    for name in dict.fromkeys([*digests, *said]):
        if digests.get(name) != said.get(name):
            what = (
                "is not listed in"
                if name not in said
                else "is listed, and missing, in"
                if name not in digests
                else "has another digest than in"
            )
            raise ReleaseError(f"{name[:80]} {what} {members.SUMS}")


def checked_manifest(files: Mapping[str, bytes], version: str, *, at: datetime) -> Manifest:
    """The manifest, which agrees with the files, with itself and with the crate.

    Args:
        files: of the package, by name.
        version: that the package's name tells.
        at: time of the archive's files.

    Raises:
        ReleaseError: it does not agree.
    """
    manifest = read_manifest(files[members.MANIFEST])
    if not same_schema(files[members.SCHEMA], type(manifest)):
        raise ReleaseError(
            f"{members.SCHEMA} is another schema than {manifest.schema_id}, as this version knows it"
        )
    if release_name(manifest.version).removeprefix("release_v") != version:
        raise ReleaseError(
            f"the manifest is of version {manifest.version}, but the package is named as version {version}"
        )
    if not 0.0 <= (manifest.creation_date - at).total_seconds() < _ZIP_STEP_S:
        raise ReleaseError(
            f"the manifest is of {manifest.creation_date:%Y-%m-%d %H:%M:%S}, and the archive's files are of "
            f"{at:%Y-%m-%d %H:%M:%S} UTC: a release has one time"
        )
    listed, there = set(manifest.files), set(files) - {members.MANIFEST, members.SUMS}
    if listed != there:
        raise ReleaseError(
            f"the manifest tells of other files than there are: {', '.join(sorted(listed ^ there))[:200]}"
        )
    for name, entry in manifest.files.items():
        if entry.sha256 != hashlib.sha256(files[name]).hexdigest() or entry.bytes != len(
            files[name]
        ):
            raise ReleaseError(f"{name} is not the file that the manifest tells of")
    if manifest.training_set.included != (members.TRAINING in files):
        raise ReleaseError(f"the manifest says of {members.TRAINING} what is not so")
    if (manifest.baseline is None) == (members.BASELINE in files):
        raise ReleaseError(f"the manifest says of the baseline what {members.BASELINE} does not")
    refuse_contradictions(manifest)
    _check_crate(files, manifest)
    return manifest


def _check_crate(files: Mapping[str, bytes], manifest: Manifest) -> None:
    """What archives and lists of parts read must have one meaning, and the crate must be of this release."""
    found = {}
    for name in (members.CRATE, members.PARTS):
        try:
            found[name] = read_json(files[name])
        except JsonError as error:
            raise ReleaseError(f"{name} cannot be read: {error}") from error
    told = {
        "name": manifest.title,
        "version": manifest.version,
        "datePublished": f"{manifest.creation_date:{TIME}}",
    }
    try:
        (root,) = [entity for entity in found[members.CRATE]["@graph"] if entity["@id"] == "./"]
        differing = [key for key, value in told.items() if root[key] != value]
    except (KeyError, TypeError, ValueError) as error:
        raise ReleaseError(f"{members.CRATE} does not tell of one release") from error
    if differing:
        raise ReleaseError(f"{members.CRATE} has another {', '.join(differing)} than the manifest")
