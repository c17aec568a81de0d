"""The page of several runs side by side, in the style of a run's.

html = render(found)                   # what `compare` found

The same runs give the same bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mlip_kmc.report import words
from mlip_kmc.report.compare import Comparison, Estimate, Pooled
from mlip_kmc.report.data import table_link
from mlip_kmc.report.environment import environment, page_style
from mlip_kmc.report.figures.arrhenius import arrhenius
from mlip_kmc.report.kinds import EQUAL_EV
from mlip_kmc.report.summary import Report
from mlip_kmc.report.viewer import policy

MOST_PROCESSES, _MOST_NUMBERS = 60, 4


@dataclass(frozen=True)
class RunRow:
    """A run, in words."""

    number: int
    name: str
    potential: str
    structure: str
    temperature: str
    steps: int
    time_s: float
    states: int
    searches: int
    lowest_eV: float | None
    confidence: float | None


def render(found: Comparison) -> str:
    """The page's text."""
    style = page_style()
    figure = arrhenius(found.lines)
    runs = tuple(_run(place, report) for place, report in enumerate(found.reports))
    shown = found.processes[:MOST_PROCESSES]
    several, structures = (
        len(set(names)) > 1
        for names in zip(*((run.potential, run.structure) for run in runs), strict=True)
    )
    return (
        environment()
        .get_template("compare.html.j2")
        .render(
            found=found,
            runs=runs,
            style=style,
            policy=policy(style, None),
            figures={} if figure is None else {figure.key: figure},
            numbering={"arrhenius": 1},
            estimate=_estimate,
            headline=tuple(_headline(found, differ=several or structures)),
            several=several,
            structures=structures,
            equal_meV=1000 * EQUAL_EV,
            shown=shown,
            more=len(found.processes) - len(shown),
            link=table_link(
                "processes_of_state_0.csv",
                (
                    "barrier_eV",
                    "reverse_barrier_eV",
                    "prefactor_per_s",
                    *(run.name for run in runs),
                ),
                (
                    (row.barrier_eV, row.reverse_barrier_eV, row.prefactor_per_s, *row.counts)
                    for row in found.processes
                ),
            ),
        )
    )


@dataclass(frozen=True)
class _Number:
    """A number of the first screen: its name, it, and what is to be said of it."""

    name: str
    value: str
    note: str


def _headline(found: Comparison, *, differ: bool) -> Iterator[_Number]:
    """Effective barriers, else pooled coefficients; and processes that some run lacks, unless potentials or structures differ."""
    several = len({(line.species, line.structure, line.potential) for line in found.lines}) > 1
    for line in found.lines[:_MOST_NUMBERS]:
        fit = line.fit
        yield _Number(
            f"Effective barrier of {line.species}{f' in {line.structure}' if several else ''}",
            f"{fit.barrier_eV:.3f} ± {fit.barrier_error_eV:.3f} eV",
            f"from tracer coefficients at {len(line.points)} temperatures, for the defects of this cell",
        )
    if not found.lines:
        counted = [row for row in found.pooled if row.runs]
        yield from map(_pooled_number, counted[:_MOST_NUMBERS])
    if found.processes and not differ:
        lacking = sum(bool(row.lacking) for row in found.processes)
        of = words.count(len(found.processes), "kind")
        yield _Number(
            "Processes of state 0",
            f"{words.count(lacking, 'kind')} not in all" if lacking else "the same in all",
            f"of {of}; the runs that lack one have it within their thermal window" if lacking else of,
        )  # fmt: skip


def _pooled_number(row: Pooled) -> _Number:
    at = "" if row.temperature_K is None else f" at {words.kelvin(row.temperature_K)}"
    one = row.tracer
    return _Number(
        f"D* of {row.species}{at}",
        "none yet" if one is None else f"{words.with_error(one.value, one.error)} m²/s",
        f"{words.count(len(row.runs), 'run')}, {words.steps(row.steps)}; {row.structure}",
    )


def _run(place: int, report: Report) -> RunRow:
    first = next((state for state in report.numbers.states if state.state == 0), None)
    settings, sha256 = report.view.settings, report.inputs.get("potential_sha256", "")
    temperatures = (*report.view.earlier_temperatures_K, settings.temperature_K)
    file = next(
        (report.inputs[key] for key in ("potential_file", "calculator") if report.inputs.get(key)),
        settings.potential,
    )
    return RunRow(
        number=place + 1,
        name=report.name,
        potential=f"{file} {sha256[:8]}".strip(),
        structure=report.sample.formula if report.sample else words.MISSING,
        temperature=", ".join(f"{one:g}" for one in temperatures if one is not None),
        steps=report.numbers.steps,
        time_s=report.numbers.time_s,
        states=len(report.numbers.visited),
        searches=sum(report.numbers.outcomes.values()),
        lowest_eV=first.lowest_barrier_eV if first else None,
        confidence=first.confidence if first else None,
    )


def _estimate(one: Estimate | None, runs: int) -> str:
    """In words; how many runs it is of, where that is not all of the row."""
    if one is None:
        return "too few steps"
    of = f", {words.count(one.runs, 'run')}" if one.runs != runs else ""
    return f"{words.with_error(one.value, one.error)}{of}"
