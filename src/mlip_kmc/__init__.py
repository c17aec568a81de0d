"""Adaptive kinetic Monte Carlo with eOn on an ACE potential.

from mlip_kmc import EonWrapper, inputs_of, load_config

config = load_config("akmc.yaml")
potential, structure = inputs_of(config)
result = EonWrapper(config, run_dir=Path("run")).run_akmc(potential, structure)
print(result.status, result.simulated_time_s)
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["EonResult", "EonWrapper", "__version__", "inputs_of", "load_config"]

if TYPE_CHECKING:
    from mlip_kmc.akmc.wrapper import EonWrapper
    from mlip_kmc.config import load_config
    from mlip_kmc.model.records import EonResult
    from mlip_kmc.potential.inputs import inputs_of


def __getattr__(name: str) -> Any:
    """Import the public names on first use, so that `mlip-kmc --version` stays fast."""
    if name == "EonWrapper":
        from mlip_kmc.akmc.wrapper import EonWrapper

        return EonWrapper
    if name == "inputs_of":
        from mlip_kmc.potential.inputs import inputs_of

        return inputs_of
    if name == "EonResult":
        from mlip_kmc.model.records import EonResult

        return EonResult
    if name == "load_config":
        from mlip_kmc.config import load_config

        return load_config
    raise AttributeError(f"module 'mlip_kmc' has no attribute {name!r}")
