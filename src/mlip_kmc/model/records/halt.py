"""Of which kind a halt is: what to do about it follows from that."""

from enum import StrEnum


class HaltKind(StrEnum):
    """What a search or a run was halted on."""

    EXTRAPOLATION = "extrapolation"
    """Gamma reached `gamma.halt`."""
    TOO_NEAR = "too near"
    """Atoms came nearer than their minimum distance."""
    UNKNOWN = ""
    """Nothing halted it, or an earlier version noted its text only."""

    @classmethod
    def of(cls, noted: str) -> "HaltKind":
        """The kind that a record has; unknown where another version noted one that is not known here."""
        return cls(noted) if noted in tuple(cls) else cls.UNKNOWN
