"""Where atoms went: what is drawn in place of energies where all states have the same."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mlip_kmc.model.records import Event, StateRecord
from mlip_kmc.model.structure import minimum_image
from mlip_kmc.report import words
from mlip_kmc.report.charts import Chart, Scale, goes_to
from mlip_kmc.report.data import table_link
from mlip_kmc.report.figures.figure import Figure, drawings
from mlip_kmc.report.film import Film
from mlip_kmc.report.numbers import FLAT_EV, energies_of

Array = npt.NDArray[np.float64]

_HEIGHT_PX, _MARGINS_PX = 320, (72, 76)
_AXES = "xyz"
_COLUMNS = ("kmc_step", "species", *(f"{end}_{axis}_A" for end in ("from", "to") for axis in _AXES))


def is_flat(events: Sequence[Event], states: Sequence[StateRecord]) -> bool:
    """Whether all states that the run was in have the same energy."""
    energies = energies_of(states)
    visited = [energies.get(number) for number in {0, *(event.product for event in events)}]
    known = [one for one in visited if one is not None]
    return len(known) == len(visited) > 1 and max(known) - min(known) < FLAT_EV


def path(film: Film | None) -> Figure | None:
    """The hops of atoms, seen along the axis in which they reach least far; None where no atom hops."""
    if film is None or not film.hops:
        return None
    hops = film.hops
    ends = _joined(np.array([[hop.start_A, hop.end_A] for hop in hops]), film.cell)
    reach = np.round(np.ptp(ends.reshape(-1, 3), axis=0), 1)
    along = int(2 - np.argmin(reach[::-1]))
    across = [axis for axis in range(3) if axis != along]
    return Figure(
        key="path",
        title="Where atoms went",
        drawings=drawings(
            lambda width: _draw(width, ends[:, :, across], across, [hop.step for hop in hops])
        ),
        legend=(("s2", "the first hop begins"), ("s3", "the last one ends")),
        caption=(
            (
                f"All states have the same energy within {1000 * FLAT_EV:g} meV, so not energies are drawn but the n = "
                f"{words.count(len(hops), 'hop')} of an atom, from where it was to where it went, each in the periodic image "
                f"next to the one before, seen along {_AXES[along]}. "
                "Hops that follow each other make the path of a defect; a vacancy goes against them."
            ),
        ),
        link=table_link(
            "path.csv",
            _COLUMNS,
            (
                (hop.step, hop.species, *np.round(place, 2).ravel().tolist())
                for hop, place in zip(hops, ends, strict=True)
            ),
        ),
    )


def _joined(ends: Array, cell: Array) -> Array:
    """(K, 2, 3) hops, each in the periodic image whose middle is nearest to that of the one before."""
    found = ends.copy()
    for k in range(1, len(found)):
        before, here = found[k - 1].mean(axis=0), found[k].mean(axis=0)
        found[k] += before + minimum_image((here - before)[None], cell)[0] - here
    return found


def _draw(width: int, ends: Array, across: Sequence[int], steps: Sequence[int]) -> str:
    points = ends.reshape(-1, 2)
    low, high = points.min(axis=0) - 1.0, points.max(axis=0) + 1.0
    room = np.array([width - _MARGINS_PX[0], _HEIGHT_PX - _MARGINS_PX[1]])
    scale = float(((high - low) / room).max())  # one for both axes
    middle, half = (low + high) / 2, scale * room / 2
    (left, bottom), (right, top) = (middle - half).tolist(), (middle + half).tolist()
    chart = Chart(
        width=width,
        height=_HEIGHT_PX,
        x=Scale(left, right),
        y=Scale(bottom, top),
        x_label=f"{_AXES[across[0]]} (Å)",
        y_label=f"{_AXES[across[1]]} (Å)",
    )
    pairs = [((a[0], a[1]), (b[0], b[1])) for a, b in ends.tolist()]
    for (start, end), step in zip(pairs, steps, strict=True):
        chart.line([start, end], css="line s1")
        chart.dot(end, css="dot s1", radius=2.5, note=f"KMC step {step}", goes=goes_to(step=step))
    first, last = goes_to(step=0), goes_to(step=steps[-1])
    chart.dot(pairs[0][0], css="dot s2", radius=5, note="the first hop begins", goes=first)
    chart.dot(pairs[-1][1], css="dot s3", radius=5, note="the last hop ends", goes=last)
    return chart.svg(f"{len(pairs)} hops of atoms as lines in a plane.")
