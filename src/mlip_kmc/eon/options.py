"""eOn's own schema of options, and the `config.ini` made from a `Config`.

    text = config_ini(config, potential, communicator_jobs=4)
"""

import configparser
import difflib
import importlib.util
import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mlip_kmc.errors import ProgramError

if TYPE_CHECKING:
    from mlip_kmc.config import Config

Options = dict[str, dict[str, bool | int | float | str]]

# options that the configuration sets from its own keys, or that the bridge to eOn depends on
RESERVED = {
    ("Main", "job"): "it is always akmc",
    ("Main", "temperature"): "set temperature_K",
    ("Main", "random_seed"): "set seed",
    ("Potential", "potential"): "set potential",
    ("AKMC", "confidence"): "set confidence.value",
    ("AKMC", "confidence_scheme"): "set confidence.scheme",
    ("AKMC", "thermally_accessible_window"): "set search.thermal_window_kT",
    ("AKMC", "max_kmc_steps"): "set stop.kmc_steps",
    ("AKMC", "server_side_process_search"): "searches always run whole",
    ("Prefactor", "default_value"): "set prefactor",
    ("Recycling", "use_recycling"): "set recycling",
    ("Coarse Graining", "use_mcamc"): "set superbasins",
    ("Coarse Graining", "use_askmc"): "it cannot be resumed safely; set superbasins",
    ("Saddle Search", "displace_magnitude"): "set search.displacement_A",
    ("Saddle Search", "displace_radius"): "set search.displacement_radius_A",
    ("Saddle Search", "displace_max_coordination"): "set search.max_coordination",
    ("Saddle Search", "converged_force"): "set search.converged_force_eV_per_A",
    ("Saddle Search", "max_energy"): "set search.max_energy_eV",
    ("Saddle Search", "max_iterations"): "set search.max_iterations",
}
RESERVED_SECTIONS = {
    "Communicator": "searches go through the run's own workers; set workers",
    "Paths": "the run directory's layout is fixed; use --dir",
    "Debug": "eOn's debugging switches would change what is recorded",
}
_BOOLEANS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


@cache
def schema() -> dict[str, dict[str, dict[str, Any]]]:
    """eOn's sections and options, as the installed eOn describes them: kind, default, and allowed values."""
    spec = importlib.util.find_spec("eon")
    if spec is None or not spec.submodule_search_locations:
        raise ProgramError("eOn's Python package is not installed here; run inside the image")
    text = (Path(spec.submodule_search_locations[0]) / "config.yaml").read_text(encoding="utf-8")
    sections = yaml.load(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))  # noqa: S506 - strings only
    return {name: body.get("options") or {} for name, body in sections.items()}


def check_options(options: Options) -> None:
    """Refuse what eOn does not know, what has the wrong kind, and what has a key of its own.

    Raises:
        ValueError: one line; the configuration's reader adds where.
    """
    if not options:
        return
    known = schema()
    for section, entries in options.items():
        if section in RESERVED_SECTIONS:
            raise ValueError(f"eon.{section} cannot be set: {RESERVED_SECTIONS[section]}")
        if section not in known:
            raise ValueError(f"eOn has no section '{section}'; {_closest(section, known)}")
        for key, value in entries.items():
            if (section, key) in RESERVED:
                raise ValueError(f"eon.{section}.{key} cannot be set: {RESERVED[section, key]}")
            if key not in known[section]:
                raise ValueError(f"eOn's section '{section}' has no option '{key}'; {_closest(key, known[section])}")
            _check_kind(f"eon.{section}.{key}", value, known[section][key])


def _closest(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    return f"did you mean '{close[0]}'?" if close else "see eOn's manual"


def _check_kind(name: str, value: bool | float | str, described: dict[str, Any]) -> None:  # noqa: FBT001
    kind, values = described.get("kind"), described.get("values")
    text = str(value)
    if any(character in text for character in "\n\r%"):
        raise ValueError(f"{name} cannot hold line breaks or '%'")
    wanted = {"int": int, "float": float}.get(str(kind))
    if wanted is not None:
        try:
            if isinstance(value, bool):
                raise ValueError  # noqa: TRY004, TRY301 - one message for both
            wanted(text)
        except ValueError:
            raise ValueError(f"{name} is {'a whole number' if wanted is int else 'a number'}, not {value!r}") from None
    elif kind == "boolean" and text.lower() not in _BOOLEANS:
        raise ValueError(f"{name} is true or false, not {value!r}")
    elif values and text not in values:
        raise ValueError(f"{name} is one of {', '.join(values)}, not {value!r}")


def config_ini(config: "Config", *, potential_name: str, jobs_ahead: int) -> str:
    """The text of eOn's `config.ini` for a run.

    Args:
        config: the run's configuration.
        potential_name: eOn's name of the potential, `lammps` for ACE.
        jobs_ahead: how many searches the server keeps unfinished (eOn's `num_jobs`).
    """
    from mlip_kmc.config import ConstantPrefactor

    search = config.search
    weights = {"random": "displace_random_weight", "under_coordinated": "displace_under_coordinated_weight",
               "least_coordinated": "displace_least_coordinated_weight"}
    constant = config.prefactor.constant_per_s if isinstance(config.prefactor, ConstantPrefactor) else 0.0
    options: dict[str, dict[str, Any]] = {
        "Main": {"job": "akmc", "temperature": config.temperature_K, "random_seed": config.seed % 2**31},
        "Potential": {"potential": potential_name},
        "Communicator": {"type": "local", "num_jobs": jobs_ahead, "jobs_per_bundle": 1},
        "AKMC": {"confidence": config.confidence.value, "confidence_scheme": config.confidence.scheme,
                 "thermally_accessible_window": search.thermal_window_kT},
        "Structure Comparison": {"energy_difference": 0.01, "distance_difference": 0.1},
        "Process Search": {"minimize_first": True},
        "Prefactor": {"default_value": constant},
        "Recycling": {"use_recycling": config.recycling},
        "Coarse Graining": {"use_mcamc": config.superbasins},
        "Optimizer": {"opt_method": "lbfgs", "converged_force": search.converged_force_eV_per_A},
        "Saddle Search": {weights[search.displace]: 1.0, "displace_magnitude": search.displacement_A,
                          "displace_radius": search.displacement_radius_A,
                          "displace_max_coordination": search.max_coordination,
                          "converged_force": search.converged_force_eV_per_A, "max_energy": search.max_energy_eV,
                          "max_iterations": search.max_iterations},
    }
    for section, entries in config.eon.items():
        options.setdefault(section, {}).update(entries)
    return ini_text(options)


def ini_text(options: dict[str, dict[str, Any]]) -> str:
    """Options by section as INI text; floats keep all their digits."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # eOn's keys have capitals
    for section, entries in options.items():
        parser[section] = {key: _ini_value(value) for key, value in entries.items()}
    stream = io.StringIO()
    parser.write(stream)
    return stream.getvalue()


def _ini_value(value: bool | float | str) -> str:  # noqa: FBT001
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)
