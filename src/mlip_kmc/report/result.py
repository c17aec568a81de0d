"""The first screen of the page: the numbers that matter, how far they can be trusted, and what failed or was not tested.

Example:
    found = result_of(report, blocks)
    found.numbers[0].name, found.numbers[0].value        # 'Simulated time', '3.1 µs'
    found.trust, found.open                              # sentences

All is made by rules from the run's records; nothing is judged that was not computed.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlip_kmc.model.records import Registered, SearchRecord, StateRecord, shortcuts_of
from mlip_kmc.report import words
from mlip_kmc.report.diffusion import TRUSTED_STEPS, SpeciesDiffusion, Trajectory
from mlip_kmc.report.states import Block, Picture
from mlip_kmc.report.summary import Report

_FEW_BAD = 0.5
"""A larger part of bad searches is worth a word."""


@dataclass(frozen=True)
class Headline:
    """A number of the first screen: what it is, the number with its unit, and what must be known with it."""

    name: str
    value: str
    note: str


@dataclass(frozen=True)
class Result:
    """The first screen.

    Attributes:
        numbers: three or four.
        trust: sentences on what the numbers rest on. open: what failed, or was not tested.
        picture: of the kind of process that the run took most, else of the lowest barrier; None where nothing is drawn.
    """

    numbers: tuple[Headline, ...]
    trust: tuple[str, ...]
    open: tuple[str, ...]
    picture: Picture | None


@dataclass(frozen=True)
class Chance:
    """How likely the next search of a state finds something new.

    Attributes:
        once: processes (orbits, where the run noted those) that exactly one search found. searches: random ones of the state.
    """

    once: int
    searches: int

    @property
    def estimate(self) -> float:
        """I. J. Good, Biometrika 40, 237 (1953): the chance of something unseen is the share of what was seen once."""
        return self.once / self.searches

    @property
    def said(self) -> str:
        """In words."""
        if not self.once:
            return f"below {words.share(min(1.0, 3 / self.searches))}"
        return f"about {words.share(self.estimate)}"


def result_of(report: Report, blocks: Sequence[Block]) -> Result:
    """The first screen of a run.

    Args:
        report: the run.
        blocks: the states' parts of the page.
    """
    drawn = [(block, picture) for block in blocks for picture in block.pictures[:1]]
    return Result(
        numbers=tuple(_numbers(report, blocks)),
        trust=tuple(_trust(report)),
        open=tuple(_open(report)),
        picture=drawn[0][1] if drawn else None,
    )


def chance_of_new(state: StateRecord, searches: Sequence[SearchRecord]) -> Chance | None:
    """The chance in a state; None where no random search of it is registered.

    Args:
        state: it, with what its symmetry makes one.
        searches: of the present potential.
    """
    random = [one for one in searches if one.state == state.number and one.kind == "random"]
    if not random:
        return None
    orbit_of = {process: -1 - k for k, orbit in enumerate(state.orbits) for process in orbit}
    found = Counter(
        orbit_of.get(one.process, one.process)
        for one in random
        if one.process is not None and one.outcome in (Registered.NEW, Registered.REPEAT)
    )
    return Chance(once=sum(count == 1 for count in found.values()), searches=len(random))


def _numbers(report: Report, blocks: Sequence[Block]) -> Iterator[Headline]:
    numbers = report.numbers
    at = words.kelvin(report.view.settings.temperature_K)
    yield Headline(
        "Simulated time",
        words.time(numbers.time_s) if numbers.steps else "none yet",
        f"{words.steps(numbers.steps)}{f' at {at}' if at else ''}, {words.count(len(numbers.visited), 'state')} visited",
    )
    yield _diffusion(report)
    kinds = [kind for block in blocks for kind in block.kinds if kind.in_rate_table]
    if not kinds:
        return
    lowest = min(kinds, key=lambda kind: kind.rows[0].barrier_eV)
    row = lowest.rows[0]
    equal = f"; {words.count(lowest.count, 'process')}, {lowest.said}" if lowest.count > 1 else ""
    yield Headline("Lowest barrier", f"{row.barrier_eV:.3f} eV", f"from state {row.state}{equal}")
    kind = {"constant": "assumed, not computed", "harmonic": "harmonic, of this process"}
    yield Headline(
        "Attempt frequency",
        f"{words.scientific(row.prefactor_per_s)} 1/s",
        f"of the lowest barrier; {kind.get(row.prefactor_kind, 'as eOn computed it')}",
    )


def _diffusion(report: Report) -> Headline:
    """The tracer coefficient of what moves most, or why there is none."""
    name = "Diffusion coefficient D*"
    if not report.walks or not report.numbers.steps:
        return Headline(name, "none yet", "no KMC step is made")
    walk, found = report.walks[-1], report.diffusion[-1]
    most = max(found, key=lambda one: one.hop_m2_per_s * one.atoms)
    why = _no_coefficient(walk, most)
    if why or most.tracer_m2_per_s is None or most.tracer_error_m2_per_s is None:
        return Headline(name, "none yet", why)
    where = f" at {walk.name}" if walk.name else ""
    return Headline(
        name,
        f"{words.with_error(most.tracer_m2_per_s, most.tracer_error_m2_per_s)} m²/s",
        f"of {most.species}{where}, for the defects of this cell ({words.count(most.atoms, 'atom')}), not in equilibrium",
    )


def _no_coefficient(walk: Trajectory, most: SpeciesDiffusion) -> str:
    if walk.ambiguous:
        return f"the cell is too small: in {words.steps(walk.ambiguous)} the direction of a hop is ambiguous"
    if walk.steps < TRUSTED_STEPS or most.tracer_m2_per_s is None:
        return f"{words.steps(walk.steps)}; a value asks for {TRUSTED_STEPS}, and for blocks that are long enough"
    if not most.tracer_m2_per_s > 0:
        return "no atom went anywhere"
    return ""


def _trust(report: Report) -> Iterator[str]:
    """What the numbers rest on."""
    grade = report.grade
    if grade.state_0 is None:
        yield "How far the potential can be trusted is unknown: no extrapolation grade γ was evaluated."
    else:
        known = [one for one in (grade.state_0, grade.saddle, grade.path) if one is not None]
        limit = f" (limit {grade.halt:g})" if grade.halt is not None else ""
        halted = (
            f"{words.count(grade.halted_searches, 'search')} ended where it crossed the limit, so what lies there is missing."
            if grade.halted_searches
            else "no search was halted."
        )
        yield f"The extrapolation grade γ of what was used is at most {max(known):.2g}{limit}; {halted}"
    yield from _completeness(report)
    shortcuts = shortcuts_of(report.view.searches)
    yield from (
        f"{said[0].upper()}{said[1:]}."
        for said in (
            shortcuts.symmetry,
            shortcuts.sharing,
            shortcuts.early_stops,
            shortcuts.told_apart,
        )
        if said
    )


def _completeness(report: Report) -> Iterator[str]:
    """How much may be missing in the state that the run began in, and in the present one."""
    records = {state.number: state for state in report.view.states}
    by_number = {state.state: state for state in report.numbers.states}
    for number in dict.fromkeys((0, report.view.numbers.state)):
        record, state = records.get(number), by_number.get(number)
        chance = chance_of_new(record, report.view.searches_now) if record else None
        if chance is None or state is None or state.confidence is None or state.like is not None:
            continue
        wanted = report.view.settings.confidence
        of = f" of {wanted:g} wanted" if wanted is not None else ""
        yield (
            f"State {number}: confidence {state.confidence:.4f}{of}; the next random search finds something new with a chance "
            f"{chance.said}, as estimated from {words.count(chance.once, 'process')} found once in "
            f"{words.count(chance.searches, 'search')}."
        )


def _open(report: Report) -> Iterator[str]:
    """What failed, or was not tested."""
    numbers, grade = report.numbers, report.grade
    if numbers.unsound_superbasin_steps:
        yield f"Failed: {numbers.unsound_superbasin_steps} superbasin steps of an earlier version may be wrong; run again."
    yield from (f"Outdated: {line}." for line in report.view.outdated)
    minimised = report.view.minimised
    stable = minimised.lowest_eigenvalue_eV_per_A2 if minimised else None
    if stable is not None and not stable > 0:
        yield "Failed: state 0 is no minimum, as its Hessian has an eigenvalue that is not positive."
    if grade.active_set_blind:
        yield f"Failed: {grade.active_set_blind}."
    if grade.halted_searches:
        yield (
            f"Failed: {words.count(grade.halted_searches, 'search')} left what the potential knows; a refit (mlip-kmc select) "
            "would bring them back."
        )
    audits = shortcuts_of(report.view.searches)
    wrong = audits.audits_wrong + audits.early_wrong
    if wrong:
        yield f"Failed: {words.count(wrong, 'audit')} of shortcuts ended elsewhere."
    searched = sum(numbers.outcomes.values())
    bad = numbers.outcomes.get(Registered.BAD, 0)
    if searched and bad > _FEW_BAD * searched:
        yield f"Failed: {bad} of {words.count(searched, 'search')} came to nothing; the reasons are under Searches."
    if report.low.said:
        yield f"Doubtful: {report.low.said}."
    yield from _untested(report)


def _untested(report: Report) -> Iterator[str]:
    minimised = report.view.minimised
    if minimised and minimised.lowest_eigenvalue_eV_per_A2 is None:
        yield "Not tested: whether state 0 is a minimum; its Hessian could not be made."
    if report.grade.state_0 is None:
        yield "Not tested: whether the potential extrapolates."
    if report.view.settings.prefactor_per_s is not None:
        yield "Not tested: prefactors; one number was assumed for every process."
    elif report.prefactors.constant:
        yield (
            f"Not tested: prefactors of {report.prefactors.constant} of {report.prefactors.rated} processes, for which harmonic "
            "theory gives none."
        )
    yield "Not tested: other sequences of random numbers, other cells, and barriers against another method than the potential."
