"""A run's server: its private directory, the program that eOn calls, and the potential that leads there.

    with served(potential, workers=2, limits={"halts": str(run / "halts")}) as driven:
        driven.eon_name, driven.job_links()        # 'ext_pot', {'ext_pot': PosixPath('/tmp/mlip-kmc-x/ext_pot')}

A potential that eOn or LAMMPS evaluates passes through unchanged.
"""

import contextlib
import os
import py_compile
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from mlip_kmc.driver import standalone as driver
from mlip_kmc.driver.process import ServerProcess
from mlip_kmc.ground.environment import runtime_directories
from mlip_kmc.ground.errors import ConfigError, StorageError
from mlip_kmc.ground.files import make_directory, storage_errors
from mlip_kmc.ground.scratch import make, remove
from mlip_kmc.potential import DrivenPotential, Potential

PROGRAM = "ext_pot"
"""What eOn's `ext_pot_path` is when nothing is set: a file of the directory that its client runs in."""
_LOG = "server.log"


@contextlib.contextmanager
def served(
    potential: Potential,
    *,
    workers: int,
    limits: dict[str, str] | None = None,
    keep_in: Path | None = None,
) -> Iterator[Potential]:
    """Keep a driven potential loaded while the block runs.

    Args:
        potential: a `DrivenPotential` gets a server; another one none.
        workers: evaluations at a time.
        limits: more of the driver's options, as {"halt": "5", "halts": "/run/halts"}.
        keep_in: a directory that gets the driver, for use by hand, and what the server prints.

    Raises:
        MlipKmcError: the server does not start; its own reason.
    """
    if not isinstance(potential, DrivenPotential):
        yield potential
        return
    folder = _private_directory()
    try:
        recipe = {**potential.recipe(), **(limits or {})}
        if keep_in is not None:
            copy_driver(make_directory(keep_in))
        log = (keep_in or folder) / _LOG
        with ServerProcess(
            recipe, socket_path=folder / "socket", workers=workers, log=log
        ) as server:
            write_program(folder, digest=server.digest)
            yield potential.at(folder / PROGRAM)
    finally:
        remove(folder)


def _private_directory() -> Path:
    """A directory that only we can enter, with a short enough name."""
    for parent in runtime_directories():
        if (
            len(os.fsencode(parent / "mlip-kmc.12345678.12345678" / "s-12345678" / "socket~"))
            <= driver.LONGEST_PATH
        ):
            with contextlib.suppress(StorageError):
                return make("s", parent=parent)
    raise ConfigError(
        "no directory for a socket: each of XDG_RUNTIME_DIR, the scratch directory and /tmp is missing, not "
        "writable, or has too long a name; set XDG_RUNTIME_DIR to a short one"
    )


def copy_driver(folder: Path) -> Path:
    """Put the driver into a directory: all files of its folder."""
    for path in driver_files():
        with storage_errors(folder / path.name):
            shutil.copyfile(path, folder / path.name)
    return folder / driver.SCRIPT.name


def driver_files() -> list[Path]:
    """The files that the standalone driver consists of; without what makes a package of them."""
    return sorted(set(driver.SCRIPT.parent.glob("*.py")) - {Path(driver.__file__)})


def write_program(folder: Path, *, digest: str) -> Path:
    """The driver and what eOn calls, beside the socket; the driver compiled, which would take longer than a call.

    Args:
        folder: where the socket is.
        digest: of the potential that the server must have.
    """
    program = folder / PROGRAM
    python = getattr(
        sys, "_base_executable", sys.executable
    )  # a virtual environment's takes longer to start
    words = ["--socket", str(folder / "socket"), "--digest", digest, "--quiet"]
    copy = copy_driver(folder)
    with storage_errors(copy):
        for path in driver_files():
            py_compile.compile(str(copy.with_name(path.name)), doraise=True)
        program.write_text(
            f"#!{python} -IS\nimport sys\nsys.path.append({str(folder)!r})\nimport pace_driver\n"
            f"sys.exit(pace_driver.main({words!r}))\n",
            encoding="utf-8",
        )
        program.chmod(0o700)
    return program
