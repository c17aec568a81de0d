"""One process search as a task: typed in, typed out.

task = SearchTask(job=ClientJob(name="0_17", files={"pos.con": "...", "config.ini": "..."}, ...), watch=watch)
task.run()                      # a SearchOutcome; a worker does this
task.without_result(End.KILLED_WORKERS, "3 workers died while they ran it")
"""

from dataclasses import dataclass, replace

from mlip_kmc.evaluate.client import ClientJob, End, run_job
from mlip_kmc.search.outcome import SearchOutcome
from mlip_kmc.search.reading import SearchReader
from mlip_kmc.search.settling import Settling, again_by_client
from mlip_kmc.search.watch import Watch


@dataclass(frozen=True)
class SearchTask:
    """What a process search starts from.

    Attributes:
        job: the client's: texts of its directory, among them `pos.con`, the state that is searched.
        kind: `random`, or `recycling`: where its displacement comes from.
        watch: what gamma is watched for, or None.
        settling: how a low barrier is converged further; None: it is taken as it is found.
    """

    job: ClientJob
    kind: str = "random"
    watch: Watch | None = None
    settling: Settling | None = None

    @property
    def name(self) -> str:
        """Of the search, `state_index`."""
        return self.job.name

    @property
    def reactant_con(self) -> str:
        """The `.con` text of the state that is searched."""
        return self.job.files["pos.con"]

    def run(self, *, tag: str = "") -> SearchOutcome:
        """Run it to its end, here and now; never raises for what the client does.

        Args:
            tag: by which `cancel_jobs` knows it.
        """
        ran = run_job(self.job, reader=lambda directory: SearchReader(self, directory), tag=tag)
        outcome = replace(ran.found, seconds=ran.seconds)
        if self.settling is None or not self.settling.wanted(outcome):
            return outcome
        return self.settling.settle(self, outcome, tag=tag)

    def again(self, outcome: SearchOutcome, *, force_eV_per_A: float, tag: str) -> SearchOutcome:
        """The search to a smaller force: from its own saddle, or where that is none, from its start; what it took alone."""
        return again_by_client(self, outcome, force_eV_per_A=force_eV_per_A, tag=tag)

    def without_result(self, end: End, message: str = "") -> SearchOutcome:
        """What is handed back where no worker could answer."""
        return SearchOutcome(name=self.name, kind=self.kind, end=end, message=message)
