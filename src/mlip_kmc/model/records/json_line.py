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
        raw = json.loads(line)
        return cls(**{entry.name: raw[entry.name] for entry in fields(cls) if entry.name in raw})  # type: ignore[arg-type]


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(entry.name for entry in fields(kind))


def read_lines(path: Path, kind: type[Any]) -> list[Any]:
    """All records of a `.jsonl` file; none where it is missing."""
    if not path.is_file():
        return []
    return [kind.from_json(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
