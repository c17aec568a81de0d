"""One label on the disk: what is asked, how far it is, and what came of it; a folder that a person can read.

    NAME/request.xyz     the structure, weights, and what the present potential expects
    NAME/state.json      waiting, submitting, with the scheduler, done, failed (with a kind and a message)
    NAME/label.xyz       the labelled structure, once it is done
    NAME/failed/         what a program left that failed, but for large files
    NAME/job/            of a label that a scheduler's job makes

A state is of one request, one oracle and one set of limits (`key`): with another of them the label is waiting again, and what
was computed already comes from the cache.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from ase import Atoms

from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.ground.files import make_directory, sha256_of, write_durably
from mlip_kmc.learning.cutout.cut_out import Expected
from mlip_kmc.learning.labels.faults import Label, LabelError, LabelFault
from mlip_kmc.model.labelled import LabelledStructure, read_labelled, write_labelled
from mlip_kmc.model.structure import Array, extended_xyz, read_frames, text_of

REQUEST, STATE, LABEL, FAILED, JOB = "request.xyz", "state.json", "label.xyz", "failed", "job"
_KEPT_BYTES = 2_000_000
"""Larger files of a failed program are not kept."""


class Wanted(Protocol):
    """What a label is wanted of; `CutOut` is one."""

    @property
    def name(self) -> str:
        """Letters, digits and `_ . + -`."""

    @property
    def atoms(self) -> Atoms:
        """The structure, in A."""

    @property
    def force_weights(self) -> Array:
        """(N,) from 0 to 1."""

    @property
    def energy_weight(self) -> float:
        """From 0 to 1."""

    @property
    def expected(self) -> Expected | None:
        """What the present potential says."""


@dataclass(frozen=True)
class Request:
    """What a label is wanted of, as read from its file."""

    name: str
    atoms: Atoms
    force_weights: Array
    energy_weight: float
    expected: Expected | None


class Progress(StrEnum):
    """How far a label is."""

    WAITING = "waiting"
    SUBMITTING = "submitting"
    """It may be with the scheduler, under the name `submission`: the process that submitted it did not come back."""
    WITH_SCHEDULER = "with the scheduler"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class LabelState:
    """How far a label is.

    Attributes:
        progress: see `Progress`.
        key: sha256 of request, oracle and limits.
        submission: the job's name. job: its number. tries: how often it was submitted.
        missing: the scheduler did not know the job when it was asked last, and there was no answer.
        kind, message: of a failed one.
        sha256: of a done one, of its file.
    """

    progress: Progress
    key: str
    submission: str = ""
    job: str = ""
    tries: int = 0
    missing: bool = False
    kind: LabelFault | None = None
    message: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class LabelFolder:
    """The folder of one label."""

    path: Path

    @property
    def job(self) -> Path:
        """Where a scheduler's job works."""
        return self.path / JOB

    def write_request(self, wanted: Wanted) -> None:
        """Write what is asked; the same again changes nothing."""
        text = request_text(wanted).encode()
        path = make_directory(self.path) / REQUEST
        if not path.is_file() or path.read_bytes() != text:
            write_durably(path, text)

    def request(self) -> Request:
        """What is asked.

        Raises:
            RunStateError: its file is damaged.
        """
        path = self.path / REQUEST
        try:
            return _request(read_frames(path)[0])
        except Exception as error:  # ASE's readers raise anything
            raise RunStateError(
                f"{path} is damaged; remove the folder {self.path.parent}: its labels are asked for again"
            ) from error

    def state(self, *, key: str) -> LabelState:
        """How far it is; waiting where nothing is written, what is written is of another key, or the label is torn."""
        try:
            raw = json.loads((self.path / STATE).read_text(encoding="utf-8"))
            raw["progress"] = Progress(raw["progress"])
            raw["kind"] = LabelFault(raw["kind"]) if raw["kind"] else None
            found = LabelState(**raw)
            if found.progress is Progress.DONE and sha256_of(self.path / LABEL) != found.sha256:
                return LabelState(Progress.WAITING, key)
        except (OSError, ValueError, KeyError, TypeError):
            return LabelState(Progress.WAITING, key)
        return found if found.key == key else LabelState(Progress.WAITING, key)

    def write_state(self, state: LabelState) -> None:
        """Write how far it is; what only helped on the way is left out at its end, so that each way there is the same."""
        if state.progress in (Progress.DONE, Progress.FAILED):
            state = replace(state, submission="", job="", tries=0, missing=False)
        write_durably(self.path / STATE, (json.dumps(asdict(state), indent=1) + "\n").encode())

    def write_done(self, label: LabelledStructure, *, key: str) -> None:
        """Write the label, and then that it is done."""
        write_labelled(self.path / LABEL, [label])
        self.write_state(LabelState(Progress.DONE, key, sha256=sha256_of(self.path / LABEL)))

    def keep(self, left: Path) -> None:
        """Keep what a program left that failed, but for large files, for whoever looks into it."""
        if not left.is_dir():
            return
        kept = self.path / FAILED
        shutil.rmtree(kept, ignore_errors=True)
        with suppress(OSError):
            kept.mkdir()
        for path in sorted(left.iterdir()):
            with suppress(OSError):
                if path.is_file() and path.stat().st_size <= _KEPT_BYTES:
                    shutil.copyfile(path, kept / path.name)

    def tidy(self) -> None:
        """Remove where a job worked."""
        shutil.rmtree(self.job, ignore_errors=True)

    def label(self) -> LabelledStructure:
        """The label of a done one."""
        return read_labelled(self.path / LABEL)[0]


Open = tuple[LabelFolder, LabelState, Request]
"""A label that is neither done nor failed."""
Collected = tuple[LabelFolder, Request, Label | LabelError]
"""A label that has ended, with what came of it."""


def request_key(path: Path, *, facts: Mapping[str, Any]) -> str:
    """The sha256 of a request and of all that decides what comes of it."""
    told = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(f"{sha256_of(path)}\n{told}".encode()).hexdigest()


def request_text(wanted: Wanted) -> str:
    """The content of a request's file."""
    keys = {"name": f"name_{wanted.name}", "energy_weight": repr(float(wanted.energy_weight))}
    columns: dict[str, Any] = {"force_weight": np.asarray(wanted.force_weights, dtype=float)}
    if wanted.expected is not None:
        keys["expected_energy"] = repr(float(wanted.expected.energy_eV))
        columns["expected_forces"] = np.asarray(wanted.expected.forces_eV_per_A, dtype=float)
        if wanted.expected.gammas is not None:
            columns["gamma"] = np.asarray(wanted.expected.gammas, dtype=float)
    return extended_xyz(wanted.atoms, keys=keys, columns=columns)


def _request(atoms: Atoms) -> Request:
    expected = None
    if "expected_forces" in atoms.arrays:
        expected = Expected(
            energy_eV=float(text_of(atoms, "expected_energy") or "nan"),
            forces_eV_per_A=atoms.arrays["expected_forces"],
            gammas=atoms.arrays.get("gamma"),
        )
    return Request(
        name=(text_of(atoms, "name") or "").removeprefix("name_"),
        atoms=Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc),
        force_weights=np.array(atoms.arrays["force_weight"], dtype=float),
        energy_weight=float(text_of(atoms, "energy_weight") or "nan"),
        expected=expected,
    )
