"""What was read from files of a potential, kept by their content: a campaign reads the same ones at each step.

Example:
    outlines = Kept[Outline]()
    outlines.get(digest)                 # None
    outlines.put(digest, outline)
"""

from typing import Generic, TypeVar

T = TypeVar("T")

_MOST = 32


class Kept(Generic[T]):
    """Frozen values by the sha256 of what they were read from; the oldest one goes where there are too many."""

    def __init__(self) -> None:
        """Nothing is kept."""
        self._found: dict[str, T] = {}

    def get(self, digest: str) -> T | None:
        """The value, or None where it is to be read."""
        return self._found.get(digest)

    def put(self, digest: str, value: T) -> T:
        """Keep a value, and return it."""
        while len(self._found) >= _MOST:
            self._found.pop(next(iter(self._found)), None)
        self._found[digest] = value
        return value
