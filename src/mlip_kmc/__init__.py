"""Adaptive kinetic Monte Carlo with eOn on an ACE potential.

Example:
    from pathlib import Path

    from mlip_kmc import EonWrapper, inputs_of, load_config

    config = load_config("akmc.yaml")
    potential, structure = inputs_of(config)
    result = EonWrapper(config, run_dir=Path("my-run")).run_akmc(potential, structure)
    print(result.status, result.kmc_steps, "KMC steps,", result.simulated_time_s, "s")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "EonResult",
    "EonWrapper",
    "Event",
    "Minimised",
    "Process",
    "StateRecord",
    "Status",
    "__version__",
    "inputs_of",
    "load_config",
]

if TYPE_CHECKING:
    from mlip_kmc.akmc.wrapper import EonWrapper
    from mlip_kmc.config import load_config
    from mlip_kmc.model.records import EonResult, Event, Minimised, Process, StateRecord, Status
    from mlip_kmc.potential.inputs import inputs_of

_PLACES = {
    "EonWrapper": "akmc.wrapper",
    "inputs_of": "potential.inputs",
    "load_config": "config",
    **dict.fromkeys(
        ("EonResult", "Event", "Minimised", "Process", "StateRecord", "Status"), "model.records"
    ),
}
"""By public name: the module that defines it."""


def __getattr__(name: str) -> Any:
    """Import the public names on first use, so that `mlip-kmc --version` stays fast."""
    if name not in _PLACES:
        raise AttributeError(f"module 'mlip_kmc' has no attribute {name!r}")
    return getattr(import_module(f"mlip_kmc.{_PLACES[name]}"), name)
