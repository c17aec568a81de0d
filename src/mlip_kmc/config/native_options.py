"""Which of eOn's options our own search engine obeys: the others are refused, never left out without a word.

check_native({"Optimizer": {"max_iterations": 500}})          # fine
check_native({"Dimer": {"rotations_max": 5}})                 # EonOptionError
"""

from typing import TYPE_CHECKING

from mlip_kmc.config.eon_schema import EonOptionError, Options

if TYPE_CHECKING:
    from mlip_kmc.config.sections import SearchSection

_CLIENTS = {
    "ARTn",
    "BGSD",
    "Basin Hopping",
    "Davidson",
    "Dimer",
    "Dynamics",
    "GPR Dimer",
    "Hyperdynamics",
    "LBFGS",
    "Lanczos",
    "Nudged Elastic Band",
    "Optimizer",
    "Process Search",
    "Saddle Search",
    "Xtsci",
}
"""eOn's sections of options that its client reads when it searches."""
_OURS = {("Optimizer", "converged_force"), ("Optimizer", "max_iterations")}
"""Those of them that our own search reads, too."""
_SERVERS = ("displace_", "stdev_", "molecule_list", "random_mode", "disp_at_random", "void_bias")
"""How options of `Saddle Search` begin that eOn's server reads, which displaces for both engines."""


def check_native(options: Options) -> None:
    """Refuse options that say how eOn's client searches.

    Raises:
        EonOptionError: with the first of them.
    """
    for section, entries in options.items():
        for key in entries:
            if section not in _CLIENTS or (section, key) in _OURS:
                continue
            if section == "Saddle Search" and key.startswith(_SERVERS):
                continue
            raise EonOptionError(
                f"eon.{section}.{key} says how eOn's client searches, and search.engine: native does not; leave it out, or "
                "set engine: eon"
            )


def obeys(options: Options) -> bool:
    """Our own search may be made with these options: see `check_native`."""
    try:
        check_native(options)
    except EonOptionError:
        return False
    return True


def names_engine(search: "SearchSection") -> bool:
    """A configuration says who searches, or asks for what only our own search can."""
    own = search.early_stop or search.region_A is not None
    return "engine" in search.model_fields_set or own
