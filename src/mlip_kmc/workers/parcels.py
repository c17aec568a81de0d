"""What is with dask: parcels of searches, each one task of dask's, whose outcomes come back one by one.

    waiting, parcels = Waiting(), Parcels()
    waiting.put(task, number=1)
    waiting.put(other, number=2)
    parcels.add(waiting.parcel(2, "search-{}-1", alone=lambda name: False), future)
    parcels.came("search-0_17-1", "0_17")        # (1, task); the worker is at 0_18 now
    parcels.end("search-0_17-1")                 # the parcel, with what did not come back

dask's work for a task is the same whether it takes a millisecond or a day. So short searches travel several at a time, as long
as every worker has enough to do; which of them share a parcel changes nothing in what they come to.
"""

import pickle
import statistics
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from mlip_kmc.workers.task import Task

PARCEL_S = 1.0
"""A parcel holds searches for about so long."""
_MOST = 64
_REMEMBERED = 51


@dataclass
class Parcel:
    """Searches that one worker runs, one after the other.

    Attributes:
        key: dask's.
        tasks: those that have not come back, with the numbers of their submission, in the order in which they run.
        packed: all of them, as they are sent.
        future: dask's, once it is sent.
    """

    key: str
    tasks: dict[str, tuple[int, Task]]
    packed: tuple[bytes, ...] = ()
    future: Any = None

    @property
    def number(self) -> int:
        """Of the submission of the first."""
        return next(iter(self.tasks.values()))[0]


class Waiting:
    """Tasks that are not sent, in the order of their numbers: that of their submission, negative where they go first."""

    def __init__(self) -> None:
        """None waits."""
        self._tasks: OrderedDict[str, tuple[int, Task, bytes]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tasks)

    def put(self, task: Task, *, number: int) -> None:
        """Add one where its turn is."""
        last = next(reversed(self._tasks.values()), None)
        self._tasks[task.name] = number, task, pickle.dumps(task)
        if last is not None and last[0] > number:
            for name in [name for name, (of, *_) in self._tasks.items() if of > number]:
                self._tasks.move_to_end(name)

    def drop(self, name: str) -> None:
        """It waits no longer."""
        self._tasks.pop(name, None)

    def parcel(self, most: int, key: str, *, alone: Callable[[str], bool]) -> Parcel:
        """Take out the next ones.

        Args:
            most: so many at most.
            key: of the parcel, with `{}` in the place of its first task's name.
            alone: must nothing be sent behind a task of that name? What goes first is alone, too.
        """
        tasks: dict[str, tuple[int, Task]] = {}
        packed: list[bytes] = []
        while self._tasks and len(packed) < most:
            name = next(iter(self._tasks))
            if packed and alone(name):
                break
            number, task, text = self._tasks.pop(name)
            tasks[name] = number, task
            packed.append(text)
            if number < 0 or alone(name):
                break
        return Parcel(key.format(next(iter(tasks))), tasks, tuple(packed))


@dataclass
class Parcels:
    """Those with dask, oldest first; one whose outcomes have all come, or were taken back, is none any more."""

    _by_key: dict[str, Parcel] = field(default_factory=dict)
    _keys: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._by_key)

    def add(self, parcel: Parcel, future: Any) -> None:
        """It is sent."""
        parcel.future, parcel.packed = future, ()
        self._by_key[parcel.key] = parcel
        self._keys |= dict.fromkeys(parcel.tasks, parcel.key)

    def begun(self, most: int) -> set[str]:
        """Names of the searches that run, where workers have taken up the `most` oldest parcels."""
        return {next(iter(parcel.tasks)) for parcel in islice(self._by_key.values(), most)}

    def came(self, key: str, name: str) -> tuple[int, Task] | None:
        """The number and the task whose outcome has come; None where nobody waits for it."""
        parcel = self._by_key.get(key)
        if parcel is None or name not in parcel.tasks:
            return None
        found = parcel.tasks.pop(name)
        self._keys.pop(name, None)
        if not parcel.tasks:
            del self._by_key[key]
        return found

    def end(self, key: str) -> Parcel | None:
        """The parcel that dask has done with, and what of it did not come back; None where nothing was left."""
        parcel = self._by_key.pop(key, None)
        for name in parcel.tasks if parcel is not None else ():
            self._keys.pop(name, None)
        return parcel

    def newest(self) -> Parcel:
        """Take back the newest parcel."""
        parcel = self.end(next(reversed(self._by_key)))
        if parcel is None:
            raise LookupError("no parcel is with dask")
        return parcel

    def take_back(self, names: Iterable[str]) -> list[Any]:
        """Searches whose outcomes are not wanted; answer the futures of the parcels of which nothing is wanted any more."""
        futures = []
        for name in names:
            parcel = self._by_key.get(self._keys.get(name, ""))
            if parcel is None:
                continue
            future, _ = parcel.future, self.came(parcel.key, name)
            if not parcel.tasks:
                futures.append(future)
        return futures


class Sizes:
    """How many searches a parcel may hold, by how long the last ones took."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._seconds: deque[float] = deque(maxlen=_REMEMBERED)

    def note(self, seconds: float) -> None:
        """A search has come back."""
        self._seconds.append(seconds)

    def most(self, *, waiting: int, slots: int) -> int:
        """Searches a parcel; one where they are not short, or where workers would lack any for it.

        Args:
            waiting: so many are not sent.
            slots: so many run at a time.
        """
        if not self._seconds or slots < 1:
            return 1
        share = waiting // (2 * slots)  # half of what waits stays for whoever is done first
        if share < 2:
            return 1
        by_time = PARCEL_S / max(statistics.median(self._seconds), PARCEL_S / _MOST)
        return int(min(by_time, share)) if by_time >= 2 else 1
