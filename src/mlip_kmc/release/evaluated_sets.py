"""The training set and the validation set of a release, evaluated by its potential.

sets = EvaluatedSets.read(subject, settings)
sets.metrics(potential.record), sets.by_group
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mlip_kmc.ground.errors import StructureError
from mlip_kmc.potential.record import PotentialRecord
from mlip_kmc.release.manifest import GroupErrors, ValidationMetrics
from mlip_kmc.release.settings import ReleaseSettings
from mlip_kmc.release.subject import Subject
from mlip_kmc.release.training import ANY_GROUP, LabelledSet, SetErrors


@dataclass(frozen=True)
class EvaluatedSets:
    """The training set, the validation set if there is one, their errors by group, and how many structures both have."""

    training: LabelledSet
    training_errors: Mapping[str, SetErrors]
    validation: LabelledSet | None
    validation_errors: Mapping[str, SetErrors]
    shared: int

    @classmethod
    def read(cls, subject: Subject, settings: ReleaseSettings) -> "EvaluatedSets":
        """Read the sets that the settings name, and evaluate every structure.

        Raises:
            StructureError: a set holds an element that the potential does not know.
            MlipKmcError: a set cannot be read, or a structure cannot be evaluated.
        """
        training = LabelledSet.read(settings.training_sets)
        validation = (
            None
            if settings.validation_set is None
            else LabelledSet.read((settings.validation_set,))
        )
        for one in filter(None, (training, validation)):
            _check_elements(one, subject.potential.elements)
        calculator = subject.for_short_range()
        return cls(
            training=training,
            training_errors=training.errors(calculator),
            validation=validation,
            validation_errors=validation.errors(calculator) if validation else {},
            shared=validation.shared_with(training) if validation else 0,
        )

    def metrics(self, record: PotentialRecord | None) -> ValidationMetrics | None:
        """Errors on structures that the potential was not fitted to: of the validation set, else as its record tells them."""
        if self.validation is not None:
            errors = together(self.validation_errors, self.validation)
            return ValidationMetrics(
                structures=errors.structures,
                energy_rmse_eV_per_atom=errors.energy_eV_per_atom,
                force_rmse_eV_per_A=errors.force_eV_per_A,
                source="a set that was evaluated for this release",
            )
        if record is None or record.test_errors is None:
            return None
        return ValidationMetrics(**record.test_errors.model_dump(), source="the potential's record")

    def held_out(self, record: PotentialRecord | None) -> Mapping[str, SetErrors]:
        """The same errors by group; the record tells of one group only."""
        metrics = self.metrics(record)
        if self.validation is not None or metrics is None:
            return self.validation_errors
        return {
            ANY_GROUP: SetErrors(
                structures=metrics.structures,
                energy_eV_per_atom=metrics.energy_rmse_eV_per_atom,
                force_eV_per_A=metrics.force_rmse_eV_per_A,
            )
        }

    @property
    def by_group(self) -> tuple[GroupErrors, ...]:
        """Errors of both sets as the manifest has them."""
        return (
            *_by_group("training", self.training_errors),
            *_by_group("validation", self.validation_errors),
        )


def _check_elements(one: LabelledSet, known: tuple[str, ...]) -> None:
    symbols = {symbol for entry in one.structures for symbol in entry.atoms.get_chemical_symbols()}
    if unknown := sorted(symbols - set(known)):
        raise StructureError(
            f"a set holds {', '.join(unknown)}, which the potential does not know; name the set that it "
            "was fitted to"
        )


def _by_group(
    kind: Literal["training", "validation"], found: Mapping[str, SetErrors]
) -> list[GroupErrors]:
    return [
        GroupErrors(
            set=kind,
            group=group,
            structures=errors.structures,
            energy_rmse_eV_per_atom=errors.energy_eV_per_atom,
            force_rmse_eV_per_A=errors.force_eV_per_A,
        )
        for group, errors in found.items()
    ]


def together(by_group: Mapping[str, SetErrors], whole: LabelledSet) -> SetErrors:
    """Root mean squares of all groups: energies count by structure, forces by component."""
    weights = {
        group: sum(len(one.atoms) for one in whole.structures if one.group == group)
        for group in by_group
    }
    count = sum(errors.structures for errors in by_group.values())
    energy = (
        sum(errors.structures * errors.energy_eV_per_atom**2 for errors in by_group.values())
        / count
    )
    force = sum(
        weights[group] * errors.force_eV_per_A**2 for group, errors in by_group.items()
    ) / sum(weights.values())
    return SetErrors(
        structures=count,
        energy_eV_per_atom=float(f"{energy**0.5:.3g}"),
        force_eV_per_A=float(f"{force**0.5:.3g}"),
    )
