"""What a reader notes on a structure: the file it is of, the words of its keys, and what the file says that is not used.

The notes are entries of `Atoms.info` with names of our own, which no program writes into files.
"""

from dataclasses import dataclass

from ase import Atoms

FILE = "mlip_kmc.file"
"""The file's name, for messages."""
KEYS = "mlip_kmc.keys"
"""Keys of an extended XYZ's comment line, as text."""
UNUSED = "mlip_kmc.unused"


@dataclass(frozen=True)
class Unused:
    """What a structure file says that is not used.

    Attributes:
        names: of columns, keys, and sections.
        doubtful: those of them that may say which atoms are fixed.
    """

    names: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Is there anything?"""
        return bool(self.names)

    def __str__(self) -> str:
        """One line for people, empty where all is used; with what to do where something may fix atoms."""
        told = (
            f"the structure's file has sections, columns or keys that are not used: {', '.join(self.names)}"
            if self.names
            else ""
        )
        return "; ".join(part for part in (told, self.advice) if part)

    @property
    def advice(self) -> str:
        """What to do about those that may fix atoms."""
        if not self.doubtful:
            return ""
        return (
            f"if {', '.join(self.doubtful)} says which atoms are fixed, name that column move_mask (T moves, F is fixed) or "
            "set FixAtoms"
        )


def unused_in(atoms: Atoms) -> Unused:
    """What the file of a structure says that is not used."""
    found = atoms.info.get(UNUSED)
    return found if isinstance(found, Unused) else Unused()
