"""The `config.ini` that eOn's server and clients read, made from a `Config`.

Example:
    text = config_ini(config, potential_name="lammps", jobs_ahead=4)
"""

import configparser
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlip_kmc.config.eon_schema import RESERVED, RESERVED_SECTIONS, Options, check_options, schema

if TYPE_CHECKING:
    from mlip_kmc.config import Config

__all__ = [
    "RESERVED",
    "RESERVED_SECTIONS",
    "Options",
    "check_options",
    "config_ini",
    "hessian_ini",
    "ini_text",
    "schema",
]

MINIMUM_FORCE_EV_PER_A = 1e-3
"""Minima are relaxed further than saddles: at a saddle's 0.01 eV/A a shoulder passes for a state that no search comes back to."""
FLAT_A = 0.02
"""To so much positions are known: they are uncertain by force over curvature, and eOn tells states and saddles apart by 0.1 A."""
LEAST_FORCE_EV_PER_A = 1e-6
"""Forces of a potential have no more digits than are needed to converge to this."""
_FREE_EV_PER_A2 = 1e-4
"""A softer mode turns something that is free to turn, at the cost of no force, or is not told from that."""
ANY_FORCE_EV_PER_A = 1e6
HESSIAN_STEP_A = 5e-3
"""The error of a central difference grows with its square: 1e-4 of an eigenvalue here; forces have 10 digits, which is enough."""


_WEIGHTS = {
    "random": "displace_random_weight",
    "under_coordinated": "displace_under_coordinated_weight",
    "least_coordinated": "displace_least_coordinated_weight",
}
"""By `search.displace`: eOn's option that says so."""


def config_ini(
    config: "Config",
    *,
    potential_name: str,
    jobs_ahead: int,
    distinct_atoms: bool = False,
    turns: bool = False,
    minimum_force_eV_per_A: float = MINIMUM_FORCE_EV_PER_A,
) -> str:
    """The text of eOn's `config.ini` for a run.

    Args:
        config: the run's configuration.
        minimum_force_eV_per_A: to which minima are relaxed; less where `search.converged_force_eV_per_A` is less.
        potential_name: eOn's name of the potential, `lammps` for ACE.
        jobs_ahead: eOn's `num_jobs`, which it asks for and our server does not use.
        turns: states that differ by a rotation are one, as those of a free cluster.
        distinct_atoms: atoms of one element are not interchangeable; states are then compared index by index.
    """
    search = config.search
    options: dict[str, dict[str, Any]] = {
        "Main": {
            "job": "akmc",
            "temperature": config.temperature_K,
            "random_seed": config.seed % 2**31,
        },
        "Potential": {"potential": potential_name},
        "Communicator": {"type": "local", "num_jobs": jobs_ahead, "jobs_per_bundle": 1},
        "AKMC": {
            "confidence": config.confidence.value,
            "confidence_scheme": config.confidence.scheme,
            "thermally_accessible_window": search.thermal_window_kT,
        },
        "Structure Comparison": _comparison(distinct_atoms=distinct_atoms, turns=turns),
        "Process Search": {"minimize_first": True},
        "Prefactor": {"default_value": config.prefactor.default_per_s},
        "Recycling": {"use_recycling": config.recycling},
        "Coarse Graining": {"use_mcamc": config.superbasins},
        "Optimizer": {
            "opt_method": "lbfgs",
            "convergence_metric": "max_atom",
            "converged_force": min(search.converged_force_eV_per_A, minimum_force_eV_per_A),
        },
        "Saddle Search": {
            _WEIGHTS[search.displace]: 1.0,
            "displace_magnitude": search.displacement_A,
            "displace_radius": search.displacement_radius_A,
            "displace_max_coordination": search.max_coordination,
            "converged_force": search.converged_force_eV_per_A,
            "max_energy": search.max_energy_eV,
            "max_iterations": search.max_iterations,
        },
    }
    for section, entries in config.eon.items():
        options.setdefault(section, {}).update(entries)
    return ini_text(options)


def _comparison(*, distinct_atoms: bool, turns: bool) -> dict[str, Any]:
    """Which states are one."""
    found: dict[str, Any] = {"energy_difference": 0.01, "distance_difference": 0.1}
    if distinct_atoms:
        found["indistinguishable_atoms"] = False
    if turns:
        found["check_rotation"] = True
    return found


def minimum_force(lowest_eigenvalue_eV_per_A2: float | None) -> float:
    """The force to which minima are relaxed, eV/A: less than usual where the landscape is flat.

    Args:
        lowest_eigenvalue_eV_per_A2: of the Hessian of state 0; None where it is not known.
    """
    if lowest_eigenvalue_eV_per_A2 is None or lowest_eigenvalue_eV_per_A2 < _FREE_EV_PER_A2:
        return MINIMUM_FORCE_EV_PER_A
    return min(FLAT_A * lowest_eigenvalue_eV_per_A2, MINIMUM_FORCE_EV_PER_A)


def with_converged_forces(ini: str, force_eV_per_A: float) -> str:
    """A search's `config.ini` that converges its saddle and its minima to so small a largest force on an atom.

    Args:
        ini: its text.
        force_eV_per_A: for both; what converges further as it is stays so.
    """
    parser = _parser()
    parser.read_string(ini)
    for section in ("Optimizer", "Saddle Search"):
        own = parser.getfloat(section, "converged_force")
        parser.set(section, "converged_force", repr(min(own, force_eV_per_A)))
    return _text(parser)


def hessian_ini(potential_name: str) -> str:
    """The `config.ini` of a job that makes a Hessian by central differences of forces."""
    return ini_text({**hessian_options(), "Potential": {"potential": potential_name}})


def point_ini(potential_name: str) -> str:
    """The `config.ini` of a job that evaluates a structure: a minimisation that is content with any force."""
    return ini_text(
        {
            "Main": {
                "job": "minimization",
                "parallel": False,
                "quiet": True,
                "write_con_forces": True,
            },
            "Potential": {"potential": potential_name},
            "Optimizer": {
                "converged_force": ANY_FORCE_EV_PER_A,
                "convergence_metric": "max_atom",
            },
        }
    )


def hessian_options() -> dict[str, dict[str, Any]]:
    """eOn's options of such a job, but for the potential."""
    return {
        "Main": {
            "job": "hessian",
            "parallel": False,
            "quiet": True,
            "finite_difference": HESSIAN_STEP_A,
        },
        "Hessian": {"fd_scheme": "central", "write_modes": False},
    }


def ini_text(options: Mapping[str, Mapping[str, Any]]) -> str:
    """Options by section as INI text; floats keep all their digits."""
    parser = _parser()
    for section, entries in options.items():
        parser[section] = {key: _ini_value(value) for key, value in entries.items()}
    return _text(parser)


def _parser() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # eOn's keys have capitals
    return parser


def _text(parser: configparser.ConfigParser) -> str:
    stream = io.StringIO()
    parser.write(stream)
    return stream.getvalue()


def _ini_value(value: bool | float | str) -> str:  # noqa: FBT001
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)
