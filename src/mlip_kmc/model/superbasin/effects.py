"""What hops do to the atoms: each permutes their indices and adds to their images; stacks of such effects are multiplied.

Example:
    both = first.then(second)                      # one after the other, K pairs at once
    many = powers(stack, times, rng)               # products of as many random members as `times` says

Effects do not commute: three hops of a vacancy around a triangle permute atoms, and in another order they permute others.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
Array = npt.NDArray[np.float64]

_CHUNK = 4_000_000
"""Numbers in one stack of a long product."""


@dataclass(frozen=True)
class Effects:
    """K effects on M atoms.

    Attributes:
        mapping: (K, M) index after it, by index before it.
        images: (K, M, 3) whole cell vectors by which the atom with that index before it moves on.
    """

    mapping: Indices
    images: Indices

    @classmethod
    def none(cls, *, count: int, atoms: int) -> "Effects":
        """So many that change nothing."""
        return cls(
            mapping=np.tile(np.arange(atoms, dtype=np.int64), (count, 1)),
            images=np.zeros((count, atoms, 3), dtype=np.int64),
        )

    def __len__(self) -> int:
        return len(self.mapping)

    def __getitem__(self, which: Indices | slice) -> "Effects":
        return Effects(mapping=self.mapping[which], images=self.images[which])

    def then(self, other: "Effects") -> "Effects":
        """Each of these, followed by its partner."""
        each = np.arange(len(self))[:, None], self.mapping
        return Effects(mapping=other.mapping[each], images=self.images + other.images[each])

    def back(self) -> "Effects":
        """What undoes each."""
        mapping, each = np.empty_like(self.mapping), np.arange(len(self))[:, None]
        mapping[each, self.mapping] = np.arange(self.mapping.shape[1])
        return Effects(mapping=mapping, images=-self.images[each, mapping])

    def where(self, choice: npt.NDArray[np.bool_], other: "Effects") -> "Effects":
        """These where `choice` (K,) is true, the other ones elsewhere."""
        return Effects(
            mapping=np.where(choice[:, None], self.mapping, other.mapping),
            images=np.where(choice[:, None, None], self.images, other.images),
        )

    @property
    def changing(self) -> npt.NDArray[np.bool_]:
        """(K,) whether each changes anything."""
        moved = (self.mapping != np.arange(self.mapping.shape[1])).any(axis=1)
        return np.asarray(moved | self.images.any(axis=(1, 2)))

    @property
    def atoms(self) -> Indices:
        """Indices of the atoms that any of them changes; they are permuted among each other."""
        moved = (self.mapping != np.arange(self.mapping.shape[1])).any(axis=0)
        return np.flatnonzero(moved | self.images.any(axis=(0, 2)))

    def of(self, atoms: Indices) -> "Effects":
        """The same on those atoms alone, which must be permuted among each other."""
        place = np.full(self.mapping.shape[1], -1)
        place[atoms] = np.arange(len(atoms))
        return Effects(mapping=place[self.mapping[:, atoms]], images=self.images[:, atoms])

    def among(self, atoms: Indices, *, count: int) -> "Effects":
        """Effects on `atoms` as effects on `count` atoms, the others unchanged."""
        whole = Effects.none(count=len(self), atoms=count)
        whole.mapping[:, atoms], whole.images[:, atoms] = atoms[self.mapping], self.images
        return whole


def product(effects: Effects, sequence: Indices) -> Effects:
    """One effect: those that `sequence` (L,) names by their index, in its order."""
    atoms = effects.mapping.shape[1]
    chunk = max(_CHUNK // max(4 * atoms, 1), 2)
    whole = Effects.none(count=1, atoms=atoms)
    for begin in range(0, len(sequence), chunk):
        part = effects[sequence[begin : begin + chunk]]
        while len(part) > 1:
            odd = part[len(part) - 1 :] if len(part) % 2 else None
            part = part[slice(0, len(part) - len(part) % 2, 2)].then(part[slice(1, None, 2)])
            if odd is not None:
                part = Effects(
                    mapping=np.concatenate([part.mapping, odd.mapping]),
                    images=np.concatenate([part.images, odd.images]),
                )
        whole = whole.then(part)
    return whole


def powers(effects: Effects, times: Array, rng: np.random.Generator) -> Effects:
    """For each of `times` (K,) the product of so many effects, each drawn from the K given ones or from their inverses.

    Effects of loops at one state are given; detailed balance makes a loop and its inverse equally likely, so a law that the given
    ones stand for is symmetric, and no drift comes from there being only K of them. Products are made by doubling: those of
    2^(b+1) from pairs of those of 2^b. For one set of given effects the mean square of what comes of it has a relative standard
    deviation of about sqrt(2 b / K); over independent sets it is right.
    """
    count, left = len(effects), np.asarray(times, dtype=np.float64).copy()
    whole = Effects.none(count=count, atoms=effects.mapping.shape[1])
    power = effects
    while left.any():
        odd = np.fmod(left, 2.0) == 1.0
        if odd.any():
            whole = whole.where(~odd, whole.then(_either(power, rng)))
        left = np.floor(left / 2)
        if left.any():
            power = _either(power, rng).then(_either(power, rng))
    return whole


def _either(effects: Effects, rng: np.random.Generator) -> Effects:
    """As many, drawn from them, half of them inverted."""
    drawn = effects[rng.integers(len(effects), size=len(effects))]
    return drawn.where(rng.random(len(drawn)) < 0.5, drawn.back())
