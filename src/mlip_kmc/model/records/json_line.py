"""Records as lines of JSON.

record.to_json()
read_lines(run / "journal" / "events.jsonl", Event)
"""

import json
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import Any, Self

from mlip_kmc.ground.errors import RunStateError


class JsonLine:
    """To and from one line of JSON, exact for floats."""

    def to_json(self) -> str:
        """One line of JSON.

        Raises:
            RunStateError: a number in it is not finite: JSON has no word for it, and nothing may go on from it.
        """
        kind: Any = type(self)
        values = {name: getattr(self, name) for name in _names(kind)}
        try:
            return json.dumps(values, separators=(",", ":"), allow_nan=False, default=asdict)
        except ValueError as error:
            raise RunStateError(
                f"a number of this {type(self).__name__} is not finite, and it is not written down: {values}"
            ) from error

    @classmethod
    def from_json(cls, line: str) -> Self:
        """The record of one line; keys of newer versions are ignored."""
        kind: Any = cls
        raw = cls._values(json.loads(line))
        return cls(**{name: raw[name] for name in _names(kind) if name in raw})

    @staticmethod
    def _values(raw: dict[str, Any]) -> dict[str, Any]:
        """The record's values in place of those that JSON has no types for."""
        return raw


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(entry.name for entry in fields(kind))


def read_lines(path: Path, kind: type[Any]) -> list[Any]:
    """All records of a `.jsonl` file; none where it is missing."""
    if not path.is_file():
        return []
    return [kind.from_json(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
