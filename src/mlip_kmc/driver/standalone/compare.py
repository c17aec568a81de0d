"""Does the B-basis, which tells gamma, give the numbers of the `.yace`? The limits are mlip_kmc.evaluate.agreement's too."""

from collections.abc import Callable

from .basics import UNUSABLE, Answer, DriverError, Structure

SAME_EV_PER_ATOM, SAME_EV_PER_A = 1e-6, 1e-5
"""Evaluators of the same potential agree to 1e-11 eV an atom and 1e-9 eV/A; a coefficient's fifth digit makes more than this."""
RATTLE_A = 0.05


def compare(
    graded: "Callable[[Structure], Answer]",
    plain: "Callable[[Structure], Answer]",
    structure: Structure,
) -> None:
    """Refuse a B-basis that is not the `.yace`'s, by the first structure and it rattled."""
    from random import Random

    draw = Random(7)  # noqa: S311 - the same every time
    rattled = Structure(
        structure.cell,
        structure.numbers,
        [place + draw.gauss(0.0, RATTLE_A) for place in structure.positions],
        structure.aloof,
    )
    for probe in (structure, rattled):
        one, other = graded(probe), plain(probe)
        energy = abs(one.energy - other.energy) / len(probe)
        differences = [
            abs(mine - theirs) for mine, theirs in zip(one.forces, other.forces, strict=True)
        ]
        if not (
            energy <= SAME_EV_PER_ATOM
            and all(difference <= SAME_EV_PER_A for difference in differences)
        ):
            raise DriverError(
                UNUSABLE,
                f"the B-basis gives {one.energy:.6f} eV where the potential gives {other.energy:.6f} eV, "
                f"and forces that differ by {max(differences):.1e} eV/A: they do not belong together; "
                "give the .yaml that the .yace was made from",
            )
