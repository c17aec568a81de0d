"""What pydantic found wrong, in the user's words: one line for each thing.

Example:
    explain(error, Config)       # ["'temperature_K' is missing; add it", "unknown key 'serach'; did you mean 'search'?"]
"""

import math
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from mlip_kmc.config.eon_schema import EonOptionError, closest_name, other_unit
from mlip_kmc.ground.wording import shown

_WITH_UNIT = re.compile(
    r"\s*([-+]?\d+\.?\d*(?:[eE][-+]?\d+)?)\s*[A-Za-z\u00b0\u00c5\u212b/]+[A-Za-z0-9/^]*\s*\Z"
)
_WORDS = {
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "finite_number": "must be a finite number",
    "literal_error": "must be {expected}",
    "string_pattern_mismatch": "must be a name of letters, digits and _",
    "string_type": "must be text",
    "path_type": "must be a file name",
}
_WORDS |= dict.fromkeys(("float_type", "float_parsing"), "must be a number")
_WORDS |= dict.fromkeys(
    ("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "must be a whole number"
)
_WORDS |= dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false")
_WORDS |= dict.fromkeys(
    ("model_type", "model_attributes_type", "dict_type"), "must be a section of keys"
)


@dataclass(frozen=True)
class _Problem:
    """One thing that is wrong.

    Attributes:
        line: for the user.
        missing: the key's own name, where a key is missing.
        meant: the key that a misspelt one stands for, with the sections before it where it belongs elsewhere.
    """

    line: str
    missing: str | None = None
    meant: str | None = None


def explain(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line for each thing that is wrong in what was validated as `model`."""
    problems = [_problem(raw, model) for raw in error.errors(include_url=False)]
    meant = {problem.meant for problem in problems if problem.meant}
    lines = [problem.line for problem in problems if problem.missing not in meant]
    return list(dict.fromkeys(lines or (problem.line for problem in problems)))


def _problem(raw: Mapping[str, Any], model: type[BaseModel]) -> _Problem:
    keys, section = _walk(raw["loc"], model)
    where = repr(".".join(keys))
    if raw["type"] in ("extra_forbidden", "invalid_key"):
        advice, meant = _other_key(keys, section, model)
        return _Problem(f"unknown key {where}; {advice}", meant=meant)
    if raw["type"] == "missing":
        return _Problem(f"{where} is missing; add it", missing=keys[-1])
    return _Problem(_wrong_value(raw, where if keys else ""))


def _wrong_value(problem: Mapping[str, Any], where: str) -> str:
    """The line on a value that is not valid; `where` is its key, quoted, or empty for the whole."""
    context, given = problem.get("ctx", {}), problem.get("input")
    if problem["type"] == "value_error":
        reason = context.get("error", "is not valid")
        named = not where or isinstance(reason, EonOptionError)  # it says itself where
        return str(reason) if named else f"{where}: {reason}"
    if isinstance(given, float) and not math.isfinite(given):
        context, problem = {}, {**problem, "type": "finite_number"}  # NaN is also not more than 0
    words = (
        problem["msg"]
        if problem["type"].startswith("mlip_kmc")
        else _WORDS.get(problem["type"], "is not valid")
    )
    seen = f" (it is {shown(given)})" if isinstance(given, str | int | float | bool) else ""
    return f"{where or repr('')}: {words.format_map(context)}{seen}{_without_unit(problem['type'], given)}"


def _without_unit(kind: str, given: object) -> str:
    """Advice on `500 K` where a number is wanted."""
    match = (
        _WITH_UNIT.match(given)
        if isinstance(given, str) and kind in ("float_parsing", "int_parsing")
        else None
    )
    return f"; write {match.group(1)} alone: the unit is in the key's name" if match else ""


def _other_key(
    keys: list[str], section: type[BaseModel], model: type[BaseModel]
) -> tuple[str, str | None]:
    """Advice on an unknown key, and the key that is meant.

    The same key in another unit, the same in another place, the closest name, or all names.
    """
    name, known = keys[-1], list(section.model_fields)
    in_unit = other_unit(name, known)
    if in_unit:
        advice = f"did you mean '{in_unit}'? Give the value in the unit that this name ends with"
        return advice, in_unit
    places = [name] if name in model.model_fields else []
    places += [
        f"{key}.{name}"
        for key, field in model.model_fields.items()
        if any(name in kind.model_fields for kind in _sections_in(field.annotation))
    ]
    elsewhere = places[0] if len(places) == 1 and places[0] != ".".join(keys) else None
    meant = elsewhere or closest_name(name, known)
    advice = f"did you mean '{meant}'?" if meant else "known here: " + ", ".join(known)
    return advice, meant


def _walk(
    location: tuple[int | str, ...], model: type[BaseModel]
) -> tuple[list[str], type[BaseModel]]:
    """The user's keys in a location, which also names the classes that pydantic chose, and the innermost section."""
    keys: list[str] = []
    section, choices = model, dict[str, type[BaseModel]]()
    for part in map(str, location):
        if part in choices:
            section, choices = choices[part], {}
        elif part != "[key]":
            keys.append(part)
            field = section.model_fields.get(part)
            choices = (
                {kind.__name__: kind for kind in _sections_in(field.annotation)} if field else {}
            )
            if len(choices) == 1:
                section = next(iter(choices.values()))
    return keys, section


def _sections_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [kind for part in typing.get_args(annotation) for kind in _sections_in(part)]
