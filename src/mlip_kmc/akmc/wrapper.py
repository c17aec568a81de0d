"""The main job: adaptive kinetic Monte Carlo in a run directory, started or continued.

Example:
    config = load_config("akmc.yaml")
    potential, structure = inputs_of(config)
    result = EonWrapper(config, run_dir=Path("my-run")).run_akmc(potential, structure)
"""

import threading
from collections.abc import Callable
from pathlib import Path

from ase import Atoms

from mlip_kmc.akmc.options import Remote, RunOptions, Signals
from mlip_kmc.akmc.run import Run
from mlip_kmc.config import Config
from mlip_kmc.model.records import EonResult, Progress
from mlip_kmc.potential import Potential


class EonWrapper:
    """Runs eOn's adaptive kinetic Monte Carlo in one run directory.

    Attributes:
        stop: a `threading.Event`. After `stop.set()` (from a signal handler or another thread) `run_akmc` cancels the running
            searches and returns with `Status.MORE_TO_DO`.
        drain: a `threading.Event`. After `drain.set()` no search is submitted; `run_akmc` registers the running searches that
            end within `grace_s` and then returns with `Status.MORE_TO_DO`.
        starting: true while state 0 is being prepared; no generation is committed yet.

    Example:
        wrapper = EonWrapper(config, run_dir=Path("my-run"))
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
        signals: Signals | None = None,
    ) -> None:
        """Store the arguments; the run directory is not touched before `run_akmc` or `search`.

        Args:
            config: the run's configuration.
            run_dir: the run directory. It is made where it is missing, and continued where it holds a run.
            on_progress: called after every tick (a few times a second).
            remote: searches run on workers that join from other processes or nodes; None: on workers of this process.
            grace_s: time that running searches have to end after `drain`, s.
            needs_room: whether the start requires the free space of a run of days (50 MB).
            signals: `stop`, `drain` and `starting` shared with another run; None: of its own.
        """
        self.config = config
        self.run_dir = run_dir
        self._signals = signals or Signals()
        options = RunOptions(
            on_progress=on_progress, remote=remote, grace_s=grace_s, needs_room=needs_room
        )
        self._run = Run(config, run_dir=run_dir, options=options, signals=self._signals)

    @property
    def stop(self) -> threading.Event:
        """Set it (from a signal handler, another thread) and `run_akmc` comes back with `Status.MORE_TO_DO`."""
        return self._signals.stop

    @property
    def drain(self) -> threading.Event:
        """Set it, and no search is started any more; those that run may finish for `grace_s`, then `run_akmc` comes back."""
        return self._signals.drain

    @property
    def starting(self) -> bool:
        """State 0 is being prepared; nothing is committed yet."""
        return self._signals.starting

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
        return self._run.go(potential, structure)

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
        return self._run.go(potential, structure, searches=count)
