"""A run's configuration: sections, their explanation, eOn's options.

Example:
    config = load_config(Path("akmc.yaml"))
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_OF_CAMPAIGNS = ("CampaignConfig", "campaign_schema", "load_campaign")
_OF_RUNS = ("Config", "PotentialSection", "example_directory", "json_schema", "load_config")


def __getattr__(name: str) -> Any:
    """Import a module at the first use of one of its names: no worker wants campaigns, and few want sections."""
    if name not in __all__:
        raise AttributeError(f"module 'mlip_kmc.config' has no attribute {name!r}")
    place = "campaign" if name in _OF_CAMPAIGNS else "model" if name in _OF_RUNS else "sections"
    return getattr(import_module(f"mlip_kmc.config.{place}"), name)
