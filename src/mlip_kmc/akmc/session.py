"""From a generation on, until the run is done, stopped, halted, or the disk is full.

session = Session(server, cluster=cluster, pulse=pulse, run_dir=run_dir, options=RunOptions(), signals=Signals())
status, reason = session.go()
"""

import math
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mlip_kmc.akmc.options import RunOptions, Signals
from mlip_kmc.ground.errors import ProgramError
from mlip_kmc.ground.files import storage_errors
from mlip_kmc.ground.programs import AwakeClock
from mlip_kmc.ground.wording import counted
from mlip_kmc.model.records import HaltKind, Status
from mlip_kmc.store.pulse import Pulse

if TYPE_CHECKING:
    from mlip_kmc.akmc.server import Server
    from mlip_kmc.workers.attendance import Roll
    from mlip_kmc.workers.cluster import SearchCluster

_POLL_S = 0.25
_LONGEST_TICK_S = 10.0
_REPLACED_WITHIN_S = 60.0
"""A worker in this process that dask has lost is replaced at once."""
_NEXT = {
    HaltKind.EXTRAPOLATION: "the potential extrapolates there: fit it again with structures that `mlip-kmc select {run}` "
    "chooses from halts/, and use a new --dir; or set gamma.on_halt: continue",
    HaltKind.TOO_NEAR: "fit the potential to shorter distances or displace less, in a new --dir; the frame is in {run}/halts; "
    "or set gamma.on_halt: continue",
    HaltKind.UNKNOWN: "fit the potential again so that it knows such structures, which are in {run}/halts, and use a new "
    "--dir; or set gamma.on_halt: continue",
}


class Session:
    """One series of ticks of a server."""

    def __init__(
        self,
        server: "Server",
        *,
        cluster: "SearchCluster",
        pulse: Pulse,
        run_dir: Path,
        options: RunOptions,
        signals: Signals,
    ) -> None:
        """Begin to count its time.

        Args:
            server: begun.
            cluster: where its searches run.
            pulse: says how it is.
            run_dir: as messages name it.
            options: of this process.
            signals: from outside.
        """
        self._server, self._cluster, self._pulse = server, cluster, pulse
        self._run_dir, self._options, self._signals = run_dir, options, signals
        self._begun, self._drained_by = time.monotonic(), math.inf
        self._clock = AwakeClock(longest_gap_s=_LONGEST_TICK_S)
        self._attended = self._clock.now()

    def go(self) -> tuple[Status, str]:
        """Tick until it ends.

        Returns:
            how it ended, and why, in words.

        Raises:
            StorageError: a generation could not be written. ProgramError: no worker ever joined.
            SearchesFailedError: searching on makes no sense.
        """
        while True:
            if self._server.halt:
                status, reason = Status.HALTED, self._halted()
                break
            with storage_errors(self._run_dir):  # eOn writes too
                done = self._server.tick(_POLL_S)
            try:
                ended = self._after_tick(done)
            except ProgramError:
                self._settle()
                raise
            if ended is not None:
                status, reason = ended
                break
        self._settle()
        return status, reason + self._condition()

    def _settle(self) -> None:
        with storage_errors(self._run_dir):
            self._server.settle()

    def _halted(self) -> str:
        if self._server.config.gamma.on_halt == "repair":  # a campaign knows what to do
            return self._server.halt
        following = _NEXT[HaltKind.of(self._server.numbers.halt_kind)]
        return f"{self._server.halt}; {following.format(run=shlex.quote(str(self._run_dir)))}"

    def _after_tick(self, done: str | None) -> tuple[Status, str] | None:
        """How the session ends now; None where it goes on."""
        now, roll = time.monotonic(), self._cluster.roll
        self._options.on_progress(self._server.progress())
        self._pulse.beat(
            self._phase(roll),
            nodes=roll.nodes(),
            busy=self._cluster.running,
            waiting=self._cluster.waiting,
        )
        if done is not None:
            return Status.DONE, done
        if reason := self._ended_by_wish(now):
            return Status.MORE_TO_DO, f"{reason}; the same command continues"
        if self._signals.drain.is_set() and self._drained_by == math.inf:
            self._server.drain()
            self._drained_by = now + self._options.grace_s
        awake = self._clock.now()
        self._attended = awake if roll.total else self._attended
        if (why := self._deserted(awake - self._attended, roll)) or self._cluster.lost:
            return (
                Status.MORE_TO_DO,
                f"{why or 'the scheduler of the workers is gone'}; the same command continues",
            )
        return None

    def _phase(self, roll: "Roll") -> str:
        if self._drained_by < math.inf:
            return "finishing"
        return "searching" if roll.total else "waiting for workers"

    def _ended_by_wish(self, now: float) -> str:
        """Who asked for the end, in words; empty where nobody did."""
        drained = self._drained_by < math.inf and self._server.drained
        if self._signals.stop.is_set() or now >= self._drained_by or drained:
            return "stopped on request"
        limit = self._server.config.stop.wall_time_min
        if limit is not None and now >= self._begun + limit * 60:
            return f"{limit:g} min of wall time are over"
        return ""

    def _deserted(self, alone_s: float, roll: "Roll") -> str:
        """Why it is no use to wait for workers any longer, in words; empty while it is."""
        remote = self._options.remote
        if remote is None:
            return "the workers in this process are gone" if alone_s > _REPLACED_WITHIN_S else ""
        if not alone_s > remote.patience_min * 60:
            return ""
        start = f"start some with `mlip-kmc worker {self._run_dir}`"
        if not roll.joined:
            raise ProgramError(
                f"no worker was there for {remote.patience_min:g} min; {start}, and look into the logs of those that "
                "were started"
            )
        return (
            f"all workers have left, and none came back within {remote.patience_min:g} min; {start}"
        )

    def _condition(self) -> str:
        """What halted searches mean for the confidences; empty where there are none."""
        outcomes = self._server.outcomes
        total, halted = sum(outcomes.values()), outcomes.get("halted", 0)
        if not halted:
            return ""
        return (
            f"; {halted} of {counted(total, 'search')} ({halted / total:.1%}) were halted on "
            "extrapolation: confidences hold only for what the potential knows"
        )
