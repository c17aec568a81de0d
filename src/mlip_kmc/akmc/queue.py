"""The searches of a run: submitted to workers, back in any order, handed over in the order of submission.

    queue = SearchQueue(cluster=cluster, template=template, spool=run / "spool")
    queue.submit(starts, reactant_con=con)
    queue.accept(timeout_s=1.0)
    outcome = queue.take(wanted, ready=lambda outcome: True)

Handing over in the order they finish would favour fast searches when a confidence is reached, and make the result depend
on the number of workers. A finished search is spooled until a generation holds it, so a kill loses only what was running.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlip_kmc.akmc.orbits import IMAGE, OrbitDesk
from mlip_kmc.akmc.prefactors import PrefactorDesk, Rest
from mlip_kmc.akmc.spool import NoSpool, Spool
from mlip_kmc.akmc.twins import TWIN, Doubt, TwinDesk
from mlip_kmc.evaluate.client import ClientJob, End, keep_inputs
from mlip_kmc.ground.errors import SearchesFailedError
from mlip_kmc.ground.files import make_directory
from mlip_kmc.model.structure import from_con
from mlip_kmc.search.displaced import HessianPart
from mlip_kmc.search.displacing import Displacing
from mlip_kmc.search.native.stages import Told
from mlip_kmc.search.native.task import NativeSearch, NativeSetup
from mlip_kmc.search.outcome import FoundProcess, SearchOutcome
from mlip_kmc.search.points import CheckRecipe, Expected, PointsOutcome, RecognitionTask
from mlip_kmc.search.settling import Settling
from mlip_kmc.search.task import ProcessSearch, SearchTask
from mlip_kmc.search.watch import Watch
from mlip_kmc.workers.task import TaskOutcome, TaskRunner

AnySearch = SearchTask | NativeSearch | RecognitionTask
_NO_RESULT = {
    End.EVALUATION_ERROR: "the potential could not be evaluated in search {name}: {message}",
    End.CRASHED: "the program that makes search {name} died twice: {message}",
    End.TIMED_OUT: "search {name} reached a time limit twice: {message}; if it does not hang, raise search.time_limit_min and "
    "run the same command again",
    End.KILLED_WORKERS: "search {name} has no result: {message}; give workers more memory, or start fewer on a node, and run the "
    "same command again",
}


def search_of(name: str) -> tuple[int, int]:
    """State and index of a search, from its name `state_index`."""
    state, index = map(int, name.split("_"))
    return state, index


@dataclass(frozen=True)
class SearchStart:
    """Where one search starts.

    Attributes:
        name: `state_index`.
        kind: `random`, `recycling` or `refresh`: where its displacement comes from.
        files: texts that the client reads, by name: its options, displacement and direction.
        told: what it is told of its state, to end early; None: nothing.
        displacing: makes its displacement and direction where it runs; None: they are among `files`.
        expected: what an evaluation of its `pos.con` must give, which takes the place of a search; None: it is a search.
    """

    name: str
    kind: str
    files: Mapping[str, str]
    expected: Expected | None = None
    told: Told | None = None
    displacing: Displacing | None = None


@dataclass(frozen=True)
class JobTemplate:
    """What every search of a run has in common.

    Attributes:
        files: texts that each search directory holds. links: files that it links.
        time_limit_s: of one search.
        watch: what gamma is watched for, or None.
        evidence: folder where directories of failed searches are kept.
        settling: how low barriers are converged further, or None.
        native: what our own searches need; None where eOn's client searches.
        checks: how what follows from symmetry is evaluated, or None.
    """

    files: dict[str, str]
    links: dict[str, Path]
    time_limit_s: float
    evidence: Path
    watch: Watch | None = None
    settling: Settling | None = None
    native: NativeSetup | None = None
    checks: CheckRecipe | None = None


class SearchQueue:
    """Runs searches on a cluster and hands over their outcomes in the order of submission.

    Long because a search whose turn it is may wait for its prefactors and for its images.

    Attributes:
        busy_s: of all searches that came back, where they ran.
        discarded: searches that were started and are not wanted any more.
        since: the number of the spool's first file since the last KMC step; a generation notes it.
    """

    def __init__(
        self,
        *,
        cluster: TaskRunner,
        template: JobTemplate,
        spool: Path | None,
        since: int | None = None,
        desk: PrefactorDesk | None = None,
        orbits: OrbitDesk | None = None,
        twins: TwinDesk | None = None,
    ) -> None:
        """Take up the cluster.

        Args:
            cluster: where clients run.
            template: what every search has in common.
            spool: folder for finished searches that no generation holds; None: they are not kept.
            since: as the generation notes it; None where it does not.
            desk: makes prefactors; None where all processes have the same.
            orbits: checks what follows from a process by symmetry; None where nothing does.
            twins: converges saddles further that lie beside known ones; None: they are taken as they are found.
        """
        self._cluster = cluster
        self._template = template
        self._spool: Spool | NoSpool = (
            NoSpool() if spool is None else Spool(make_directory(spool), first=since or 1)
        )
        self.since = self._spool.begin() if since is None else since
        self._desk, self._orbits, self._twins = desk, orbits, twins
        self._tasks: dict[str, AnySearch] = {}
        self._of_state: Counter[int] = Counter()
        self._finished: dict[str, SearchOutcome] = {}
        self._retried: set[str] = set()
        self.busy_s = 0.0
        self.discarded = 0

    def step(self) -> None:
        """A KMC step was made: what finished before it is of no use, even if the run comes to the same state again."""
        self.since = self._spool.begin()

    def cancel(self, state: int) -> None:
        """Cancel every search of a state; their outcomes never come."""
        names = [name for name in self._tasks if search_of(name)[0] == state]
        self.discarded += self._cluster.cancel(names) + sum(
            name in self._finished for name in names
        )
        for name in names:
            self._drop(name)

    def _drop(self, name: str) -> None:
        del self._tasks[name]
        self._of_state[search_of(name)[0]] -= 1
        self._finished.pop(name, None)
        for desk in (self._desk, self._orbits, self._twins):
            if desk is not None:
                desk.forget(name)

    def submit(self, starts: Iterable[SearchStart], *, reactant_con: str) -> None:
        """Start searches of one state.

        Args:
            starts: in the order in which they are handed over.
            reactant_con: `.con` text of the state.
        """
        for start in starts:
            task = self._task(start, reactant_con)
            self._of_state[search_of(start.name)[0]] += start.name not in self._tasks
            self._tasks[start.name] = task
            spooled = self._spool.read(start.name)
            if spooled is not None:
                self._finished[start.name] = spooled
            else:
                self._cluster.submit(task)

    def _task(self, start: SearchStart, reactant_con: str) -> AnySearch:
        template = self._template
        if start.expected is not None and template.checks is not None:
            con = start.files["pos.con"]
            points = template.checks.task(start.name, [con], atoms=len(from_con(con)))
            return RecognitionTask(points, start.expected, con)
        job = ClientJob(
            name=start.name,
            files={**template.files, "pos.con": reactant_con, **start.files},
            links=template.links,
            time_limit_s=template.time_limit_s,
            evidence=template.evidence / start.name,
        )
        watch, settling = template.watch, template.settling
        if template.native is None:
            return SearchTask(
                job,
                kind=start.kind,
                watch=watch,
                settling=settling,
                displacing=start.displacing,
            )
        return NativeSearch(
            job,
            setup=template.native,
            kind=start.kind,
            watch=watch,
            settling=settling,
            displacing=start.displacing,
            told=start.told or Told(),
        )

    def take(
        self, wanted: Callable[[str], bool], *, ready: Callable[[SearchOutcome], bool]
    ) -> SearchOutcome | None:
        """The outcome whose turn it is; None where that search still runs, or is not ready.

        Args:
            wanted: is a search of that name to be handed over? What is not is dropped.
            ready: may it be handed over now? If not it keeps its turn.

        Raises:
            SearchesFailedError: a search whose turn it is shows that searching on makes no sense; it keeps its turn, and is the
                first again when the run continues.
        """
        while (name := self.turn) is not None:
            outcome = self.look(name) if wanted(name) else None
            if outcome is not None and not ready(outcome):
                return None
            self._drop(name)
            if outcome is not None:
                return outcome
        return None

    def accept(self, timeout_s: float) -> bool:
        """Take in what has finished; wait up to `timeout_s` for the first. True if the next result can be handed over."""
        if not self.ready:
            for done in self._cluster.wait(timeout_s):
                self._accept(done)
        return self.ready

    @property
    def ready(self) -> bool:
        """The search whose turn it is has finished, and what its registration waits for is there."""
        return self.turn is not None and not any(
            desk is not None and desk.waiting(self.turn)
            for desk in (self._desk, self._orbits, self._twins)
        )

    @property
    def turn(self) -> str | None:
        """The search whose turn it is, where it has finished."""
        name = next(iter(self._tasks), None)
        return name if name in self._finished else None

    @property
    def completes(self) -> bool:
        """A new process is told from those beside it, and gets prefactors of its own or images, before it is registered."""
        return any(desk is not None for desk in (self._desk, self._orbits, self._twins))

    def look(self, name: str) -> SearchOutcome:
        """The outcome of a finished search, as `take` will hand it over; it keeps its turn.

        Raises:
            SearchesFailedError: as of `take`.
        """
        outcome = self._finished[name]
        if outcome.end in _NO_RESULT:
            said = _NO_RESULT[outcome.end].format(name=name, message=outcome.message)
            raise SearchesFailedError(
                f"{said}; what is left of it is kept at {self._tasks[name].job.evidence}"
            )
        if outcome.found is None:
            return outcome
        if self._twins is not None:
            outcome = outcome.with_told_apart(self._twins.answer(name))
        if self._desk is not None:
            outcome = outcome.with_rated(self._desk.answer(name))
        checked = None if self._orbits is None else self._orbits.answer(name)
        if checked is not None:
            outcome = outcome.with_images(
                checked.images,
                checks=checked.evaluations,
                again=checked.again,
                left=checked.left,
            )
        return outcome

    def told_apart(self, outcome: SearchOutcome, doubt: Callable[[], Doubt]) -> bool:
        """A new saddle is told from those beside it; where not, that is asked for, and the search keeps its turn.

        Args:
            outcome: of the search whose turn it is, as of `look`.
            doubt: what it may be.
        """
        search = self._tasks[outcome.name]
        if self._twins is None or outcome.told_apart is not None or outcome.found is None:
            return True
        if not isinstance(search, ProcessSearch) or not (
            beside := self._twins.doubt_once(outcome.name, doubt)
        ):
            return True
        self._twins.ask(outcome.name, outcome.found, beside, search=search)
        return False

    def rated(self, outcome: SearchOutcome, rest: Callable[[], Rest]) -> bool:
        """The prefactors of what a search found are there; where not, they are asked for, and the search keeps its turn.

        Args:
            outcome: of the search whose turn it is, as of `look`.
            rest: what its state's own Hessian is of.
        """
        if self._desk is None or outcome.found is None or outcome.rated is not None:
            return True
        con = self._tasks[outcome.name].reactant_con
        self._desk.ask(outcome.name, outcome.found, reactant_con=con, rest=rest())
        return False

    def expanded(
        self, outcome: SearchOutcome, images: Callable[[], Sequence[FoundProcess]]
    ) -> bool:
        """What follows from a new process by symmetry is checked; where not, that is asked for, and the search keeps its turn.

        Args:
            outcome: of the search whose turn it is, as of `look`.
            images: makes what follows; asked once a search.
        """
        if self._orbits is None or outcome.found is None:
            return True
        if self._orbits.answer(outcome.name) is not None:
            return True
        search = self._tasks[outcome.name]
        if not self._orbits.waiting(outcome.name) and isinstance(search, ProcessSearch):
            self._orbits.ask(outcome.name, images(), search=search)
        return self._orbits.answer(outcome.name) is not None

    @property
    def damage(self) -> list[str]:
        """Spooled outcomes that could not be used, one line each."""
        return list(self._spool.damage)

    @property
    def pending(self) -> list[str]:
        """Names of the searches not handed over, in order."""
        return list(self._tasks)

    def __len__(self) -> int:
        """How many are not handed over."""
        return len(self._tasks)

    def pending_of(self, state: int) -> int:
        """How many of a state are not handed over."""
        return self._of_state[state]

    def forget(self, names: list[str]) -> None:
        """Drop spooled files of searches that are committed, or no longer wanted."""
        self._spool.forget(names)

    def keep_spooled(self, wanted: Callable[[str], bool]) -> None:
        """Drop every spooled file of a search that is not wanted, and what a kill left half."""
        self._spool.keep_only(wanted)

    def finished(self, name: str) -> bool:
        """A search has finished since the last KMC step, in this process or before."""
        return self._spool.since(self.since, name)

    def _accept(self, done: TaskOutcome) -> None:
        self.busy_s += done.seconds
        if isinstance(done, SearchOutcome) and done.kind not in (IMAGE, TWIN):
            self._take(done)
        elif isinstance(done, SearchOutcome) and done.kind == TWIN and self._twins is not None:
            self._twins.take(done)
        elif isinstance(done, HessianPart) and self._desk is not None:
            self._desk.take(done)
        elif isinstance(done, PointsOutcome | SearchOutcome) and self._orbits is not None:
            self._orbits.take(done)

    def _take(self, done: SearchOutcome) -> None:
        if done.name not in self._tasks:
            return
        if done.end in (End.CRASHED, End.TIMED_OUT) and done.name not in self._retried:
            # once: a node's fault does not come back, the search's own does
            self._retried.add(done.name)
            self._cluster.submit(self._tasks[done.name], first=True)
            return
        self._finished[done.name] = done
        if done.end is End.KILLED_WORKERS:
            keep_inputs(self._tasks[done.name].whole_job, done.message)
        self._spool.keep(done)
