"""A communicator for eOn's server: out as futures, back in any order, handed over in the order of submission.

    communicator = OrderedCommunicator(eon_config, cluster=cluster, template=template, spool=run / "spool")
    communicator.submit(starts, reactant_con=con)
    communicator.accept(timeout_s=1.0)
    for outcome in communicator.results(keep): ...

Handing over in the order they finish would favour fast searches when a confidence is reached, and make the result depend
on the number of workers. A finished search that waits for a slower one is spooled durably, so a kill loses only what
was running.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlip_kmc.akmc.eon_adapter import Communicator
from mlip_kmc.akmc.prefactors import PrefactorDesk
from mlip_kmc.evaluate.client import ClientJob, End, keep_inputs
from mlip_kmc.ground.errors import SearchesFailedError
from mlip_kmc.ground.files import make_directory, write_durably
from mlip_kmc.search.hessian import HessianOutcome
from mlip_kmc.search.outcome import SearchOutcome
from mlip_kmc.search.outcome_file import DamagedOutcomeError, from_bytes, to_bytes
from mlip_kmc.search.task import SearchTask
from mlip_kmc.search.watch import Watch
from mlip_kmc.workers.cluster import SearchCluster
from mlip_kmc.workers.task import Outcome

_SPOOLED = re.compile(r"^\d+_\d+\.(json|job)$")
_HALF = re.compile(r"^\..*\.tmp$")
_SPOOLED_ENDS = (End.FINISHED, End.HALTED)
"""What is a search's own result, the same wherever and whenever it runs; nothing else is ever registered."""
_NO_RESULT = {
    End.EVALUATION_ERROR: "the potential could not be evaluated in search {name}: {message}",
    End.CRASHED: "the eOn client died twice in search {name}: {message}",
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
        kind: `random`, or `recycling`: where its displacement comes from.
        files: texts that the client reads, by name: its options, displacement and direction.
    """

    name: str
    kind: str
    files: Mapping[str, str]


@dataclass(frozen=True)
class JobTemplate:
    """What every search of a run has in common.

    Attributes:
        files: texts that each search directory holds. links: files that it links.
        time_limit_s: of one search.
        watch: what gamma is watched for, or None.
        evidence: folder where directories of failed searches are kept.
    """

    files: dict[str, str]
    links: dict[str, Path]
    time_limit_s: float
    evidence: Path
    watch: Watch | None = None


class OrderedCommunicator(Communicator):
    """Runs searches on a cluster and yields their outcomes in the order of submission.

    Attributes:
        busy_s: of all searches that came back, where they ran.
        damage: spooled outcomes that could not be used, one line each.
        discarded: searches that were started and are not wanted any more.
    """

    def __init__(
        self,
        config: Any,
        *,
        cluster: SearchCluster,
        template: JobTemplate,
        spool: Path,
        desk: PrefactorDesk | None = None,
    ) -> None:
        """Take up the cluster.

        Args:
            config: eOn's ConfigClass.
            cluster: where clients run.
            template: what every search has in common.
            spool: folder for finished searches that wait for their turn.
            desk: makes prefactors; None where all processes have the same.
        """
        super().__init__(config.path_scratch, 1, config=config)
        self._cluster = cluster
        self._template = template
        self._spool = make_directory(spool)
        self._desk = desk
        self._tasks: dict[str, SearchTask] = {}
        self._finished: dict[str, SearchOutcome] = {}
        self._retried: set[str] = set()
        self.busy_s = 0.0
        self.damage: list[str] = []
        self.discarded = 0

    # -- what eOn asks of a communicator

    def get_queue_size(self) -> int:
        """How many searches are submitted and not handed over."""
        return len(self._tasks)

    def cancel_state(self, statenumber: int) -> int:
        """Take back every search of a state; their results never come."""
        names = [name for name in self._tasks if search_of(name)[0] == statenumber]
        self.discarded += self._cluster.cancel(names) + sum(
            name in self._finished for name in names
        )
        for name in names:
            self._drop(name)
        return len(names)

    def _drop(self, name: str) -> None:
        del self._tasks[name]
        self._finished.pop(name, None)
        if self._desk is not None:
            self._desk.forget(name)

    # -- searches

    def submit(self, starts: Iterable[SearchStart], *, reactant_con: str) -> None:
        """Start searches of one state.

        Args:
            starts: in the order in which they are handed over.
            reactant_con: `.con` text of the state.
        """
        for start in starts:
            task = self._tasks[start.name] = self._task(start, reactant_con)
            spooled = self._unspool(start.name)
            if spooled is not None:
                self._finished[start.name] = spooled
            else:
                self._cluster.submit(task)

    def _task(self, start: SearchStart, reactant_con: str) -> SearchTask:
        template = self._template
        return SearchTask(
            ClientJob(
                name=start.name,
                files={**template.files, "pos.con": reactant_con, **start.files},
                links=template.links,
                time_limit_s=template.time_limit_s,
                evidence=template.evidence / start.name,
            ),
            kind=start.kind,
            watch=template.watch,
        )

    def results(self, wanted: Callable[[str], bool]) -> Iterator[SearchOutcome]:
        """Outcomes whose turn it is; stops at the first search still running.

        Args:
            wanted: is a search of that name to be handed over? What is not is dropped.

        Raises:
            SearchesFailedError: a search whose turn it is shows that searching on makes no sense.
        """
        while self._tasks:
            name = next(iter(self._tasks))
            if name not in self._finished:
                return
            # a search that raises keeps its place: it is the first again when the run continues
            outcome = self.look(name) if wanted(name) else None
            self._drop(name)
            if outcome is not None:
                yield outcome

    def accept(self, timeout_s: float) -> bool:
        """Take in what has finished; wait up to `timeout_s` for the first. True if the next result can be handed over."""
        if not self.ready:
            for done in self._cluster.wait(timeout_s):
                self._accept(done)
        return self.ready

    @property
    def ready(self) -> bool:
        """The search whose turn it is has finished, and what its registration waits for is there."""
        return self.turn is not None and not (
            self._desk is not None and self._desk.waiting(self.turn)
        )

    @property
    def turn(self) -> str | None:
        """The search whose turn it is, where it has finished."""
        name = next(iter(self._tasks), None)
        return name if name in self._finished else None

    @property
    def rates(self) -> bool:
        """Processes have prefactors of their own, which are made before they are registered."""
        return self._desk is not None

    def look(self, name: str) -> SearchOutcome:
        """The outcome of a finished search, as `results` will hand it over; it keeps its turn.

        Raises:
            SearchesFailedError: as of `results`.
        """
        outcome = self._finished[name]
        if outcome.end in _NO_RESULT:
            said = _NO_RESULT[outcome.end].format(name=name, message=outcome.message)
            raise SearchesFailedError(
                f"{said}; what is left of it is kept at {self._tasks[name].job.evidence}"
            )
        if self._desk is None or outcome.found is None:
            return outcome
        return outcome.with_rated(self._desk.answer(name))

    def rated(self, outcome: SearchOutcome) -> bool:
        """The prefactors of what a search found are there; where not, they are asked for, and the search is kept meanwhile.

        Args:
            outcome: of the search whose turn it is, as of `look`.
        """
        if self._desk is None or outcome.found is None or outcome.rated is not None:
            return True
        self._desk.ask(
            outcome.name, outcome.found, reactant_con=self._tasks[outcome.name].reactant_con
        )
        self._keep(self._finished[outcome.name])
        return False

    @property
    def pending(self) -> list[str]:
        """Names of the searches not handed over, in order."""
        return list(self._tasks)

    def forget(self, names: list[str]) -> None:
        """Drop spooled results of searches that are committed, or no longer wanted."""
        for name in names:
            for suffix in ("json", "job"):
                (self._spool / f"{name}.{suffix}").unlink(missing_ok=True)

    def keep_spooled(self, wanted: Callable[[str], bool]) -> None:
        """Drop every spooled file of a search that is not wanted (left over by a stop or a step), and what a kill left half."""
        for path in self._spool.iterdir():
            if _HALF.match(path.name) or (_SPOOLED.match(path.name) and not wanted(path.stem)):
                path.unlink(missing_ok=True)

    def _accept(self, done: Outcome) -> None:
        self.busy_s += done.seconds
        if isinstance(done, SearchOutcome):
            self._take(done)
        elif isinstance(done, HessianOutcome) and self._desk is not None:
            self._desk.take(done)

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
            keep_inputs(self._tasks[done.name].job, done.message)
        if not self.ready:
            self._keep(done)

    def _keep(self, outcome: SearchOutcome) -> None:
        """On the disk, until its turn has come; what is no result of its own is made again after a stop."""
        if outcome.end in _SPOOLED_ENDS:
            write_durably(self._spool / f"{outcome.name}.json", to_bytes(outcome))

    def _unspool(self, name: str) -> SearchOutcome | None:
        path = self._spool / f"{name}.json"
        if not path.is_file():
            return None
        try:
            outcome = from_bytes(path.read_bytes())
        except (OSError, DamagedOutcomeError):
            self.damage.append(f"the finished search {name} ({path}) was damaged; it is made again")
            return None
        return outcome if outcome is not None and outcome.end in _SPOOLED_ENDS else None
