"""What the process of a run is asked for besides its configuration, and what others tell it while it runs.

options = RunOptions(remote=Remote(interface="ib0"), grace_s=60.0)
signals = Signals()
signals.stop.set()                       # from a signal handler, another thread
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from mlip_kmc.model.records import Progress


@dataclass(frozen=True)
class Remote:
    """Workers that join from other processes and nodes, in place of those in this process.

    Attributes:
        interface: the network interface to listen on, as `ib0`; None: that of the default route.
        patience_min: without any worker for so long the run fails, or pauses where there were some before.
        silent_s: a worker that has said nothing for so long is given up; it joins again when it is awake.
    """

    interface: str | None = None
    patience_min: float = 15.0
    silent_s: float = 60.0


@dataclass(frozen=True)
class RunOptions:
    """How this process runs; nothing of it decides the trajectory.

    Attributes:
        on_progress: called after every tick.
        remote: searches run on workers that join; None: in this process.
        grace_s: searches that run may finish for so long after `Signals.drain`.
        needs_room: for days; a few searches whose directory is thrown away do with less.
    """

    on_progress: Callable[[Progress], None] = lambda _: None
    remote: Remote | None = None
    grace_s: float = 60.0
    needs_room: bool = True


@dataclass
class Signals:
    """Between a run and who started it.

    Attributes:
        stop: the run comes back at once with `Status.MORE_TO_DO`.
        drain: no search is started any more; those that run may finish.
        starting: state 0 is being prepared; nothing is committed yet.
        exploring: of a campaign: its run is at work, and `drain` ends it.
    """

    stop: threading.Event = field(default_factory=threading.Event)
    drain: threading.Event = field(default_factory=threading.Event)
    starting: bool = False
    exploring: bool = False

    @property
    def end_wanted(self) -> bool:
        """One of both is set."""
        return self.stop.is_set() or self.drain.is_set()
