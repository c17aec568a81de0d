"""Confidences of a run's states from its journals: after each search, and now, through changes of temperature and potential.

Example:
    curves = curves_of(view.states, view.searches, view.settings, view.starts, epoch=view.since)
    curves[0].values[-1], curves[0].now
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mlip_kmc.ground.constants import EON_KELVIN_PER_EV
from mlip_kmc.model.records import SearchRecord, Start, StateRecord
from mlip_kmc.report.confidence import Tally, tallies_of
from mlip_kmc.store.view import RunSettings


@dataclass(frozen=True)
class Curve:
    """A state's confidence after each of its searches, and now.

    Attributes:
        values: one a search of the present potential. now: 0 where a change of temperature came after the last one.
        tally: what is counted now; None where nothing is.
    """

    values: tuple[float, ...]
    now: float
    tally: Tally | None = None


def curves_of(
    states: Sequence[StateRecord],
    searches: Sequence[SearchRecord],
    settings: RunSettings,
    starts: Sequence[Start],
    *,
    epoch: int,
) -> dict[int, Curve]:
    """By state, in an epoch; none at all where it is not known which searches came before a change of temperature."""
    changes = [
        (after.searches, after.temperature_K)
        for before, after in pairwise(starts)
        if after.temperature_K != before.temperature_K
    ]
    if any(count is None for count, _ in changes):
        return {}
    first_K = starts[0].temperature_K if starts else settings.temperature_K
    found: dict[int, Curve] = {}
    for state in states:
        every = [index for index, one in enumerate(searches) if one.state == state.number]
        places = [index for index in every if searches[index].epoch >= epoch]
        if not places:
            if every:  # another potential starts every confidence from zero
                found[state.number] = Curve((), now=0.0)
            continue
        windows = {
            bisect_left(places, count): thermal(settings, temperature_K)[1]
            for count, temperature_K in changes
            if count is not None
        }
        tallies = tallies_of(
            [searches[index] for index in places],
            state.processes,
            window_eV=thermal(settings, first_K)[1],
            windows_eV=windows,
        )
        values, last = _values(tallies, settings.confidence_scheme)
        changed = len(places) in windows
        found[state.number] = Curve(
            values, now=0.0 if changed else values[-1], tally=None if changed else last
        )
    return found


def _values(tallies: Iterable[Tally], scheme: str) -> tuple[tuple[float, ...], Tally | None]:
    """The confidences, and the last tally: all of them together could be large."""
    values, last = [], None
    for tally in tallies:
        values.append(tally.value(scheme))
        last = tally
    return tuple(values), last


def thermal(settings: RunSettings, temperature_K: float | None) -> tuple[float | None, float]:
    """kT in eV, and how far above the lowest barrier the rate table reaches, in eV: endless where either is not set."""
    kT = temperature_K / EON_KELVIN_PER_EV if temperature_K else None
    if kT and settings.thermal_window_kT:
        return kT, settings.thermal_window_kT * kT
    return kT, float("inf")
