"""All checks in their order; what one gives to the next; nothing is written but in a directory in scratch that is removed.

Example:
    findings = examine(load_config("akmc.yaml"), run_dir=Path("akmc.run"), searches=4)
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms

from mlip_kmc.check import gradient, inputs, minimum, parts, pilot, room, sight, speed, trial
from mlip_kmc.check.findings import Finding, Level, Notebook, failure
from mlip_kmc.check.grade import grade, grade_saddles
from mlip_kmc.check.prefactor import prefactor
from mlip_kmc.check.regions import regions
from mlip_kmc.config import AcePotentialSection, Config, HarmonicPrefactor
from mlip_kmc.driver import served
from mlip_kmc.evaluate.by_eon import Evaluation
from mlip_kmc.ground.errors import MlipKmcError
from mlip_kmc.ground.processors import processors
from mlip_kmc.ground.scratch import temporary
from mlip_kmc.ground.wording import counted
from mlip_kmc.model.records import Minimised
from mlip_kmc.model.structure import Prepared, to_con
from mlip_kmc.potential import AcePotential, DrivenPotential, Potential, ace_of
from mlip_kmc.potential.fit import adapted

BUSY = 1.2
"""Load by processor above which something else takes part of what is timed."""


@dataclass(frozen=True)
class Tries:
    """How many searches are tried, and where.

    Attributes:
        searches: as the run makes them. pilot: with each of some other displacements.
        folder: in scratch.
    """

    searches: int
    pilot: int
    folder: Path


def examine(
    config: Config,
    *,
    run_dir: Path,
    searches: int = 4,
    pilot: int = 0,
    on_finding: Callable[[Finding], None] = lambda _: None,
    on_doing: Callable[[str], None] = lambda _: None,
) -> tuple[Finding, ...]:
    """Make all checks; an error in one does not stop those that can do without it.

    Args:
        config: the run's configuration.
        run_dir: where the run would be kept; nothing is written there.
        searches: how many process searches to try; 0 for none.
        pilot: how many more with each of some other displacements; 0 for none.
        on_finding: called with each finding as it is made.
        on_doing: called with what is done next.
    """
    book = Notebook(on_finding=on_finding, on_doing=on_doing)
    book.attempt("versions", parts.versions)
    book.attempt("processor", parts.processor)
    book.attempt("workers", lambda: workers(config.worker_count))
    structure = book.attempt("structure", lambda: inputs.read(config))
    potential = book.attempt(
        "potential", lambda: inputs.potential(config), needs={"the structure": structure}
    )
    prepared = structure and _fit(book, config, structure, potential)
    _in_regions(book, config, prepared, potential)
    con_bytes = len(to_con(prepared.atoms)) if prepared else None
    scratch = book.attempt(
        "scratch", lambda: room.scratch(workers=config.worker_count, con_bytes=con_bytes)
    )
    book.attempt("run disk", lambda: room.run_disk(run_dir))
    if scratch is None:
        _without_scratch(book)
        return tuple(book.findings)
    try:
        with temporary("check") as folder:
            tries = Tries(searches, pilot, folder)
            _evaluate_served(book, config, prepared, potential, tries)
    except (OSError, MlipKmcError) as error:
        book.note(failure("scratch", error))
    return tuple(book.findings)


def _fit(
    book: Notebook, config: Config, structure: Atoms, potential: Potential | None
) -> Prepared | None:
    return book.attempt("structure", lambda: inputs.fit(config, structure, potential))


def _in_regions(
    book: Notebook, config: Config, prepared: Prepared | None, potential: Potential | None
) -> None:
    if isinstance(config.potential, AcePotentialSection) and prepared and potential:
        atoms, cutoff_A = prepared.atoms, potential.cutoff_A
        if cutoff_A is not None:
            book.attempt("regions", lambda: regions(config, atoms, cutoff_A=cutoff_A))


def _without_scratch(book: Notebook) -> None:
    for name in ("energy", "forces", "minimum", "gamma", "force call", "searches"):
        book.attempt(name, lambda: ([], True), needs={"scratch": None})


def workers(count: int, *, load: float | None = None) -> tuple[list[Finding], bool]:
    """Searches at a time against the processors that this process may use, and what else keeps those busy.

    Args:
        count: searches at a time.
        load: of the last minute; the machine's own where None.
    """
    here = processors()
    cores = here.count
    machine = os.cpu_count() or cores
    load = os.getloadavg()[0] if load is None else load
    more, busy = count > cores, not load <= BUSY * machine
    text = f"{counted(count, 'search')} at a time on {counted(cores, 'processor')} here, by {here.decided_by}"
    if busy:
        text += f"; the machine is busy: load {load:.1f} on its {machine}"
    advice = "they share processors unless the job has more" if more else ""
    advice += ("; " if advice and busy else "") + (
        "times below are longer than on a quiet machine" if busy else ""
    )
    return [
        Finding(
            "workers",
            Level.WARN if more or busy else Level.OK,
            text,
            advice=advice,
            values={
                "workers": count,
                "processors": cores,
                "decided_by": here.decided_by,
                "load": load,
            },
        )
    ], True


def _evaluate_served(
    book: Notebook,
    config: Config,
    prepared: Prepared | None,
    potential: Potential | None,
    tries: Tries,
) -> None:
    """The checks that run programs, beside the driver's server where the run will have one."""
    if not isinstance(potential, DrivenPotential):
        _evaluate(book, config, prepared, potential, tries)
        return
    try:
        potential = adapted(potential, prepared) if prepared else potential
        with served(potential, workers=1) as driven:
            _evaluate(book, config, prepared, driven, tries)
    except MlipKmcError as error:
        book.note(failure("driver", error))


def _evaluate(
    book: Notebook,
    config: Config,
    prepared: Prepared | None,
    potential: Potential | None,
    tries: Tries,
) -> None:
    """The checks that run programs."""
    both = {"structure": prepared, "potential": potential}
    if prepared is None or potential is None:
        for name in ("energy", "forces", "minimum", "gamma", "force call", "searches"):
            book.attempt(name, lambda: ([], True), needs=both)
        return
    here = _Subject(book, config, prepared.atoms, potential, tries.folder)
    here.files()
    start = here.energy()
    here.forces(start)
    relaxed = here.minimum(start)
    graded = here.gamma(start, relaxed)
    here.active_set(start, relaxed)
    here.speed(start)
    if tries.searches > 0:
        _search(book, config, potential, relaxed, tries, gamma=graded)
    if tries.pilot > 0:
        pilot.attempt(book, config, potential, relaxed, count=tries.pilot, folder=tries.folder)


@dataclass(frozen=True)
class _Subject:
    """A structure with its potential: what the checks of energies, forces, the minimum, gamma and speed look at.

    Attributes:
        book: gets the findings. config: the run's.
        atoms: restricted triclinic. potential: the run's; served, where it is driven. folder: scratch.
    """

    book: Notebook
    config: Config
    atoms: Atoms
    potential: Potential
    folder: Path

    @property
    def ace(self) -> AcePotential | None:
        return ace_of(self.potential)

    @property
    def lammps(self) -> Path:
        """Where LAMMPS runs."""
        return self.folder / "lammps"

    def files(self) -> None:
        self.book.attempt(
            "files",
            lambda: gradient.files(self.atoms, self.potential, gamma=self.config.gamma),
            doing="comparing the potential's files",
        )

    def energy(self) -> Evaluation | None:
        return self.book.attempt(
            "energy",
            lambda: gradient.energy(self.atoms, self.potential),
            doing="evaluating the structure",
        )

    def forces(self, start: Evaluation | None) -> None:
        """Against differences of the energy, and against python-ace."""
        shaken = self.book.attempt(
            "forces",
            lambda: gradient.gradient(self.atoms, self.potential),
            needs={"an energy": start},
            doing="forces against differences of the energy",
        )
        ace = self.ace
        if ace is not None:
            self.book.attempt(
                "python-ace",
                lambda: gradient.agreement(self.atoms, ace, _there(shaken)),
                needs={"forces": shaken},
            )

    def minimum(self, start: Evaluation | None) -> tuple[Atoms, Minimised] | None:
        return self.book.attempt(
            "minimum",
            lambda: minimum.minimum(
                self.atoms,
                self.potential,
                evidence=self.folder / "evidence",
                allow_unknown_stability=self.config.structure.allow_unknown_stability,
            ),
            needs={"an energy": start},
            doing="minimising, as the run will",
        )

    def gamma(
        self, start: Evaluation | None, relaxed: tuple[Atoms, Minimised] | None
    ) -> float | None:
        """The largest gamma in the minimum; in the structure as given where there is no minimum."""
        where, energy_eV = _where(self.atoms, relaxed, start.energy_eV if start else 0.0)
        return self.book.attempt(
            "gamma",
            lambda: grade(
                where,
                self.ace or self.potential,
                where="the minimum" if relaxed else "the structure as given",
                energy_eV=energy_eV,
                folder=self.lammps,
                thresholds=self.config.gamma,
            ),
            needs={"an energy": start},
        )

    def active_set(self, start: Evaluation | None, relaxed: tuple[Atoms, Minimised] | None) -> None:
        """What the active set rests on, and whether gamma rises outside of it."""
        ace, section = self.ace, self.config.potential
        if ace is None or not ace.knows_gamma:
            return
        training = section.training if isinstance(section, AcePotentialSection) else None
        where = relaxed[0] if relaxed else self.atoms
        self.book.attempt(
            "active set",
            lambda: sight.rests_on(ace, training),
            doing="what the active set rests on",
        )
        self.book.attempt(
            "eyesight",
            lambda: sight.eyesight(where, ace, thresholds=self.config.gamma),
            needs={"an energy": start},
            doing="gamma outside of the training set",
        )

    def speed(self, start: Evaluation | None) -> None:
        """Seconds of a force call, and of each of LAMMPS' evaluators."""
        self.book.attempt(
            "force call",
            lambda: speed.force_call(self.atoms, self.potential, folder=self.lammps),
            needs={"an energy": start},
            doing="timing force calls",
        )
        ace = self.ace
        if ace is not None:
            self.book.attempt(
                "evaluator",
                lambda: speed.evaluators(self.atoms, ace, folder=self.lammps),
                needs={"an energy": start},
                doing="timing LAMMPS' evaluators by turns",
            )


def _where(
    atoms: Atoms, relaxed: tuple[Atoms, Minimised] | None, energy_eV: float
) -> tuple[Atoms, float]:
    return (relaxed[0], relaxed[1].energy) if relaxed else (atoms, energy_eV)


def _there(value: Evaluation | None) -> Evaluation:
    assert value is not None  # noqa: S101 - the notebook asks for what a check needs
    return value


def _search(
    book: Notebook,
    config: Config,
    potential: Potential,
    relaxed: tuple[Atoms, Minimised] | None,
    tries: Tries,
    *,
    gamma: float | None,
) -> None:
    """Trial searches and what they tell."""

    def tried() -> tuple[list[Finding], trial.Trial]:
        assert relaxed is not None  # noqa: S101 - see _there
        found = trial.run_searches(
            config, potential, relaxed[0], count=tries.searches, run_dir=tries.folder / "run"
        )
        return trial.judge(found, config), found

    known = gamma is None or not config.gamma.reaches_halt(gamma) or None
    found = book.attempt(
        "searches",
        tried,
        needs={"a minimum": relaxed, "gamma below gamma.halt in it": known},
        doing=counted(tries.searches, "process search"),
    )
    _rate(book, config, potential, relaxed, found)
    if found is not None and gamma is not None and (ace := ace_of(potential)) is not None:
        book.attempt(
            "saddle gamma", lambda: grade_saddles(list(found.saddles), ace, thresholds=config.gamma)
        )


def _rate(
    book: Notebook,
    config: Config,
    potential: Potential,
    relaxed: tuple[Atoms, Minimised] | None,
    found: trial.Trial | None,
) -> None:
    """One harmonic prefactor, as the run makes it, where it makes such."""
    section = config.prefactor
    if not isinstance(section, HarmonicPrefactor):
        return
    lowest = (
        min(found.processes, key=lambda process: process.barrier)
        if found is not None and found.processes
        else None
    )

    def rated() -> tuple[list[Finding], bool]:
        assert relaxed is not None  # noqa: S101 - see _there
        assert lowest is not None  # noqa: S101
        return prefactor(
            section,
            potential,
            minimum=relaxed[0],
            process=lowest,
            time_limit_s=config.search.time_limit_min * 60,
        )

    book.attempt(
        "prefactor",
        rated,
        needs={"a minimum": relaxed, "a process that a trial search found": lowest},
        doing="a harmonic prefactor",
    )
