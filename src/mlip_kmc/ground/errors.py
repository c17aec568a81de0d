"""The errors that a user can meet, each with the exit code of the command that ends with it.

Exit codes: 0 done, 75 more to do (run the same command again), 100 halted on extrapolation; the others failed.
A message is one line: what is wrong, where, and what to do.
"""

from pathlib import Path

EXIT_DONE = 0
EXIT_MORE_TO_DO = 75  # EX_TEMPFAIL of sysexits.h
EXIT_HALTED = 100


class MlipKmcError(Exception):
    """Base of all errors that a user can meet; `exit_code` is what the command ends with.

    A caller that needs a part of the message reads an attribute; nothing takes the message apart.

    Attributes:
        fault: what is wrong and where; the whole message where it was given in one piece.
        advice: what to do about it; empty where `fault` holds it.
        kept: the directory of a failed evaluation, which was kept for inspection; None where there is none.
    """

    exit_code = 1

    def __init__(self, fault: str = "", *, advice: str = "", kept: Path | None = None) -> None:
        """Make the message of its parts.

        Args:
            fault: see the class.
            advice: see the class.
            kept: see the class.
        """
        super().__init__(fault)
        self.fault, self.advice, self.kept = fault, advice, kept

    def __str__(self) -> str:
        """Fault, kept directory and advice, on one line."""
        kept = f"the job is kept at {self.kept}" if self.kept is not None else ""
        return "; ".join(part for part in (self.fault, kept, self.advice) if part)


class ConfigError(MlipKmcError):
    """The configuration, or an argument of a command, is wrong."""

    exit_code = 2


class StructureError(MlipKmcError):
    """The structure cannot be used because of its species, cell, periodicity, distances or constraints."""

    exit_code = 3


class PotentialError(MlipKmcError):
    """The potential is missing, damaged, or gives no usable energy and forces."""

    exit_code = 4


class ProgramError(MlipKmcError):
    """An outside program is missing, cannot run on this machine, or failed."""

    exit_code = 5


class RunStateError(MlipKmcError):
    """The run directory is damaged, or belongs to another configuration."""

    exit_code = 6


class RunInUseError(RunStateError):
    """Another process runs in the directory. It may end: the same command can succeed later."""

    exit_code = 10


class SearchesFailedError(MlipKmcError):
    """Too many searches in a row failed, or one search failed twice; the run stops and keeps the evidence."""

    exit_code = 7


class StorageError(MlipKmcError):
    """The disk is full or read-only, or reports an error.

    Attributes:
        full: true where the disk or the quota is full.
    """

    exit_code = 8
    full = False


class ReleaseError(MlipKmcError):
    """A release is refused: a check of the gate failed, or the content of a package does not match its signature."""

    exit_code = 9


class ExtrapolationError(MlipKmcError):
    """The potential would extrapolate: atoms of a structure are below their minimum distance."""

    exit_code = EXIT_HALTED


class UnknownStartError(ExtrapolationError):
    """The potential does not know the structure to begin with, and does not bring it to rest; a frame of it is kept."""


def first_line(error: Exception) -> str:
    """The first line of any exception's message; its class where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
