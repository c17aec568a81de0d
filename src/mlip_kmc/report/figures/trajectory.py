"""What the run did in simulated time: the energy of its states, and how far its atoms went."""

import re
from collections.abc import Sequence

from mlip_kmc.model.records import Event, StateRecord, made
from mlip_kmc.report import words
from mlip_kmc.report.charts import Chart, Point, Scale, padded, thinned
from mlip_kmc.report.data import Link, table_link
from mlip_kmc.report.diffusion import SpeciesDiffusion, Trajectory
from mlip_kmc.report.figures.figure import Figure, drawings
from mlip_kmc.report.numbers import energies_of

MOST_POINTS = 1200
_LEAST_ENERGY_RANGE_EV = 0.1
_FEW = 60
_MOST_SPECIES = 4
_NAME_PX = 66
_BASIN = "A step out of a superbasin is drawn as one: inside it the run has no definite state."
_RELABELLED = "Relabelled: the run's state became the same as another under a new potential, which takes no time and is no step."
_EPOCHS = (
    "All energies are those of the present potential, also where steps were made with another; a dotted line is the "
    "beginning of an epoch."
)
_FAR = "Lag times beyond a tenth of the run rest on few independent stretches."


def energy(events: Sequence[Event], states: Sequence[StateRecord]) -> Figure | None:
    """Energy of the occupied state against simulated time."""
    energies = energies_of(states)
    if not events or energies.get(0) is None:
        return None
    reference = energies[0]
    path: list[Point] = [(0.0, 0.0)]
    path += [(event.time_s, energies.get(event.product, reference) - reference) for event in events]
    basins = [
        point for point, event in zip(path[1:], events, strict=True) if event.superbasin is not None
    ]
    steps = len(made(events))
    relabelled = len(events) - steps
    thin = f"Drawn with at most {MOST_POINTS} of {len(path)} points, the extremes of each stretch among them."
    return Figure(
        key="energy",
        title="Energy of states against simulated time",
        drawings=drawings(lambda width: _draw_energy(width, path=path, events=events)),
        legend=(
            ("s1", "occupied state"),
            *((("s2", "step out of a superbasin"),) if basins else ()),
            *((("s3", f"relabelled: {relabelled}"),) if relabelled else ()),
        ),
        caption=(
            (
                f"Potential energy of the state that the run is in, above that of state 0; n = {words.steps(steps)}. All "
                f"structures are minima (largest force in Methods); the axis spans at least {_LEAST_ENERGY_RANGE_EV} eV, so "
                "that differences of round-off do not look like structure."
            ),
            *((_BASIN,) if basins else ()),
            *((_RELABELLED,) if relabelled else ()),
            *((_EPOCHS,) if any(event.epoch for event in events) else ()),
            *((thin,) if len(path) > MOST_POINTS else ()),
        ),
        link=table_link(
            "energy.csv",
            ("step", "time_s", "state", "energy_above_state_0_eV", "epoch", "relabelled"),
            (
                (0, 0.0, 0, 0.0, events[0].epoch, 0),
                *(
                    (step, time, event.product, value, event.epoch, int(event.relabelled))
                    for step, ((time, value), event) in enumerate(
                        zip(path[1:], events, strict=True), start=1
                    )
                ),
            ),
        ),
    )


def _draw_energy(width: int, *, path: Sequence[Point], events: Sequence[Event]) -> str:
    unit_s, unit = words.si_time(path[-1][0])
    low, high = padded([value for _, value in path], least=_LEAST_ENERGY_RANGE_EV)
    basins = [
        point for point, event in zip(path[1:], events, strict=True) if event.superbasin is not None
    ]
    chart = Chart(
        width=width,
        height=280,
        x=Scale(0.0, path[-1][0] / unit_s),
        y=Scale(low, high),
        x_label=f"Simulated time ({unit})",
        y_label="Energy above state 0 (eV)",
    )
    chart.pick_times(path[-1][0])
    chart.steps(
        [(time / unit_s, value) for time, value in thinned(path, MOST_POINTS)], css="line s1"
    )
    if len(path) <= _FEW:
        for event, (time, value) in zip(events, path[1:], strict=True):
            chart.dot(
                (time / unit_s, value),
                css="dot s1",
                note=f"step {event.step + 1}{f', epoch {event.epoch}' if event.epoch else ''}: state "
                f"{event.reactant} to {event.product}, barrier {event.barrier:.3f} eV",
            )
    for time, value in thinned(basins, 200):
        chart.dot((time / unit_s, value), css="dot s2", note="step out of a superbasin")
    _draw_epochs(chart, path, events, unit_s=unit_s)
    return chart.svg(
        f"Step plot: energy of the occupied state above state 0, from {min(v for _, v in path):.3f} to "
        f"{max(v for _, v in path):.3f} eV, over {words.time(path[-1][0])} of simulated time."
    )


def _draw_epochs(
    chart: Chart, path: Sequence[Point], events: Sequence[Event], *, unit_s: float
) -> None:
    """Where the potential changed, and the steps that only relabel the run's state."""
    before, free_px = 0, 0.0
    for index, event in enumerate(events):
        if event.epoch != before:
            at = path[index][0] / unit_s
            chart.line([(at, chart.y.low), (at, chart.y.high)], css="line begin")
            before, place_px = event.epoch, chart.at((at, 0.0))[0]
            late = place_px > chart.width - _NAME_PX
            if place_px - (_NAME_PX if late else 0) >= free_px:
                anchor, dx = ("end", -4) if late else ("start", 4)
                name = f"epoch {event.epoch}"
                chart.text((at, chart.y.high), name, anchor=anchor, dx=dx, dy=10)
                free_px = place_px + (0 if late else _NAME_PX)
        if event.relabelled:
            time, value = path[index + 1]
            note = f"step {event.step + 1}, epoch {event.epoch}: state {event.reactant} became state {event.product}"
            chart.dot((time / unit_s, value), css="dot s3", radius=4, note=note)


def displacement_key(walk: Trajectory, *, of: int) -> str:
    """The key of a temperature's figure; it names the temperature where there are several."""
    if of == 1:
        return "displacement"
    return "-".join(["displacement", *re.findall(r"[.\w]+", walk.name)])


def displacement(found: Sequence[SpeciesDiffusion], walk: Trajectory, *, key: str) -> Figure:
    """Mean squared displacement against lag time at one temperature, for every species."""
    frame = (
        "Fixed atoms hold the frame."
        if walk.anchored
        else f"The centre of mass rests, which makes the values smaller by about 1/N = 1/{len(walk.species)}."
    )
    return Figure(
        key=key,
        title="Mean squared displacement" + (f" at {walk.name}" if walk.name else ""),
        drawings=drawings(lambda width: _draw_displacement(width, found)),
        legend=tuple(
            (f"s{index}", f"{one.species}, sum over {one.atoms} atoms")
            for index, one in enumerate(found[:_MOST_SPECIES], start=1)
        ),
        caption=(
            (
                f"Squared displacement summed over the atoms of a species, averaged over time origins; {len(walk.grid)} "
                f"equal-time samples of one trajectory, n = {words.steps(walk.steps)}, lags up to half of it. {frame}"
            ),
            "No error is drawn: there are too few steps for blocks."
            if not found[0].blocks
            else (
                f"Band: one standard error, jackknife over {found[0].blocks} blocks of time origins. Dashed: 6DNτ with the "
                "tracer value of the table."
            ),
            _FAR,
        ),
        link=_displacement_link(found, name=f"{key}.csv"),
    )


def _displacement_link(found: Sequence[SpeciesDiffusion], *, name: str) -> Link:
    return table_link(
        name,
        ("species", "lag_s", "summed_msd_A2", "error_A2"),
        (
            (one.species, lag, msd, one.msd_error_A2[index] if one.msd_error_A2 else "")
            for one in found
            for index, (lag, msd) in enumerate(zip(one.lags_s, one.msd_A2, strict=True))
        ),
    )


def _draw_displacement(width: int, found: Sequence[SpeciesDiffusion]) -> str:
    longest = found[0].lags_s[-1]
    unit_s, unit = words.si_time(longest)
    highest = max(
        msd + error
        for one in found
        for msd, error in zip(one.msd_A2, one.msd_error_A2 or (0.0,) * len(one.msd_A2), strict=True)
    )
    chart = Chart(
        width=width,
        height=280,
        x=Scale(0.0, longest / unit_s),
        y=Scale(0.0, max(highest, 1e-3) * 1.05),
        x_label=f"Lag time ({unit})",
        y_label="Summed mean squared displacement (Å²)",
    )
    for index, one in enumerate(found[:_MOST_SPECIES], start=1):
        _draw_species(chart, one, mark=f"s{index}", unit_s=unit_s, longest_s=longest)
    return chart.svg(
        "Line plot: mean squared displacement, summed over the atoms of each species, up to "
        + ", ".join(f"{max(one.msd_A2):.3g} Å² ({one.species})" for one in found)
        + f", against lag times up to {words.time(longest)}."
    )


def _draw_species(
    chart: Chart, one: SpeciesDiffusion, *, mark: str, unit_s: float, longest_s: float
) -> None:
    """A species: its band of errors, its line, and the slope of its tracer diffusion coefficient."""
    lags = [0.0, *(lag / unit_s for lag in one.lags_s)]
    values, errors = (0.0, *one.msd_A2), (0.0, *one.msd_error_A2)
    if one.msd_error_A2:
        chart.band(
            [
                (lag, max(0.0, value - error))
                for lag, value, error in zip(lags, values, errors, strict=True)
            ],
            [(lag, value + error) for lag, value, error in zip(lags, values, errors, strict=True)],
            css=f"band {mark}",
        )
    chart.line(list(zip(lags, values, strict=True)), css=f"line {mark}")
    if one.tracer_m2_per_s is not None:
        slope = 6 * one.tracer_m2_per_s * 1e20 * one.atoms * unit_s
        end = min(longest_s / unit_s, chart.y.high / slope if slope > 0 else longest_s / unit_s)
        chart.line([(0.0, 0.0), (end, slope * end)], css=f"line dashed {mark}")
