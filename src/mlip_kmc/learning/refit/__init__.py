"""Potentials fitted again: to their training set and labels, or, where that set is not known, corrected.

Example:
    report = refit(present, training=training, labels=labels, section=RefitSection(), directory=Path("gen-001"), name="gen-001")
    report.kind, report.potential.digest, report.lines
"""

from mlip_kmc.learning.refit.anchors import anchors_of
from mlip_kmc.learning.refit.larger import check_larger
from mlip_kmc.learning.refit.refit import refit
from mlip_kmc.learning.refit.report import Fit, FitKind, FitReport, read_fit

__all__ = [
    "Fit",
    "FitKind",
    "FitReport",
    "anchors_of",
    "check_larger",
    "read_fit",
    "refit",
]
