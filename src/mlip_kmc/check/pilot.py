"""Pilot searches: what a found process costs with other displacements, and which settings to take.

    findings = try_all(config, potential, minimum, count=10, folder=scratch)
    findings[-1].advice                 # the proposal, as YAML that can be pasted

Calls a process found depend on the displacement more than on anything else, and failures are most of them. Of the settings that
found the lowest barrier that any found, the one with the fewest force calls a good search is proposed: a setting that is cheap
because it misses that process is not. One iteration of a saddle search takes a force call at least, so a cap of twice the calls
of the longest good search ends none that is like those.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ase import Atoms

from mlip_kmc.check.findings import Finding, Level, Notebook
from mlip_kmc.check.trial import Trial, run_searches
from mlip_kmc.config import Config, SearchSection
from mlip_kmc.ground.wording import counted
from mlip_kmc.model.records import Minimised
from mlip_kmc.potential import Potential

_TRIED = ((0.1, 5.0), (0.2, 3.5), (0.3, 3.0), (0.5, 3.0))
"""Standard deviation and radius, both in A: eOn's own, and larger ones in fewer atoms."""
_SAME_EV = 0.01
_ROUND = 50
_LEAST_ITERATIONS = 100
_GOOD = ("new", "repeat", "high")


@dataclass(frozen=True)
class Setting:
    """A displacement: standard deviation and radius, both in A."""

    displacement_A: float
    radius_A: float

    def of(self, config: Config) -> Config:
        """The same run with this displacement; what one search costs and finds, without shortcuts."""
        search = config.search.model_copy(
            update={
                "displacement_A": self.displacement_A,
                "displacement_radius_A": self.radius_A,
                "early_stop": False,
            }
        )
        symmetry = config.symmetry.model_copy(update={"orbits": False, "classes": False})
        return config.model_copy(update={"search": search, "symmetry": symmetry})


def settings_of(search: SearchSection) -> tuple[Setting, ...]:
    """The run's own displacement, and others to compare with it."""
    wanted = ((search.displacement_A, search.displacement_radius_A), *_TRIED)
    return tuple(Setting(*pair) for pair in dict.fromkeys(wanted))


@dataclass(frozen=True)
class Pilot:
    """What one setting came to.

    Attributes:
        setting: that was tried. searches: made. good: of them, those that found a process. processes: how many different ones.
        force_calls: of all of them. longest: force calls of the longest good one. lowest_eV: the lowest barrier found; infinite
            where none was.
    """

    setting: Setting
    searches: int
    good: int
    processes: int
    force_calls: int
    longest: int
    lowest_eV: float

    @classmethod
    def of(cls, setting: Setting, trial: Trial) -> Self:
        """Count a trial."""
        good = [record for record in trial.records if record.outcome in _GOOD]
        return cls(
            setting=setting,
            searches=len(trial.records),
            good=len(good),
            processes=len(trial.processes),
            force_calls=sum(record.force_calls for record in trial.records),
            longest=max((record.force_calls for record in good), default=0),
            lowest_eV=min((process.barrier for process in trial.processes), default=math.inf),
        )

    @property
    def calls_a_process(self) -> float:
        """Force calls of all searches for each that found a process."""
        return self.force_calls / self.good if self.good else math.inf


def attempt(
    book: Notebook,
    config: Config,
    potential: Potential,
    relaxed: tuple[Atoms, Minimised] | None,
    *,
    count: int,
    folder: Path,
) -> None:
    """Make pilot searches, where there is a minimum.

    Args:
        book: where findings go.
        config: the run's.
        potential: the run's.
        relaxed: state 0, or None.
        count: searches with each setting.
        folder: for their directories.
    """

    def tried() -> tuple[list[Finding], bool]:
        assert relaxed is not None  # noqa: S101 - the notebook asks for what a check needs
        return try_all(config, potential, relaxed[0], count=count, folder=folder), True

    doing = f"{counted(count, 'pilot search')} with each displacement"
    book.attempt("pilot", tried, needs={"a minimum": relaxed}, doing=doing)


def try_all(
    config: Config, potential: Potential, minimum: Atoms, *, count: int, folder: Path
) -> list[Finding]:
    """Make pilot searches with all settings.

    Args:
        config: the run's.
        potential: the run's.
        minimum: state 0.
        count: searches with each setting.
        folder: for their directories.
    """
    pilots = []
    for number, setting in enumerate(settings_of(config.search)):
        run_dir = folder / f"pilot-{number}"
        trial = run_searches(setting.of(config), potential, minimum, count=count, run_dir=run_dir)
        pilots.append(Pilot.of(setting, trial))
    return judge(pilots, config.search)


def proposed(pilots: Sequence[Pilot]) -> Pilot | None:
    """The setting to take; None where no search found a process."""
    lowest = min((pilot.lowest_eV for pilot in pilots), default=math.inf)
    good = [pilot for pilot in pilots if pilot.good and pilot.lowest_eV <= lowest + _SAME_EV]
    return min(good, key=lambda pilot: pilot.calls_a_process, default=None)


def most_iterations(pilot: Pilot, *, at_most: int) -> int:
    """A cap that ends no search like the good ones of this setting.

    Args:
        pilot: of the setting.
        at_most: the run's own cap.
    """
    wanted = max(_ROUND * math.ceil(2 * pilot.longest / _ROUND), _LEAST_ITERATIONS)
    return min(wanted, at_most)


def judge(pilots: Sequence[Pilot], search: SearchSection) -> list[Finding]:
    """A finding for each setting, and what is proposed.

    Args:
        pilots: of the settings, the run's own first.
        search: the run's.
    """
    best = proposed(pilots)
    findings = [_told(pilot) for pilot in pilots]
    if best is None:
        return [
            *findings,
            Finding(
                "pilot",
                Level.WARN,
                "no setting found a process",
                advice="try more with --pilot 20, another search.displace, or a larger search.max_iterations",
            ),
        ]
    cap = most_iterations(best, at_most=search.max_iterations)
    setting = best.setting
    fragment = (
        f"search: {{displacement_A: {setting.displacement_A:g}, displacement_radius_A: {setting.radius_A:g}, "
        f"max_iterations: {cap}}}"
    )
    text = f"{best.calls_a_process:.0f} force calls a process found, by {counted(best.good, 'good search')} of {best.searches}"
    own = pilots[0]
    if math.isfinite(own.calls_a_process) and own is not best:
        text += f"; {own.calls_a_process:.0f} with the present setting"
    return [
        *findings,
        Finding(
            "pilot",
            Level.OK,
            text,
            advice=fragment,
            values={
                "displacement_A": setting.displacement_A,
                "displacement_radius_A": setting.radius_A,
                "max_iterations": cap,
                "calls_a_process": best.calls_a_process,
                "present_calls_a_process": own.calls_a_process,
            },
        ),
    ]


def _told(pilot: Pilot) -> Finding:
    each = (
        f"{pilot.calls_a_process:.0f} force calls a process found"
        if pilot.good
        else "no process was found"
    )
    lowest = f", lowest barrier {pilot.lowest_eV:.3f} eV" if pilot.processes else ""
    return Finding(
        "pilot",
        Level.OK if pilot.good else Level.WARN,
        f"{pilot.setting.displacement_A:g} A within {pilot.setting.radius_A:g} A: {each}; {pilot.good} of "
        f"{counted(pilot.searches, 'search')} good, {counted(pilot.processes, 'process')}{lowest}",
        advice="" if pilot.good else "take another setting",
        values={
            "displacement_A": pilot.setting.displacement_A,
            "displacement_radius_A": pilot.setting.radius_A,
            "searches": pilot.searches,
            "good": pilot.good,
            "processes": pilot.processes,
            "force_calls": pilot.force_calls,
            "lowest_eV": pilot.lowest_eV,
        },
    )
