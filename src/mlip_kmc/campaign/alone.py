"""Two steps of a campaign by themselves: the oracle on structures that somebody has, and the fit with its verdict.

labels = label_alone(config, run_config=run_config, structures=frames, folder=folder, stop=stop)
judged = refit_alone(config, run_config=run_config, labels=labels.structures, directory=Path("refit"), name="cu-refit")

Either may be repeated after a kill, and then finds what it had done.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms

from mlip_kmc.campaign.fitting import AceFitter
from mlip_kmc.campaign.generation import VERDICT, write_facts
from mlip_kmc.campaign.labelling import OracleLabeller
from mlip_kmc.campaign.parts import Judged, Labels, Wanted
from mlip_kmc.campaign.potentials import with_gamma
from mlip_kmc.config import CampaignConfig, Config
from mlip_kmc.evaluate.gamma import Extrapolation
from mlip_kmc.ground.errors import RunStateError, StructureError
from mlip_kmc.ground.files import make_directory
from mlip_kmc.model.labelled import LabelledStructure
from mlip_kmc.potential import AcePotential
from mlip_kmc.potential.inputs import structure_of
from mlip_kmc.store.claim import claimed


@dataclass(frozen=True)
class LabelledAlone:
    """What came of it.

    Attributes:
        labels: how many are where. structures: the labelled ones, in order.
        failures: names of those without a label, with the reason. refused: why others were not asked for.
    """

    labels: Labels
    structures: tuple[LabelledStructure, ...]
    failures: tuple[tuple[str, str], ...]
    refused: tuple[str, ...]


def label_alone(
    config: CampaignConfig,
    *,
    run_config: Config,
    structures: Sequence[Atoms],
    folder: Path,
    stop: threading.Event,
) -> LabelledAlone:
    """Have structures labelled as in a campaign: large ones are cut down to where the run's potential extrapolates.

    Args:
        config: the campaign's.
        run_config: of `config.explore`.
        structures: in order; positions and cell in A.
        folder: of requests, states, answers and the cache.
        stop: set it, and labels that are made here are ended.

    Raises:
        MlipKmcError: as of `OracleLabeller`.
    """
    present = with_gamma(run_config)
    training = _fitter(config, run_config=run_config, present=present).training()
    labeller = OracleLabeller(
        config, cache=make_directory(folder) / "label-cache", training=training
    )
    grade = Extrapolation.of(present)
    assert grade is not None  # noqa: S101 - `with_gamma` has looked
    wanted = [
        Wanted.of(
            f"structure-{index:04d}",
            atoms,
            grade.gamma_of(atoms),
            threshold=run_config.gamma.select,
        )
        for index, atoms in enumerate(structures)
    ]
    where = folder / "labels"
    with claimed(folder, what="label"):
        _, refused = labeller.request(where, wanted, potential=present)
        return LabelledAlone(
            labels=labeller.label(where, stop=stop),
            structures=labeller.labelled(where),
            failures=labeller.failures(where),
            refused=refused,
        )


def refit_alone(
    config: CampaignConfig,
    *,
    run_config: Config,
    labels: Sequence[LabelledStructure],
    directory: Path,
    name: str,
    larger: int = 0,
) -> Judged:
    """Fit the run's potential again, to the training set and labels, and judge the new one as a campaign does.

    Args:
        config: the campaign's.
        run_config: of `config.explore`.
        labels: the new potential must be calm on those that are whole structures.
        directory: where the new potential and `verdict.json` come to lie.
        name: of its files.
        larger: which of `refit.larger_bases`, from 1; 0: the present basis.

    Raises:
        RunStateError: there is no such basis. StructureError: labels are of several oracles. MlipKmcError: as of `AceFitter.fit`.
    """
    if not 0 <= larger <= len(config.refit.larger_bases):
        raise RunStateError(
            f"refit.larger_bases has {len(config.refit.larger_bases)} entries: there is no number {larger}"
        )
    oracles = {one.oracle for one in labels if one.oracle}
    if len(oracles) > 1:
        raise StructureError(
            f"the labels are of {len(oracles)} oracles: energies of two are never mixed; give those of one "
            "(the key oracle of each structure says of which it is)"
        )
    present = with_gamma(run_config)
    with claimed(make_directory(directory), what="refit"):
        judged = _fitter(config, run_config=run_config, present=present).fit(
            present,
            labels=labels,
            halted=[one.atoms for one in labels if bool((one.force_weights == 1).all())],
            folder=directory,
            name=name,
            larger=larger,
        )
        write_facts(directory / VERDICT, judged.verdict())
    return judged


def _fitter(config: CampaignConfig, *, run_config: Config, present: AcePotential) -> AceFitter:
    return AceFitter(
        config, first=present, select=run_config.gamma.select, start=structure_of(run_config)
    )
