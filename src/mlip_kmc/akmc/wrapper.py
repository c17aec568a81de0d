"""The main job: adaptive kinetic Monte Carlo in a run directory, started or continued.

config = load_config("akmc.yaml")
potential, structure = inputs_of(config)
result = EonWrapper(config, run_dir=Path("run")).run_akmc(potential, structure)
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
        config: the run's. run_dir: where it lives.
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
        """Take note of what to do; nothing is touched yet.

        Args:
            config: the run's configuration.
            run_dir: where the run lives; made if it is missing, continued if it holds one.
            on_progress: called after every tick.
            remote: searches run on workers that join; None: in this process.
            grace_s: see `drain`.
            needs_room: for days; a few searches whose directory is thrown away do with less.
        """
        self.config = config
        self.run_dir = run_dir
        self._signals = Signals()
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
        """Start or continue the run; come back when it is done, paused, or failed.

        Args:
            potential: evaluated by LAMMPS (ACE) or eOn (built-in).
            structure: positions in A; minimised first.

        Returns:
            the whole run so far, also exported to `run_dir/results`.

        Raises:
            MlipKmcError: one of its kinds, with one line and an exit code.
        """
        return self._run.go(potential, structure)

    def search(self, potential: Potential, structure: Atoms, *, count: int) -> EonResult:
        """Process searches of the present state, and no KMC step.

        They are the run's own first searches: `run_akmc` in the same directory goes on from them.

        Args:
            potential: evaluated by LAMMPS (ACE) or eOn (built-in).
            structure: positions in A; minimised first.
            count: how many in all; what is there already counts.

        Returns:
            the whole run so far, also exported to `run_dir/results`.

        Raises:
            MlipKmcError: one of its kinds, with one line and an exit code.
        """
        return self._run.go(potential, structure, searches=count)
