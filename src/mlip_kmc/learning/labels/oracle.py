"""Oracles: what labels a structure, each as a program in a process of its own.

    oracle = oracle_of(config.oracle)
    label = oracle.label(atoms, folder=Path("work"))     # Label; LabelError with a kind; None: cancelled
    oracle.digest                                        # its identity: labels of two are never mixed

An ASE calculator is run by `ase_process`, a command as it is given. Both read `input.xyz` in a folder of their own and write
`output.xyz`; the answer is read in one way.
"""

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Protocol

from ase import Atoms

from mlip_kmc.config.campaign import AseOracle, CommandOracle
from mlip_kmc.ground.files import sha256_of, write_durably
from mlip_kmc.ground.programs import Program, ProgramEnd
from mlip_kmc.ground.wording import duration
from mlip_kmc.learning.labels.answer import read_answer
from mlip_kmc.learning.labels.ase_process import FAULT
from mlip_kmc.learning.labels.faults import Label, LabelError, LabelFault
from mlip_kmc.model.structure import extended_xyz

INPUT, OUTPUT, SETTINGS = "input.xyz", "output.xyz", "settings.json"
_SCRIPT_BYTES = 1_000_000


class Oracle(Protocol):
    """Labels structures."""

    @property
    def digest(self) -> str:
        """The sha256 of all that decides its labels, as far as it is known."""

    def facts(self) -> Mapping[str, Any]:
        """What the digest is of."""

    def prepare(self, atoms: Atoms, folder: Path) -> list[str]:
        """Write what the program needs into its folder; the argument list to run there."""

    def answer(self, atoms: Atoms, folder: Path, *, returncode: int) -> Label:
        """What the program left in its folder when it ended.

        Raises:
            LabelError: it is not to be used.
        """

    def label(
        self, atoms: Atoms, *, folder: Path, cancelled: threading.Event | None = None
    ) -> Label | None:
        """Run the program here; None where it was cancelled.

        Raises:
            LabelError: its answer is not to be used. ProgramError: it cannot be started. StorageError: the folder is full.
        """


def oracle_of(section: AseOracle | CommandOracle) -> Oracle:
    """The oracle of a configuration."""
    return ByAse(section) if isinstance(section, AseOracle) else ByCommand(section)


@dataclass(frozen=True)
class _ByProgram:
    """What both kinds share: the folder, the limit, the answer."""

    section: Any

    @property
    def energy_key(self) -> str:
        return "free_energy" if self.section.free_energy else "energy"

    def facts(self) -> Mapping[str, Any]:
        raise NotImplementedError

    @cached_property
    def digest(self) -> str:
        text = json.dumps(self.facts(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def _arguments(self, folder: Path) -> list[str]:
        raise NotImplementedError

    def prepare(self, atoms: Atoms, folder: Path) -> list[str]:
        write_durably(folder / INPUT, extended_xyz(atoms).encode())
        return self._arguments(folder)

    def answer(self, atoms: Atoms, folder: Path, *, returncode: int) -> Label:
        if returncode != 0:
            raise _told(folder) or LabelError(LabelFault.CRASHED, _how_it_ended(folder, returncode))
        return read_answer(folder / OUTPUT, asked=atoms, energy_key=self.energy_key)

    def label(
        self, atoms: Atoms, *, folder: Path, cancelled: threading.Event | None = None
    ) -> Label | None:
        first, *others = self.prepare(atoms, folder)
        done = Program.find(first).run(
            others,
            cwd=folder,
            time_limit_s=self.section.time_limit_min * 60,
            cancelled=cancelled,
            keep=tuple(os.environ),
        )
        if done.end is ProgramEnd.CANCELLED:
            return None
        if done.end is ProgramEnd.TIMED_OUT:
            limit = duration(self.section.time_limit_min * 60)
            raise LabelError(LabelFault.TIME_LIMIT, f"it was ended after {limit} (time_limit_min)")
        return self.answer(atoms, folder, returncode=done.returncode)


def _told(folder: Path) -> LabelError | None:
    """What `ase_process` left; None where it left nothing."""
    try:
        told = json.loads((folder / FAULT).read_text(encoding="utf-8"))
        return LabelError(LabelFault(told["kind"]), str(told["message"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _how_it_ended(folder: Path, returncode: int) -> str:
    """An exit code, or a signal, and the last line that the program wrote."""
    how = (
        f"it ended with exit code {returncode}"
        if returncode > 0
        else f"it was killed by signal {-returncode}, perhaps because the memory was full"
    )
    for name in ("stderr.txt", "stdout.txt"):
        try:
            lines = (folder / name).read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError:
            continue
        if said := [line.strip() for line in lines if line.strip()]:
            return f"{how}: {said[-1][:200]}"
    return how


class ByAse(_ByProgram):
    """An ASE calculator by its class, in a process of its own."""

    section: AseOracle

    def facts(self) -> Mapping[str, Any]:
        """Class, arguments, settings, and the version of what the class is part of."""
        return {
            "ase": self.section.ase,
            "kwargs": dict(self.section.kwargs),
            "version": _version_of(self.section.ase.partition(":")[0]),
            "energy": self.energy_key,
            "settings": dict(self.section.settings),
        }

    def _arguments(self, folder: Path) -> list[str]:
        settings = {
            "ase": self.section.ase,
            "kwargs": self.section.kwargs,
            "energy_key": self.energy_key,
        }
        write_durably(folder / SETTINGS, json.dumps(settings).encode())
        return [
            sys.executable,
            "-m",
            "mlip_kmc.learning.labels.ase_process",
            SETTINGS,
            INPUT,
            OUTPUT,
        ]


class ByCommand(_ByProgram):
    """A command that reads and writes extended XYZ."""

    section: CommandOracle

    def facts(self) -> Mapping[str, Any]:
        """The argument list, with the content of the scripts that it names, and the settings."""
        return {
            "command": [_word_or_script(word) for word in self.section.command],
            "energy": self.energy_key,
            "settings": dict(self.section.settings),
        }

    def _arguments(self, _: Path) -> list[str]:
        return [
            word.replace("{input}", INPUT).replace("{output}", OUTPUT)
            for word in self.section.command
        ]


@cache
def _version_of(module: str) -> str:
    """The version of the distribution that a module is of; of a loose file its sha256; empty where neither is known."""
    top = module.partition(".")[0]
    names = importlib.metadata.packages_distributions().get(top, [])
    if names:
        return ", ".join(
            f"{name} {importlib.metadata.version(name)}" for name in sorted(set(names))
        )
    try:
        found = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return ""
    origin = Path(found.origin) if found is not None and found.origin else None
    return f"sha256:{sha256_of(origin)}" if origin is not None and origin.is_file() else ""


def _word_or_script(word: str) -> str:
    """An argument; of a script, its name and content, wherever it lies."""
    path = Path(word)
    try:
        if "/" in word and path.is_file() and path.stat().st_size <= _SCRIPT_BYTES:
            return f"{path.name} sha256:{sha256_of(path)}"
    except OSError:
        pass
    return word
