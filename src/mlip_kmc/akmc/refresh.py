"""A run carried over to another potential: clock and trajectory stay, and all rates begin anew.

    refreshed = Refresh(config, run_dir=Path("my-run")).go(potential, structure)
    refreshed.line          # 'epoch 1: 3 states minimised again, 36 processes wait for their refresh'

Every state is minimised again from where it was; one that has become the same as another is relabelled, by an event of zero time
where the run is in it; one that cannot be minimised stays as it was, without processes, unless the run is in it. Process tables
become empty: what they held waits in the state's folder (`stale.py`), and the first searches of the state's next visit start at
the old saddles. Those count as no repeats, so confidence begins anew in every state. All of it is one generation, the first of a
new epoch: a kill before its commit leaves the run as it was.
"""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from mlip_kmc.akmc.ledger import Ledger, numbers_from
from mlip_kmc.akmc.preparation import Preparation, driver_limits, facts_of
from mlip_kmc.akmc.refreshed import Refreshed
from mlip_kmc.akmc.setup import Setup, difference, with_recorded_engine
from mlip_kmc.akmc.stale import StaleProcess, StaleProcesses
from mlip_kmc.akmc.start import Relaxed, relaxed
from mlip_kmc.config import Config
from mlip_kmc.config.eon_options import minimum_force
from mlip_kmc.driver import served
from mlip_kmc.ground.errors import (
    ExtrapolationError,
    PotentialError,
    RunStateError,
    StructureError,
)
from mlip_kmc.model.records import Event, RefreshedState, RunNumbers, SearchRecord, Stale
from mlip_kmc.model.structure import from_con, to_con
from mlip_kmc.potential import Potential, ace_of
from mlip_kmc.potential.fit import adapted, fitted
from mlip_kmc.potential.whereabouts import note_whereabouts
from mlip_kmc.store.checkpoints import Checkpoints, Saved
from mlip_kmc.store.eon_tree import read_states
from mlip_kmc.store.manifest import last_facts
from mlip_kmc.store.pulse import Pulse
from mlip_kmc.store.run_directory import RunDirectory

if TYPE_CHECKING:
    from mlip_kmc.akmc.eon_adapter import RecordingState, StateList

_POTENTIAL = "potential."
_log = logging.getLogger(__name__)


class Refresh:
    """Carries one run directory over to the potential of a configuration."""

    def __init__(self, config: Config, *, run_dir: Path) -> None:
        """Take note of what to do; nothing is touched yet.

        Args:
            config: the run's, with another potential.
            run_dir: where it lives.
        """
        self.config, self.run_dir = config, run_dir

    def go(self, potential: Potential, structure: Atoms) -> Refreshed:
        """Do it; where the run has this potential already, nothing.

        Args:
            potential: the new one.
            structure: the run's, as its configuration names it.

        Raises:
            RunStateError: there is no run, or more than its potential differs.
            ExtrapolationError: the potential does not know state 0; a frame of it is kept in `halts/`.
            MlipKmcError: as of a run's start.
        """
        if not (self.run_dir / "generations").is_dir():
            raise self._no_run()
        prepared = fitted(structure, potential, self.config.structure)
        potential = adapted(potential, prepared)
        with (
            RunDirectory(self.run_dir) as directory,
            Pulse(directory.path, workers=self.config.worker_count) as pulse,
        ):
            checkpoints = Checkpoints(directory)
            self.config = with_recorded_engine(
                self.config, last_facts(self.run_dir / "generations")
            )
            facts = facts_of(self.config, potential, prepared)
            saved = self._saved(checkpoints, facts)
            if checkpoints.epochs[-1].facts == facts:
                return Refreshed(epoch=checkpoints.epochs[-1].number)
            limits = {
                "halts": str(directory.path / "halts"),
                **driver_limits(self.config, potential),
            }
            with served(
                potential,
                workers=self.config.worker_count,
                limits=limits,
                keep_in=directory.path / "driver",
            ) as driven:
                first = replace(prepared, atoms=from_con(_text(checkpoints.root / "pos.con")))
                preparation = Preparation(self.config, driven, first, facts)
                if (ace := ace_of(potential)) is not None:
                    pulse.beat("comparing the potential's files")
                    preparation.compare_files()
                    note_whereabouts(directory.path, ace)
                pulse.beat("refreshing")
                pos_con, minimised = preparation.state_0(directory.path)
                setup = preparation.setup(pos_con=pos_con, minimised=minimised)
                carrying = _Carrying(self.config, checkpoints, saved, setup, driven)
                return carrying.go(evidence=directory.path / "evidence")

    def _no_run(self) -> RunStateError:
        told = f"there is no run in {self.run_dir} to be refreshed; start one with mlip-kmc run"
        return RunStateError(told)

    def _saved(self, checkpoints: Checkpoints, facts: dict[str, Any]) -> Saved:
        saved = checkpoints.restore(None)
        if saved is None:
            raise self._no_run()
        for line in saved.damage:
            _log.warning("%s", line)
        known = checkpoints.epochs[-1].facts
        if _others(known) != _others(facts):
            raise RunStateError(
                f"more than the potential of {self.run_dir} differs from its configuration "
                f"({difference(_others(known), wanted=_others(facts))}); change the potential alone"
            )
        return saved


@dataclass
class _Carrying:
    """One run on its way into a new epoch.

    Attributes:
        config, checkpoints, saved, setup, potential: of the run; setup and potential are the new ones.
    """

    config: Config
    checkpoints: Checkpoints
    saved: Saved
    setup: Setup
    potential: Potential

    def go(self, *, evidence: Path) -> Refreshed:
        """Minimise, rewrite eOn's tree, commit."""
        states = self._list()
        numbers = numbers_from(self.saved.state["numbers"])
        ledger = Ledger.read(self.checkpoints, numbers=numbers, path=self._start(), remember=1)
        count = max(states.get_num_states(), 1)
        before = [from_con(_text(Path(states.get_state(n).reactant_path))) for n in range(count)]
        minima, lost = self._minima(states, before, here=numbers.state, evidence=evidence)
        epoch = self.checkpoints.begin_epoch(self.setup.facts, inputs=self.setup.inputs)
        found = self._renew(states, minima, lost, epoch=epoch.number)
        here = found[numbers.state].same_as
        if here is not None:
            event = self._relabelling(ledger, before, minima, to=here)
            self.checkpoints.append("events", event.to_json())
            numbers = replace(numbers, steps=numbers.steps + 1, relabelled=numbers.relabelled + 1)
        for state in found:
            self.checkpoints.append("refreshes", state.to_json())
        self._commit(states, _carried(numbers, found))
        return Refreshed(epoch=epoch.number, states=tuple(found), relabelled=here is not None)

    def _list(self) -> "StateList":
        from mlip_kmc.akmc.eon_adapter import (  # eOn takes a second to import
            StateList,
            eon_config,
            verify,
            without_communicator,
        )

        verify()
        root = self.checkpoints.root
        (root / "pos.con").write_text(self.setup.pos_con, encoding="utf-8")
        (root / "config.ini").write_text(self.setup.config_ini, encoding="utf-8")
        config = eon_config(root)
        without_communicator(config)
        return StateList(root, config=config)

    def _start(self) -> Any:
        from mlip_kmc.akmc.opening import start_of

        return start_of(self.setup)

    def _minima(
        self, states: "StateList", before: Sequence[Atoms], *, here: int, evidence: Path
    ) -> tuple[list[Relaxed], dict[int, str]]:
        """Every state at rest under the new potential; state 0 is there already.

        One that the run is not in may be lost: it stays as it was, and why is answered by its number.
        """
        first = from_con(self.setup.pos_con)
        report = self.setup.minimised
        minima = [
            Relaxed(
                first,
                report.energy,
                report.largest_displacement_A,
                report.largest_force_eV_per_A,
                report.force_calls,
            )
        ]
        with ThreadPoolExecutor(self.config.worker_count) as pool:
            jobs = [
                pool.submit(
                    relaxed,
                    atoms,
                    self.potential,
                    evidence=evidence / f"state_{number}",
                    force=minimum_force(report.lowest_eigenvalue_eV_per_A2),
                )
                for number, atoms in enumerate(before)
                if number > 0
            ]
            lost = dict[int, str]()
            for number, job in enumerate(jobs, start=1):
                try:
                    minima.append(job.result())
                except (StructureError, PotentialError, ExtrapolationError) as error:
                    if number == here:
                        raise
                    lost[number] = str(error)
                    _log.warning("state %d is no minimum any more: %s", number, error)
                    energy = states.get_state(number).get_energy()
                    minima.append(Relaxed(before[number], energy, 0.0, float("nan"), 0))
            return minima, lost

    def _renew(
        self,
        states: "StateList",
        minima: Sequence[Relaxed],
        lost: Mapping[int, str],
        *,
        epoch: int,
    ) -> list[RefreshedState]:
        """Empty tables at the new minima; what the old ones held waits."""
        searches = [SearchRecord.from_json(line) for line in self.checkpoints.records("searches")]
        epochs = {
            (process.state, process.process): process.epoch
            for state in read_states(self.checkpoints.root, searches)
            for process in state.processes
        }
        energies, waiting = [], []
        for number, minimum in enumerate(minima):
            state = states.get_state(number)
            energies.append(state.get_energy())
            stale = _stale_of(state, epochs)
            (StaleProcesses() if number in lost else stale).write(Path(state.path))
            waiting.append(len(stale.processes))
            state.renew(reactant_con=to_con(minimum.atoms), energy_eV=minimum.energy_eV)
        states.renew_table()
        return [
            RefreshedState(
                state=number,
                epoch=epoch,
                energy_before_eV=energies[number],
                energy_eV=minimum.energy_eV,
                moved_A=minimum.farthest_A,
                same_as=_same(states, number, lost),
                force_calls=minimum.force_calls,
                stale=waiting[number],
                lost=lost.get(number, ""),
            )
            for number, minimum in enumerate(minima)
        ]

    def _relabelling(
        self, ledger: Ledger, before: Sequence[Atoms], minima: Sequence[Relaxed], *, to: int
    ) -> Event:
        """From the run's state to the one that it has become the same as, in no time."""
        numbers = ledger.numbers
        old = np.asarray(before[numbers.state].positions, dtype=np.float64)
        path = ledger.path.follow(
            state=old,
            reactant=old,
            saddle=old,
            product=np.asarray(minima[numbers.state].atoms.positions, dtype=np.float64),
            reached=np.asarray(minima[to].atoms.positions, dtype=np.float64),
        )
        mapping, images = ledger.path.changes_to(path)
        return Event(
            step=numbers.steps,
            reactant=numbers.state,
            process=-1,
            product=to,
            step_time_s=0.0,
            time_s=numbers.time_s,
            time_rest_s=numbers.time_rest_s,
            barrier=0.0,
            rate=0.0,
            energy=minima[to].energy_eV,
            mapping=mapping,
            images=images,
            drift_A=path.drift,
            turn=tuple(path.turn.ravel().tolist()) if path.turns else (),
            temperature_K=self.config.temperature_K,
            epoch=self.checkpoints.epochs[-1].number,
            relabelled=True,
        )

    def _commit(self, states: "StateList", numbers: RunNumbers) -> None:
        root = self.checkpoints.root
        basins = root / "superbasins"
        for path in sorted(basins.rglob("*"), reverse=True):
            if path.is_file():
                path.unlink()
        state = {
            **self.saved.state,
            "spool": None,  # what has finished is of the old potential
            "numbers": asdict(numbers),
            "minimised": asdict(self.setup.minimised),
        }
        touched = {*states.touched, "pos.con", "states/state_table", "superbasins/storage"}
        self.checkpoints.commit(state, touched=touched)


def _stale_of(state: "RecordingState", epochs: dict[tuple[int, int], int | None]) -> StaleProcesses:
    """What a state's table holds, and what waits in it already from an earlier refresh."""
    state.load_process_table()
    registered = int(state.get_total_saddle_count())
    found = [
        StaleProcess(
            known=Stale(
                process=process,
                epoch=epochs.get((state.number, process)),
                barrier_eV=row["barrier"],
                prefactor_per_s=row["prefactor"],
                repeats=row["repeats"],
            ),
            saddle_con=_text(Path(state.proc_saddle_path(process))),
            mode_dat=_text(Path(state.proc_mode_path(process))),
        )
        for process, row in state.procs.items()
    ]
    earlier = StaleProcesses.read(Path(state.path)).after(registered=registered)
    return StaleProcesses(first=registered, processes=(*found, *earlier))


def _same(states: "StateList", number: int, lost: Mapping[int, str]) -> int | None:
    """The state that one has become the same as; what is no minimum any more is the same as none."""
    found = None if number in lost else states.same_as(number)
    return None if found in lost else found


def _carried(numbers: RunNumbers, found: Sequence[RefreshedState]) -> RunNumbers:
    """Where the run is in the new epoch: nothing is pending, nothing halts it."""

    def now(state: int) -> int:
        same = found[state].same_as if 0 <= state < len(found) else None
        return state if same is None else same

    return replace(
        numbers,
        state=now(numbers.state),
        previous=now(numbers.previous),
        pending=(),
        bad_in_a_row=0,
        confidence=0.0,
        halt="",
        halt_kind="",
        to_repair=0,
    )


def _others(facts: Any) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if not key.startswith(_POTENTIAL)}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
