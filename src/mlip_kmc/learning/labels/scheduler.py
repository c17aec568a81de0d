"""The scheduler, asked in two ways only: submit a label's job, and which jobs there are.

    scheduler = find_scheduler()
    scheduler.submit("label-0123456789ab-1", folder, options=("--time=02:00:00",))    # '4711'
    scheduler.names()                                                                 # of all jobs that have not ended

Jobs are found by their name, which the caller chooses before it submits: whoever is killed between the submission and the note
of it finds the job again. On the node itself `sbatch` and `squeue` are called. In a container, which has neither, a script
outside of it does that (`start_relay` in slurm/lib.sh): it reads requests from a pipe in the folder `MLIP_KMC_RELAY`.
"""

import errno
import os
import re
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from mlip_kmc.ground.environment import relay_directory, slurm_scripts
from mlip_kmc.ground.errors import ConfigError, ProgramError
from mlip_kmc.ground.files import write_whole
from mlip_kmc.ground.programs import Program, ProgramEnd
from mlip_kmc.ground.scratch import temporary
from mlip_kmc.ground.wording import shown

SCRIPT = "label.sbatch"
_LOG = "job.log"
_TIME_LIMIT_S, _LOOK_S = 120.0, 0.1
_NAME = re.compile(r"[a-z0-9-]{1,60}")
_WITHOUT = ("SLURM_RESTART_COUNT", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_JOB_ID")
"""What a job that submits another must not pass on."""


class SchedulerError(ProgramError):
    """The scheduler does not answer, or refuses. It may answer later: nothing is known of its jobs now."""


class Scheduler(Protocol):
    """Submits the jobs of labels."""

    def submit(self, name: str, folder: Path, *, options: Sequence[str]) -> str:
        """Submit the job of a label, under a name, with more options of `sbatch`; its number.

        Raises:
            SchedulerError: it was refused.
        """

    def names(self) -> set[str]:
        """Names of this user's jobs that have not ended.

        Raises:
            SchedulerError: they are not known.
        """


def find_scheduler() -> Scheduler:
    """How this process reaches the scheduler.

    Raises:
        ConfigError: it cannot.
    """
    relay = relay_directory()
    if relay is not None:
        return Relay(relay)
    scripts = slurm_scripts()
    if scripts is None or not (scripts / SCRIPT).is_file():
        raise ConfigError(
            "labels.where is slurm, but this process reaches no scheduler; start it with slurm/mlip-kmc or "
            "slurm/campaign.sbatch, or, outside of a container, name the folder slurm/ in MLIP_KMC_LIB"
        )
    return Slurm.find(scripts)


@dataclass(frozen=True)
class Slurm:
    """`sbatch` and `squeue` of this machine.

    Attributes:
        sbatch, squeue, env: the programs.
        scripts: the folder with `label.sbatch`.
    """

    sbatch: Program
    squeue: Program
    env: Program
    scripts: Path

    @classmethod
    def find(cls, scripts: Path) -> Self:
        """Look them up.

        Raises:
            ProgramError: one is not there.
        """
        return cls(
            sbatch=Program.find("sbatch"),
            squeue=Program.find("squeue"),
            env=Program.find("env"),
            scripts=scripts,
        )

    def submit(self, name: str, folder: Path, *, options: Sequence[str]) -> str:
        """As of `Scheduler`."""
        unset = [word for variable in _WITHOUT for word in ("-u", variable)]
        printed = _run(
            self.env,
            [
                *unset,
                self.sbatch.path,
                *submission(name, folder, options),
                str(self.scripts / SCRIPT),
                str(folder),
            ],
        )
        return printed.strip().partition(";")[0]

    def names(self) -> set[str]:
        """As of `Scheduler`."""
        return set(_run(self.squeue, listing()).split())


def submission(name: str, folder: Path, options: Sequence[str]) -> list[str]:
    """The options of `sbatch` for a label's job."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"a job's name has small letters, digits and '-': {name!r}")
    if not str(folder).isprintable():
        raise ConfigError(
            f"a label's folder must have a name without line breaks ({shown(str(folder))}); choose another directory"
        )
    return ["--parsable", f"--job-name={name}", f"--output={folder / _LOG}", *options]


def listing() -> list[str]:
    """The options of `squeue` that list a user's jobs by name."""
    return ["--noheader", f"--user={os.getuid()}", "--format=%j"]


def _run(program: Program, arguments: list[str]) -> str:
    with temporary("scheduler") as folder:
        done = program.run(
            arguments, cwd=folder, time_limit_s=_TIME_LIMIT_S, keep=tuple(os.environ)
        )
        if done.end is not ProgramEnd.EXITED or done.returncode != 0:
            raise SchedulerError(
                f"the scheduler did not do {Path(arguments[-2]).name if len(arguments) > 1 else program.name}: "
                f"{done.last_line() or done.end}"
            )
        return done.stdout.read_text(encoding="utf-8", errors="replace")


@dataclass(frozen=True)
class Relay:
    """A script outside of the container that calls `sbatch` and `squeue` for us.

    Attributes:
        folder: with its pipe `ask`; requests and answers are files beside it.
    """

    folder: Path

    def submit(self, name: str, folder: Path, *, options: Sequence[str]) -> str:
        """As of `Scheduler`."""
        words = ["submit", *submission(name, folder, options), str(folder)]
        return self._ask(words).strip().partition(";")[0]

    def names(self) -> set[str]:
        """As of `Scheduler`."""
        return set(self._ask(["jobs", *listing()]).split())

    def _ask(self, words: list[str]) -> str:
        number = uuid.uuid4().hex
        request, answer = self.folder / f"{number}.request", self.folder / f"{number}.answer"
        write_whole(request, "".join(f"{word}\n" for word in words).encode())
        try:
            self._ring(number)
            text = _awaited(answer)
        finally:
            request.unlink(missing_ok=True)
        answer.unlink(missing_ok=True)
        code, _, said = text.partition("\n")
        if code != "0":
            raise SchedulerError(f"the scheduler did not do what was asked: {_last(said)}")
        return said

    def _ring(self, number: str) -> None:
        """Say that there is a request; a pipe that nobody reads cannot be opened."""
        try:
            pipe = os.open(self.folder / "ask", os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            gone = error.errno in (errno.ENXIO, errno.ENOENT)
            raise SchedulerError(
                f"the script that reaches the scheduler {'has ended' if gone else f'cannot be reached ({error.strerror})'}"
            ) from error
        try:
            os.write(pipe, f"{number}\n".encode())
        finally:
            os.close(pipe)


def _awaited(answer: Path) -> str:
    deadline = time.monotonic() + _TIME_LIMIT_S
    while not answer.is_file():
        if not time.monotonic() < deadline:
            raise SchedulerError(f"the scheduler did not answer within {_TIME_LIMIT_S:g} s")
        time.sleep(_LOOK_S)
    return answer.read_text(encoding="utf-8", errors="replace")


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it said nothing"
