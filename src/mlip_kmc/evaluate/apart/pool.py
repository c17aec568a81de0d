"""Children that wait for a task, and what becomes of a task whose children die.

run_apart(task)              # an Outcome, whatever becomes of the child
"""

import atexit
import contextlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

from mlip_kmc.driver.standalone import atoms_of
from mlip_kmc.evaluate.apart.process import LOG, Child, DiedError
from mlip_kmc.evaluate.apart.task import Apart, Death, Outcome
from mlip_kmc.evaluate.client import End, cancellable
from mlip_kmc.model.structure import to_con

OWN_DEATHS, DEATHS = 2, 3
"""A task that ends its process itself so often does so always; one that others end so often is given up."""
LAST_STRUCTURE = "last_structure.con"


class _Pool:
    """Children of this process; those that have nothing to do wait, with their potentials loaded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Child] = []
        self._era = 0

    @contextlib.contextmanager
    def one(self) -> Iterator[Child]:
        """A child for one task."""
        with self._lock:
            era = self._era
            child = self._idle.pop() if self._idle else None
        if child is not None and not child.alive:  # killed while it waited
            child.stop()
            child = None
        if child is None:
            child = Child.start()
        try:
            yield child
        finally:
            with self._lock:
                kept = child.alive and self._era == era
                if kept:
                    self._idle.append(child)
            if not kept:
                child.stop()

    def end(self) -> None:
        """End those that wait; one that still runs a task ends after it."""
        with self._lock:
            self._era += 1
            idle, self._idle = self._idle, []
        for child in idle:
            child.stop()


_pool = _Pool()
atexit.register(_pool.end)


def end_children() -> None:
    """End all children that have nothing to do, and the others after their tasks."""
    _pool.end()


def run_anywhere(task: object, *, tag: str = "") -> Outcome:
    """Run a task to its end, in a child where it wants one."""
    if isinstance(task, Apart) and task.in_child:
        return run_apart(task, tag=tag)
    found: Outcome = task.run(tag=tag)  # type: ignore[attr-defined]
    return found


def run_apart(task: Apart, *, tag: str = "") -> Outcome:
    """Run a task in a child; it is made again in another where that dies.

    Args:
        task: what to run.
        tag: by which `cancel_jobs` knows it. Default: its name.
    """
    tag, deaths = tag or task.name, []
    with cancellable(tag) as cancelled:
        while not cancelled.is_set():
            with _pool.one() as child:
                try:
                    return child.run(task, tag=tag, cancelled=cancelled)
                except DiedError as error:
                    deaths.append(error.death)
                    found = _given_up(task, deaths)
                    if found is not None:
                        _keep(task, child.folder, error.death)
                        return found
    return task.without_result(End.CANCELLED)


def _given_up(task: Apart, deaths: list[Death]) -> Outcome | None:
    """What is handed back where it is of no use to try again; None where it is."""
    own, last = sum(death.is_its_own for death in deaths), deaths[-1]
    if own >= OWN_DEATHS:
        return task.died(f"it ended {OWN_DEATHS} processes ({last.how})")
    if len(deaths) < DEATHS:
        return None
    if any(death.calls for death in deaths):
        return task.without_result(
            End.KILLED_WORKERS, f"{DEATHS} processes that ran it died, the last by {last.how}"
        )
    return task.without_result(End.CRASHED, last.how)


def _keep(task: Apart, folder: Path, death: Death) -> None:
    """The structure that was evaluated last, and the child's words."""
    where = task.job.evidence
    if where is None:
        return
    with contextlib.suppress(OSError):
        where.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / LOG, where / LOG)
        (where / "why.txt").write_text(f"{death.how}\n", encoding="utf-8")
        if death.structure is not None:
            text = to_con(atoms_of(death.structure))
            (where / LAST_STRUCTURE).write_text(text, encoding="utf-8")
