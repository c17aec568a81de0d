"""The heading of the page: one sentence, and the block of facts about the run and its inputs."""

from collections.abc import Iterator
from dataclasses import dataclass

from mlip_kmc.ground.wording import gone
from mlip_kmc.report import words
from mlip_kmc.report.refreshes import waiting
from mlip_kmc.report.summary import Report


@dataclass(frozen=True)
class Fact:
    """A line of the heading block; a code is set in a typewriter's face."""

    name: str
    value: str
    code: bool = False


def headline(report: Report) -> str:
    """How far the run came, in one sentence."""
    numbers = report.numbers
    if not report.view.searches:
        return "State 0 is prepared; no search is registered yet."
    if not numbers.steps:
        return (
            f"{words.count(sum(numbers.outcomes.values()), 'search')} of state 0; no KMC step yet."
        )
    relabelled = (
        f" and {words.count(numbers.relabelled, 'relabelling')}" if numbers.relabelled else ""
    )
    return (
        f"{words.steps(numbers.steps)}{relabelled}, {words.time(numbers.time_s)} of simulated time, "
        f"{words.count(len(numbers.visited), 'state')} visited."
    )


def facts(report: Report) -> Iterator[Fact]:
    """The block's lines, in order."""
    yield from _inputs(report)
    yield from _settings(report)
    yield from _progress(report)


def _inputs(report: Report) -> Iterator[Fact]:
    """The potential and the structure."""
    settings, inputs = report.view.settings, report.inputs
    kinds = {
        "lammps": "ACE, evaluated by LAMMPS ML-PACE",
        "ext_pot": f"ASE calculator {inputs['calculator']}"
        if "calculator" in inputs
        else "evaluated by the driver",
    }
    kind = kinds.get(settings.potential, f"eOn's built-in {settings.potential}")
    yield Fact("Potential", kind)
    if "calculator_file" in inputs:
        yield Fact("Calculator's file", inputs["calculator_file"])
        yield Fact("Its sha256", inputs["calculator_sha256"], code=True)
    if "python_path" in inputs:
        yield Fact("Python packages of the user's own", inputs["python_path"])
    if "potential_file" in inputs:
        yield Fact("Potential file", inputs["potential_file"])
    if "potential_sha256" in inputs:
        yield Fact("Its sha256", inputs["potential_sha256"], code=True)
    if report.refreshes.changed:
        yield Fact("Epoch", _epoch(report))
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


def _settings(report: Report) -> Iterator[Fact]:
    """What the run was asked to do, and by which prefactors."""
    settings = report.view.settings
    yield Fact("Temperature", _temperature(report))
    yield Fact(
        "Confidence",
        f"scheme {settings.confidence_scheme}, {words.scientific(settings.confidence, digits=6)}",
    )
    yield Fact("Prefactor", _prefactor(report))
    if report.low.said:
        yield Fact("Low barriers", report.low.said)
    for line in report.view.outdated:
        yield Fact("Outdated", line)
    yield Fact(
        "Superbasins, recycling", f"{_switch(settings.superbasins)}, {_switch(settings.recycling)}"
    )


def _progress(report: Report) -> Iterator[Fact]:
    """State 0, how far the potential knows, how far the run came, and what names it."""
    view, seed = report.view, report.view.settings.seed
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
        f"{words.count(view.numbers.starts, 'time')}"
        + (f"; {gone(view.numbers.left)}" if view.numbers.left else ""),
    )
    yield Fact("Computation", _computation(report))
    yield Fact("Seed", words.MISSING if seed is None else str(seed))
    yield Fact("Identity of the run", view.identity, code=True)
    yield Fact(
        "Report made with",
        "; ".join(f"{name} {version}" for name, version in report.software.items()),
    )


def _epoch(report: Report) -> str:
    """The present one, and how many potentials there were."""
    epochs = report.refreshes.epochs
    times = len(epochs) - 1
    changed = "once, " if times == 1 else f"{times} times, the last time "
    return (
        f"{epochs[-1].epoch}: the potential changed {changed}after {words.steps(epochs[-1].first_step)}. "
        f"{waiting(report.refreshes)}"
    )


def _temperature(report: Report) -> str:
    """The present one; where the run was at others, how many KMC steps it made at each."""
    present_K, earlier = report.view.settings.temperature_K, report.view.earlier_temperatures_K
    now = words.kelvin(present_K) or words.MISSING
    if not earlier:
        return now
    made = ", ".join(
        f"{words.steps(walk.steps)} at {walk.name or 'an unknown one'}" for walk in report.walks
    )
    return f"{now} now: rates, shares and confidences are at this one; {made}"


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
        return "unknown: nothing tells where the potential extrapolates"
    saddles = "" if grade.saddle is None else f", {grade.saddle:.2g} at a saddle of a process"
    path = (
        ""
        if grade.path is None
        else f", {grade.path:.2g} on the way of a search that was not halted"
    )
    total, halted = grade.searches, grade.halted_searches
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
    if numbers.ahead:
        said.append(numbers.ahead)
    if numbers.discarded:
        said.append(f"{numbers.discarded} started searches made useless by KMC steps")
    return "; ".join(said)


def _switch(value: bool) -> str:  # noqa: FBT001 - a word for it
    return "on" if value else "off"
