"""A campaign with its real parts: aKMC, the configuration's oracle, ACE.

campaign = campaign_of(config, directory=directory, run_config=run_config, explorer=explorer)
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlip_kmc.campaign.exploring import AkmcExplorer
from mlip_kmc.campaign.fitting import AceFitter
from mlip_kmc.campaign.generation import TRAINING, Generation
from mlip_kmc.campaign.labelling import OracleLabeller
from mlip_kmc.campaign.loop import Campaign
from mlip_kmc.campaign.potentials import with_gamma
from mlip_kmc.campaign.state import ExplorationMethod, Step
from mlip_kmc.config import CampaignConfig, Config
from mlip_kmc.potential.inputs import structure_of
from mlip_kmc.release.gate import sentence
from mlip_kmc.release.package import ProductionDeployer
from mlip_kmc.release.settings import load_settings

_log = logging.getLogger(__name__)


def campaign_of(
    config: CampaignConfig,
    *,
    directory: Path,
    run_config: Config,
    explorer: AkmcExplorer,
    approved: bool = False,
    until: Step | None = None,
) -> Campaign:
    """Put together.

    Args:
        config: the campaign's.
        directory: where it lives, or will.
        run_config: of `config.explore`.
        explorer: of the run in it.
        approved: the labels that wait for approval may be made.
        until: end after the next step of this kind.

    Raises:
        PotentialError: gamma of the potential is not known. StructureError: a training set, or the structure, cannot be read.
    """
    first = with_gamma(run_config)
    fitter = AceFitter(
        config, first=first, select=run_config.gamma.select, start=structure_of(run_config)
    )
    labeller = OracleLabeller(config, cache=directory / "label-cache", training=fitter.training())
    return Campaign(
        config,
        directory=directory,
        run_config=run_config,
        explorers={ExplorationMethod.AKMC: explorer},
        labeller=labeller,
        fitter=fitter,
        release=releaser_of(config, run_dir=directory / "run"),
        approved=approved,
        until=until,
    )


def releaser_of(config: CampaignConfig, *, run_dir: Path) -> Callable[[Generation], Path] | None:
    """What makes the release of a generation: with the set that it was fitted to; None where none is wanted.

    Raises:
        ConfigError, ReleaseError: the settings are not enough; better known before days of work.
    """
    if config.release is None:
        return None
    settings = load_settings(config.release)

    def deployer(training: Path | None) -> ProductionDeployer:
        known: dict[str, Any] = {} if training is None else {"training_sets": (training,)}
        if config.training is not None:
            known["validation_set"] = config.training.test
        return ProductionDeployer(
            settings.model_copy(update=known),
            on_check=lambda check: _log.info("%s", sentence(check)),
        )

    deployer(config.training.data if config.training else None)
    return lambda generation: deployer(generation.folder / TRAINING).finalize(run_dir)
