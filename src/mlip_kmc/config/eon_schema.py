"""eOn's own schema of options: what exists, of which kind, and what the configuration sets itself.

Example:
    check_options({"Optimizer": {"max_move": 0.1}})              # ValueError where eOn would refuse it
    normalised({"Optimizer": {"lbfgs_auto_scale": "F"}})         # {"Optimizer": {"lbfgs_auto_scale": False}}
"""

import difflib
import importlib.util
import math
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from mlip_kmc.ground.errors import ProgramError

Value = bool | int | float | str
Options = dict[str, dict[str, Value]]

# options that the configuration sets from its own keys, or that the bridge to eOn depends on
RESERVED = {
    ("Main", "job"): "it is always akmc",
    ("Main", "temperature"): "set temperature_K",
    ("Main", "random_seed"): "set seed",
    ("Potential", "potential"): "set potential",
    ("Potential", "ext_pot_path"): "eOn would hand it to a shell; set potential",
    ("AKMC", "confidence"): "set confidence.value",
    ("AKMC", "confidence_scheme"): "set confidence.scheme",
    ("AKMC", "thermally_accessible_window"): "set search.thermal_window_kT",
    ("AKMC", "max_kmc_steps"): "set stop.kmc_steps",
    ("AKMC", "server_side_process_search"): "searches always run whole",
    ("Recycling", "use_recycling"): "set recycling",
    ("KDB", "use_kdb"): "its database is outside of what is committed",
    ("Saddle Search", "displace_atom_kmc_state_script"): "the configuration runs no scripts",
    (
        "Recycling",
        "use_sb_recycling",
    ): "it keeps its state outside of what is committed; set recycling",
    (
        "Recycling",
        "displace_moved_only",
    ): "it needs the job table of eOn's own communicators; set search.displace",
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
    "Paths": "the run directory's layout is fixed; `mlip-kmc run --dir` says where it is",
    "Prefactor": "prefactors are made apart from eOn's searches; set prefactor",
    "Debug": "eOn's debugging switches would change what is recorded",
    "amsel": "it belongs to a step out of superbasins that is not used here; set superbasins",
    "Serve": "eOn's own server would listen to the network; `mlip-kmc serve` is one that does not",
    **dict.fromkeys(
        (
            "AMS",
            "AMS_IO",
            "AMS_ENV",
            "XTBPot",
            "SocketNWChemPot",
            "RgpotPot",
            "cpmd",
            "Metatomic",
            "ASE_NWCHEM",
            "ASE_ORCA",
        ),
        "it belongs to a potential of eOn that starts or loads other programs; set potential",
    ),
}
_UNITS = {
    "a",
    "ang",
    "angstrom",
    "c",
    "celsius",
    "d",
    "day",
    "days",
    "degc",
    "ev",
    "f",
    "fs",
    "h",
    "ha",
    "hour",
    "hours",
    "hr",
    "j",
    "k",
    "kcal",
    "kelvin",
    "kj",
    "kt",
    "m",
    "mev",
    "min",
    "minutes",
    "mol",
    "ms",
    "nm",
    "ns",
    "per",
    "pm",
    "ps",
    "ry",
    "s",
    "sec",
    "seconds",
    "us",
}
_MANUAL = "see eOn's manual"
_BOOLEANS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
_WHOLE, _NUMBER, _TRUTH = ("int", "integer"), ("float",), ("boolean", "bool")
# line breaks start another option; '%' is eOn's interpolation; the client takes '#' and ';' for comments; nothing else that a
# shell or LAMMPS would act on has a meaning in an option either, and a file that an option names is in the search's directory
_TEXT = re.compile(r"(?!.*\.\.)[A-Za-z0-9 _.,:+()\[\]-]*", re.ASCII)


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
    normalised(options)


def normalised(options: Options) -> Options:
    """The options with each value of the kind that eOn's schema gives it, after `check_options`' checks.

    Raises:
        ValueError: one line; the configuration's reader adds where.
    """
    return {
        section: {
            key: _checked(section, key, value) for key, value in _entries(section, entries).items()
        }
        for section, entries in options.items()
    }


def options_schema() -> dict[str, Any]:
    """JSON Schema of eOn's options that a configuration may set; of any options where eOn is not installed."""
    try:
        known = schema()
    except ProgramError:
        return {"type": "object", "additionalProperties": {"type": "object"}}
    sections = {
        section: {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                key: _described(facts)
                for key, facts in entries.items()
                if (section, key) not in RESERVED
            },
        }
        for section, entries in known.items()
        if section not in RESERVED_SECTIONS
    }
    return {"type": "object", "additionalProperties": False, "properties": sections}


def _described(facts: dict[str, Any]) -> dict[str, Any]:
    kind = facts.get("kind")
    body: dict[str, Any] = {
        "type": "boolean"
        if kind in _TRUTH
        else "integer"
        if kind in _WHOLE
        else "number"
        if kind in _NUMBER
        else "string"
    }
    if body["type"] == "string":
        body["type"] = ["string", "number"]  # what looks like a number needs no quotes
        if isinstance(facts.get("values"), list):
            body = {"enum": facts["values"]}
    if isinstance(facts.get("default"), str):
        body["description"] = f"eOn's default: {facts['default']}"
    return body


class EonOptionError(ValueError):
    """An option of eOn's that cannot be set; its message names section and option itself."""


def closest_name(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like a misspelt one; None where none is like it."""
    by_lower = {entry.lower(): entry for entry in known}
    close = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.5)
    return by_lower[close[0]] if close else None


def closest(name: str, known: Iterable[str], otherwise: str) -> str:
    """Advice on a misspelt name: the closest known one, or `otherwise`."""
    found = closest_name(name, known)
    return f"did you mean '{found}'?" if found else otherwise


def other_unit(name: str, known: Iterable[str]) -> str | None:
    """The known name that is `name` in another unit, or without one: `temperature_C`, `temperature` -> `temperature_K`."""
    stem = _without_unit(name)
    same = [
        entry
        for entry in known
        if _without_unit(entry) == stem and entry.lower() not in (name.lower(), stem)
    ]
    return same[0] if same else None


def _without_unit(name: str) -> str:
    words = name.lower().split("_")
    while len(words) > 1 and words[-1] in _UNITS:
        words.pop()
    return "_".join(words)


def _entries(section: str, entries: dict[str, Value]) -> dict[str, Value]:
    known = schema()
    if section in RESERVED_SECTIONS:
        raise EonOptionError(f"eon.{section} cannot be set: {RESERVED_SECTIONS[section]}")
    if section not in known:
        raise EonOptionError(f"eOn has no section {section!r}; {closest(section, known, _MANUAL)}")
    return entries


def _checked(section: str, key: str, value: Value) -> Value:
    known = schema()[section]
    if (section, key) in RESERVED:
        raise EonOptionError(f"eon.{section}.{key} cannot be set: {RESERVED[section, key]}")
    if key not in known:
        raise EonOptionError(
            f"eOn's section '{section}' has no option {key!r}; {closest(key, known, _MANUAL)}"
        )
    name, kind, values = f"eon.{section}.{key}", known[key].get("kind"), known[key].get("values")
    if kind in _TRUTH:
        return _truth(name, value)
    if kind in _WHOLE:
        return _whole(name, value)
    if kind in _NUMBER:
        return _number(name, value)
    return _text(name, value, values)


def _truth(name: str, value: Value) -> bool:
    found = _BOOLEANS.get(str(value).lower())
    if found is None:
        raise EonOptionError(f"{name} is true or false, not {value!r}")
    return found


def _whole(name: str, value: Value) -> int:
    try:
        if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
            raise ValueError  # noqa: TRY301 - one message for all
        found = int(value)
        if abs(found) >= 2**31:
            raise ValueError  # noqa: TRY301 - one message for all
    except ValueError:
        raise EonOptionError(
            f"{name} is a whole number below 2^31, not {str(value)[:40]!r}"
        ) from None
    return found


def _number(name: str, value: Value) -> float:
    try:
        if isinstance(value, bool) or not math.isfinite(float(value)):
            raise ValueError  # noqa: TRY301 - one message for all
        return float(value)
    except (ValueError, OverflowError):
        raise EonOptionError(f"{name} is a finite number, not {value!r}") from None


def _text(name: str, value: Value, values: list[str] | None) -> str:
    if isinstance(value, bool):
        raise EonOptionError(
            f"{name} is text, not {str(value).lower()}; put the text in quotes if it is meant"
        )
    text = str(value)
    if not _TEXT.fullmatch(text) or text != text.strip():
        raise EonOptionError(
            f"{name} takes letters, digits, spaces and _ . , : + - ( ) [ ] only: no line breaks, '%', '#', ';', '/' "
            f"or '..', no spaces at its ends: {value!r}"
        )
    if values and text not in values:
        raise EonOptionError(f"{name} is one of {', '.join(values)}, not {value!r}")
    return text
