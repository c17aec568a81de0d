"""The main job: adaptive kinetic Monte Carlo in a run directory, started or continued.

Example:
    config = load_config("akmc.yaml")
    potential, structure = inputs_of(config)
    result = EonWrapper(config, run_dir=Path("my-run")).run_akmc(potential, structure)
"""

import contextlib
import hashlib
import logging
import math
import shlex
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from mlip_kmc.akmc.grading import described_gamma, graded, log_sight
from mlip_kmc.akmc.setup import Setup, difference
from mlip_kmc.akmc.start import prepare_start
from mlip_kmc.config import AcePotentialSection, AsePotentialSection, Config, HarmonicPrefactor
from mlip_kmc.config.eon_options import config_ini, hessian_ini
from mlip_kmc.driver import served
from mlip_kmc.evaluate.paths import check_paths
from mlip_kmc.ground.errors import ConfigError, MlipKmcError, ProgramError, StorageError
from mlip_kmc.ground.files import sha256_of, storage_errors
from mlip_kmc.ground.programs import AwakeClock, check_cpu
from mlip_kmc.ground.wording import counted
from mlip_kmc.model.frames import potential_digest
from mlip_kmc.model.records import EonResult, Minimised, Progress, Status, identity_of
from mlip_kmc.model.structure import Prepared, read_structure, to_con, unused_in
from mlip_kmc.potential import (
    AcePotential,
    AsePotential,
    BuiltinPotential,
    DrivenPotential,
    Potential,
    ace_of,
)
from mlip_kmc.potential.baseline import baseline_of
from mlip_kmc.potential.fit import fitted
from mlip_kmc.potential.minimum_distance import minimum_distances_of
from mlip_kmc.potential.whereabouts import note_whereabouts
from mlip_kmc.search.watch import Watch
from mlip_kmc.store.checkpoints import Checkpoints, Saved
from mlip_kmc.store.eon_tree import read_result
from mlip_kmc.store.export import export
from mlip_kmc.store.pulse import Pulse
from mlip_kmc.store.room import require_room, wait_for_room
from mlip_kmc.store.run_directory import RunDirectory
from mlip_kmc.workers.keys import connection_file

if TYPE_CHECKING:
    from mlip_kmc.akmc.server import Server
    from mlip_kmc.workers.attendance import Roll
    from mlip_kmc.workers.cluster import SearchCluster

_log = logging.getLogger(__name__)
_POLL_S = 0.25
_LONGEST_TICK_S = 10.0
_REPLACED_WITHIN_S = 60.0
"""A worker in this process that dask has lost is replaced at once."""
_NEXT = (
    "the potential extrapolates there: fit it again with structures that `mlip-kmc select {run}` chooses from halts/, and "
    "use a new --dir; or set gamma.on_halt: continue"
)
_NEXT_NEAR = (
    "fit the potential to shorter distances or displace less, in a new --dir; the frame is in {run}/halts; or set "
    "gamma.on_halt: continue"
)


@dataclass(frozen=True)
class Remote:
    """Workers that join from other processes and nodes, in place of those in this process.

    Attributes:
        interface: the network interface to listen on, as `ib0`; None: that of the default route.
        patience_min: without any worker for so long the run fails, or pauses where there were some before.
        silent_s: a worker that has said nothing for so long is given up; it joins again when it is awake.
    """

    interface: str | None = None
    patience_min: float = 15.0
    silent_s: float = 60.0


def inputs_of(config: Config) -> tuple[Potential, Atoms]:
    """The potential and the structure that a configuration names.

    Args:
        config: the run's configuration.

    Returns:
        the potential, and the structure as `ase.Atoms` (positions and cell in A, fixed atoms as `FixAtoms`).

    Raises:
        PotentialError: the potential cannot be read.
        StructureError: the structure cannot be read.
    """
    return potential_of(config), structure_of(config)


def structure_of(config: Config) -> Atoms:
    """The structure that a configuration names.

    Raises:
        StructureError: it cannot be read.
    """
    section = config.structure
    return read_structure(section.file, file_format=section.format, species=section.species)


def potential_of(config: Config) -> Potential:
    """The potential that a configuration names.

    Raises:
        PotentialError: it cannot be read.
    """
    section = config.potential
    if isinstance(section, AcePotentialSection):
        ace = AcePotential.read(
            section.ace,
            basis=section.basis,
            active_set=section.active_set,
            evaluator=section.evaluator,
        )
        ace = ace.guarded(
            baseline=baseline_of(section.baseline, elements=ace.elements),
            minimum_distance_A=minimum_distances_of(
                section.minimum_distance_A, elements=ace.elements
            ),
        )
        return DrivenPotential(ace) if section.path == "driver" else ace
    if isinstance(section, AsePotentialSection):
        return DrivenPotential(AsePotential(name=section.ase, arguments=section.kwargs))
    return BuiltinPotential.named(section.eon)


class EonWrapper:
    """Runs eOn's adaptive kinetic Monte Carlo in one run directory.

    Attributes:
        stop: a `threading.Event`. After `stop.set()` (from a signal handler or another thread) `run_akmc` cancels the running
            searches and returns with `Status.MORE_TO_DO`.
        drain: a `threading.Event`. After `drain.set()` no search is submitted; `run_akmc` registers the running searches that
            end within `grace_s` and then returns with `Status.MORE_TO_DO`.
        starting: true while state 0 is being prepared; no generation is committed yet.

    Example:
        wrapper = EonWrapper(config, run_dir=Path("my-run"), on_start=print)
        result = wrapper.search(potential, structure, count=6)
        for process in result.states[0].processes:
            print(f"{process.barrier:.3f} eV, {process.rate:.2e} per s, found {process.repeats + 1} times")
    """

    def __init__(
        self,
        config: Config,
        *,
        run_dir: Path,
        on_progress: Callable[[Progress], None] = lambda _: None,
        remote: Remote | None = None,
        grace_s: float = 60.0,
        needs_room: bool = True,
    ) -> None:
        """Store the arguments; the run directory is not touched before `run_akmc` or `search`.

        Args:
            config: the run's configuration.
            run_dir: the run directory. It is made where it is missing, and continued where it holds a run.
            on_progress: called after every tick (a few times a second).
            remote: searches run on workers that join from other processes or nodes; None: on workers of this process.
            grace_s: time that running searches have to end after `drain`, s.
            needs_room: whether the start requires the free space of a run of days (50 MB).
        """
        self.config = config
        self.run_dir = run_dir
        self.stop = threading.Event()
        self.drain = threading.Event()
        self._remote = remote
        self._grace_s = grace_s
        self._needs_room = needs_room
        self.starting = False
        self._on_progress = on_progress

    def run_akmc(self, potential: Potential, structure: Atoms) -> EonResult:
        """Start or continue the run, until it is done, stopped or halted.

        The structure is minimised first. Then the run goes on until a limit of the section `stop` is reached, `stop` or `drain`
        is set, or the potential extrapolates. The same call with the same directory continues it.

        Args:
            potential: evaluated by LAMMPS (ACE), by eOn (built-in), or by the driver (any ASE calculator).
            structure: N atoms, positions and cell in A, periodic in all three directions.

        Returns:
            the whole run so far, which is also exported to `run_dir/results`.

        Raises:
            RunStateError: another process works in the run directory, or it belongs to another configuration or structure.
            StructureError: the structure does not fit the potential, or does not minimise to a minimum.
            SearchesFailedError: `search.max_bad_in_a_row` bad searches in a row, or a search whose client failed twice.
            MlipKmcError: any other failure, with one line of text and an exit code.
        """
        return self._go(potential, structure, searches=None)

    def search(self, potential: Potential, structure: Atoms, *, count: int) -> EonResult:
        """Make process searches of the present state, and no KMC step.

        They are the first searches of the run itself: `run_akmc` in the same directory continues from them.

        Args:
            potential: as for `run_akmc`.
            structure: as for `run_akmc`.
            count: number of searches of the present state in all; those that are registered already count.

        Returns:
            the whole run so far, which is also exported to `run_dir/results`.

        Raises:
            MlipKmcError: as `run_akmc`.
        """
        return self._go(potential, structure, searches=count)

    def _go(self, potential: Potential, structure: Atoms, *, searches: int | None) -> EonResult:
        from mlip_kmc.akmc.eon_adapter import verify  # eOn takes a second to import

        check_cpu()
        verify()
        if self._remote is not None and isinstance(potential, DrivenPotential):
            raise ConfigError(
                "the driver listens on one machine only: set `path: lammps` in `potential`, or leave out "
                "--remote-workers"
            )
        ace = ace_of(potential)
        for line in potential.warnings:
            _log.warning("%s", line)
        prepared = fitted(structure, potential, self.config.structure)
        if unused := unused_in(structure):
            _log.log(logging.WARNING if unused.doubtful else logging.INFO, "%s", unused)
        facts = self._facts(potential, prepared)
        workers = self.config.worker_count
        with (
            RunDirectory(self.run_dir) as directory,
            Pulse(directory.path, workers=workers) as pulse,
        ):
            checkpoints = Checkpoints(directory)
            saved = checkpoints.restore(
                identity_of(facts), difference=partial(difference, wanted=facts)
            )
            for line in saved.damage if saved else ():
                _log.warning("%s", line)
            limits = {"halts": str(directory.path / "halts"), **self._driver_limits(potential)}
            with served(
                potential, workers=workers, limits=limits, keep_in=directory.path / "driver"
            ) as driven:
                setup = self._setup(
                    directory,
                    checkpoints,
                    saved,
                    potential=driven,
                    prepared=prepared,
                    facts=facts,
                    pulse=pulse,
                )
                if ace is not None:
                    note_whereabouts(directory.path, ace)
                return self._run(
                    directory,
                    checkpoints,
                    saved,
                    setup=setup,
                    prepared=prepared,
                    searches=searches,
                    pulse=pulse,
                )

    def _facts(self, potential: Potential, prepared: Prepared) -> dict[str, Any]:
        structure = hashlib.sha256(
            to_con(prepared.atoms, decimals=17).encode()
        ).hexdigest()  # as earlier versions wrote it
        return {**self.config.physics(), **potential.facts(), "structure": structure}

    def _inputs(self, potential: Potential) -> dict[str, str]:
        named = {"structure_file": self.config.structure.file.name}
        if (ace := ace_of(potential)) is not None:
            named |= {"potential_file": ace.yace.name, "potential_sha256": ace.digest}
        return named

    def _setup(
        self,
        directory: RunDirectory,
        checkpoints: Checkpoints,
        saved: Saved | None,
        *,
        potential: Potential,
        prepared: Prepared,
        facts: dict[str, Any],
        pulse: Pulse,
    ) -> Setup:
        self._compare_files(potential, prepared, pulse)
        if saved is None:
            self._require_room()  # now: not after an hour of minimising
            self.starting = True
            _log.info("minimising the structure under the run's potential")
            pulse.beat("minimising")
            minimum, minimised = prepare_start(
                prepared.atoms,
                potential,
                evidence=directory.path / "evidence",
                allow_unknown_stability=self.config.structure.allow_unknown_stability,
            )
            minimised = graded(
                minimum,
                minimised,
                potential,
                thresholds=self.config.gamma,
                halts=directory.path / "halts",
            )
            log_sight(minimum, potential, self.config)
            self.starting = False
            pos_con = to_con(minimum)
        else:
            minimised = Minimised(**saved.state["minimised"])
            pos_con = (checkpoints.root / "pos.con").read_text(encoding="utf-8")
        _log.info("%s", _describe(minimised))
        if (ace := ace_of(potential)) is not None:
            _log.info("%s", described_gamma(self.config.gamma, ace, minimised))
        return Setup(
            facts=facts,
            inputs=self._inputs(potential),
            pos_con=pos_con,
            minimised=minimised,
            config_ini=config_ini(
                self.config,
                potential_name=potential.eon_name,
                jobs_ahead=self.config.search.superbasin_lead,
            ),
            job_files=potential.job_files(prepared.species, gamma=self.config.gamma),
            job_links=potential.job_links(),
            watch=self._watch(potential),
            hessian_files=self._hessian_files(potential, prepared),
        )

    def _compare_files(self, potential: Potential, prepared: Prepared, pulse: Pulse) -> None:
        """At every start: a file may have changed since the last, and nothing else tells."""
        if ace_of(potential) is not None:
            pulse.beat("comparing the potential's files")
            check_paths(prepared.atoms, potential, gamma=self.config.gamma)

    def _hessian_files(self, potential: Potential, prepared: Prepared) -> dict[str, str] | None:
        if not isinstance(self.config.prefactor, HarmonicPrefactor):
            return None
        return {
            "config.ini": hessian_ini(potential.eon_name),
            **potential.job_files(prepared.species),
        }

    def _driver_limits(self, potential: Potential) -> dict[str, str]:
        """The driver's options by which it halts a search itself; it looks at gamma at every force call."""
        if not isinstance(potential, DrivenPotential) or not potential.gamma_recipe():
            return {}
        return {**potential.gamma_recipe(), "halt": repr(self.config.gamma.halt)}

    def _watch(self, potential: Potential) -> Watch | None:
        ace = ace_of(potential)
        if ace is None or ace.basis is None or ace.active_set is None:
            return None
        return Watch(
            thresholds=self.config.gamma,
            basis=ace.basis,
            active_set=ace.active_set,
            digest=potential_digest(basis=ace.basis, active_set=ace.active_set),
            max_energy_eV=self.config.search.max_energy_eV,
        )

    def _run(
        self,
        directory: RunDirectory,
        checkpoints: Checkpoints,
        saved: Saved | None,
        *,
        setup: Setup,
        prepared: Prepared,
        searches: int | None,
        pulse: Pulse,
    ) -> EonResult:
        with self._cluster(setup) as cluster:
            while True:
                try:
                    status, reason = self._session(
                        directory,
                        checkpoints,
                        saved,
                        setup=setup,
                        cluster=cluster,
                        searches=searches,
                        pulse=pulse,
                    )
                    break
                except StorageError as error:
                    cluster.cancel_all()
                    again = error.full and self._room_again(error, pulse)
                    if not again and error.full and (self.stop.is_set() or self.drain.is_set()):
                        status, reason = (
                            Status.MORE_TO_DO,
                            "stopped while the disk was full; the same command continues",
                        )
                        break
                    if not again:
                        self._export_failed(directory, setup.minimised, prepared)
                        raise
                    saved = checkpoints.restore(setup.identity)
                except MlipKmcError:
                    self._export_failed(directory, setup.minimised, prepared)
                    raise
        return self._export(directory, setup.minimised, prepared, status, reason)

    def _cluster(self, setup: Setup) -> "SearchCluster":
        from mlip_kmc.workers.cluster import SearchCluster  # dask takes half a second to import

        if self._remote is None:
            return SearchCluster.local(workers=self.config.worker_count)
        watch = setup.watch
        read = [*setup.job_links.values(), *([watch.basis, watch.active_set] if watch else [])]
        files = {str(path.resolve()): sha256_of(path) for path in read}
        return SearchCluster.joined(
            file=connection_file(self.run_dir),
            files=files,
            interface=self._remote.interface,
            silent_s=self._remote.silent_s,
        )

    def _session(
        self,
        directory: RunDirectory,
        checkpoints: Checkpoints,
        saved: Saved | None,
        *,
        setup: Setup,
        cluster: "SearchCluster",
        searches: int | None,
        pulse: Pulse,
    ) -> tuple[Status, str]:
        """From a generation on, until the run is done, stopped, or the disk is full."""
        from mlip_kmc.akmc.opening import open_server  # as above

        with storage_errors(directory.path):
            server = open_server(
                self.config,
                directory=directory,
                checkpoints=checkpoints,
                cluster=cluster,
                setup=setup,
                saved=saved.state if saved else None,
                searches=searches,
            )
            if server.has_more_to_do:
                self._require_room()
            server.begin()
        for line in server.damage:
            _log.warning("%s", line)
        for line in _described_changes(server):
            _log.info("%s", line)
        status, reason = self._loop(server, cluster, pulse)
        return status, reason + _condition(server.outcomes)

    def _loop(self, server: "Server", cluster: "SearchCluster", pulse: Pulse) -> tuple[Status, str]:
        limit = self.config.stop.wall_time_min
        begun, drained_by = time.monotonic(), math.inf
        clock = AwakeClock(longest_gap_s=_LONGEST_TICK_S)
        attended = clock.now()
        while True:
            if server.halt:
                following = _NEXT_NEAR if "nearer" in server.halt else _NEXT
                return (
                    Status.HALTED,
                    f"{server.halt}; {following.format(run=shlex.quote(str(self.run_dir)))}",
                )
            with storage_errors(self.run_dir):  # eOn writes too
                reason = server.tick(_POLL_S)
            now, roll = time.monotonic(), cluster.roll
            self._on_progress(server.progress())
            phase = (
                "finishing"
                if drained_by < math.inf
                else "searching"
                if roll.total
                else "waiting for workers"
            )
            pulse.beat(phase, nodes=roll.nodes(), busy=cluster.running, waiting=cluster.waiting)
            if reason is not None:
                return Status.DONE, reason
            if (
                self.stop.is_set()
                or now >= drained_by
                or (drained_by < math.inf and server.drained)
            ):
                return Status.MORE_TO_DO, "stopped on request; the same command continues"
            if limit is not None and now >= begun + limit * 60:
                return (
                    Status.MORE_TO_DO,
                    f"{limit:g} min of wall time are over; the same command continues",
                )
            if self.drain.is_set() and drained_by == math.inf:
                server.drain()
                drained_by = now + self._grace_s
            awake = clock.now()
            attended = awake if roll.total else attended
            if (why := self._deserted(awake - attended, roll)) or cluster.lost:
                return (
                    Status.MORE_TO_DO,
                    f"{why or 'the scheduler of the workers is gone'}; the same command continues",
                )

    def _deserted(self, alone_s: float, roll: "Roll") -> str:
        """Why it is no use to wait for workers any longer, in words; empty while it is."""
        if self._remote is None:
            return "the workers in this process are gone" if alone_s > _REPLACED_WITHIN_S else ""
        patience_min = self._remote.patience_min
        if not alone_s > patience_min * 60:
            return ""
        start = f"start some with `mlip-kmc worker {self.run_dir}`"
        if not roll.joined:
            raise ProgramError(
                f"no worker was there for {patience_min:g} min; {start}, and look into the logs of those that "
                "were started"
            )
        return f"all workers have left, and none came back within {patience_min:g} min; {start}"

    def _require_room(self) -> None:
        if self._needs_room:
            require_room(self.run_dir)

    def _room_again(self, error: StorageError, pulse: Pulse) -> bool:
        return wait_for_room(
            error,
            run_dir=self.run_dir,
            limit_min=self.config.stop.wait_for_room_min,
            stop=self.stop,
            drain=self.drain,
            beat=pulse.beat,
        )

    def _export_failed(
        self, directory: RunDirectory, minimised: Minimised, prepared: Prepared
    ) -> None:
        with contextlib.suppress(Exception):  # the first failure is the one to tell
            self._export(directory, minimised, prepared, Status.FAILED, "failed")

    def _export(
        self,
        directory: RunDirectory,
        minimised: Minimised,
        prepared: Prepared,
        status: Status,
        reason: str,
    ) -> EonResult:
        result = read_result(directory.path, status=status, reason=reason, minimised=minimised)
        try:
            export(
                result, rotation=np.asarray(prepared.rotation), directory=directory.path / "results"
            )
        except StorageError as error:
            if status is not Status.MORE_TO_DO or not error.full:
                raise
            _log.warning("%s; what is committed is safe", error)
        return result


def _condition(outcomes: Mapping[str, int]) -> str:
    """What halted searches mean for the confidences; empty where there are none."""
    total = sum(outcomes.values())
    if not outcomes.get("halted"):
        return ""
    return (
        f"; {outcomes['halted']} of {counted(total, 'search')} ({outcomes['halted'] / total:.1%}) were halted on "
        "extrapolation: confidences hold only for what the potential knows"
    )


def _describe(report: Minimised) -> str:
    return (
        f"state 0: {report.energy:.6f} eV, {report.energy_drop:.6f} eV below the given structure; atoms moved up to "
        f"{report.largest_displacement_A:.4f} A; pressure {report.pressure_GPa:+.3f} GPa; "
        + (
            "it could not be told whether it is a minimum"
            if report.lowest_eigenvalue_eV_per_A2 is None
            else f"lowest Hessian eigenvalue {report.lowest_eigenvalue_eV_per_A2:.4f} eV/A^2"
        )
    )


def _described_changes(server: "Server") -> list[str]:
    lines = []
    for key, (old, new) in server.changes.items():
        lines.append(f"changed since the last start: {key} was {old}, is {new}")
        if key == "temperature_K":
            lines.append(
                f"from KMC step {server.numbers.steps} on at {new} K: all rates are new, confidences start from zero"
            )
    return lines
