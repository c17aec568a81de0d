"""Which oracle labels are of, noted beside them; energies of two are never mixed.

note_oracle(folder, oracle=desk.oracle, zero_eV={"Cu": 3.51})          # oracle.json
other_than(folder, oracle=desk.oracle, zero_eV={"Cu": 3.51})           # (), or names of what differs, as ('settings.cutoff_eV',)
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.ground.files import write_durably
from mlip_kmc.learning.labels.oracle import Oracle

FACTS = "oracle.json"
_ZERO = "zero_eV"


def note_oracle(folder: Path, *, oracle: Oracle, zero_eV: Mapping[str, float]) -> None:
    """Write down what labels of a folder are of; the same again changes nothing.

    Raises:
        StorageError: it could not be made durable.
    """
    facts = {**oracle.facts(), _ZERO: _zero(zero_eV), "digest": oracle.digest}
    text = f"{json.dumps(facts, indent=1, sort_keys=True)}\n".encode()
    path = folder / FACTS
    if not path.is_file() or path.read_bytes() != text:
        write_durably(path, text)


def other_than(folder: Path, *, oracle: Oracle, zero_eV: Mapping[str, float]) -> tuple[str, ...]:
    """Names of what differs between the oracle of a folder's labels and this one.

    Args:
        folder: of labels; one without a note is of no other oracle.
        oracle: the present one.
        zero_eV: what it takes off for an atom, by element.

    Raises:
        RunStateError: the note is damaged.
    """
    path = folder / FACTS
    if not path.is_file():
        return ()
    try:
        noted = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RunStateError(
            f"{path} is damaged; restore it from a backup: it says which oracle made the labels beside it"
        ) from error
    noted.pop("digest", None)
    present = json.loads(json.dumps({**oracle.facts(), _ZERO: _zero(zero_eV)}))
    noted.setdefault(_ZERO, present[_ZERO])  # earlier versions did not note it
    return tuple(sorted(_differences(noted, present)))


def _zero(zero_eV: Mapping[str, float]) -> dict[str, float]:
    return {symbol: float(value) for symbol, value in sorted(zero_eV.items()) if value}


def _differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    for key in one.keys() | other.keys():
        values = (one.get(key), other.get(key))
        if values[0] == values[1]:
            continue
        if all(isinstance(value, dict) for value in values):
            yield from (f"{key}.{name}" for name in _differences(*values))  # type: ignore[arg-type]
        else:
            yield key
