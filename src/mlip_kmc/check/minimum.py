"""State 0: what minimising the structure comes to, as the run itself does it."""

from pathlib import Path

from ase import Atoms

from mlip_kmc.akmc.start import prepare_start
from mlip_kmc.check.findings import Finding, Level, Value
from mlip_kmc.model.records import Minimised
from mlip_kmc.potential import Potential

SOFT_EV_PER_A2 = 0.05
"""Bulk metals have 0.1 and more; below this two states may be one, and a harmonic prefactor means little."""
PRESSURE_GPA = 1.0
"""A cell so far from its own volume shifts barriers by some 10 meV (volumes of activation of 10 A^3)."""
MOVED_A = 0.5


def minimum(
    atoms: Atoms, potential: Potential, *, evidence: Path, allow_unknown_stability: bool = False
) -> tuple[list[Finding], tuple[Atoms, Minimised]]:
    """Minimise the structure and judge the report.

    Raises:
        StructureError: it is no start for a run. PotentialError: it cannot be evaluated.
    """
    relaxed, report = prepare_start(
        atoms, potential, evidence=evidence, allow_unknown_stability=allow_unknown_stability
    )
    return findings_of(report), (relaxed, report)


def findings_of(report: Minimised) -> list[Finding]:
    """The report's three lines: how far, under what pressure, how stable."""
    far = not report.largest_displacement_A <= MOVED_A
    squeezed = not abs(report.pressure_GPa) <= PRESSURE_GPA
    return [
        Finding(
            "minimum",
            Level.WARN if far else Level.OK,
            f"{report.energy:.6f} eV, {report.energy_drop:.4f} eV below the given structure; atoms move up to "
            f"{report.largest_displacement_A:.3f} A; largest force {report.largest_force_eV_per_A:.1e} eV/A",
            advice="far: look whether it is still the state that you mean" if far else "",
            values={
                "energy_eV": report.energy,
                "energy_drop_eV": report.energy_drop,
                "largest_displacement_A": report.largest_displacement_A,
                "largest_force_eV_per_A": report.largest_force_eV_per_A,
                "force_calls": report.force_calls,
            },
        ),
        Finding(
            "pressure",
            Level.WARN if squeezed else Level.OK,
            f"{report.pressure_GPa:+.3f} GPa left; the cell stays as it is",
            advice="relax the cell under this potential, unless it is meant so" if squeezed else "",
            values={"pressure_GPa": report.pressure_GPa},
        ),
        _stability(report.lowest_eigenvalue_eV_per_A2),
    ]


def _stability(lowest: float | None) -> Finding:
    values: dict[str, Value] = {"lowest_eigenvalue_eV_per_A2": lowest}
    if lowest is None:
        return Finding(
            "stability",
            Level.WARN,
            "it is unknown whether it is a minimum, which "
            "structure.allow_unknown_stability lets pass",
            advice="rates out of a saddle have no meaning",
            values=values,
        )
    soft = not lowest >= SOFT_EV_PER_A2
    return Finding(
        "stability",
        Level.WARN if soft else Level.OK,
        f"lowest Hessian eigenvalue {lowest:.4f} eV/A^2: a minimum",
        advice=f"soft (below {SOFT_EV_PER_A2:g}): states may be hard to tell apart" if soft else "",
        values=values,
    )
