"""A search's outcome as bytes that wait on a disk, and back: every bit of every number is kept.

    path.write_bytes(to_bytes(outcome))
    from_bytes(path.read_bytes())           # the same outcome; None where the bytes are of another format

JSON after a line with its sha256. Arrays are base64 of little-endian float64; frames are texts of `model/frames.py`.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from mlip_kmc.evaluate.client import End
from mlip_kmc.ground.errors import StructureError
from mlip_kmc.ground.files import sealed, unsealed
from mlip_kmc.model.frames import from_text, to_text
from mlip_kmc.model.records import Grown, HaltKind, Rated
from mlip_kmc.search.outcome import (
    Array,
    Beyond,
    ForceCalls,
    FoundProcess,
    Graded,
    KnownSaddle,
    SearchOutcome,
    Termination,
)

FORMAT = 2
"""1 was the texts of eOn's client."""
_AT_HAND = "_bytes"
_ARRAYS = ("reactant_A", "saddle_A", "product_A", "mode")


class DamagedOutcomeError(Exception):
    """The bytes were written as an outcome, and are none any more."""


def with_bytes(outcome: SearchOutcome) -> SearchOutcome:
    """The same outcome with its bytes at hand: they travel along with it, and `to_bytes` does not make them again.

    So they are made where the search ran, and not by the one process that all outcomes come to.
    """
    outcome.__dict__[_AT_HAND] = to_bytes(outcome)  # no field: `replace` makes one without
    return outcome


def to_bytes(outcome: SearchOutcome) -> bytes:
    """The outcome as bytes of its own format."""
    at_hand: bytes | None = outcome.__dict__.get(_AT_HAND)
    return _made(outcome) if at_hand is None else at_hand


def _made(outcome: SearchOutcome) -> bytes:
    body = {
        **{entry.name: getattr(outcome, entry.name) for entry in fields(outcome)},
        "format": FORMAT,
        "force_calls": asdict(outcome.force_calls),
        "found": None if outcome.found is None else _of_found(outcome.found),
        "graded": {
            **{entry.name: getattr(outcome.graded, entry.name) for entry in fields(Graded)},
            "frames": [to_text(frame) for frame in outcome.graded.frames],
        },
        "rated": None if outcome.rated is None else asdict(outcome.rated),
        "known": None if outcome.known is None else asdict(outcome.known),
        "beyond": None if outcome.beyond is None else asdict(outcome.beyond),
        "images": [_of_found(image) for image in outcome.images],
    }
    return sealed(json.dumps(body).encode())


def from_bytes(data: bytes) -> SearchOutcome | None:
    """The outcome of `to_bytes`; None where it is of another format, as another version wrote it.

    Raises:
        DamagedOutcomeError: the bytes are torn, or a bit of them has changed.
    """
    text = unsealed(data)
    if text is None:
        raise DamagedOutcomeError("its checksum does not fit")
    try:
        body = json.loads(text)
        if body.pop("format", 1) != FORMAT:
            return None
        return _outcome(body)
    except (ValueError, KeyError, TypeError, AttributeError, StructureError) as error:
        raise DamagedOutcomeError(f"it is no outcome of a search: {error}") from error


def _outcome(body: Mapping[str, Any]) -> SearchOutcome:
    graded, rated, found = body["graded"], body["rated"], body["found"]
    known, beyond = body.get("known"), body.get("beyond")  # what waited before had none
    return SearchOutcome(
        **{
            **body,
            "end": End(body["end"]),
            "termination": None
            if body["termination"] is None
            else Termination(body["termination"]),
            "force_calls": ForceCalls(**body["force_calls"]),
            "found": None if found is None else _found(found),
            "graded": _graded(graded),
            "rated": None if rated is None else Rated(**rated),
            "known": None if known is None else KnownSaddle(**known),
            "beyond": None if beyond is None else Beyond(**beyond),
            "grown": tuple(map(Grown, body.get("grown", ()))),
            "images": tuple(map(_found, body.get("images", ()))),
        }
    )


def _graded(body: Mapping[str, Any]) -> Graded:
    return Graded(
        **{
            **body,
            "frames": tuple(map(from_text, body["frames"])),
            "halt_kind": HaltKind.of(body.get("halt_kind", "")),  # what waited before had none
        }
    )


def _of_found(found: FoundProcess) -> dict[str, Any]:
    values = {entry.name: getattr(found, entry.name) for entry in fields(found)}
    arrays = {name: _of_array(values[name]) for name in _ARRAYS}
    return {**values, **arrays, "provenance": dict(found.provenance)}


def _found(body: Mapping[str, Any]) -> FoundProcess:
    found = FoundProcess(**{**body, **{name: _array(body[name]) for name in _ARRAYS}})
    shapes = {getattr(found, name).shape for name in _ARRAYS}
    if len(shapes) != 1:
        raise ValueError(f"arrays of the shapes {sorted(shapes)}")
    return found


def _of_array(array: Array) -> str:
    return base64.b64encode(np.ascontiguousarray(array, dtype="<f8").tobytes()).decode("ascii")


def _array(text: str) -> Array:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("an array that is no base64") from error
    return np.frombuffer(data, dtype="<f8").reshape(-1, 3).astype(np.float64)
