"""Labels as jobs of the scheduler: submitted once, polled, collected days later; where each is, is on the disk.

    for folder, request, found in LabelJobs(oracle, section, limits).collected(open_labels): ...

Before a job is submitted its name is written down (`submitting`), afterwards its number (`with the scheduler`). Whoever was
killed in between asks the scheduler for the name, and looks for what the job left in its folder, before anything is submitted
again. A job that is gone without an answer, in two passes in a row, is submitted once more.
"""

import hashlib
import logging
import shutil
from collections.abc import Generator, Sequence
from pathlib import Path

from mlip_kmc.config.campaign import AseOracle, CommandOracle, LabelsSection
from mlip_kmc.ground.files import make_directory, write_durably
from mlip_kmc.ground.wording import duration
from mlip_kmc.learning.labels.faults import Label, LabelError, LabelFault
from mlip_kmc.learning.labels.folder import (
    Collected,
    LabelFolder,
    LabelState,
    Open,
    Progress,
    Request,
)
from mlip_kmc.learning.labels.oracle import Oracle
from mlip_kmc.learning.labels.scheduler import Scheduler, SchedulerError, find_scheduler

COMMAND, CODE = "command.txt", "code"
"""What the job is to run, a word a line; the exit code with which that ended."""
_DONE, _FAILED, _STARTS = "DONE", "FAILED", "slurm/starts"
_MOST_TRIES = 2
_TIMED_OUT = (124, 137)
"""Exit codes of `timeout`."""
_log = logging.getLogger(__name__)


class LabelJobs:
    """Submits and collects."""

    def __init__(
        self,
        oracle: Oracle,
        section: AseOracle | CommandOracle,
        limits: LabelsSection,
        *,
        scheduler: Scheduler | None = None,
    ) -> None:
        self._oracle, self._section, self._limits = oracle, section, limits
        self._scheduler = scheduler

    def collected(self, labels: Sequence[Open]) -> Generator[Collected, None, None]:
        """Take each label as far as it goes now; those that have ended are given back.

        Raises:
            SchedulerError: the scheduler refuses the first one. ConfigError: it cannot be reached at all.
        """
        if not labels:
            return
        scheduler = self._scheduler or find_scheduler()
        try:
            names = scheduler.names()
        except SchedulerError as error:
            _log.warning("%s; labels are looked for again later", error)
            names = None
        for folder, state, request in labels:
            if _has_ended(folder, state):
                yield folder, request, self._answer(folder, request)
            elif names is not None:
                lost = self._advance(folder, state, request, names=names, scheduler=scheduler)
                if lost is not None:
                    yield folder, request, lost

    def _advance(
        self,
        folder: LabelFolder,
        state: LabelState,
        request: Request,
        *,
        names: set[str],
        scheduler: Scheduler,
    ) -> LabelError | None:
        """One label that has not ended: submit it, note where it is, or give it up."""
        if state.progress is Progress.WAITING:
            self._submit(folder, state, request, scheduler=scheduler, names=names, tries=1)
        elif state.submission in names or (
            state.progress is Progress.SUBMITTING and (folder.job / _STARTS).exists()
        ):
            if state.progress is Progress.SUBMITTING or state.missing:
                folder.write_state(_with_scheduler(state, job=state.job))
        elif state.progress is Progress.SUBMITTING:
            self._submit(
                folder, state, request, scheduler=scheduler, names=names, tries=state.tries
            )
        elif not state.missing:
            folder.write_state(_with_scheduler(state, job=state.job, missing=True))
        elif state.tries < _MOST_TRIES:
            _log.warning(
                "the job %s of %s ended without an answer; it is submitted again",
                state.job,
                request.name,
            )
            self._submit(
                folder, state, request, scheduler=scheduler, names=names, tries=state.tries + 1
            )
        else:
            return LabelError(
                LabelFault.JOB, f"its job was gone {state.tries} times without an answer"
            )
        return None

    def _submit(
        self,
        folder: LabelFolder,
        state: LabelState,
        request: Request,
        *,
        scheduler: Scheduler,
        names: set[str],
        tries: int,
    ) -> None:
        submission = _name_of(folder, state, tries)
        shutil.rmtree(folder.job, ignore_errors=True)
        job = make_directory(folder.job).resolve()
        inside = isinstance(self._section, AseOracle)
        words = self._oracle.prepare(request.atoms, job)
        lines = [
            "container" if inside else "node",
            str(int(self._section.time_limit_min * 60) or 1),
            *words,
        ]
        write_durably(job / COMMAND, "".join(f"{line}\n" for line in lines).encode())
        state = LabelState(Progress.SUBMITTING, state.key, submission=submission, tries=tries)
        folder.write_state(state)
        try:
            number = scheduler.submit(submission, job, options=self._limits.sbatch)
        except SchedulerError as error:
            if not names:
                raise
            _log.warning("%s; it is submitted later", error)
            return
        names.add(submission)
        folder.write_state(_with_scheduler(state, job=number))
        _log.info("label %s: job %s", request.name, number)

    def _answer(self, folder: LabelFolder, request: Request) -> Label | LabelError:
        """What a job that has ended left."""
        job = folder.job
        try:
            if (job / _DONE).exists():
                return self._oracle.answer(request.atoms, job, returncode=0)
            code = _code_of(job)
            if code is None:
                return LabelError(LabelFault.JOB, _first_line_of(job / _FAILED))
            if code in _TIMED_OUT:
                limit = duration(self._section.time_limit_min * 60)
                return LabelError(
                    LabelFault.TIME_LIMIT, f"it was ended after {limit} (time_limit_min)"
                )
            return self._oracle.answer(request.atoms, job, returncode=code)
        except LabelError as error:
            return error


def _with_scheduler(state: LabelState, *, job: str, missing: bool = False) -> LabelState:
    return LabelState(
        Progress.WITH_SCHEDULER,
        state.key,
        submission=state.submission,
        job=job,
        tries=state.tries,
        missing=missing,
    )


def _has_ended(folder: LabelFolder, state: LabelState) -> bool:
    """Whether its job has left an end."""
    submitted = state.progress is not Progress.WAITING
    return submitted and any((folder.job / name).exists() for name in (_DONE, _FAILED))


def _name_of(folder: LabelFolder, state: LabelState, tries: int) -> str:
    """A job's name: of this folder and this request alone, so that the job is found by it."""
    whole = f"{folder.path.resolve()}\n{state.key}"
    return f"label-{hashlib.sha256(whole.encode()).hexdigest()[:12]}-{tries}"


def _code_of(job: Path) -> int | None:
    try:
        return int((job / CODE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _first_line_of(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return lines[0][:300] if lines else "its job failed and said nothing"
