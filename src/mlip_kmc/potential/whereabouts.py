"""Where a run's potential lies, noted in the run's directory: what works on a run later finds the files without being told.

Example:
    note_whereabouts(Path("my-run"), potential)          # my-run/potential.json
    noted_potential(Path("my-run"))                      # the AcePotential, or None where nothing is noted
    noted_blindness(Path("my-run"), digest=...)          # '', or what the run's active set did not see
"""

import json
from functools import lru_cache
from pathlib import Path

from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.ground.files import sha256_of, write_durably
from mlip_kmc.potential.ace import AcePotential
from mlip_kmc.potential.active_set import blindness_of
from mlip_kmc.potential.builtin import BuiltinPotential

NOTE = "potential.json"


def note_whereabouts(run_dir: Path, potential: AcePotential | BuiltinPotential) -> None:
    """Write down where an ACE potential's files are, unless that is noted already.

    Raises:
        StorageError: it could not be made durable.
    """
    if isinstance(potential, BuiltinPotential):
        return
    names = {"ace": potential.yace, "basis": potential.basis, "active_set": potential.active_set}
    data = (
        json.dumps({name: path and str(path) for name, path in names.items()}, indent=1) + "\n"
    ).encode()
    path = run_dir / NOTE
    if not (path.is_file() and path.read_bytes() == data):
        write_durably(path, data)


def noted_potential(run_dir: Path) -> AcePotential | None:
    """The potential whose files are noted; None where there is no note.

    Raises:
        RunStateError: the note is damaged.
        PotentialError: the files are not there any more, or are damaged.
    """
    noted = _noted(run_dir)
    if noted is None:
        return None
    ace, basis, active_set = noted
    return AcePotential.read(ace, basis=basis, active_set=active_set)


def noted_blindness(run_dir: Path, *, digest: str | None) -> str:
    """What a run's active set of deficient rank did not see, in one line; empty where it saw, or its files are gone.

    Args:
        run_dir: the run's.
        digest: sha256 of the active set that the run was made with; another file says nothing of the run.
    """
    try:
        noted = _noted(run_dir)
        if (
            noted is None
            or noted[1] is None
            or noted[2] is None
            or digest is None
            or sha256_of(noted[2]) != digest
        ):
            return ""
    except (OSError, RunStateError):
        return ""
    return _blindness(noted[2], noted[1], digest)


@lru_cache(maxsize=4)
def _blindness(active_set: Path, basis: Path, digest: str) -> str:  # noqa: ARG001 - a file that changed is another
    return blindness_of(active_set, basis=basis)


def _noted(run_dir: Path) -> tuple[Path, Path | None, Path | None] | None:
    """Where `.yace`, B-basis and active set lie; None where there is no note."""
    path = run_dir / NOTE
    if not path.is_file():
        return None
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        ace, basis, active_set = (
            raw[name] and Path(raw[name]) for name in ("ace", "basis", "active_set")
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunStateError(
            f"{path} is damaged ({error}); remove it, and say which potential: --potential"
        ) from error
    return ace, basis, active_set
