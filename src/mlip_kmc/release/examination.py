"""The checks of a release's gate, made in order on the run's potential.

examined = Examination(subject=subject, sets=sets, settings=settings).run(example, inputs=inputs, folder=scratch)
examined.checks, examined.energy_eV, examined.gamma
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ase import Atoms

from mlip_kmc.evaluate.smoothness import cutoffs_of
from mlip_kmc.release.agreement import agreement_check, gamma_check
from mlip_kmc.release.checks import forces_check, image_check, training_check
from mlip_kmc.release.evaluated_sets import EvaluatedSets
from mlip_kmc.release.gate import Check, pass_gate
from mlip_kmc.release.history import halts_in
from mlip_kmc.release.reference_checks import reference_checks
from mlip_kmc.release.settings import ReleaseSettings
from mlip_kmc.release.smoothness import baseline_check, cutoff_check
from mlip_kmc.release.subject import Subject
from mlip_kmc.release.symmetry import symmetry_checks
from mlip_kmc.release.validation import validation_check


@dataclass(frozen=True)
class Examined:
    """All checks of a gate that passed, and the example's energy and largest gamma."""

    checks: tuple[Check, ...]
    energy_eV: float
    gamma: float


@dataclass(frozen=True, kw_only=True)
class Examination:
    """The checks of one release.

    Attributes:
        subject: the run, its potential, the image.
        sets: evaluated by the potential.
        settings: which references, limits and exceptions there are.
        on_doing: called with a description of each step before it begins. on_check: called with each check when it is made.
    """

    subject: Subject
    sets: EvaluatedSets
    settings: ReleaseSettings
    on_doing: Callable[[str], None] = lambda _: None
    on_check: Callable[[Check], None] = lambda _: None
    _found: list[Check] = field(default_factory=list, init=False, repr=False)

    def run(self, example: Atoms, *, inputs: Mapping[str, bytes], folder: Path) -> Examined:
        """Make every check, and pass the gate.

        Args:
            example: a structure of the run that every evaluator gets.
            inputs: the LAMMPS and ASE inputs that are shipped, by name.
            folder: scratch.

        Raises:
            ReleaseError: a check failed that the settings do not allow to fail.
        """
        self._physics(example)
        energy_eV, gamma = self._evaluators(example, inputs=inputs, folder=folder)
        self._references()
        self._provenance()
        checks = pass_gate(self._found, allowed=self.settings.allow)
        return Examined(checks=checks, energy_eV=energy_eV, gamma=gamma)

    def _note(self, *checks: Check) -> None:
        for check in checks:
            self._found.append(check)
            self.on_check(check)

    def _physics(self, example: Atoms) -> None:
        """Forces, symmetry and smoothness of the potential."""
        subject, potential = self.subject, self.subject.potential
        calculator = subject.for_short_range()
        self.on_doing("comparing forces with the energy's gradient")
        self._note(forces_check(subject.atoms, potential))
        self.on_doing("turning, moving and reordering the atoms")
        self._note(*symmetry_checks(example, calculator))
        self.on_doing("looking for jumps")
        self._note(cutoff_check(cutoffs_of(potential), calculator=calculator))
        pairs = potential.baseline.pairs if potential.baseline else {}
        self._note(
            baseline_check(
                {name: (pair.inner_A, pair.outer_A) for name, pair in pairs.items()},
                calculator=calculator,
            )
        )

    def _evaluators(
        self, example: Atoms, *, inputs: Mapping[str, bytes], folder: Path
    ) -> tuple[float, float]:
        """Whether all evaluators agree; the example's energy in eV and largest gamma."""
        potential = self.subject.potential
        self.on_doing("comparing LAMMPS, python-ace and the driver")
        paths, energy_eV = agreement_check(
            potential, example, inputs=inputs, folder=folder / "paths"
        )
        graded, gamma = gamma_check(potential, example, folder=folder / "gamma")
        self._note(paths, graded)
        return energy_eV, gamma

    def _references(self) -> None:
        potential = self.subject.potential
        self.on_doing("computing reference values")
        for check in reference_checks(
            self.settings.references,
            calculator=self.subject.for_short_range(),
            elements=potential.elements,
            cutoff_A=potential.cutoff_A,
            lowest_barrier_eV=self.subject.lowest_barriers(),
        ):
            self._note(check)

    def _provenance(self) -> None:
        """The run's halts, the sets that the potential was fitted to and tested with, and the image."""
        subject, sets, view = self.subject, self.sets, self.subject.view
        potential, record = subject.potential, subject.potential.record
        self._note(
            halts_in(view, steps=self.settings.quiet_steps),
            training_check(sets.training, record, cutoff_A=potential.cutoff_A),
            validation_check(
                sets.metrics(record),
                sets.held_out(record),
                limits=self.settings.validation_limits,
                shared=sets.shared,
                from_set=sets.validation is not None,
            ),
            image_check(subject.image, made_of=subject.image_recipe),
        )
