"""What pydantic found wrong, in the user's words: one line for each thing.

    explain(error, Config)       # ["'temperature_K' is missing", "unknown key 'serach'; did you mean 'search'?"]
"""

import typing
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from mlip_kmc.schema import closest

_LONGEST_SHOWN = 60
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
_WORDS |= dict.fromkeys(("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "must be a whole number")
_WORDS |= dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false")
_WORDS |= dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), "must be a section of keys")


def explain(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line for each thing that is wrong in what was validated as `model`."""
    lines = [_line(problem, model) for problem in error.errors(include_url=False)]
    return list(dict.fromkeys(lines))


def shown(value: object) -> str:
    """A value on one line, shortened."""
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."


def _line(problem: Mapping[str, Any], model: type[BaseModel]) -> str:
    keys, section = _walk(problem["loc"], model)
    where = repr(".".join(keys))
    if problem["type"] in ("extra_forbidden", "invalid_key"):
        known = list(section.model_fields)
        listed = "known here: " + ", ".join(known)
        return f"unknown key {where}; {closest(keys[-1], known, listed)}"
    if problem["type"] == "missing":
        return f"{where} is missing"
    context, given = problem.get("ctx", {}), problem.get("input")
    if problem["type"] == "value_error":
        said = str(context.get("error", "is not valid"))
        return said if not keys or said.startswith(("eOn", "eon.")) else f"{where}: {said}"
    words = problem["msg"] if problem["type"].startswith("mlip_kmc") else _WORDS.get(problem["type"], "is not valid")
    seen = f" (it is {shown(given)})" if isinstance(given, str | int | float | bool) else ""
    return f"{where}: {words.format_map(context)}{seen}"


def _walk(location: tuple[int | str, ...], model: type[BaseModel]) -> tuple[list[str], type[BaseModel]]:
    """The user's keys in a location, which also names the classes that pydantic chose, and the innermost section."""
    keys: list[str] = []
    section, choices = model, dict[str, type[BaseModel]]()
    for part in map(str, location):
        if part in choices:
            section, choices = choices[part], {}
        elif part != "[key]":
            keys.append(part)
            field = section.model_fields.get(part)
            choices = {kind.__name__: kind for kind in _sections_in(field.annotation)} if field else {}
            if len(choices) == 1:
                section = next(iter(choices.values()))
    return keys, section


def _sections_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [kind for part in typing.get_args(annotation) for kind in _sections_in(part)]
