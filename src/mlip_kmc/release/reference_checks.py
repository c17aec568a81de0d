"""Checks of the gate that compare values of the potential with published reference values.

Example:
    checks = reference_checks(
        settings.references, calculator=calculator, elements=("Cu",), cutoff_A=5.0, lowest_barrier_eV={0: 0.69}
    )

A value without a reference is reported as not tested.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

from ase.symbols import string2symbols

from mlip_kmc.ground.errors import MlipKmcError
from mlip_kmc.release.crystal import CubicCrystal, ElasticConstants
from mlip_kmc.release.gate import Check, measured, not_tested
from mlip_kmc.release.settings import Reference, References

_NO_REFERENCE = "the settings have no reference value of it"
_KINDS = {
    "lattice-constant": ("lattice_constant_A", "A", "lattice constant"),
    "c11": ("C11_GPa", "GPa", "elastic constant C11"),
    "c12": ("C12_GPa", "GPa", "elastic constant C12"),
    "c44": ("C44_GPa", "GPa", "elastic constant C44"),
    "vacancy": ("vacancy_formation_eV", "eV", "vacancy formation energy"),
}
"""Check: the reference's key, its unit, what it is."""


class _Values:
    """The potential's values, each computed when it is asked for, and once."""

    def __init__(
        self, references: References, calculator: Any, elements: tuple[str, ...], cutoff_A: float
    ) -> None:
        self._references, self._calculator, self._elements, self._cutoff_A = (
            references,
            calculator,
            elements,
            cutoff_A,
        )

    @cached_property
    def crystal(self) -> CubicCrystal:
        if self._references.crystal is None:
            raise ValueError("the settings name no crystal (release.references.crystal)")
        unknown = set(string2symbols(self._references.crystal.formula)) - set(self._elements)
        if unknown:
            raise ValueError(
                f"the potential does not know {', '.join(sorted(unknown))} of release.references.crystal"
            )
        return CubicCrystal.relaxed(self._references.crystal, self._calculator)

    @cached_property
    def elastic(self) -> ElasticConstants:
        return self.crystal.elastic_GPa()

    def of(self, name: str) -> float:
        if name == "lattice-constant":
            return self.crystal.a_A
        if name == "vacancy":
            if len(set(self.crystal.atoms.get_chemical_symbols())) > 1:
                raise ValueError(
                    "a compound's vacancy needs chemical potentials, which are not known"
                )
            return self.crystal.vacancy_eV(cutoff_A=self._cutoff_A)
        return {"c11": self.elastic.C11, "c12": self.elastic.C12, "c44": self.elastic.C44}[name]


def reference_checks(
    references: References,
    *,
    calculator: Any,
    elements: tuple[str, ...],
    cutoff_A: float,
    lowest_barrier_eV: Mapping[int, float],
) -> Iterator[Check]:
    """A check for each kind of reference; its number is the distance from the reference.

    Args:
        references: the settings'.
        calculator: an ASE calculator with stress.
        elements: that it knows.
        cutoff_A: of the potential.
        lowest_barrier_eV: of each state of the run that has a process.
    """
    values = _Values(references, calculator, elements, cutoff_A)
    for name, (key, unit, what) in _KINDS.items():
        wanted: Reference | None = getattr(references, key)
        yield _compared(name, what, wanted, unit, lambda name=name: values.of(name))  # type: ignore[misc]
    barrier = references.barrier_eV
    state = barrier.state if barrier else 0

    def lowest() -> float:
        if state not in lowest_barrier_eV:
            others = ", ".join(map(str, sorted(lowest_barrier_eV)[:8])) or "none"
            raise ValueError(
                f"the run knows no process of state {state} under its present potential; of these states it does: {others} "
                "(references.barrier_eV.state)"
            )
        return lowest_barrier_eV[state]

    yield _compared("barrier", f"lowest barrier of state {state} of the run", barrier, "eV", lowest)


def _compared(
    name: str, what: str, wanted: Reference | None, unit: str, value: Callable[[], float]
) -> Check:
    if wanted is None:
        return not_tested(name, about=what, why=_NO_REFERENCE)
    try:
        found = value()
    except (
        MlipKmcError,
        ValueError,
        RuntimeError,
    ) as error:  # ASE's own, of a lattice that a formula has not
        return not_tested(name, about=what, why=str(error))
    check = measured(
        name,
        abs(found - wanted.value),
        limit=wanted.tolerance,
        unit=unit,
        source=wanted.source,
        about=what,
        detail=f"{found:.4g} {unit}, reference {wanted.value:g} {unit}",
    )
    return check.model_copy(
        update={
            "value": float(f"{found:.5g}") if math.isfinite(found) else None,
            "reference": wanted.value,
        }
    )
