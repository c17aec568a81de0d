"""A run in its directory: started or continued, and exported when it ends.

run = Run(config, run_dir=Path("run"))
result = run.go(potential, structure)
"""

import contextlib
import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlip_kmc.akmc.options import Remote, RunOptions, Signals
from mlip_kmc.akmc.preparation import Preparation, driver_limits, facts_of
from mlip_kmc.akmc.session import Session
from mlip_kmc.akmc.setup import (
    Setup,
    difference,
    differs_by_engine_alone,
    with_recorded_engine,
)
from mlip_kmc.config import Config
from mlip_kmc.driver import served
from mlip_kmc.ground import garbage
from mlip_kmc.ground.errors import ConfigError, MlipKmcError, StorageError
from mlip_kmc.ground.files import sha256_of, storage_errors
from mlip_kmc.ground.image import strangers_told
from mlip_kmc.ground.programs import check_cpu
from mlip_kmc.model.records import EonResult, Minimised, Status, identity_of
from mlip_kmc.model.structure import unused_in
from mlip_kmc.potential import DrivenPotential, Potential, ace_of
from mlip_kmc.potential.fit import adapted, fitted
from mlip_kmc.potential.whereabouts import note_whereabouts
from mlip_kmc.store.checkpoints import Checkpoints, Saved
from mlip_kmc.store.eon_tree import read_result
from mlip_kmc.store.export import export
from mlip_kmc.store.manifest import last_facts
from mlip_kmc.store.pulse import Pulse
from mlip_kmc.store.room import require_room, wait_for_room
from mlip_kmc.store.run_directory import RunDirectory
from mlip_kmc.workers.keys import connection_file

if TYPE_CHECKING:
    from mlip_kmc.akmc.server import Server
    from mlip_kmc.workers.cluster import SearchCluster

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Opened:
    """A run directory that is this process's own, and what the run is made of."""

    directory: RunDirectory
    checkpoints: Checkpoints
    pulse: Pulse
    setup: Setup
    rotation: npt.NDArray[np.float64]
    searches: int | None


class Run:
    """Adaptive kinetic Monte Carlo in one run directory.

    Attributes:
        config: the run's. run_dir: where it lives.
    """

    def __init__(
        self,
        config: Config,
        *,
        run_dir: Path,
        options: RunOptions | None = None,
        signals: Signals | None = None,
    ) -> None:
        """Take note of what to do; nothing is touched yet.

        Args:
            config: the run's configuration.
            run_dir: made if it is missing, continued if it holds a run.
            options: of this process; usual ones where None.
            signals: by which it is stopped.
        """
        self.config = config
        self.run_dir = run_dir
        self._options = options or RunOptions()
        self._signals = signals or Signals()

    def go(
        self, potential: Potential, structure: Atoms, *, searches: int | None = None
    ) -> EonResult:
        """Start or continue; come back when it is done, paused, or failed.

        Args:
            potential: evaluated by LAMMPS (ACE) or eOn (built-in).
            structure: positions in A; minimised first.
            searches: so many searches of the present state and no KMC step; None: a run.

        Returns:
            the whole run so far, also exported to `run_dir/results`.

        Raises:
            MlipKmcError: one of its kinds, with one line and an exit code.
        """
        self._check_machine(potential)
        for line in potential.warnings:
            _log.warning("%s", line)
        prepared = fitted(structure, potential, self.config.structure)
        potential = adapted(potential, prepared)
        if unused := unused_in(structure):
            _log.log(logging.WARNING if unused.doubtful else logging.INFO, "%s", unused)
        workers = self.config.worker_count
        with (
            RunDirectory(self.run_dir) as directory,
            Pulse(directory.path, workers=workers) as pulse,
        ):
            checkpoints = Checkpoints(directory)
            self.config = with_recorded_engine(
                self.config, last_facts(self.run_dir / "generations")
            )
            facts = facts_of(self.config, potential, prepared)
            saved = _restored(checkpoints, facts)
            for line in saved.damage if saved else ():
                _log.warning("%s", line)
            limits = {
                "halts": str(directory.path / "halts"),
                **driver_limits(self.config, potential),
            }
            with served(
                potential, workers=workers, limits=limits, keep_in=directory.path / "driver"
            ) as driven:
                setup = self._setup(
                    Preparation(self.config, driven, prepared, facts),
                    directory=directory,
                    checkpoints=checkpoints,
                    saved=saved,
                    pulse=pulse,
                )
                if (ace := ace_of(potential)) is not None:
                    note_whereabouts(directory.path, ace)
                rotation = np.asarray(prepared.rotation)
                opened = _Opened(directory, checkpoints, pulse, setup, rotation, searches)
                return self._explore(opened, saved)

    def _check_machine(self, potential: Potential) -> None:
        """Whether searches can run here at all."""
        from mlip_kmc.akmc.eon_adapter import verify  # eOn takes a second to import

        check_cpu()
        verify()
        if told := strangers_told():
            _log.warning("packages that are not the image's: %s; numbers are theirs", told)
        if self._options.remote is not None and isinstance(potential, DrivenPotential):
            raise ConfigError(
                "the driver listens on one machine only: set `path: lammps` in `potential`, or leave out "
                "--remote-workers"
            )

    def _setup(
        self,
        preparation: Preparation,
        *,
        directory: RunDirectory,
        checkpoints: Checkpoints,
        saved: Saved | None,
        pulse: Pulse,
    ) -> Setup:
        """State 0 of the generation, or minimised now."""
        if ace_of(preparation.potential) is not None:
            pulse.beat("comparing the potential's files")
            preparation.compare_files()
        if saved is not None:
            return preparation.setup(
                pos_con=(checkpoints.root / "pos.con").read_text(encoding="utf-8"),
                minimised=Minimised(**saved.state["minimised"]),
            )
        self._require_room()  # now: not after an hour of minimising
        self._signals.starting = True
        _log.info("minimising the structure under the run's potential")
        pulse.beat("minimising")
        pos_con, minimised = preparation.state_0(directory.path)
        self._signals.starting = False
        return preparation.setup(pos_con=pos_con, minimised=minimised)

    def _explore(self, opened: _Opened, saved: Saved | None) -> EonResult:
        """Session after session, as long as the disk is full and there is room again."""
        with _cluster_of(opened.setup, self.config, self.run_dir, self._options.remote) as cluster:
            garbage.settle()
            while True:
                try:
                    status, reason = self._session(opened, saved, cluster)
                    break
                except StorageError as error:
                    cluster.cancel_all()
                    again = error.full and self._room_again(error, opened.pulse)
                    if not again and error.full and self._signals.end_wanted:
                        status, reason = (
                            Status.MORE_TO_DO,
                            "stopped while the disk was full; the same command continues",
                        )
                        break
                    if not again:
                        _export_failed(opened)
                        raise
                    saved = _restored(opened.checkpoints, opened.setup.facts)
                except MlipKmcError:
                    _export_failed(opened)
                    raise
        return _export(opened, status, reason)

    def _session(
        self, opened: _Opened, saved: Saved | None, cluster: "SearchCluster"
    ) -> tuple[Status, str]:
        from mlip_kmc.akmc.opening import open_server  # as above

        with storage_errors(opened.directory.path):
            server = open_server(
                self.config,
                directory=opened.directory,
                checkpoints=opened.checkpoints,
                cluster=cluster,
                setup=opened.setup,
                saved=saved.state if saved else None,
                searches=opened.searches,
            )
            if server.has_more_to_do:
                self._require_room()
            server.begin()
        for line in server.damage:
            _log.warning("%s", line)
        for line in _described_changes(server):
            _log.info("%s", line)
        return Session(
            server,
            cluster=cluster,
            pulse=opened.pulse,
            run_dir=self.run_dir,
            options=self._options,
            signals=self._signals,
        ).go()

    def _require_room(self) -> None:
        if self._options.needs_room:
            require_room(self.run_dir)

    def _room_again(self, error: StorageError, pulse: Pulse) -> bool:
        return wait_for_room(
            error,
            run_dir=self.run_dir,
            limit_min=self.config.stop.wait_for_room_min,
            stop=self._signals.stop,
            drain=self._signals.drain,
            beat=pulse.beat,
        )


def _restored(checkpoints: Checkpoints, facts: dict[str, Any]) -> Saved | None:
    """The newest generation; one that another engine made goes on, in an epoch that begins with the next."""
    return checkpoints.restore(
        identity_of(facts),
        difference=partial(difference, wanted=facts),
        allowed=partial(differs_by_engine_alone, wanted=facts),
    )


def _cluster_of(
    setup: Setup, config: Config, run_dir: Path, remote: Remote | None
) -> "SearchCluster":
    """Where searches run: in this process, or on workers that join."""
    from mlip_kmc.workers.cluster import SearchCluster  # dask takes half a second to import

    if remote is None:
        return SearchCluster.local(workers=config.worker_count)
    watch = setup.watch
    read = [*setup.job_links.values(), *([watch.basis, watch.active_set] if watch else [])]
    files = {str(path.resolve()): sha256_of(path) for path in read}
    return SearchCluster.joined(
        file=connection_file(run_dir),
        files=files,
        interface=remote.interface,
        silent_s=remote.silent_s,
    )


def _export_failed(opened: _Opened) -> None:
    with contextlib.suppress(Exception):  # the first failure is the one to tell
        _export(opened, Status.FAILED, "failed")


def _export(opened: _Opened, status: Status, reason: str) -> EonResult:
    path = opened.directory.path
    result = read_result(path, status=status, reason=reason, minimised=opened.setup.minimised)
    try:
        export(result, rotation=opened.rotation, directory=path / "results")
    except StorageError as error:
        if status is not Status.MORE_TO_DO or not error.full:
            raise
        _log.warning("%s; what is committed is safe", error)
    return result


def _described_changes(server: "Server") -> list[str]:
    lines = []
    for key, (old, new) in server.changes.items():
        lines.append(f"changed since the last start: {key} was {old}, is {new}")
        if key == "temperature_K":
            lines.append(
                f"from KMC step {server.numbers.steps} on at {new} K: all rates are new, confidences start from zero"
            )
    return lines
