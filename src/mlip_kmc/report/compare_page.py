"""The page of several runs side by side, in the style of a run's.

html = render(compare([report_1, report_2]))

The same runs give the same bytes.
"""

from dataclasses import dataclass

from markupsafe import Markup

from mlip_kmc.report import words
from mlip_kmc.report.compare import Comparison, Estimate
from mlip_kmc.report.data import table_link
from mlip_kmc.report.environment import TEMPLATES, environment
from mlip_kmc.report.figures.arrhenius import arrhenius
from mlip_kmc.report.kinds import EQUAL_EV
from mlip_kmc.report.summary import Report
from mlip_kmc.report.viewer import policy

MOST_PROCESSES = 60


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
    style = f"\n{(TEMPLATES / 'page.css').read_text(encoding='utf-8')}"
    figure = arrhenius(found.lines)
    shown = found.processes[:MOST_PROCESSES]
    runs = tuple(_run(place, report) for place, report in enumerate(found.reports))
    return (
        environment()
        .get_template("compare.html.j2")
        .render(
            found=found,
            runs=runs,
            style=Markup(style),  # noqa: S704 - our own
            policy=policy(style, None),
            figures={} if figure is None else {figure.key: figure},
            numbering={"arrhenius": 1},
            estimate=_estimate,
            several=len({run.potential for run in runs}) > 1,
            structures=len({run.structure for run in runs}) > 1,
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


def _run(place: int, report: Report) -> RunRow:
    first = next((state for state in report.numbers.states if state.state == 0), None)
    settings, sha256 = report.view.settings, report.inputs.get("potential_sha256", "")
    temperatures = (*report.view.earlier_temperatures_K, settings.temperature_K)
    file = report.inputs.get("potential_file", settings.potential)
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


def _estimate(one: Estimate | None) -> str:
    if one is None:
        return "too few steps"
    return f"{words.with_error(one.value, one.error)}, {words.count(one.runs, 'run')}"
