"""Who works in a run directory: one process at a time, on whatever node, also where network locks cannot be trusted.

Example:
    claim = Claim(run_dir)
    claim.take()             # RunInUseError while another process has it
    claim.check()            # before every commit: RunStateError if somebody took it over
    claim.release()

The claim is a file that only one process can create (a hard link to a file of its own, atomic on every network file
system). Its holder touches a second file from time to time. A claim of this machine's present boot is dead if the kernel's lock
on `lock` is free. Any other is watched: one that shows no sign of life for `DEAD_AFTER_S` is dead, by this machine's own
clock alone, and while the watching process was awake. A holder that was only suspended finds its claim gone at its next commit,
and stops. Where the file system has no locks (Lustre mounted without flock, NFS without a lock server), every claim is watched.
"""

import contextlib
import errno
import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from mlip_kmc.ground.environment import job_name, node_name
from mlip_kmc.ground.errors import RunInUseError, RunStateError
from mlip_kmc.ground.files import no_links, storage_errors, write_durably
from mlip_kmc.ground.programs import AwakeClock
from mlip_kmc.ground.scratch import boot_id

FILE = "claim"
_BEAT = "claim.{token}.alive"
BEAT_S = 5.0
DEAD_AFTER_S = 60.0
_LOOK_S = 0.5
_LINGERS_S = 1.0
NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL})
"""What flock answers on a file system without locks."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Holder:
    """A process that works in a run directory.

    Attributes:
        token: of this claim alone.
        host, pid: of the process. boot: of the machine's kernel, as it names it.
        job: Slurm's name of the job; empty outside of Slurm.
    """

    token: str
    host: str
    pid: int
    boot: str
    job: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}" + (
            f" (Slurm job {self.job})" if self.job else ""
        )


class Claim:
    """The claim on one run directory; not for several threads."""

    def __init__(
        self, directory: Path, *, what: str = "run", dead_after_s: float = DEAD_AFTER_S
    ) -> None:
        """Nothing is touched yet.

        Args:
            directory: it exists.
            what: is done there, for messages.
            dead_after_s: so long without a sign of life, and another node's claim is dead.
        """
        self._directory, self._what = directory, what
        self._path = directory / FILE
        self._dead_after_s = dead_after_s
        self._lock = FileLock(directory / "lock", mode=0o644, fallback_to_soft=False)
        self._holder = Holder(
            token=secrets.token_hex(16),
            host=node_name() or socket.gethostname(),
            pid=os.getpid(),
            boot=boot_id(),
            job=job_name(),
        )
        self._ended = threading.Event()

    def take(self) -> None:
        """Take it, or take over that of a dead process (which may last `dead_after_s`).

        Raises:
            RunInUseError: a living process has it.
            StorageError: the directory cannot be written.
        """
        with storage_errors(self._directory / "lock"):
            free = self._try_lock()
        if not free:
            raise self._in_use(self._read())
        with contextlib.ExitStack() as undo:
            undo.callback(self._lock.release)
            self._take()
            undo.pop_all()
        threading.Thread(target=self._beat, name="claim", daemon=True).start()

    def _try_lock(self) -> bool:
        """Not at once where it is held: what a killed process had just started may hold its lock for a moment longer.

        Where there are no locks, it is as free as it can be, and says nothing of who is alive.
        """
        try:
            self._lock.acquire(timeout=_LINGERS_S, poll_interval=0.05)
        except Timeout:
            return False
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            _log.warning(
                "%s cannot be locked (%s): the file system has no locks, so a process that died here is seen as dead only "
                "after %g s without a sign of life",
                self._directory / "lock",
                error.strerror,
                self._dead_after_s,
            )
        return True

    def _take(self) -> None:
        body = json.dumps(asdict(self._holder)).encode()
        own = self._directory / f".{FILE}.{self._holder.token}.tmp"
        write_durably(own, body)
        try:
            write_durably(self._beat_file(self._holder.token), b"")
            while not self._link(own):
                self._remove_dead(self._read())
        except BaseException:
            self._beat_file(self._holder.token).unlink(missing_ok=True)
            raise
        finally:
            own.unlink(missing_ok=True)

    def _link(self, own: Path) -> bool:
        """Make `own` the claim; False where there is one already."""
        with storage_errors(self._path):
            try:
                os.link(own, self._path)
            except FileExistsError:
                return False
            except (
                OSError
            ) as error:  # a network file system may have done it all the same; some know no links
                if no_links(error):
                    return self._create(own)
                if own.stat().st_nlink != 2:
                    raise
        return True

    def _create(self, own: Path) -> bool:
        """Without links: create it, alone."""
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(own.read_bytes())
            stream.flush()
            os.fsync(stream.fileno())
        return True

    def _is_dead(self, there: Holder) -> bool:
        if there.boot == self._holder.boot and self._lock.is_locked:
            return True  # the kernel's lock is ours, so it is not that process's
        seen = self._sign_of_life(there)
        clock = (
            AwakeClock()
        )  # where both were stopped, the other must have its time to show that it lives
        while clock.now() < self._dead_after_s:
            time.sleep(_LOOK_S)
            if self._sign_of_life(there) != seen:
                return False
        return True

    def _sign_of_life(self, holder: Holder) -> int:
        """The beat's time stamp; opened, so that a network file system asks its server."""
        try:
            with self._beat_file(holder.token).open("rb") as stream:
                return os.fstat(stream.fileno()).st_mtime_ns
        except OSError:
            return 0

    def _remove_dead(self, there: Holder | None) -> None:
        """A damaged claim is as good as dead: no process has it that could name itself."""
        if there is not None and not self._is_dead(there):
            raise self._in_use(there)
        self._remove(there)

    def _remove(self, there: Holder | None) -> None:
        """Put a dead claim aside; another's new one, should it be in its place by now, is put back."""
        aside = self._directory / f".{FILE}.{self._holder.token}.aside"
        with storage_errors(self._path):
            try:
                self._path.rename(aside)
            except FileNotFoundError:
                return
            found = _holder_of(aside)
            if found is not None and (there is None or found.token != there.token):
                with contextlib.suppress(OSError):
                    os.link(aside, self._path)
                aside.unlink(missing_ok=True)
                raise self._in_use(found)
            aside.unlink(missing_ok=True)
            if there is not None:
                self._beat_file(there.token).unlink(missing_ok=True)

    def check(self) -> None:
        """Is it still ours?

        Raises:
            RunStateError: another process took it over.
        """
        there = self._read()
        if there != self._holder:
            who = there or "another process"
            raise RunStateError(
                f"the {self._what} directory {self._directory} was taken over by {who} while this process gave no sign of "
                "life; this one stops and leaves it alone"
            )

    def release(self) -> None:
        """Give it up; a claim that is not ours stays."""
        self._ended.set()
        with contextlib.suppress(OSError):
            if self._read() == self._holder:
                self._path.unlink(missing_ok=True)
            self._beat_file(self._holder.token).unlink(missing_ok=True)
        self._lock.release()

    def _beat(self) -> None:
        beat = self._beat_file(self._holder.token)
        while not self._ended.wait(BEAT_S):
            with contextlib.suppress(OSError):
                _touch(beat)

    def _beat_file(self, token: str) -> Path:
        return self._directory / _BEAT.format(token=token)

    def _read(self) -> Holder | None:
        return _holder_of(self._path)

    def _in_use(self, holder: Holder | None) -> RunInUseError:
        who = holder or "another process"
        return RunInUseError(
            f"the {self._what} directory {self._directory} is in use by {who}; wait for it, stop it, or choose "
            "another --dir"
        )


def _touch(beat: Path) -> None:
    """Its time alone: that takes no room on a full disk. Where times cannot be set, writing sets it."""
    try:
        os.utime(beat)
    except OSError:
        beat.write_bytes(b".")


def _holder_of(path: Path) -> Holder | None:
    """Who a claim names; None where it is missing or damaged."""
    try:
        return Holder(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def working_in(directory: Path, *, now_s: float) -> Holder | None:
    """Who works in a directory, for people: touches nothing, and trusts the clocks of both machines.

    Args:
        directory: need not exist.
        now_s: since 1970, s.

    Returns:
        None where nobody does, or nobody has shown a sign of life for `DEAD_AFTER_S`.
    """
    there = _holder_of(directory / FILE)
    if there is None:
        return None
    try:
        seen_s = (directory / _BEAT.format(token=there.token)).stat().st_mtime
    except OSError:
        return None
    return there if now_s - seen_s < DEAD_AFTER_S else None


@contextlib.contextmanager
def claimed(directory: Path, *, what: str) -> Iterator[None]:
    """Inside the block, the directory is this process's own.

    Args:
        directory: it exists.
        what: is done there, for messages.

    Raises:
        RunInUseError, StorageError: as of `Claim.take`.
    """
    claim = Claim(directory, what=what)
    claim.take()
    try:
        yield
    finally:
        claim.release()
