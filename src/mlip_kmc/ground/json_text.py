"""JSON read strictly, so that nothing in it is overwritten or taken for something else in silence.

Example:
    raw = read_json(b'{"version": "1.0.0"}')

RFC 8259 leaves open what a name given twice means, and Python's reader takes the last one and three words that are no JSON: a
text that two programs read differently is none that can be signed.
"""

import json
from typing import Any, NoReturn


class JsonError(ValueError):
    """Why a text is no JSON that has one meaning: one line."""


def read_json(data: bytes) -> Any:
    """The value of a text in UTF-8.

    Raises:
        JsonError: it is not JSON, has a name twice in one object, or a number that is not finite.
    """
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
        )
    except JsonError:
        raise
    except (ValueError, RecursionError) as error:
        raise JsonError("it is not JSON") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise JsonError(f"the key {twice[:60]!a} is there twice in one object")
    return found


def _constant(word: str) -> NoReturn:
    raise JsonError(f"{word} is no number of JSON")


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise JsonError(f"the number {text[:30]} is too large")
    return value
