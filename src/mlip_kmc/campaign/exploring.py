"""Exploring by adaptive kinetic Monte Carlo: one run, under one potential after the other.

explorer = AkmcExplorer(run_dir=Path("my-campaign/run"))
explorer.explore(config)          # an EonResult: done, paused or halted
explorer.refresh(new_config)
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from mlip_kmc.akmc.options import Remote, Signals
from mlip_kmc.akmc.refresh import Refresh
from mlip_kmc.akmc.wrapper import EonWrapper
from mlip_kmc.campaign.parts import FoundProcess
from mlip_kmc.config import Config
from mlip_kmc.model.records import EonResult, Progress, StateRecord, potential_epochs
from mlip_kmc.model.structure import read_structure
from mlip_kmc.potential.inputs import inputs_of
from mlip_kmc.store.view import RunView


class AkmcExplorer:
    """The run of a campaign."""

    def __init__(
        self,
        *,
        run_dir: Path,
        on_progress: Callable[[Progress], None] = lambda _: None,
        remote: Remote | None = None,
        grace_s: float = 60.0,
        signals: Signals | None = None,
    ) -> None:
        """Take note of what to do; nothing is touched yet.

        Args:
            run_dir: the run's.
            on_progress: as of `EonWrapper`.
            remote: likewise.
            grace_s: likewise.
            signals: likewise.
        """
        self.run_dir = run_dir
        self._on_progress, self._remote, self._grace_s = on_progress, remote, grace_s
        self._signals = signals or Signals()

    @property
    def stop(self) -> threading.Event:
        """Set it, and exploring ends at its last commit."""
        return self._signals.stop

    def explore(self, config: Config) -> EonResult:
        """Start or continue the run.

        Raises:
            MlipKmcError: as of `EonWrapper.run_akmc`.
        """
        wrapper = EonWrapper(
            config,
            run_dir=self.run_dir,
            on_progress=self._on_progress,
            remote=self._remote,
            grace_s=self._grace_s,
            signals=self._signals,
        )
        self._signals.exploring = True
        try:
            return wrapper.run_akmc(*inputs_of(config))
        finally:
            self._signals.exploring = False
            if self._signals.drain.is_set():  # whatever came of it, nothing else is begun
                self.stop.set()

    def refresh(self, config: Config) -> str:
        """Carry it over to the configuration's potential.

        Raises:
            MlipKmcError: as of `Refresh.go`.
        """
        if not any(
            (self.run_dir / "generations").glob("*.json")
        ):  # no potential knew yet what it begins with
            return "the run has not begun: there is nothing to refresh"
        return Refresh(config, run_dir=self.run_dir).go(*inputs_of(config)).line

    def processes(self) -> Sequence[FoundProcess]:
        """Of the present potential, those of the states that the run has left or is in.

        Raises:
            RunStateError: the run's directory is damaged.
        """
        with RunView.read(self.run_dir) as view:
            first_of = potential_epochs(view.epochs)
            present = first_of[view.epochs[-1].number]
            left = {event.reactant for event in view.events if first_of[event.epoch] == present}
            return [
                found
                for state in view.states
                if state.number in left | {view.numbers.state}
                for found in _processes(
                    state, {number for number, first in first_of.items() if first == present}
                )
            ]


def _processes(state: StateRecord, epochs: set[int]) -> Iterator[FoundProcess]:
    """Those of a state that were found in some epochs."""
    if state.energy is None:
        return
    minimum = read_structure(state.structure)
    for row in state.processes:
        if row.epoch in epochs and row.saddle.is_file():
            yield FoundProcess(
                state=state.number,
                process=row.process,
                minimum=minimum,
                saddle=read_structure(row.saddle),
                barrier_eV=row.barrier,
                reaction_eV=row.product_energy - state.energy,
                rate_per_s=row.rate,
            )
