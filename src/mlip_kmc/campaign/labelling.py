"""Having structures labelled: cut out, asked for, collected; the real one of `parts.Labeller`.

labeller = OracleLabeller(config, cache=directory / "label-cache", training=training)
labeller.request(folder, wanted, potential=present)
labeller.label(folder, stop=stop)      # Labels(done=7, failed=1, waiting=0)
"""

import threading
from collections.abc import Sequence
from pathlib import Path

from mlip_kmc.campaign.parts import Labels, Wanted
from mlip_kmc.config import CampaignConfig
from mlip_kmc.evaluate.calculator import calculator_of
from mlip_kmc.evaluate.gamma import Extrapolation
from mlip_kmc.ground.errors import StructureError
from mlip_kmc.learning.cutout import CutOut, cut_out
from mlip_kmc.learning.labels.desk import LabelDesk
from mlip_kmc.learning.labels.doubts import levels_of
from mlip_kmc.model.labelled import LabelledStructure
from mlip_kmc.potential import AcePotential


class OracleLabeller:
    """Labels by the configuration's oracle."""

    def __init__(
        self, config: CampaignConfig, *, cache: Path, training: Sequence[LabelledStructure]
    ) -> None:
        """Take note of what to do.

        Args:
            config: the campaign's.
            cache: folder of labels by content.
            training: the set of generation 0, whose zero of energy labels must have; may be empty.
        """
        self._config, self._cache = config, cache
        self._levels = levels_of(training) if training else None

    def _desk(self, folder: Path) -> LabelDesk:
        return LabelDesk(
            folder,
            oracle=self._config.oracle,
            section=self._config.labels,
            cache=self._cache,
            levels=self._levels,
        )

    def request(
        self, folder: Path, wanted: Sequence[Wanted], *, potential: AcePotential
    ) -> tuple[int, tuple[str, ...]]:
        """Cut out what is to be labelled, and ask for it durably.

        Raises:
            PotentialError, StorageError: see `cut_out` and `LabelDesk.wanted`.
        """
        pieces, refused = list[CutOut](), []
        calculator, grade = calculator_of(potential), Extrapolation.of(potential)
        for entry in wanted:
            try:
                piece = cut_out(
                    entry.atoms,
                    entry.offending,
                    name=entry.name,
                    section=self._config.cutout,
                    cutoff_A=potential.cutoff_A,
                    calculator=calculator,
                    gammas_of=None if grade is None else grade.gamma_of,
                )
                pieces.append(piece)
            except StructureError as error:
                refused.append(f"{entry.name} is not labelled: {error}")
        self._desk(folder).wanted(pieces)
        return len(pieces), tuple(refused)

    def label(self, folder: Path, *, stop: threading.Event) -> Labels:
        """Go on with what is asked for.

        Raises:
            MlipKmcError: as of `LabelDesk.pass_`.
        """
        status = self._desk(folder).pass_(stop)
        return Labels(
            done=status.done, failed=status.failed, waiting=status.waiting + status.with_scheduler
        )

    def labelled(self, folder: Path) -> tuple[LabelledStructure, ...]:
        """What counts of it, in order of request."""
        return self._desk(folder).labelled()

    def other_oracle(self, folder: Path) -> tuple[str, ...]:
        """Names of what differs between the oracle that made a folder's labels and the present one."""
        return self._desk(folder).other_oracle()

    def failures(self, folder: Path) -> tuple[tuple[str, str], ...]:
        """Names of what has no label, with the reason."""
        return tuple((name, reason) for name, _, reason in self._desk(folder).failures())
