"""Before a run's first tick: what decides its trajectory, its files compared, state 0 minimised, all in one `Setup`.

facts = facts_of(config, potential, prepared)
preparation = Preparation(config, potential=potential, prepared=prepared, facts=facts)
preparation.compare_files()
setup = preparation.setup(pos_con=pos_con, minimised=minimised)
"""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlip_kmc.akmc.grading import described_gamma, graded, kept, log_sight
from mlip_kmc.akmc.setup import Setup
from mlip_kmc.akmc.start import prepare_start
from mlip_kmc.config import Config
from mlip_kmc.config.eon_options import config_ini, hessian_ini, minimum_force, point_ini
from mlip_kmc.evaluate.paths import check_paths
from mlip_kmc.evaluate.warm import recipe_if_any, recipe_of
from mlip_kmc.ground.errors import ConfigError, StructureError, UnknownStartError
from mlip_kmc.ground.wording import plain
from mlip_kmc.model.frames import potential_digest
from mlip_kmc.model.rates import gathered, is_free_cluster
from mlip_kmc.model.records import Minimised
from mlip_kmc.model.structure import Prepared, from_con, to_con
from mlip_kmc.potential import (
    AsePotential,
    DrivenPotential,
    Potential,
    ace_of,
)
from mlip_kmc.search.native.task import NativeSetup
from mlip_kmc.search.watch import Watch

_log = logging.getLogger(__name__)


def facts_of(config: Config, potential: Potential, prepared: Prepared) -> dict[str, Any]:
    """Everything that decides the trajectory, by dotted key."""
    structure = hashlib.sha256(
        to_con(prepared.atoms, decimals=17).encode()
    ).hexdigest()  # as earlier versions wrote it
    return {**config.physics(), **potential.facts(), "structure": structure}


def driver_limits(config: Config, potential: Potential) -> dict[str, str]:
    """The driver's options by which it halts a search itself; it looks at gamma at every force call."""
    if not isinstance(potential, DrivenPotential) or not potential.gamma_recipe():
        return {}
    return {**potential.gamma_recipe(), "halt": repr(config.gamma.halt)}


@dataclass(frozen=True)
class Preparation:
    """A configuration, a potential and a structure on their way to a `Setup`.

    Attributes:
        config: the run's. potential: as searches use it. prepared: the structure. facts: see `facts_of`.
    """

    config: Config
    potential: Potential
    prepared: Prepared
    facts: dict[str, Any]

    def compare_files(self) -> None:
        """At every start: a file may have changed since the last, and nothing else tells.

        Raises:
            PotentialError: LAMMPS and python-ace do not evaluate the same.
        """
        check_paths(self.prepared.atoms, self.potential, gamma=self.config.gamma)

    def state_0(self, directory: Path) -> tuple[str, Minimised]:
        """The minimised structure as `.con` text, and the report on it.

        Args:
            directory: of the run, for evidence and frames.

        Raises:
            PotentialError, StructureError, ExtrapolationError: see `prepare_start`.
            UnknownStartError: it fails where the potential does not know the given structure either: a label helps.
        """
        halts = directory / "halts"
        try:
            minimum, minimised = prepare_start(
                self.prepared.atoms,
                self.potential,
                evidence=directory / "evidence",
                allow_unknown_stability=self.config.structure.allow_unknown_stability,
            )
        except StructureError as error:
            self._refuse_unknown(error, halts)
            raise
        if is_free_cluster(minimum):  # whole, and so are all its states then
            minimum.positions = gathered(minimum.positions, np.asarray(minimum.cell.array))
        minimised = graded(
            minimum,
            minimised,
            self.potential,
            thresholds=self.config.gamma,
            halts=halts,
        )
        log_sight(minimum, self.potential, self.config)
        return to_con(minimum), minimised

    def _refuse_unknown(self, error: StructureError, halts: Path) -> None:
        gamma = kept(self.prepared.atoms, self.potential, thresholds=self.config.gamma, halts=halts)
        if gamma is not None and self.config.gamma.reaches_halt(gamma):
            raise UnknownStartError(
                f"gamma {plain(gamma)} in the given structure, which is kept in {halts}; under this potential: {error}"
            ) from error

    def setup(self, *, pos_con: str, minimised: Minimised) -> Setup:
        """What the run is made of.

        Args:
            pos_con: `.con` text of state 0.
            minimised: the report on it.
        """
        _log.info("%s", _described(minimised))
        if (ace := ace_of(self.potential)) is not None:
            _log.info("%s", described_gamma(self.config.gamma, ace, minimised))
        return Setup(
            facts=self.facts,
            inputs=self._inputs(),
            pos_con=pos_con,
            minimised=minimised,
            config_ini=config_ini(
                self.config,
                potential_name=self.potential.eon_name,
                jobs_ahead=self.config.search.superbasin_lead,
                turns=self._turns(pos_con),
                distinct_atoms=self._distinct_atoms,
                minimum_force_eV_per_A=minimum_force(minimised.lowest_eigenvalue_eV_per_A2),
            ),
            job_files=self.potential.job_files(self.prepared.species, gamma=self.config.gamma),
            job_links=self.potential.job_links(),
            watch=self._watch(),
            native=self._native(),
            hessian_files=self._files_of(hessian_ini(self.potential.eon_name)),
            point_files=self._files_of(point_ini(self.potential.eon_name)),
            recipe=recipe_if_any(self.potential),
            distinct_atoms=self._distinct_atoms,
            cutoff_A=self.potential.cutoff_A,
        )

    @property
    def _distinct_atoms(self) -> bool:
        return isinstance(self.potential, DrivenPotential) and self.potential.distinct_atoms

    def _turns(self, pos_con: str) -> bool:
        """Of a free cluster.

        Raises:
            ConfigError: of one in superbasins.
        """
        turns = is_free_cluster(from_con(pos_con))
        if turns and self.config.superbasins:
            raise ConfigError(
                "the structure is a free cluster, whose states may be turned against each other; superbasins do not follow its "
                "atoms through that: leave out superbasins, or fix an atom"
            )
        return turns

    def _inputs(self) -> dict[str, str]:
        named = {"structure_file": self.config.structure.file.name}
        if (ace := ace_of(self.potential)) is not None:
            named |= {"potential_file": ace.yace.name, "potential_sha256": ace.digest}
        if isinstance(self.potential, DrivenPotential) and isinstance(
            self.potential.inner, AsePotential
        ):
            named |= self.potential.inner.origin()
        return named

    def _files_of(self, ini: str) -> dict[str, str]:
        return {"config.ini": ini, **self.potential.job_files(self.prepared.species)}

    def _native(self) -> NativeSetup | None:
        if self.config.search.engine != "native":
            return None
        recipe = recipe_of(self.potential)
        return NativeSetup(
            recipe,
            start_energy_eV=self.config.search.start_energy_eV,
            region_A=self.config.search.region_A,
            cutoff_A=self.potential.cutoff_A,
        )

    def _watch(self) -> Watch | None:
        ace = ace_of(self.potential)
        if ace is None or ace.basis is None or ace.active_set is None:
            return None
        return Watch(
            thresholds=self.config.gamma,
            basis=ace.basis,
            active_set=ace.active_set,
            digest=potential_digest(basis=ace.basis, active_set=ace.active_set),
            max_energy_eV=self.config.search.max_energy_eV,
        )


def _described(report: Minimised) -> str:
    return (
        f"state 0: {report.energy:.6f} eV, {report.energy_drop:.6f} eV below the given structure; atoms moved up to "
        f"{report.largest_displacement_A:.4f} A; pressure {report.pressure_GPa:+.3f} GPa; "
        + (
            "it could not be told whether it is a minimum"
            if report.lowest_eigenvalue_eV_per_A2 is None
            else f"lowest Hessian eigenvalue {report.lowest_eigenvalue_eV_per_A2:.4f} eV/A^2"
        )
    )
