"""What a run is made of, its identity, and how one differs from another.

setup = Setup(facts={"seed": 1, ...}, pos_con=..., config_ini=..., minimised=..., job_files={}, job_links={})
setup.identity                                   # the same for the same trajectory
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlip_kmc.model.records import Minimised, identity_of
from mlip_kmc.search.watch import Watch

_SHOWN = 12


@dataclass(frozen=True)
class Setup:
    """What a run is made of, besides its configuration.

    Attributes:
        facts: everything that decides the trajectory, by dotted key.
        inputs: what the report says of potential and structure: `structure_file`, `potential_file`, `potential_sha256`.
        pos_con: `.con` text of state 0.
        config_ini: eOn's options.
        minimised: the report on state 0.
        job_files, job_links: of every search directory.
        watch: what gamma is watched for; None where it is unknown.
        hessian_files: texts of the directory of a Hessian's job; None where all processes have the same prefactor.
    """

    facts: dict[str, Any]
    inputs: dict[str, str]
    pos_con: str
    config_ini: str
    minimised: Minimised
    job_files: dict[str, str]
    job_links: dict[str, Path]
    watch: Watch | None = None
    hessian_files: dict[str, str] | None = None

    @property
    def identity(self) -> str:
        """Digest of `facts`."""
        return identity_of(self.facts)


def difference(facts: Mapping[str, Any], *, wanted: dict[str, Any]) -> str:
    """How what the present epoch was made of differs from what is wanted now, in words."""
    found = changed(facts, wanted)
    return "; ".join(
        f"{key} was {_shown(old)}, is {_shown(new)}" for key, (old, new) in found.items()
    )


def _shown(value: Any) -> str:
    text = str(value)
    return f"{text[:_SHOWN]}..." if len(text) == 64 else text  # a digest


def changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Settings that differ, by dotted key: (old, new)."""
    return {
        key: (old.get(key), new.get(key))
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    }
