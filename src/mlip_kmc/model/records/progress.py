"""Where a run is: as it is committed, and as a running process says."""

from dataclasses import dataclass, field

from mlip_kmc.ground.wording import counted
from mlip_kmc.model.clock import Clock
from mlip_kmc.model.records.event import Event
from mlip_kmc.model.records.json_line import JsonLine


@dataclass(frozen=True)
class RunNumbers:
    """What a generation holds besides files and journals.

    Attributes:
        steps: events so far; the next one has this number. relabelled: those of them that are no KMC steps (see `Event`).
        time_s: simulated time; time_rest_s: what that leaves out (see `mlip_kmc.model.clock`).
        state: where the run is. previous: where it came from, or -1.
        bad_in_a_row: searches. starts: of the process.
        confidence: of the present state, at the last commit.
        wall_s: over all starts. busy_s: of all searches that came back, where they ran.
        capacity_s: seconds that the workers there were could have worked.
        discarded: searches that were started and not registered, because a KMC step made them useless.
        pending: searches that are not registered, in order.
        apart: atoms that have left the rest in the present state: see `atoms_apart`. apart_at_start: in state 0.
        halt: what halted the run, in words; empty where nothing did. halt_kind: of that, one of `HaltKind`.
        ahead_used: tasks that were begun before the run came to their state. ahead_unused: those begun so and never asked for.
            ahead_unused_calls: force calls of the latter.
        to_repair: halted searches that labels can help, since the potential is what it is (`gamma.on_halt: repair`).
    """

    steps: int = 0
    time_s: float = 0.0
    state: int = 0
    previous: int = -1
    bad_in_a_row: int = 0
    starts: int = 0
    confidence: float = 0.0
    wall_s: float = 0.0
    busy_s: float = 0.0
    capacity_s: float = 0.0
    discarded: int = 0
    pending: tuple[str, ...] = ()
    apart: int = 0
    apart_at_start: int = 0
    halt: str = ""
    halt_kind: str = ""
    to_repair: int = 0
    time_rest_s: float = 0.0
    relabelled: int = 0
    ahead_used: int = 0
    ahead_unused: int = 0
    ahead_unused_calls: int = 0

    @property
    def kmc_steps(self) -> int:
        """KMC steps done."""
        return self.steps - self.relabelled

    @property
    def clock(self) -> Clock:
        """The simulated time with all its digits."""
        return Clock(self.time_s, self.time_rest_s)

    @property
    def ahead(self) -> str:
        """What was begun before the run came to its state, in words; empty where nothing was."""
        begun = self.ahead_used + self.ahead_unused
        if not begun:
            return ""
        unused = f"{self.ahead_unused} were never asked for ({self.ahead_unused / begun:.0%})"
        return f"{counted(begun, 'task')} begun ahead of need; {unused}, {self.ahead_unused_calls} force calls"

    @property
    def events_a_day(self) -> float | None:
        """KMC steps a day of the time that the run's processes ran; None before there was any."""
        return self.kmc_steps / self.wall_s * 86400 if self.wall_s > 0 else None

    @property
    def left(self) -> int:
        """How many atoms have left the rest since state 0."""
        return max(self.apart - self.apart_at_start, 0)

    def utilisation(self, *, workers: int) -> float | None:
        """Busy share of what the workers could have worked, over the run's whole life.

        Args:
            workers: of the last start, where the first development versions noted no capacity.
        """
        capacity_s = self.capacity_s or self.wall_s * workers
        return min(self.busy_s / capacity_s, 1.0) if capacity_s > 0 else None


@dataclass(frozen=True)
class Live(JsonLine):
    """What a running process says of itself every few seconds, for `status`; not durable.

    Attributes:
        time_s: when, in seconds since 1970.
        host, pid: of the process.
        phase: what it does.
        workers: searches at a time. busy: searches that run now. waiting: submitted and not running yet.
        interval_s: how often it says so.
        nodes: searches at a time, by machine; empty where all run in this process.
    """

    time_s: float
    host: str
    pid: int
    phase: str
    workers: int
    busy: int
    waiting: int
    interval_s: float
    nodes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """The progress of a run, as the terminal shows it after every tick.

    Attributes:
        kmc_steps: number of KMC steps done.
        simulated_time_s: s.
        state: number of the present state.
        confidence: confidence of the present state, 0 to 1.
        states: number of known states.
        processes: number of processes in the table of the present state. Reverse processes that searches of other states found
            are in it before the first own search.
        searches_here: number of registered searches of the present state.
        good: number of registered searches, over all states, that found a new process.
        repeated: number of those that found a process already in the table.
        high: number of registered searches whose barrier lies beyond the thermal window.
        bad: number of registered bad searches.
        halted: number of registered halted searches.
        running: number of searches that workers run now.
        last_event: the last KMC step; None before the first.
    """

    kmc_steps: int
    simulated_time_s: float
    state: int
    confidence: float
    states: int
    processes: int
    searches_here: int
    good: int
    repeated: int
    high: int
    bad: int
    halted: int
    running: int
    last_event: Event | None = None
