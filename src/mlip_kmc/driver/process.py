"""A server beside a run: started, and started again when it dies, until the run ends.

    with ServerProcess(recipe, socket_path=path, workers=2, log=folder / "server.log") as server:
        server.digest                     # of the potential that it has loaded
        server.failure                    # why it is not started again, or nothing

It dies with this process, however that ends. Clients wait while it is started again; nothing of theirs is lost.
"""

import contextlib
import json
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from mlip_kmc.driver import standalone as driver
from mlip_kmc.ground.environment import REASON_FILE
from mlip_kmc.ground.errors import (
    ConfigError,
    MlipKmcError,
    PotentialError,
    ProgramError,
    StorageError,
)
from mlip_kmc.ground.files import write_whole
from mlip_kmc.ground.programs import AwakeClock, Background, Program

_START_LIMIT_S = 300.0
_LOOK_S = 0.2
_STARTS, _WITHIN_S = 5, 600.0
"""So many restarts within such a time, and it stays down."""
_KINDS = {
    kind.exit_code: kind for kind in (ConfigError, PotentialError, ProgramError, StorageError)
}


class ServerProcess:
    """`mlip-kmc serve`, kept alive.

    Attributes:
        digest: of the potential; a server that is started again must have the same.
        failure: why it is down for good, or an empty text.
        restarts: how often it was started again.
    """

    def __init__(
        self, recipe: dict[str, str], *, socket_path: Path, workers: int, log: Path
    ) -> None:
        """Take note; `with` starts it.

        Args:
            recipe: the driver's options, without `--`.
            socket_path: in a directory of its own.
            workers: evaluations at a time.
            log: what it prints.
        """
        self._recipe, self._socket, self._workers, self._log = (
            dict(recipe),
            socket_path,
            workers,
            log,
        )
        self._recipe_file = socket_path.with_name("recipe.json")
        self._reason_file = socket_path.with_name("reason.txt")
        self._stopping = threading.Event()
        self._watcher = threading.Thread(
            target=self._watch, name="mlip-kmc server's keeper", daemon=True
        )
        self._lock = threading.Lock()
        self._running: Background | None = None
        self.digest = self.failure = ""
        self.restarts = 0

    def __enter__(self) -> Self:
        """Start it and wait until the potential is loaded.

        Raises:
            MlipKmcError: it does not start; its own reason.
        """
        try:
            self._start()
            self.digest = self._greeted()
        except BaseException:
            self._stop()
            raise
        self._recipe["digest"] = self.digest
        self._watcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._stop()
        self._watcher.join()

    @property
    def pid(self) -> int:
        """The present server's process."""
        if self._running is None:
            raise ProgramError("the server is not running")
        return self._running.pid

    def _start(self) -> None:
        write_whole(self._recipe_file, json.dumps(self._recipe).encode())
        arguments = [
            "-P",  # what lies in the present folder is no package of ours
            "-m",
            "mlip_kmc",
            "serve",
            "--recipe",
            str(self._recipe_file),
            "--socket",
            str(self._socket),
            "--workers",
            str(self._workers),
            "--until-stdin-ends",
        ]
        with self._lock:
            if not self._stopping.is_set():
                self._reason_file.unlink(missing_ok=True)
                self._running = Background.start(
                    Program.of_python(),
                    arguments,
                    log=self._log,
                    more={REASON_FILE: str(self._reason_file)},
                )

    def _stop(self) -> None:
        with self._lock:
            if self._running is not None:
                self._running.stop()

    def _greeted(self) -> str:
        """The digest that the server greets with."""
        clock = AwakeClock()
        while clock.now() < _START_LIMIT_S:
            if self._running is None or (code := self._running.ended()) is not None:
                raise self._reason(code if self._running else 1)
            try:
                connection = driver.connected(str(self._socket), _LOOK_S)
            except OSError:
                time.sleep(_LOOK_S / 4)
                continue
            except driver.DriverError as error:
                raise ProgramError(str(error)) from error
            try:
                return driver.greet(connection)
            except OSError:  # not loaded yet
                continue
            finally:
                connection.close()
        raise ProgramError(
            f"the server did not load the potential within {_START_LIMIT_S:g} s; see {self._log}"
        )

    def _reason(self, code: int | None) -> MlipKmcError:
        """Why the server ended: what it wrote into its reason file, else where its log is."""
        try:
            said = self._reason_file.read_text(encoding="utf-8", errors="replace").strip()
        except OSError:  # it was killed, or could not even start
            said = f"the server ended with {code}; see {self._log}"
        return _KINDS.get(code or 1, ProgramError)(said)

    def _watch(self) -> None:
        starts: list[float] = []
        while not self._stopping.is_set():
            running = self._running
            code = running.ended(_LOOK_S) if running is not None else 1
            if code is None or self._stopping.is_set():
                continue
            now = time.monotonic()
            starts = [moment for moment in starts if now - moment < _WITHIN_S]
            reason = self._reason(code)
            if len(starts) >= _STARTS or isinstance(reason, ConfigError | PotentialError):
                self._give_up(
                    f"the server of the potential is down after {len(starts)} restarts: {reason}"
                )
                return
            starts.append(now)
            self.restarts += 1
            try:
                self._start()
            except MlipKmcError as error:
                self._give_up(f"the server of the potential cannot be started again: {error}")
                return

    def _give_up(self, line: str) -> None:
        """Stay down; clients that wait for the server are told why."""
        self.failure = line
        with contextlib.suppress(StorageError):  # they hear of it in the end: nobody answers
            write_whole(Path(f"{self._socket}{driver.DOWN}"), line.encode())
