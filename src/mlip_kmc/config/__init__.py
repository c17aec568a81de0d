"""A run's configuration: sections, their explanation, eOn's options.

Example:
    config = load_config(Path("akmc.yaml"))
"""

from mlip_kmc.config.campaign import CampaignConfig, campaign_schema, load_campaign
from mlip_kmc.config.model import (
    Config,
    PotentialSection,
    example_directory,
    json_schema,
    load_config,
)
from mlip_kmc.config.sections import (
    AcePotentialSection,
    AsePotentialSection,
    BaselineSection,
    BuiltinPotentialSection,
    ConfidenceSection,
    ConstantPrefactor,
    GammaSection,
    HarmonicPrefactor,
    LennardJonesSection,
    RepulsionSection,
    RetentionSection,
    ReuseSection,
    SearchSection,
    StopSection,
    StructureSection,
    SymmetrySection,
    ZblSection,
)

__all__ = [
    "AcePotentialSection",
    "AsePotentialSection",
    "BaselineSection",
    "BuiltinPotentialSection",
    "CampaignConfig",
    "ConfidenceSection",
    "Config",
    "ConstantPrefactor",
    "GammaSection",
    "HarmonicPrefactor",
    "LennardJonesSection",
    "PotentialSection",
    "RepulsionSection",
    "RetentionSection",
    "ReuseSection",
    "SearchSection",
    "StopSection",
    "StructureSection",
    "SymmetrySection",
    "ZblSection",
    "campaign_schema",
    "example_directory",
    "json_schema",
    "load_campaign",
    "load_config",
]
