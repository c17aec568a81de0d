"""The server: one process that listens, and a worker process for each evaluation at a time.

    serve({"potential": "cu.yace"}, socket_path=Path("/tmp/mine/socket"), workers=2)        # returns when it is told to stop

A connection brings one question. Workers take connections from the same socket, so a client that is slow holds up one of them
for `_PATIENCE_S` at most. The socket lies in a directory that only its owner can enter, and the peer's user is looked at too.
"""

import contextlib
import os
import select
import signal
import socket
import stat
import struct
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

from mlip_kmc.driver import standalone as driver
from mlip_kmc.ground.errors import ConfigError, PotentialError, ProgramError, StorageError
from mlip_kmc.ground.scratch import temporary

_PATIENCE_S = 10.0
"""How long a client may take to send what it began."""
_LOOK_S = 1.0
"""How often is looked whether the socket and the parent are still there."""
_DEATHS, _WITHIN_S = 20, 60.0
"""So many workers that die within such a time end the server: something kills every one of them."""
_DEATHS_AT_LOADING = 2
_BACKLOG = 1024
_READY = b"ready "


def socket_directory(socket_path: Path) -> Path:
    """The directory of a socket, made if it is missing, after checks.

    Raises:
        ConfigError: the path is too long for a socket, or others can enter the directory.
    """
    path = socket_path.absolute()
    length = len(os.fsencode(path))
    if length > driver.LONGEST_PATH:
        raise ConfigError(
            f"the socket {path} has a path of {length} bytes, and Linux takes {driver.LONGEST_PATH}: use a shorter "
            f"directory, as --socket /tmp/mlip-kmc-{os.getuid()}/socket"
        )
    folder = path.parent
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        seen = folder.stat()
    except OSError as error:
        raise ConfigError(
            f"cannot use {folder} for a socket: {error.strerror}; make it, or use another --socket"
        ) from error
    if seen.st_uid != os.getuid() or seen.st_mode & 0o077:
        raise ConfigError(
            f"others can enter {folder}, or it is theirs: put the socket in a directory of its own "
            f"(chmod 700), as --socket {folder}/mlip-kmc/socket"
        )
    return folder


def serve(
    options: dict[str, str],
    *,
    socket_path: Path,
    workers: int,
    on_ready: Callable[[str], None] = lambda _: None,
    until_stdin_ends: bool = False,
) -> None:
    """Answer questions until SIGTERM, SIGINT, or the end of standard input.

    Args:
        options: the driver's, without `--`.
        socket_path: in a directory of its own.
        workers: evaluations at a time; each loads the potential.
        on_ready: called once with the potential's digest, when the first worker has loaded it.
        until_stdin_ends: stop when whoever holds the other end of standard input is gone.

    Raises:
        ConfigError, PotentialError: it cannot begin. ProgramError: its workers die again and again.
    """
    socket_directory(socket_path)
    pool = _Pool(options, path=str(socket_path.absolute()), workers=workers)
    with _stopping() as stop, _private_temporary_files(), contextlib.closing(pool):
        pool.begin()
        announced = False
        inputs = [sys.stdin.fileno()] if until_stdin_ends else []
        while not stop.wait([*inputs, *pool.pipes]):
            if until_stdin_ends and _ended(sys.stdin.fileno()):
                return
            pool.look_after()
            if pool.digest and not announced:
                announced = True
                on_ready(pool.digest)


@contextlib.contextmanager
def _private_temporary_files() -> Iterator[None]:
    """What workers put into the system's temporary folder goes into one that is swept after a kill."""
    before = tempfile.tempdir
    with temporary("serve") as folder:
        tempfile.tempdir = str(folder)
        try:
            yield
        finally:
            tempfile.tempdir = before


def _ended(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 0)[0]) and not os.read(descriptor, 4096)


class _Stop:
    """Set by a signal; waiting for something else ends at once then."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def set(self, _: int = 0, __: FrameType | None = None) -> None:
        with contextlib.suppress(OSError):
            os.write(self._write, b"x")

    def wait(self, descriptors: list[int]) -> bool:
        return self._read in select.select([self._read, *descriptors], [], [], _LOOK_S)[0]


@contextlib.contextmanager
def _stopping() -> Iterator[_Stop]:
    stop = _Stop()
    before = {
        number: signal.signal(number, stop.set)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Pool:
    """The listening socket and the workers, looked after by their parent."""

    def __init__(self, options: dict[str, str], *, path: str, workers: int) -> None:
        self._options, self._path, self._wanted = options, path, workers
        self._workers: dict[int, int] = {}  # pipe: process
        self._deaths: deque[float] = deque(maxlen=_DEATHS)
        self._listener: socket.socket | None = None
        self._inode = (0, 0)
        self.digest = ""

    @property
    def pipes(self) -> list[int]:
        """What becomes readable when a worker has something to say, or is gone."""
        return list(self._workers)

    def begin(self) -> None:
        """Listen, and start the workers."""
        self._listen()
        for _ in range(self._wanted):
            self._start()

    def look_after(self) -> None:
        """Take in what workers say, replace the dead ones, and a socket that was removed."""
        for pipe in select.select(self.pipes, [], [], 0)[0]:
            said = os.read(pipe, 65536)
            if said.startswith(_READY):
                self._ready(said[len(_READY) :].decode())
            elif said:
                self._refuse(driver.said(said))
            else:
                self._bury(pipe)
        if self._listener is not None and not self._in_place():
            self._end_workers()
            self._listen()
            for _ in range(self._wanted):
                self._start()

    def close(self) -> None:
        """End the workers, remove the socket."""
        self._end_workers()
        if self._listener is not None:
            if self._in_place():
                with contextlib.suppress(OSError):
                    Path(self._path).unlink()
            self._listener.close()

    def _listen(self) -> None:
        if self._listener is not None:
            self._listener.close()
        _check_free(self._path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # bound under another name, so that the socket appears with its permissions and its queue
        name = Path(f"{self._path}~")
        if len(os.fsencode(name)) > driver.LONGEST_PATH:
            name = Path(self._path)
        try:
            name.unlink(missing_ok=True)
            listener.bind(str(name))
            name.chmod(0o600)
            listener.listen(_BACKLOG)
            listener.settimeout(0.0)
            name.replace(self._path)
        except OSError as error:
            listener.close()
            raise ConfigError(
                f"cannot listen at {self._path}: {error.strerror}; use another --socket"
            ) from error
        seen = Path(self._path).stat()
        self._listener, self._inode = listener, (seen.st_dev, seen.st_ino)

    def _in_place(self) -> bool:
        try:
            seen = Path(self._path).stat()
        except OSError:
            return False
        return (seen.st_dev, seen.st_ino) == self._inode

    def _start(self) -> None:
        assert self._listener is not None  # noqa: S101 - begin() made it
        here, there = os.pipe2(os.O_CLOEXEC)
        parent = os.getpid()
        process = os.fork()
        if process == 0:
            _as_worker(self._options, listener=self._listener, parent=parent, pipe=there)
        os.close(there)
        self._workers[here] = process

    def _ready(self, digest: str) -> None:
        if self.digest and digest != self.digest:
            raise PotentialError(
                "the potential's files changed while the server ran; start it again"
            )
        self.digest = digest

    def _refuse(self, error: driver.DriverError) -> NoReturn:
        """A worker could not load the potential."""
        kinds = {driver.USAGE: ConfigError, driver.DISK: StorageError}
        raise kinds.get(error.code, PotentialError)(str(error))

    def _bury(self, pipe: int) -> None:
        os.close(pipe)
        os.waitpid(self._workers.pop(pipe), 0)
        self._deaths.append(time.monotonic())
        if not self.digest and len(self._deaths) >= _DEATHS_AT_LOADING:
            raise PotentialError(
                "the potential's program crashes when it loads the potential; its last words are above, and the "
                "potential's files are damaged or not what they are named"
            )
        if len(self._deaths) == _DEATHS and self._deaths[-1] - self._deaths[0] < _WITHIN_S:
            raise ProgramError(
                f"{_DEATHS} workers of the server died within {_WITHIN_S:g} s; the potential's program crashes: "
                "look at what it printed, and try another evaluator"
            )
        self._start()

    def _end_workers(self) -> None:
        for process in self._workers.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)  # they hold nothing that a next one needs
        for pipe, process in self._workers.items():
            os.close(pipe)
            os.waitpid(process, 0)
        self._workers.clear()


def _check_free(path: str) -> None:
    """Refuse a path where something else is; a socket that nobody listens at may go."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise ConfigError(f"{path} is there already and no socket; use another --socket")
    except OSError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, contextlib.suppress(OSError):
        probe.connect(path)
        raise ConfigError(
            f"a server is listening at {path} already; stop it, or use another --socket"
        )


def _as_worker(
    options: dict[str, str], *, listener: socket.socket, parent: int, pipe: int
) -> NoReturn:
    """The life of a worker process."""
    code = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)
        _die_with_parent()
        _work(options, listener=listener, parent=parent, pipe=pipe)
        code = 0
    finally:
        os._exit(code)  # nothing of the parent's is to be cleaned up twice


def _die_with_parent() -> None:
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(
            1, signal.SIGKILL
        )  # PR_SET_PDEATHSIG; the parent has one thread, which is its life


def _work(options: dict[str, str], *, listener: socket.socket, parent: int, pipe: int) -> None:
    try:
        evaluator = driver.Evaluator(options)
    except driver.DriverError as error:
        os.write(pipe, driver.packed_error(error))
        return
    os.write(pipe, _READY + evaluator.digest.encode())
    while os.getppid() == parent:
        if not select.select([listener], [], [], _LOOK_S)[0]:
            continue
        try:
            connection, _ = listener.accept()
        except OSError:  # another worker was faster
            continue
        with connection, contextlib.suppress(OSError):  # a client that went away
            connection.settimeout(_PATIENCE_S)
            _converse(connection, evaluator)


def _converse(connection: socket.socket, evaluator: driver.Evaluator) -> None:
    """Greet, take one question, answer it."""
    _, user, _ = struct.unpack(
        "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    )
    if user != os.getuid():
        return
    connection.sendall(driver.frame(driver.HELLO, evaluator.digest.encode()))
    try:
        structure, source = driver.unpacked_question(driver.body_of(connection, driver.QUESTION))
        reply = driver.frame(
            driver.ANSWER, driver.packed_answer(evaluator.evaluate(structure, source))
        )
    except driver.DriverError as error:
        reply = driver.frame(driver.ERROR, driver.packed_error(error))
    connection.sendall(reply)
