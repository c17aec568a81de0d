"""The page's figures: each a wide and a narrow drawing, a legend, a caption, and its data.

    for figure in (energy(events, states), barriers(numbers)):
        figure.title, figure.drawings, figure.caption, figure.link.href

None where there is nothing to draw. What is too much to draw is thinned or left out, and the caption says so. `trajectory` draws
what the run did in time, `network` its states and the steps between them, `landscape`
the energies at which saddles join them, `processes` the barriers, `rates`
what they are at other temperatures, `searches` the searches.
"""

from mlip_kmc.report.figures.figure import Figure
from mlip_kmc.report.figures.landscape import landscape
from mlip_kmc.report.figures.moves import moves
from mlip_kmc.report.figures.network import network
from mlip_kmc.report.figures.path import is_flat, path
from mlip_kmc.report.figures.processes import barriers
from mlip_kmc.report.figures.rates import rates
from mlip_kmc.report.figures.searches import confidence, outcomes
from mlip_kmc.report.figures.trajectory import displacement, displacement_key, energy

__all__ = [
    "Figure",
    "barriers",
    "confidence",
    "displacement",
    "displacement_key",
    "energy",
    "is_flat",
    "landscape",
    "moves",
    "network",
    "outcomes",
    "path",
    "rates",
]
