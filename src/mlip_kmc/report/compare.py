"""Several runs side by side: which belong together, pooled diffusion coefficients, effective barriers, and processes matched.

Example:
    found = compare([report_1, report_2])
    found.pooled[0].tracer.value, found.pooled[0].tracer.error, found.lines[0].fit, found.processes[0].counts

Pooled is what has the same temperature, potential, structure and species. Runs count by their simulated time:
D = sum t_i D_i / sum t_i, which is the estimate of one trajectory as long as all. Its error is the larger of two: that
of the runs' own errors, sqrt(sum (t_i e_i)^2) / sum t_i, and that of their scatter,
sqrt(n/(n-1) sum t_i^2 (D_i - D)^2) / sum t_i (a ratio estimate; Cochran, Sampling Techniques, Wiley 1977, chapter 6).
Runs of the same identity (physics, structure, seed) at the same temperatures are one sample: the longest counts.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mlip_kmc.ground.constants import EON_KELVIN_PER_EV
from mlip_kmc.report.arrhenius import Arrhenius, Point, fit
from mlip_kmc.report.diffusion import SpeciesDiffusion, Trajectory
from mlip_kmc.report.kinds import EQUAL_EV, EQUAL_PREFACTORS, Kind
from mlip_kmc.report.numbers import StateNumbers
from mlip_kmc.report.state_kinds import state_kinds
from mlip_kmc.report.summary import Report


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error in m^2/s, over so many runs; error None: one value without an error."""

    value: float
    error: float
    runs: int


@dataclass(frozen=True)
class Pooled:
    """Diffusion of a species over the runs that belong together.

    Attributes:
        temperature_K: None where a run did not note it. species, atoms: symbol, and how many in the cell.
        potential: its digest, or empty. structure: formula of the cell.
        runs: places of the runs in the comparison. left_out: (place, why) of those that do not count.
        steps, time_s: KMC steps and simulated time of all that count.
        tracer, hop: None where no run has a value.
    """

    temperature_K: float | None
    species: str
    atoms: int
    potential: str
    structure: str
    runs: tuple[int, ...]
    left_out: tuple[tuple[int, str], ...]
    steps: int
    time_s: float
    tracer: Estimate | None
    hop: Estimate | None


@dataclass(frozen=True)
class Line:
    """Pooled values (temperature in K, estimate) of one species, potential and structure at two temperatures or more."""

    species: str
    potential: str
    structure: str
    points: tuple[tuple[float, Estimate], ...]
    fit: Arrhenius


@dataclass(frozen=True)
class Matched:
    """Kinds of processes of state 0 that have the same numbers, over the runs.

    Attributes:
        barrier_eV, reverse_barrier_eV, prefactor_per_s: of the first run that has it.
        counts: by run, how many processes; 0 where it has none. beyond: by run, it lies beyond the run's thermal window.
    """

    barrier_eV: float
    reverse_barrier_eV: float
    prefactor_per_s: float
    counts: tuple[int, ...]
    beyond: tuple[bool, ...]

    @property
    def lacking(self) -> tuple[int, ...]:
        """Places of the runs that lack it, though it would lie within their window."""
        pairs = enumerate(zip(self.counts, self.beyond, strict=True))
        return tuple(index for index, (count, beyond) in pairs if not count and not beyond)


@dataclass(frozen=True)
class Comparison:
    """Everything; places are those in `reports`.

    Attributes:
        one_sample: (place, place of the longest) of runs that have the same identity and temperatures.
        same_seed: places of runs that are not one sample but draw the same random numbers, a group each.
    """

    reports: tuple[Report, ...]
    pooled: tuple[Pooled, ...]
    lines: tuple[Line, ...]
    processes: tuple[Matched, ...]
    one_sample: tuple[tuple[int, int], ...]
    same_seed: tuple[tuple[int, ...], ...]

    def as_json(self) -> dict[str, Any]:
        """What is said of the runs together, as JSON values."""
        return {
            "pooled": [asdict(one) for one in self.pooled],
            "arrhenius": [asdict(line) for line in self.lines],
            "processes_of_state_0": [
                {**asdict(one), "lacking": list(one.lacking)} for one in self.processes
            ],
            "one_sample": [list(pair) for pair in self.one_sample],
            "same_seed": [list(places) for places in self.same_seed],
        }


@dataclass(frozen=True)
class _Sample:
    """One run's part: its place, and a species of one of its walks."""

    place: int
    walk: Trajectory
    found: SpeciesDiffusion


def compare(reports: Sequence[Report]) -> Comparison:
    """Evaluate them together."""
    same = dict(_one_sample(reports))
    pooled = tuple(_pooled(reports, same))
    return Comparison(
        reports=tuple(reports),
        pooled=pooled,
        lines=tuple(_lines(pooled)),
        processes=matched(reports),
        one_sample=tuple(same.items()),
        same_seed=tuple(_same_seed(reports, same)),
    )


def lines_of(report: Report) -> tuple[Line, ...]:
    """Effective barriers of one run that was made at several temperatures."""
    return tuple(_lines(tuple(_pooled([report], {}))))


def _one_sample(reports: Sequence[Report]) -> Iterator[tuple[int, int]]:
    """The places of runs that repeat another one, and that of the longest of them."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for place, report in enumerate(reports):
        temperatures = dict.fromkeys(
            (
                *(event.temperature_K for event in report.view.events),
                report.view.settings.temperature_K,
            )
        )
        identities = (epoch.identity for epoch in report.view.epochs)
        groups.setdefault((*identities, *map(str, temperatures)), []).append(place)
    for places in groups.values():
        longest = max(places, key=lambda place: reports[place].numbers.steps)
        yield from ((place, longest) for place in places if place != longest)


def _same_seed(reports: Sequence[Report], same: dict[int, int]) -> Iterator[tuple[int, ...]]:
    groups: dict[int, list[int]] = {}
    for place, report in enumerate(reports):
        seed = report.view.settings.seed
        if seed is not None and place not in same:
            groups.setdefault(seed, []).append(place)
    yield from (tuple(places) for places in groups.values() if len(places) > 1)


def _pooled(reports: Sequence[Report], same: dict[int, int]) -> Iterator[Pooled]:
    groups: dict[tuple[Any, ...], list[_Sample]] = {}
    for place, report in enumerate(reports):
        structure = report.sample.formula if report.sample else ""
        for walk, of_species in zip(report.walks, report.diffusion, strict=True):
            potential = str(report.view.epochs[walk.epoch].inputs.get("potential_sha256") or "")
            for found in of_species:
                key = (walk.temperature_K, found.species, found.atoms, potential, structure)
                groups.setdefault(key, []).append(_Sample(place, walk, found))
    for key, samples in groups.items():
        temperature_K, species, atoms, potential, structure = key
        left_out = tuple(_left_out(samples, same))
        kept = [one for one in samples if one.place not in dict(left_out)]
        yield Pooled(
            temperature_K=temperature_K,
            species=species,
            atoms=atoms,
            potential=potential,
            structure=structure,
            runs=tuple(one.place for one in kept),
            left_out=left_out,
            steps=sum(one.walk.steps for one in kept),
            time_s=sum(one.walk.time_s for one in kept),
            tracer=_mean(kept, lambda one: (one.tracer_m2_per_s, one.tracer_error_m2_per_s)),
            hop=_mean(kept, lambda one: (one.hop_m2_per_s, one.hop_error_m2_per_s)),
        )


def _left_out(samples: Sequence[_Sample], same: dict[int, int]) -> Iterator[tuple[int, str]]:
    for one in samples:
        if one.place in same:
            yield one.place, f"the same run as number {same[one.place] + 1}: one sample"
        elif one.walk.ambiguous:
            yield one.place, "ambiguous directions: its values mean nothing"


def _mean(
    samples: Sequence[_Sample],
    of: Callable[[SpeciesDiffusion], tuple[float | None, float | None]],
) -> Estimate | None:
    """The mean by simulated time of what has a value and an error."""
    known = []
    for one in samples:
        value, error = of(one.found)
        if value is not None and error is not None:
            known.append((one.walk.time_s, value, error))
    time_s = sum(time for time, _, _ in known)
    if not time_s > 0:
        return None
    mean = sum(time * value for time, value, _ in known) / time_s
    own = math.sqrt(sum((time * error) ** 2 for time, _, error in known)) / time_s
    count = len(known)
    scatter = 0.0
    if count > 1:
        squares = sum((time * (value - mean)) ** 2 for time, value, _ in known)
        scatter = math.sqrt(count / (count - 1) * squares) / time_s
    return Estimate(value=mean, error=max(own, scatter), runs=count)


def _lines(pooled: Sequence[Pooled]) -> Iterator[Line]:
    groups: dict[tuple[str, str, str], list[tuple[float, Estimate]]] = {}
    for one in pooled:
        if one.temperature_K is not None and one.tracer is not None:
            groups.setdefault((one.species, one.potential, one.structure), []).append(
                (one.temperature_K, one.tracer)
            )
    for (species, potential, structure), points in groups.items():
        found = fit(
            [
                Point(temperature_K / EON_KELVIN_PER_EV, one.value, one.error)
                for temperature_K, one in points
            ]
        )
        if found is not None:
            yield Line(
                species, potential, structure, tuple(sorted(points, key=_by_temperature)), found
            )


def _by_temperature(point: tuple[float, Estimate]) -> float:
    return point[0]


def matched(reports: Sequence[Report]) -> tuple[Matched, ...]:
    """Kinds of state 0 by barrier: equal within what makes processes of one run equal (see `kinds`)."""
    first = [_state_0(report) for report in reports]
    groups: list[dict[int, list[Kind]]] = []
    for place, report in enumerate(reports):
        state = first[place]
        kinds = () if state is None else state_kinds(state, report.view.states[0])
        for kind in kinds:
            group = next((one for one in groups if _fits(one, kind)), None)
            if group is None:
                groups.append({place: [kind]})
            else:
                group.setdefault(place, []).append(kind)
    highest = [_highest(report, state) for report, state in zip(reports, first, strict=True)]
    rows = (_row(group, highest) for group in groups)
    return tuple(sorted(rows, key=lambda row: (row.barrier_eV, row.reverse_barrier_eV)))


def _state_0(report: Report) -> StateNumbers | None:
    return next((state for state in report.numbers.states if state.state == 0), None)


def _highest(report: Report, state: StateNumbers | None) -> float:
    """Up to where the rate table of state 0 reaches."""
    lowest = state.lowest_barrier_eV if state else None
    return math.inf if lowest is None else lowest + report.numbers.window_eV


def _fits(group: dict[int, list[Kind]], kind: Kind) -> bool:
    one, other = next(iter(group.values()))[0].lead, kind.lead
    larger = max(one.prefactor_per_s, other.prefactor_per_s)
    return (
        abs(one.barrier_eV - other.barrier_eV) <= EQUAL_EV
        and abs(one.reverse_barrier_eV - other.reverse_barrier_eV) <= EQUAL_EV
        and abs(one.prefactor_per_s - other.prefactor_per_s) <= EQUAL_PREFACTORS * larger
    )


def _row(group: dict[int, list[Kind]], highest_eV: Sequence[float]) -> Matched:
    lead = next(iter(group.values()))[0].lead
    return Matched(
        barrier_eV=lead.barrier_eV,
        reverse_barrier_eV=lead.reverse_barrier_eV,
        prefactor_per_s=lead.prefactor_per_s,
        counts=tuple(
            sum(kind.count for kind in group.get(place, ())) for place in range(len(highest_eV))
        ),
        beyond=tuple(not lead.barrier_eV <= limit for limit in highest_eV),
    )
