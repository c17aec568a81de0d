"""Whether a label is believed: what makes it sound, what it must agree with, and on which zero its energy is then.

judge = Judge(oracle=config.oracle, limits=config.labels, levels=levels_of(training), digest=desk.digest)
judge.check_sound(label)
judge.judged(request, label)           # a LabelledStructure, or a LabelError
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlip_kmc.config.campaign import AseOracle, CommandOracle, LabelsSection
from mlip_kmc.learning.labels.answer import check_sound
from mlip_kmc.learning.labels.doubts import check_outliers, check_zero
from mlip_kmc.learning.labels.faults import Label
from mlip_kmc.learning.labels.folder import Request
from mlip_kmc.model.labelled import LabelledStructure, Role


@dataclass(frozen=True)
class Judge:
    """The limits of a configuration.

    Attributes:
        oracle, limits: the configuration's.
        levels: by element, the energy an atom (eV) of the training set; empty where it is not known.
        digest: the oracle's identity.
    """

    oracle: AseOracle | CommandOracle
    limits: LabelsSection
    levels: Mapping[str, float]
    digest: str

    def facts(self) -> dict[str, Any]:
        """All that decides what comes of an answer: with other limits it is judged again."""
        oracle, limits = self.oracle, self.limits
        return {
            "oracle": self.digest,
            "zero": oracle.zero_eV,
            "limits": [
                oracle.time_limit_min,
                oracle.largest_force_eV_per_A,
                oracle.largest_net_force_eV_per_A,
                limits.trusted_gamma,
                limits.outlier_eV_per_A,
                limits.largest_offset_eV_per_atom,
            ],
            "levels": dict(self.levels),
        }

    def check_sound(self, label: Label) -> None:
        """Refuse what no structure has.

        Raises:
            LabelError: see `answer.check_sound`.
        """
        check_sound(
            label,
            largest_force_eV_per_A=self.oracle.largest_force_eV_per_A,
            largest_net_force_eV_per_A=self.oracle.largest_net_force_eV_per_A,
        )

    def judged(self, request: Request, label: Label) -> LabelledStructure:
        """A label that fits to what is known, on the training set's zero.

        Raises:
            LabelError: it does not.
        """
        zero_eV = self.oracle.zero_eV
        energy_eV = label.energy_eV - sum(
            zero_eV.get(symbol, 0.0) for symbol in request.atoms.get_chemical_symbols()
        )
        check_zero(
            energy_eV,
            request.atoms,
            expected=request.expected,
            levels=self.levels,
            most_eV_per_atom=self.limits.largest_offset_eV_per_atom,
        )
        check_outliers(
            label,
            request.expected,
            trusted_gamma=self.limits.trusted_gamma,
            most_eV_per_A=self.limits.outlier_eV_per_A,
        )
        return LabelledStructure(
            name=request.name,
            atoms=request.atoms,
            forces_eV_per_A=label.forces_eV_per_A,
            energy_eV=energy_eV,
            force_weights=request.force_weights,
            energy_weight=request.energy_weight,
            role=Role.LABEL,
            oracle=self.digest,
        )
