"""Attendance of workers: which are there, and which have sent no heartbeat for too long.

    attendance = Attendance(changed=feed)                       # called by dask's scheduler
    attendance.roll().total                                     # searches that can run at a time, now

    silence = Silence(limit_s=60.0)
    for address in silence.silent_now({address: last_seen_s, ...}):   # every second or so
        ...

dask's own check (`worker-ttl`) compares a heartbeat's time with the clock on the wall. When the scheduler's process was stopped
for longer than that, the check is due before the heartbeats that wait in its sockets are read, and every worker is given up at
once; those in the same process never come back. So that check is off, and silence is counted in time that the scheduler is awake.
"""

import asyncio
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from distributed import SchedulerPlugin
from distributed.core import Status
from distributed.scheduler import heartbeat_interval

from mlip_kmc.ground.programs.awake import LONGEST_GAP_S, AwakeClock
from mlip_kmc.workers.crew import machine_of

_FEWEST_HEARTBEATS = 4
_LOOK_S = 0.01
_LOOKS = 20


@dataclass(frozen=True)
class Roll:
    """Who is there.

    Attributes:
        slots: searches that run at a time, by worker.
        joined, left: how many workers came and went.
    """

    slots: Mapping[str, int]
    joined: int
    left: int

    @property
    def total(self) -> int:
        """Searches that can run at a time, now."""
        return sum(self.slots.values())

    def nodes(self) -> Counter[str]:
        """Searches at a time, by machine."""
        found: Counter[str] = Counter()
        for name, slots in self.slots.items():
            found[machine_of(name)] += slots
        return found


class Attendance(SchedulerPlugin):  # type: ignore[misc]
    """Keeps the roll; runs in dask's thread, is read from others."""

    def __init__(self, changed: Callable[[], None]) -> None:
        """`changed` is called after each change, in dask's thread."""
        self._changed = changed
        self._lock = threading.Lock()
        self._entering: set[asyncio.Future[None]] = set()  # the loop keeps weak references only
        self._slots: dict[str, int] = {}
        self._names: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._capacity_s = 0.0
        self._since = time.monotonic()

    def add_worker(self, scheduler: Any, worker: str) -> None:
        """Called by dask when a worker joins: it counts from when it takes searches."""
        task = asyncio.ensure_future(self.enter(scheduler, worker))
        self._entering.add(task)
        task.add_done_callback(self._entering.discard)

    async def enter(self, scheduler: Any, worker: str) -> None:
        """dask calls `add_worker` before the worker runs; a search sent meanwhile would wait behind those of another worker."""
        state = scheduler.workers[worker]
        while state.status is not Status.running:
            await asyncio.sleep(_LOOK_S)
            if scheduler.workers.get(worker) is not state:
                return
        with self._lock:
            self._count()
            self._slots[worker], self._names[worker] = int(state.nthreads), str(state.name)
            self._counts["joined"] += 1
        self._changed()

    def remove_worker(self, scheduler: Any, worker: str, *, stimulus_id: str, **_: Any) -> None:  # noqa: ARG002
        """Called by dask when a worker is gone."""
        with self._lock:
            self._count()
            self._names.pop(worker, None)
            self._counts["left"] += self._slots.pop(worker, None) is not None
        self._changed()

    def _count(self) -> None:
        now = time.monotonic()
        self._capacity_s += (now - self._since) * sum(self._slots.values())
        self._since = now

    def roll(self) -> Roll:
        """Who is there, by name."""
        with self._lock:
            return Roll(
                slots={self._names[address]: slots for address, slots in self._slots.items()},
                joined=self._counts["joined"],
                left=self._counts["left"],
            )

    def capacity_s(self) -> float:
        """Slots times seconds so far."""
        with self._lock:
            self._count()
            return self._capacity_s


class Silence:
    """Workers that have not been heard of for too long, by the time in which the scheduler was awake to hear them."""

    def __init__(self, *, limit_s: float, clock: AwakeClock | None = None) -> None:
        """No worker is known yet.

        Args:
            limit_s: of silence; no less than four of dask's heartbeats, which come from every 0.5 s (up to 10 workers) on.
            clock: of the scheduler's waking time.
        """
        self._limit_s, self._clock = (
            limit_s,
            clock or AwakeClock(longest_gap_s=min(LONGEST_GAP_S, limit_s / 10)),
        )
        self._heard: dict[
            str, tuple[float, float]
        ] = {}  # by address: its last heartbeat, and when we knew of it
        self._gone: dict[str, float] = {}  # by address: how long it had been silent
        self._slept_s, self._woke = 0.0, -math.inf

    async def listen(self, scheduler: Any) -> None:
        """In dask's thread: give up workers whose last heartbeat is too old, as long as the scheduler runs."""
        while scheduler.status is Status.running:
            await asyncio.sleep(min(1.0, self._limit_s / _LOOKS))
            seen = {address: worker.last_seen for address, worker in scheduler.workers.items()}
            for address in self.silent_now(seen):
                await scheduler.remove_worker(address, stimulus_id="mlip-kmc-silent")

    def silent_now(self, last_seen: Mapping[str, float]) -> list[str]:
        """Addresses of the workers whose last heartbeat is too old.

        Args:
            last_seen: when the last heartbeat of each worker came, by whatever clock.
        """
        now = self._now()
        self._gone |= {
            address: now - since
            for address, (_, since) in self._heard.items()
            if address not in last_seen
        }
        self._heard = {
            address: self._heard[address]
            if self._heard.get(address, (None,))[0] == seen
            else (seen, now)
            for address, seen in last_seen.items()
        }
        limit_s = self._at_least(self._limit_s)
        return [
            address for address, (_, since) in self._heard.items() if not now - since <= limit_s
        ]

    def explains(self, address: str) -> bool:
        """Was the worker that is gone silent before, or this process asleep: is its end no sign of what it ran?"""
        now = self._now()
        silent_s = (
            now - self._heard[address][1]
            if address in self._heard
            else self._gone.get(address, 0.0)
        )
        return silent_s > self._at_least(self._limit_s / 4) or now - self._woke < self._limit_s

    def _now(self) -> float:
        now, slept_s = self._clock.now(), self._clock.slept_s
        if slept_s - self._slept_s > self._limit_s / 4:
            self._woke = now
        self._slept_s = slept_s
        return now

    def _at_least(self, limit_s: float) -> float:
        return max(limit_s, _FEWEST_HEARTBEATS * float(heartbeat_interval(len(self._heard))))
