"""One of eOn's built-in potentials, named; for checks against eOn's published values."""

from dataclasses import dataclass
from pathlib import Path

from mlip_kmc.config import GammaSection
from mlip_kmc.errors import PotentialError

# eOn potentials that need no files, no other program and no licence of their own
_USABLE = ("eam_al", "edip", "emt", "fehe", "lenosky_Si", "lj", "ljcluster", "morse_pt", "sw_si", "tersoff_si", "tip4p",
           "tip4p_h", "spce")


@dataclass(frozen=True)
class BuiltinPotential:
    """A built-in potential of eOn; eOn knows its parameters."""

    eon_name: str
    elements: tuple[str, ...] | None = None
    cutoff_A: float | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def named(cls, name: str) -> "BuiltinPotential":
        """The built-in of that name.

        Raises:
            PotentialError: eOn has no such built-in.
        """
        if name not in _USABLE:
            raise PotentialError(f"eOn has no built-in potential '{name}'; it has {', '.join(_USABLE)}")
        return cls(eon_name=name)

    def facts(self) -> dict[str, str | None]:
        """What decides its numbers, by dotted key."""
        return {"potential.eon": self.eon_name}

    def job_files(self, species: tuple[str, ...], *, gamma: GammaSection | None = None) -> dict[str, str]:  # noqa: ARG002 - as AcePotential's
        """Text files that a search directory needs: none."""
        return {}

    def job_links(self) -> dict[str, Path]:
        """Files that a search directory links: none."""
        return {}
