"""Epochs of a run: the potential and the physical settings with which its records were made.

Example:
    epoch = Epoch.of({"seed": 1, "potential.eon": "morse_pt", "structure": "ab12..."}, inputs={})
    epoch.potential, epoch.physics, epoch.identity        # digests, 64 hex digits each

A search, an event and a process carry the number of their epoch: its index in the sequence that the run's store holds. The
temperature is not part of an epoch: it changes rates only, and each event has its own.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

_POTENTIAL = "potential."


@dataclass(frozen=True)
class Epoch:
    """The part of a run that was made with one potential and one set of physical settings.

    Attributes:
        number: number of the epoch, from 0.
        potential: digest of the facts whose key begins with `potential.`: files by content, evaluator, baseline, ...
        physics: digest of the other facts: the configuration's physics and the given structure.
        identity: digest of all facts. A start continues the run only if it is the same.
        facts: all settings that determine the trajectory, by dotted key.
        inputs: names and digests of the files: `structure_file`, `potential_file`, `potential_sha256`; of an ASE calculator
            `calculator`, `calculator_file`, `calculator_sha256` and the user's own folders, `python_path`.
        first_step: number of KMC steps before this epoch.
        first_search: number of searches registered before this epoch.
    """

    number: int
    potential: str
    physics: str
    identity: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    first_step: int = 0
    first_search: int = 0

    @classmethod
    def of(
        cls,
        facts: Mapping[str, Any],
        *,
        inputs: Mapping[str, str],
        number: int = 0,
        first_step: int = 0,
        first_search: int = 0,
    ) -> Self:
        """The epoch of these facts.

        Args:
            facts: JSON values, by dotted key.
            inputs: see `Epoch`.
            number: see `Epoch`.
            first_step: see `Epoch`.
            first_search: see `Epoch`.
        """
        return cls(
            number=number,
            potential=identity_of(
                {key: value for key, value in facts.items() if key.startswith(_POTENTIAL)}
            ),
            physics=identity_of(
                {key: value for key, value in facts.items() if not key.startswith(_POTENTIAL)}
            ),
            identity=identity_of(facts),
            facts=dict(facts),
            inputs=dict(inputs),
            first_step=first_step,
            first_search=first_search,
        )


def identity_of(facts: Mapping[str, Any]) -> str:
    """Digest of facts: the same for the same trajectory."""
    return hashlib.sha256(json.dumps(dict(facts), sort_keys=True).encode()).hexdigest()


def potential_epochs(epochs: Sequence[Epoch]) -> dict[int, int]:
    """By its number, each epoch's first of those in a row with the same potential: what was found since then holds.

    An epoch that differs by who searches alone begins nothing anew.
    """
    found: dict[int, int] = {}
    for before, epoch in zip([None, *epochs], epochs, strict=False):
        same = before is not None and before.potential == epoch.potential
        found[epoch.number] = found[before.number] if before is not None and same else epoch.number
    return found
