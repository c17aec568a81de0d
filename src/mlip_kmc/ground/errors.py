"""The errors that a user can meet, each with the exit code of the command that ends with it.

Exit codes: 0 done, 75 more to do (run the same command again), 100 halted on extrapolation; the others failed.
A message is one line: what is wrong, where, and what to do.
"""

EXIT_DONE = 0
EXIT_MORE_TO_DO = 75  # EX_TEMPFAIL of sysexits.h
EXIT_HALTED = 100


class MlipKmcError(Exception):
    """Base class of all errors that a user can meet; the command ends with its `exit_code`."""

    exit_code = 1

    @property
    def fault(self) -> str:
        """The message without its last part, the advice, which follows the last semicolon."""
        head, _, last = str(self).rpartition("; ")
        return head or last


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
    """The run directory is in use, damaged, or belongs to another configuration."""

    exit_code = 6


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
