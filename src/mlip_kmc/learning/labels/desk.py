"""Where labels are asked for, made and collected: all that it knows is on the disk, so that any pass may be the last for days.

    desk = LabelDesk(folder / "labels", oracle=config.oracle, section=config.labels, cache=folder / "label-cache")
    desk.wanted(pieces)                      # durably; the same again changes nothing
    status = desk.pass_(stop)                # done, failed, waiting, with the scheduler
    desk.labelled(), desk.failures()

A pass computes what is waiting (`where: here`), or submits it and collects what is there (`where: slurm`). A label that comes
with a fault is recorded and left out. When the first energies have another zero than the training set, it stops at once, before
more is spent.
"""

import json
import logging
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mlip_kmc.config.campaign import AseOracle, CommandOracle, LabelsSection
from mlip_kmc.ground.errors import PotentialError, RunStateError, StructureError
from mlip_kmc.ground.files import make_directory, write_durably
from mlip_kmc.ground.wording import shown
from mlip_kmc.learning.labels.cache import LabelCache
from mlip_kmc.learning.labels.faults import Label, LabelError, LabelFault
from mlip_kmc.learning.labels.folder import (
    REQUEST,
    LabelFolder,
    LabelState,
    Open,
    Progress,
    Request,
    Wanted,
    request_key,
)
from mlip_kmc.learning.labels.here import computed_here
from mlip_kmc.learning.labels.identity import note_oracle, other_than
from mlip_kmc.learning.labels.jobs import LabelJobs
from mlip_kmc.learning.labels.judge import Judge
from mlip_kmc.learning.labels.oracle import Oracle, oracle_of
from mlip_kmc.learning.labels.scheduler import Scheduler
from mlip_kmc.model.labelled import LabelledStructure

ORDER = "wanted.json"
_FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9_.+-]{0,199}", re.ASCII)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelStatus:
    """How many labels are where."""

    done: int
    failed: int
    waiting: int
    with_scheduler: int

    @property
    def finished(self) -> bool:
        """Nothing more will come."""
        return self.waiting + self.with_scheduler == 0


class LabelDesk:
    """The labels of one folder."""

    def __init__(
        self,
        folder: Path,
        *,
        oracle: AseOracle | CommandOracle,
        section: LabelsSection,
        cache: Path,
        levels: Mapping[str, float] | None = None,
        scheduler: Scheduler | None = None,
    ) -> None:
        """Touch nothing yet.

        Args:
            folder: of these labels.
            oracle: what gives them.
            section: where they are computed, and what is believed.
            cache: folder of labels by content; may be shared by any number of desks.
            levels: by element, the energy an atom (eV) of the training set (`levels_of`); None: not known.
            scheduler: another than this process finds.
        """
        self.folder = folder
        self.oracle: Oracle = oracle_of(oracle)
        self._zero_eV = oracle.zero_eV
        self._limits = section
        self._cache = LabelCache(cache)
        self._judge = Judge(
            oracle=oracle, limits=section, levels=levels or {}, digest=self.oracle.digest
        )
        self._jobs = LabelJobs(self.oracle, oracle, section, scheduler=scheduler)

    @property
    def digest(self) -> str:
        """The identity of the oracle, as labels carry it."""
        return self.oracle.digest

    def wanted(self, structures: Sequence[Wanted]) -> None:
        """Ask for labels, in this order; the same again changes nothing.

        Raises:
            StructureError: a name cannot be a folder's. RunStateError: two have one name.
            StorageError: it could not be made durable.
        """
        names = [structure.name for structure in structures]
        for name in names:
            if not _NAME.fullmatch(name):
                raise StructureError(
                    f"a structure to label is named by letters, digits and _ . + -, not {shown(name)}"
                )
        if len(set(names)) != len(names):
            raise RunStateError(f"two structures to label in {self.folder} have one name")
        make_directory(self.folder)
        for structure in structures:
            self._folder(structure.name).write_request(structure)
        self._note_oracle()
        order = json.dumps({"format": _FORMAT, "names": names}, indent=1)
        write_durably(self.folder / ORDER, f"{order}\n".encode())

    def pass_(self, stop: threading.Event) -> LabelStatus:
        """Do what can be done now.

        Args:
            stop: set it, and what is being computed here is ended, and made again by the next pass.

        Raises:
            PotentialError: the energies have another zero than the training set. ProgramError: the oracle cannot be started.
            StorageError: the disk is full; the same pass goes on when there is room. ConfigError: there is no scheduler.
        """
        if (self.folder / ORDER).is_file():
            self._note_oracle()  # it may have changed since
        self._refuse_other_zero()
        self._from_cache()
        self._tidy()
        made = (
            computed_here(
                self._open(), oracle=self.oracle, at_a_time=self._limits.at_a_time, stop=stop
            )
            if self._limits.where == "here"
            else self._jobs.collected(self._open())
        )
        with closing(made):  # by an error here, too, its programs are ended
            for folder, request, found in made:
                self._accept(folder, request, found)
        return self.status()

    def status(self) -> LabelStatus:
        """How many labels are where, as it is written."""
        states = [state.progress for _, state in self._states()]
        return LabelStatus(
            done=states.count(Progress.DONE),
            failed=states.count(Progress.FAILED),
            waiting=states.count(Progress.WAITING),
            with_scheduler=states.count(Progress.SUBMITTING)
            + states.count(Progress.WITH_SCHEDULER),
        )

    def labelled(self) -> tuple[LabelledStructure, ...]:
        """What is done, in the order that was asked for."""
        return tuple(
            folder.label() for folder, state in self._states() if state.progress is Progress.DONE
        )

    def failures(self) -> tuple[tuple[str, LabelFault, str], ...]:
        """Name, kind and message of what failed, in the order that was asked for."""
        return tuple(
            (folder.path.name, state.kind, state.message)
            for folder, state in self._states()
            if state.progress is Progress.FAILED and state.kind is not None
        )

    def other_oracle(self) -> tuple[str, ...]:
        """Names of what differs between the oracle that made these labels and the present one; none where it is the same."""
        return other_than(self.folder, oracle=self.oracle, zero_eV=self._zero_eV)

    def _note_oracle(self) -> None:
        note_oracle(self.folder, oracle=self.oracle, zero_eV=self._zero_eV)

    def _folder(self, name: str) -> LabelFolder:
        return LabelFolder(self.folder / name)

    def _key(self, folder: LabelFolder) -> str:
        return request_key(folder.path / REQUEST, facts=self._judge.facts())

    def _states(self) -> Iterator[tuple[LabelFolder, LabelState]]:
        """All labels, in the order that was asked for."""
        path = self.folder / ORDER
        try:
            names = json.loads(path.read_text(encoding="utf-8"))["names"]
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunStateError(
                f"{path} is damaged; remove it: the labels are asked for again"
            ) from error
        for name in names:
            folder = self._folder(name)
            yield folder, folder.state(key=self._key(folder))

    def _open(self) -> list[Open]:
        """What is neither done nor failed."""
        return [
            (folder, state, folder.request())
            for folder, state in self._states()
            if state.progress not in (Progress.DONE, Progress.FAILED)
        ]

    def _from_cache(self) -> None:
        """Take what is known already."""
        for folder, state, request in self._open():
            if state.progress is Progress.WAITING:
                known = self._cache.get(request.atoms, oracle=self.digest)
                if known is not None:
                    self._accept(folder, request, known)

    def _tidy(self) -> None:
        """Remove what a pass that was killed left beside labels that are done or failed."""
        for folder, state in self._states():
            if state.progress in (Progress.DONE, Progress.FAILED):
                folder.tidy()

    def _accept(self, folder: LabelFolder, request: Request, found: Label | LabelError) -> None:
        """Write what came of a label."""
        key = self._key(folder)
        try:
            if isinstance(found, LabelError):
                raise found
            self._judge.check_sound(found)
            self._cache.put(request.atoms, found, oracle=self.digest)
            folder.write_done(self._judge.judged(request, found), key=key)
        except LabelError as error:
            _log.warning("label %s is left out: %s: %s", request.name, error.kind, error)
            folder.keep(folder.job)
            folder.write_state(
                LabelState(Progress.FAILED, key, kind=error.kind, message=str(error))
            )
            folder.tidy()
            self._refuse_other_zero()
        else:
            folder.tidy()

    def _refuse_other_zero(self) -> None:
        """Stop where all energies so far have another zero: further labels would only cost.

        Raises:
            PotentialError: they have.
        """
        states = [state for _, state in self._states()]
        wrong = [state for state in states if state.kind is LabelFault.OTHER_ZERO]
        if wrong and not any(state.progress is Progress.DONE for state in states):
            raise PotentialError(
                f"the oracle's labels in {self.folder} are refused: {wrong[0].message}"
            )
