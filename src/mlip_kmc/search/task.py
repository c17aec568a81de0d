"""One process search as a task: typed in, typed out.

task = SearchTask(job=ClientJob(name="0_17", files={"pos.con": "...", "config.ini": "..."}, ...), watch=watch)
task.run()                      # a SearchOutcome; a worker does this
task.without_result(End.KILLED_WORKERS, "3 workers died while they ran it")
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Self

from mlip_kmc.evaluate.client import ClientJob, End, run_job
from mlip_kmc.search.displacing import Displacing
from mlip_kmc.search.outcome import FoundProcess, SearchOutcome
from mlip_kmc.search.outcome_file import with_bytes
from mlip_kmc.search.reading import SearchReader
from mlip_kmc.search.settling import Settling, again_by_client, start_at
from mlip_kmc.search.watch import Watch

DISPLACED = "random"
"""The kind of a search that starts from a displacement, and not at what was a saddle elsewhere or before."""


@dataclass(frozen=True)
class ProcessSearch(ABC):
    """What a process search starts from, whichever engine makes it.

    Attributes:
        job: texts of the client's directory, among them `pos.con`, the state that is searched; time limit and evidence.
        kind: `random`, `recycling` or `refresh`: where its displacement comes from.
        watch: what gamma is watched for, or None.
        settling: how a low barrier is converged further; None: it is taken as it is found.
        displacing: makes its displacement and direction; None: they are among the texts.
    """

    job: ClientJob
    kind: str = DISPLACED
    watch: Watch | None = None
    settling: Settling | None = None
    displacing: Displacing | None = None

    @property
    def name(self) -> str:
        """Of the search, `state_index`."""
        return self.job.name

    @property
    def reactant_con(self) -> str:
        """The `.con` text of the state that is searched."""
        return self.job.files["pos.con"]

    def run(self, *, tag: str = "") -> SearchOutcome:
        """Run it to its end, here and now; never raises for what client or potential do.

        Args:
            tag: by which `cancel_jobs` knows it.
        """
        task = replace(self, job=self.whole_job, displacing=None)
        outcome = task.run_once(tag)
        if task.settling is not None and task.settling.wanted(outcome):
            outcome = task.settling.settle(task, outcome, tag=tag)
        return with_bytes(outcome)

    @property
    def whole_job(self) -> ClientJob:
        """With the texts of its displacement and direction."""
        if self.displacing is None:
            return self.job
        files = {**self.job.files, **self.displacing.files(self.reactant_con)}
        return replace(self.job, files=files)

    @abstractmethod
    def run_once(self, tag: str) -> SearchOutcome:
        """The search itself, as far as its force asks for."""

    @abstractmethod
    def again(self, outcome: SearchOutcome, *, force_eV_per_A: float, tag: str) -> SearchOutcome:
        """The search to a smaller force: from its own saddle, or where that is none, from its start; what it took alone."""

    def from_saddle(self, found: FoundProcess, *, name: str, kind: str) -> Self:
        """A search of the same state that starts at a saddle, as this one would be made otherwise.

        Args:
            found: in the frame of the state.
            name: unique in the run.
            kind: of the search.
        """
        files = {**self.job.files, **start_at(found, reactant_con=self.reactant_con)}
        evidence = self.job.evidence and self.job.evidence.parent / name
        job = replace(self.job, name=name, files=files, evidence=evidence)
        return replace(self, job=job, kind=kind, displacing=None)

    def without_result(self, end: End, message: str = "") -> SearchOutcome:
        """What is handed back where no worker could answer."""
        return SearchOutcome(name=self.name, kind=self.kind, end=end, message=message)


@dataclass(frozen=True)
class SearchTask(ProcessSearch):
    """A process search by eOn's client."""

    def run_once(self, tag: str) -> SearchOutcome:
        """As of `ProcessSearch`."""
        ran = run_job(self.job, reader=lambda directory: SearchReader(self, directory), tag=tag)
        return replace(ran.found, seconds=ran.seconds)

    def again(self, outcome: SearchOutcome, *, force_eV_per_A: float, tag: str) -> SearchOutcome:
        """As of `ProcessSearch`."""
        return again_by_client(self, outcome, force_eV_per_A=force_eV_per_A, tag=tag)
