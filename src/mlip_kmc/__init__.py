"""Adaptive kinetic Monte Carlo with eOn on an ACE potential.

    from mlip_kmc import EonWrapper, load_config

    config = load_config("akmc.yaml")
    wrapper = EonWrapper(config, run_dir="run")
    result = wrapper.run_akmc(config.potential_value(), config.structure_atoms())
    print(result.status, result.simulated_time_s)
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["EonResult", "EonWrapper", "__version__", "load_config"]

if TYPE_CHECKING:
    from mlip_kmc.config import load_config
    from mlip_kmc.eon.wrapper import EonWrapper
    from mlip_kmc.records import EonResult


def __getattr__(name: str) -> Any:
    """Import the public names on first use, so that `mlip-kmc --version` stays fast."""
    if name == "EonWrapper":
        from mlip_kmc.eon.wrapper import EonWrapper

        return EonWrapper
    if name == "EonResult":
        from mlip_kmc.records import EonResult

        return EonResult
    if name == "load_config":
        from mlip_kmc.config import load_config

        return load_config
    raise AttributeError(f"module 'mlip_kmc' has no attribute {name!r}")
