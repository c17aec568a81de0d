"""A communicator for eOn's server: out as futures, back in any order, handed over in the order of submission.

    communicator = OrderedCommunicator(eon_config, cluster=cluster, template=template, spool=run / "spool")
    communicator.submit_jobs(searches, invariants)
    communicator.accept(timeout_s=1.0)
    for result in communicator.get_results(None, keep): ...

Handing over in the order they finish would favour fast searches when a confidence is reached, and make the result depend
on the number of workers. A finished search that waits for a slower one is spooled durably, so a kill loses only what
was running.
"""

import io
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlip_kmc.akmc.eon_adapter import Communicator
from mlip_kmc.akmc.prefactors import PrefactorDesk
from mlip_kmc.ground.errors import SearchesFailedError, StructureError
from mlip_kmc.ground.files import make_directory, sealed, unsealed, write_durably
from mlip_kmc.model.atom_path import without_drift, wrap
from mlip_kmc.model.structure import from_con, to_con
from mlip_kmc.search.client import PROCESS_SEARCH_FILES, ClientDone, ClientJob, End, keep_inputs
from mlip_kmc.search.watch import Graded, Watch
from mlip_kmc.workers.cluster import SearchCluster

POTENTIAL_FAILED = 11  # eOn's termination reason of a search that brought nothing
_LAST_REASON = 19  # eOn's list of reasons ends here, though its client knows more
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
_ENERGIES = ("potential_energy_reactant", "potential_energy_saddle", "potential_energy_product")
_CONS = ("reactant.con", "saddle.con", "product.con")


def search_of(name: str) -> tuple[int, int]:
    """State and index of a search, from its name `state_index`."""
    state, index = map(int, name.split("_"))
    return state, index


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
    """Runs searches on a cluster and yields their results in the order of submission.

    Attributes:
        busy_s: of all searches that came back, where they ran.
        damage: spooled results that could not be used, one line each.
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
        self._jobs: dict[str, ClientJob] = {}
        self._finished: dict[str, ClientDone] = {}
        self._retried: set[str] = set()
        self.busy_s = 0.0
        self.damage: list[str] = []
        self.discarded = 0
        self._kinds: dict[str, str] = {}

    # -- eOn's interface

    def submit_jobs(self, data: list[dict[str, Any]], invariants: dict[str, Any]) -> None:
        """Start searches.

        Args:
            data: one mapping a search: `id`, `type` and texts (StringIO) by file name.
            invariants: texts for all of them, by file name: (StringIO, mode).
        """
        common = {name: stream.getvalue() for name, (stream, _) in invariants.items()}
        for search in data:
            files = {
                name: value.getvalue()
                for name, value in search.items()
                if isinstance(value, io.StringIO)
            }
            name = search["id"]
            self._kinds[name] = search["type"]
            self._jobs[name] = ClientJob(
                name=name,
                files={**self._template.files, **common, **files},
                links=self._template.links,
                returns=PROCESS_SEARCH_FILES,
                time_limit_s=self._template.time_limit_s,
                evidence=self._template.evidence / name,
                watch=self._template.watch,
            )
            spooled = self._unspool(name)
            if spooled is not None:
                self._finished[name] = spooled
            else:
                self._cluster.submit(self._jobs[name])

    def get_results(
        self,
        resultspath: Any,  # noqa: ARG002 - eOn's interface
        keep_result: Callable[[str], bool],
    ) -> Iterator[dict[str, Any]]:
        """Results whose turn it is, as mappings of file name to StringIO; stops at the first search still running.

        Raises:
            SearchesFailedError: a search whose turn it is shows that searching on makes no sense.
        """
        while self._jobs:
            name = next(iter(self._jobs))
            if name not in self._finished:
                return
            # a search that raises keeps its place: it is the first again when the run continues
            result = (
                self._result(self._jobs[name], self._finished[name]) if keep_result(name) else None
            )
            del self._jobs[name], self._finished[name]
            if self._desk is not None:
                self._desk.forget(name)
            if result is not None:
                yield result

    def get_queue_size(self) -> int:
        """How many searches are submitted and not handed over."""
        return len(self._jobs)

    def cancel_state(self, statenumber: int) -> int:
        """Take back every search of a state; their results never come."""
        names = [name for name in self._jobs if search_of(name)[0] == statenumber]
        self.discarded += self._cluster.cancel(names) + sum(
            name in self._finished for name in names
        )
        for name in names:
            del self._jobs[name]
            self._finished.pop(name, None)
            if self._desk is not None:
                self._desk.forget(name)
        return len(names)

    # -- ours

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
        name = next(iter(self._jobs), None)
        return name if name in self._finished else None

    @property
    def rates(self) -> bool:
        """Processes have prefactors of their own, which are made before they are registered."""
        return self._desk is not None

    def look(self, name: str) -> dict[str, Any]:
        """The result of a finished search, as `get_results` will hand it over; it keeps its turn.

        Raises:
            SearchesFailedError: as of `get_results`.
        """
        return self._result(self._jobs[name], self._finished[name])

    def rated(self, name: str, found: dict[str, Any]) -> bool:
        """The prefactors of what a search found are there; where not, they are asked for, and the search is kept meanwhile.

        Args:
            name: of the search whose turn it is.
            found: its result.
        """
        if self._desk is None or found["rated"] is not None:
            return True
        self._desk.ask(
            name,
            files={key: found[key].getvalue() for key in _CONS},
            reactant_con=self._jobs[name].files["pos.con"],
        )
        if self._finished[name].end in _SPOOLED_ENDS:
            self._keep(self._finished[name])
        return False

    @property
    def pending(self) -> list[str]:
        """Names of the searches not handed over, in order."""
        return list(self._jobs)

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

    def _accept(self, done: ClientDone) -> None:
        self.busy_s += done.seconds
        if (self._desk is not None and self._desk.take(done)) or done.name not in self._jobs:
            return
        if done.end in (End.CRASHED, End.TIMED_OUT) and done.name not in self._retried:
            self._retried.add(
                done.name
            )  # once: a node's fault does not come back, the search's own does
            self._cluster.submit(self._jobs[done.name], first=True)
            return
        self._finished[done.name] = done
        if done.end is End.KILLED_WORKERS:
            keep_inputs(self._jobs[done.name], done.message)
        if not self.ready and done.end in _SPOOLED_ENDS:
            self._keep(done)

    def _keep(self, done: ClientDone) -> None:
        body = {
            "name": done.name,
            "end": done.end,
            "files": done.files,
            "seconds": done.seconds,
            "message": done.message,
            "graded": asdict(done.graded),
        }
        write_durably(self._spool / f"{done.name}.json", sealed(json.dumps(body).encode()))

    def _unspool(self, name: str) -> ClientDone | None:
        path = self._spool / f"{name}.json"
        if not path.is_file():
            return None
        try:
            text = unsealed(path.read_bytes())
            if text is None:
                raise ValueError  # noqa: TRY301 - one answer to all damage
            body = json.loads(text)
            if body["end"] not in _SPOOLED_ENDS:
                return None  # of an earlier version, which took a time limit for a result
            graded = Graded(**{**body["graded"], "frames": tuple(body["graded"]["frames"])})
            return ClientDone(
                name=body["name"],
                end=End(body["end"]),
                files=body["files"],
                seconds=body["seconds"],
                message=body["message"],
                graded=graded,
            )
        except (OSError, ValueError, KeyError, TypeError):
            self.damage.append(f"the finished search {name} ({path}) was damaged; it is made again")
            return None

    def _result(self, job: ClientJob, done: ClientDone) -> dict[str, Any]:
        if done.end in _NO_RESULT:
            said = _NO_RESULT[done.end].format(name=done.name, message=done.message)
            raise SearchesFailedError(f"{said}; what is left of it is kept at {job.evidence}")
        results = done.results()
        result: dict[str, Any] = {
            "name": done.name,
            "seconds": done.seconds,
            "remark": "",
            "type": self._kinds.get(done.name, "random"),
            "graded": done.graded,
            "rated": None,
        }
        if done.end is End.HALTED:
            results, result["remark"] = (
                {"termination_reason": POTENTIAL_FAILED},
                f"halted: {done.message}",
            )
        files = dict(done.files)
        if results.get("termination_reason") == 0 and not _are_numbers(results):
            results["termination_reason"] = POTENTIAL_FAILED
            result["remark"] = "energies that are no finite numbers"
        if results.get("termination_reason") == 0:
            results |= self._prefactors(done.name, result)
            try:
                files.update(aligned(files, job.files["pos.con"]))
            except (KeyError, StructureError) as error:
                results["termination_reason"] = POTENTIAL_FAILED
                result["remark"] = f"the client's files are damaged: {error}"
        result["results.dat"] = io.StringIO(_results_text(results))
        result.update(
            {
                name: io.StringIO(files.get(name, ""))
                for name in PROCESS_SEARCH_FILES
                if name != "results.dat"
            }
        )
        return result

    def _prefactors(self, name: str, result: dict[str, Any]) -> dict[str, float | str]:
        """What `results.dat` says of them, in place of the client's, where they are known."""
        result["rated"] = rated = self._desk.answer(name) if self._desk is not None else None
        return (
            {}
            if rated is None
            else {
                "prefactor_reactant_to_product": rated.forward_per_s,
                "prefactor_product_to_reactant": rated.back_per_s,
                "force_calls_prefactors": float(rated.force_calls),
            }
        )


def _are_numbers(results: Mapping[str, float | str]) -> bool:
    """Energies that are not finite would pass every comparison that looks for what is too large."""
    return all(
        isinstance(value, float) and math.isfinite(value) for value in map(results.get, _ENERGIES)
    )


def _results_text(results: dict[str, float | str]) -> str:
    """`results.dat` with all that eOn's registration reads, and with a reason that it knows."""
    whole: dict[str, float | str] = {
        "barrier_reactant_to_product": 0.0,
        "displacement_saddle_distance": 0.0,
        "force_calls_saddle": 0,
        "force_calls_minimization": 0,
        "force_calls_prefactors": 0,
        "termination_reason": POTENTIAL_FAILED,
        **results,
    }
    counts = [
        name for name in whole if name.startswith("force_calls") or name == "termination_reason"
    ]
    for name in counts:
        whole[name] = int(float(whole[name]))
    if not 0 <= int(whole["termination_reason"]) <= _LAST_REASON:
        whole["termination_reason"] = _LAST_REASON
    return "".join(
        f"{value!r} {name}\n" if isinstance(value, float) else f"{value} {name}\n"
        for name, value in whole.items()
    )


def aligned(files: dict[str, str], reactant_con: str) -> dict[str, str]:
    """Saddle and minima of a search, unwrapped next to its reactant, and without drift where nothing is fixed.

    Args:
        files: eOn's `.con` texts by name.
        reactant_con: the `.con` that the search started from.
    """
    start = from_con(reactant_con)
    anchored = bool(start.constraints)
    cell = np.asarray(start.cell.array, dtype=np.float64)
    moved = {}
    for name in _CONS:
        atoms = from_con(files[name])
        displacement = without_drift(
            wrap(atoms.positions - start.positions, cell), anchored=anchored
        )
        moved[name] = to_con(atoms, start.positions + displacement)
    return moved
