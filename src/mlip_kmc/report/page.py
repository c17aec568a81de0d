"""The page: one HTML file that asks for nothing else.

Example:
    html = render(report)

The same report gives the same bytes: there is no date and no random number in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mlip_kmc.model.records import Process, unsound
from mlip_kmc.report import words
from mlip_kmc.report.data import Link, table_link
from mlip_kmc.report.diffusion import TRUSTED_STEPS, SpeciesDiffusion
from mlip_kmc.report.figures import (
    OUTCOME_WORDS,
    PROCESS_COLUMNS,
    barriers,
    confidence,
    displacement,
    energy,
    outcomes,
    process_row,
)
from mlip_kmc.report.network import network
from mlip_kmc.report.numbers import ProcessNumbers, StateNumbers
from mlip_kmc.report.pictures import Motion, picture
from mlip_kmc.report.summary import Report

MOST_STATES = 40
MOST_ROWS = 30
MOST_COSTS = 40
OPEN_STATES = 1
PICTURES = (6, 3)
MOST_PICTURES = 24
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Fact:
    """A line of the heading block; a code is set in a typewriter's face."""

    name: str
    value: str
    code: bool = False


@dataclass(frozen=True)
class Picture:
    """A process that is drawn: SVG, words below it, and the positions of its moved atoms."""

    svg: Markup
    caption: str
    link: Link


@dataclass(frozen=True)
class Block:
    """A state's part of the page: its numbers, the rows that are shown, its pictures, its data."""

    state: StateNumbers
    rows: tuple[ProcessNumbers, ...]
    pictures: tuple[Picture, ...]
    link: Link


@dataclass(frozen=True)
class Diffusivity:
    """A row of the table of diffusion coefficients, in words."""

    species: str
    atoms: int
    hops: str
    hops_summed: str
    tracer: str
    tracer_summed: str
    axes: tuple[str, ...]
    ratio: str


@dataclass(frozen=True)
class GateRow:
    """A check of a release's gate, in words: what was compared, the number, its limit and unit, the outcome, and a remark."""

    name: str
    about: str
    number: str
    limit: str
    unit: str
    verdict: str
    remark: str


def render(report: Report, *, gate: tuple[GateRow, ...] = (), release: str = "") -> str:
    """The page's text.

    Args:
        report: of the run.
        gate: the checks of a release that the page is part of.
        release: its name.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        scientific=words.scientific,
        fixed=words.fixed,
        integer=words.integer,
        time=words.time,
        duration=words.duration,
        share=words.share,
        steps=words.steps,
        count=words.count,
        drawing=Markup,
    )
    numbers, settings = report.numbers, report.view.settings
    states, events = report.view.states, report.view.events
    figures = {
        figure.key: figure
        for figure in (  # in the order of the page, which numbers them
            energy(events, states),
            network(numbers, states),
            displacement(report.diffusion, report.walk)
            if report.walk and report.walk.steps > 1
            else None,
            barriers(numbers),
            outcomes(numbers),
            confidence(
                numbers,
                report.view.searches,
                target=settings.confidence,
                scheme=settings.confidence_scheme,
                superbasins=settings.superbasins,
            ),
        )
        if figure is not None
    }
    blocks = tuple(_blocks(report))
    searched = [state for state in numbers.states if state.searches]
    return environment.get_template("page.html.j2").render(
        report=report,
        numbers=numbers,
        settings=settings,
        facts=tuple(_facts(report)),
        figures=figures,
        numbering={key: index for index, key in enumerate(figures, start=1)},
        blocks=blocks,
        headline=_headline(report),
        diffusivities=tuple(map(_diffusivity, report.diffusion)),
        trusted=TRUSTED_STEPS,
        open_states=OPEN_STATES,
        costs=searched[:MOST_COSTS],
        searched=searched,
        outcome_words=OUTCOME_WORDS,
        total_searches=sum(numbers.outcomes.values()),
        cost_link=_costs_link(searched),
        most_rows=MOST_ROWS,
        gate=gate,
        release=release,
        unsound=unsound(report.view.events),
    )


def _headline(report: Report) -> str:
    numbers = report.numbers
    if not report.view.searches:
        return "State 0 is prepared; no search is registered yet."
    if not numbers.steps:
        return (
            f"{words.count(sum(numbers.outcomes.values()), 'search')} of state 0; no KMC step yet."
        )
    return (
        f"{words.steps(numbers.steps)}, {words.time(numbers.time_s)} of simulated time, "
        f"{words.count(len(numbers.visited), 'state')} visited."
    )


def _facts(report: Report) -> Iterator[Fact]:
    view, settings, inputs = report.view, report.view.settings, report.inputs
    kind = (
        "ACE, evaluated by LAMMPS ML-PACE"
        if settings.potential == "lammps"
        else f"eOn's built-in {settings.potential}"
    )
    yield Fact("Potential", kind)
    if "potential_file" in inputs:
        yield Fact("Potential file", inputs["potential_file"])
    if "potential_sha256" in inputs:
        yield Fact("Its sha256", inputs["potential_sha256"], code=True)
    if report.sample:
        sample = report.sample
        yield Fact("Elements", ", ".join(sample.elements))
        fixed = f", {sample.fixed} of them fixed" if sample.fixed else ""
        yield Fact(
            "Structure",
            f"{sample.formula}: {words.count(sample.atoms, 'atom')}{fixed}; cell "
            f"{' × '.join(f'{length:.4f}' for length in sample.lengths_A)} Å, angles "
            f"{', '.join(f'{angle:.2f}' for angle in sample.angles_deg)}°",
        )
    if "structure_file" in inputs:
        yield Fact("Structure file", inputs["structure_file"])
    yield Fact(
        "Temperature",
        words.MISSING if settings.temperature_K is None else f"{settings.temperature_K:g} K",
    )
    yield Fact(
        "Confidence",
        f"scheme {settings.confidence_scheme}, {words.scientific(settings.confidence, digits=6)}",
    )
    yield Fact("Prefactor", _prefactor(report))
    for line in view.outdated:
        yield Fact("Outdated", line)
    yield Fact(
        "Superbasins, recycling", f"{_switch(settings.superbasins)}, {_switch(settings.recycling)}"
    )
    if view.minimised:
        yield Fact(
            "State 0",
            f"{words.fixed(view.minimised.energy, 6)} eV; pressure "
            f"{words.fixed(view.minimised.pressure_GPa, 3)} GPa; lowest Hessian eigenvalue "
            f"{words.fixed(view.minimised.lowest_eigenvalue_eV_per_A2, 4)} eV/Å²",
        )
    yield Fact("Extrapolation grade", _grade(report))
    flying = len(view.numbers.pending)
    yield Fact(
        "Status",
        f"generation {view.generation}: {words.steps(report.numbers.steps)}, in state {view.numbers.state}; "
        f"{flying} {'search' if flying == 1 else 'searches'} in flight when it was written; started "
        f"{words.count(view.numbers.starts, 'time')}",
    )
    yield Fact("Computation", _computation(report))
    yield Fact("Seed", words.MISSING if settings.seed is None else str(settings.seed))
    yield Fact("Identity of the run", view.identity, code=True)
    yield Fact(
        "Report made with",
        "; ".join(f"{name} {version}" for name, version in report.software.items()),
    )


def _prefactor(report: Report) -> str:
    settings, found = report.view.settings, report.prefactors
    if settings.prefactor_per_s is not None:
        return f"{words.scientific(settings.prefactor_per_s)} 1/s for every process"
    text = "harmonic, of each process by itself"
    if found.of_atoms and found.fewest_atoms:
        text += (
            f", from Hessians of all {found.of_atoms} free atoms"
            if found.fewest_atoms == found.of_atoms
            else f", from Hessians of {found.fewest_atoms} of {found.of_atoms} free atoms, the others held"
        )
    if found.constant:
        reasons = "; ".join(f"{count} × {reason}" for reason, count in found.reasons.items())
        text += (
            f"; {found.constant} of {found.rated} processes found have {words.scientific(settings.fallback_per_s)} 1/s in "
            f"both directions, because harmonic theory gives none ({reasons})"
        )
    return text


def _grade(report: Report) -> str:
    """What gamma says of the run, in words; unknown is never 0."""
    grade = report.grade
    if grade.state_0 is None:
        return "unknown: extrapolation is not detected"
    saddles = "" if grade.saddle is None else f", {grade.saddle:.2g} at a saddle of a process"
    path = (
        ""
        if grade.path is None
        else f", {grade.path:.2g} on the way of a search that was not halted"
    )
    total, halted = sum(report.numbers.outcomes.values()), grade.halted_searches
    share = (
        f"{halted} of {words.count(total, 'search')} ({100 * halted / total:.1f} %) were halted: confidences hold only "
        "for what the potential knows"
        if halted
        else "no search was halted"
    )
    blind = (
        grade.active_set_blind
        and f"; WARNING: {grade.active_set_blind}, and searches went on where they should have halted"
    )
    return f"at most {grade.state_0:.2g} in state 0{saddles}{path}; {share}{blind}"


def _computation(report: Report) -> str:
    """What the run took over its whole life, all starts together."""
    numbers, starts = report.view.numbers, report.view.starts
    hosts = ", ".join(dict.fromkeys(start.host for start in starts))
    busy = numbers.utilisation(workers=starts[-1].workers if starts else 0)
    said = [f"{words.duration(numbers.wall_s)} of wall time" + (f" on {hosts}" if hosts else "")]
    if numbers.steps and numbers.events_a_day is not None:
        said.append(f"{numbers.events_a_day:.3g} KMC steps a day")
    if busy is not None:
        said.append(f"workers busy {busy:.0%} of the time")
    if numbers.discarded:
        said.append(f"{numbers.discarded} started searches made useless by KMC steps")
    return "; ".join(said)


def _switch(value: bool) -> str:  # noqa: FBT001 - a word for it
    return "on" if value else "off"


def _diffusivity(one: SpeciesDiffusion) -> Diffusivity:
    value, error = one.tracer_m2_per_s, one.tracer_error_m2_per_s
    few = "too few steps"

    def summed(number: float, spread: float) -> str:
        return words.with_error(number * one.atoms, spread * one.atoms)

    return Diffusivity(
        species=one.species,
        atoms=one.atoms,
        hops=words.with_error(one.hop_m2_per_s, one.hop_error_m2_per_s),
        hops_summed=summed(one.hop_m2_per_s, one.hop_error_m2_per_s),
        tracer=few if value is None or error is None else words.with_error(value, error),
        tracer_summed=few if value is None or error is None else summed(value, error),
        axes=tuple(map(words.scientific, one.axes_m2_per_s or (None, None, None))),
        ratio=f"{value / one.hop_m2_per_s:.2f}"
        if value is not None and one.hop_m2_per_s > 0
        else words.MISSING,
    )


def _blocks(report: Report) -> Iterator[Block]:
    numbers, records = report.numbers, {state.number: state for state in report.view.states}
    by_number = {state.state: state for state in numbers.states}
    drawn = 0
    for place, number in enumerate(numbers.visited[:MOST_STATES]):
        if number not in by_number:
            continue
        state = by_number[number]
        wanted = min(PICTURES[min(place, 1)], MOST_PICTURES - drawn)
        rows = {row.process: row for row in records[number].processes}
        pictures = tuple(
            found
            for process in _worth_drawing(state)[:wanted]
            if (found := _picture(process, rows[process.process])) is not None
        )
        drawn += len(pictures)
        yield Block(
            state=state,
            rows=_rows(state),
            pictures=pictures,
            link=table_link(
                f"state_{number}.csv", PROCESS_COLUMNS, map(process_row, state.processes), most=200
            ),
        )


def _rows(state: StateNumbers) -> tuple[ProcessNumbers, ...]:
    """The lowest barriers, and every process that a KMC step used."""
    return tuple(
        row
        for index, row in enumerate(state.processes)
        if index < MOST_ROWS or (row.used and index < 4 * MOST_ROWS)
    )


def _worth_drawing(state: StateNumbers) -> list[ProcessNumbers]:
    return sorted(state.processes, key=lambda row: (-row.used, row.rank))


def _picture(process: ProcessNumbers, record: Process) -> Picture | None:
    motion = Motion.read(record)
    if motion is None:
        return None
    many = len(motion.moved)
    axis, right, up = motion.axis_names
    where = "to a state not visited" if process.product is None else f"to state {process.product}"
    used = f", taken {process.used}×" if process.used else ""
    atoms = (
        f"1 atom moves {motion.farthest:.2f} Å"
        if many == 1
        else f"{many} atoms move, up to {motion.farthest:.2f} Å"
    )
    caption = f"{process.barrier_eV:.3f} eV, {where}{used}. {atoms}; seen along {axis} ({right} to the right, {up} up)."
    svg = picture(motion, alternative=f"Process {process.rank} of state {process.state}: {caption}")
    columns = (
        "atom",
        "species",
        *(f"{name}_{axis}_A" for name in ("reactant", "saddle", "product") for axis in "xyz"),
    )
    rows = (
        (
            atom,
            motion.species[atom],
            *(
                f"{number:.5f}"
                for number in (
                    *motion.positions[atom],
                    *(motion.positions[atom] + motion.saddle[atom]),
                    *(motion.positions[atom] + motion.product[atom]),
                )
            ),
        )
        for atom in motion.moved
    )
    return Picture(
        svg=Markup(svg),  # noqa: S704 - drawn here, its words are escaped
        caption=f"#{process.rank}: {caption}",
        link=table_link(f"state_{process.state}_process_{process.rank}.csv", columns, rows),
    )


def _costs_link(searched: list[StateNumbers]) -> Link:
    return table_link(
        "cost.csv",
        ("state", "searches", "force_calls_without_dimer_rotations", "seconds"),
        (
            (state.state, state.searches, state.force_calls, round(state.seconds, 3))
            for state in searched
        ),
    )
