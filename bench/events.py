"""Evaluations an event takes, beside eOn's own server with the same settings, each technique off in turn; `just bench-events`.

    containers/in-image python3 bench/events.py [--cases vacancy alloy] [--seeds 1 2] [--visits 3] [--folder DIR]

The peer is eOn 3.6.0's own server with its Local communicator, with our displacement, caps and tolerances (`peer.py`). It makes
`--visits` KMC steps. What 100 of them take is extrapolated: a first visit for each different state that our run comes to. Both
are counted at the potential: checks, audits, bad searches and searches that nobody waited for are in it.

Cases: a copper vacancy of 255 atoms, an adatom on Cu(100), a divacancy with superbasins, and a vacancy in a random alloy, where
neither symmetry nor classes help. Variants of ours: `all` (our engine, early stops, orbits, classes), the same without each of
these, and `harmonic`. Stock eOn's harmonic prefactors are measured in a few searches by its client
(all free atoms, one held far from the defect; and its `cutoff` filter, whose few atoms give other prefactors), and reckoned for
each good search: it makes them for repeats, too. The limit holds against the former.

For each run: evaluations of the first event and of a later one, events an hour, processes of state 0 and the share of the rate
that is missed, against the largest sum of rates of all runs of the case; and evaluations until 1 % of the rate that the run knows
in the end was missed: of both, at equal missed rate. Runs that are in the folder are taken as they are. Exit code 1: a limit is
missed (first event at most 1/3 of the peer's, 1/20 with harmonic prefactors, 1/1.7 without symmetry; 100 KMC steps of the vacancy
at most 1/30).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, median
from typing import Any

import course
import numpy as np
import yaml
from ase import Atoms
from ase.constraints import FixAtoms
from cases import CASES, Case
from engines import BONDED_A, by_eon, starts
from example import by_eon_alone
from peer import COUNTS, Peer, Visit

from mlip_kmc.config import load_config
from mlip_kmc.config.eon_options import config_ini
from mlip_kmc.evaluate.client import ClientJob
from mlip_kmc.model.atom_path import wrap
from mlip_kmc.model.records import Event, SearchRecord, read_lines
from mlip_kmc.model.structure import from_con, species_of, to_con
from mlip_kmc.potential import AcePotential
from mlip_kmc.potential.inputs import inputs_of

FIRST, HARMONIC, WITHOUT_SYMMETRY, LATER = 1 / 3, 1 / 20, 1 / 1.7, 1 / 30
STEPS = 100
MISSED = 0.01
SAME_A, SAME_EV = 0.5, 0.01
KT_EV_PER_K = 8.617333262e-5
NATIVE = {"engine": "native", "early_stop": True}
SHARING = {"orbits": True, "classes": True}
VARIANTS: dict[str, dict[str, Any]] = {
    "all": {"search": NATIVE, "symmetry": SHARING},
    "without early stops": {"search": {"engine": "native"}, "symmetry": SHARING},
    "without orbits": {"search": NATIVE, "symmetry": {"classes": True}},
    "without classes": {"search": NATIVE, "symmetry": {"orbits": True}},
    "without our engine": {"symmetry": SHARING},
    "harmonic": {"search": NATIVE, "symmetry": SHARING, "prefactor": {"harmonic": True}},
}
WHOLE, PART = "Hessians of all free atoms, one held", "`cutoff` filter"


@dataclass(frozen=True)
class Measured:
    """One run of ours.

    Attributes:
        first: evaluations to the first event. later: evaluations an event after it, or None.
        steps: KMC steps. states: different ones that were searched or recognised.
        events_an_hour: after the first. barriers: eV, of state 0. searches: registered in state 0.
    """

    first: float
    later: float | None
    steps: int
    states: int
    events_an_hour: float | None
    barriers: tuple[float, ...]
    searches: int
    whole: float


def settings_of(case: Case, folder: Path, variant: str, *, steps: int, seed: int) -> dict[str, Any]:
    """The configuration of a run; an empty variant is the peer's. A folder `NAME@0.9` is of another confidence."""
    start, potential = case.made(folder)
    settings = by_eon_alone()
    for key in ("displace", "max_coordination"):
        settings["search"].pop(key, None)
    settings["search"] |= case.search
    settings |= {"structure": str(start), "potential": {"ace": str(potential)}, "workers": 1}
    settings |= {"stop": {"kmc_steps": steps}, "seed": seed, "gamma": {"on_halt": "continue"}}
    settings["search"]["max_bad_in_a_row"] = 1000
    if confidence := folder.name.partition("@")[2]:
        settings["confidence"]["value"] = float(confidence)
    if variant:
        settings["superbasins"] = case.superbasins
    for key, value in VARIANTS.get(variant, {}).items():
        settings[key] = {**settings.get(key, {}), **value}
    return settings


def command(config: Path, *words: str) -> None:
    """A command of ours, to its end."""
    line = [sys.executable, "-m", "mlip_kmc", *words, str(config), "--quiet"]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=7200)
    if done.returncode != 0:
        told = f"{done.stderr}{done.stdout[-2000:]}"
        raise SystemExit(f"{config.stem}: exit code {done.returncode}: {told}")


def ours(case: Case, folder: Path, variant: str, *, steps: int, seed: int) -> Measured:
    """Make a run, or take the one that is there."""
    where = folder / f"{variant.replace(' ', '-')}-{seed}"
    config, seconds = where.with_suffix(".yaml"), where.with_suffix(".seconds")
    if not seconds.is_file():
        shutil.rmtree(where, ignore_errors=True)
        config.write_text(
            yaml.safe_dump(settings_of(case, folder, variant, steps=steps, seed=seed))
        )
        began = time.monotonic()
        command(config, "run", "--dir", str(where))
        seconds.write_text(f"{time.monotonic() - began:.1f}\n")
    factor = rotations(folder) if variant == "without our engine" else 1.0
    return measured(where, float(seconds.read_text()), factor=factor)


def measured(where: Path, seconds: float, *, factor: float) -> Measured:
    """What a run took.

    Args:
        where: its directory.
        seconds: it took.
        factor: evaluations for a force call that it counts in a search.
    """
    records = read_lines(where / "journal" / "searches.jsonl", SearchRecord)
    steps = len(read_lines(where / "journal" / "events.jsonl", Event))

    def taken(record: SearchRecord) -> float:
        return record.force_calls * (1.0 if record.kind == "class" else factor)

    own: dict[
        int, int
    ] = {}  # the Hessian of a state itself is in no record; that of a saddle takes more
    for record in records:
        if record.rated is not None:
            own[record.state] = max(own.get(record.state, 0), record.rated.force_calls)
    first = [record for record in records if record.state == 0]
    rest = [record for record in records if record.state != 0]
    unregistered = discarded(where) * mean(map(taken, first))  # counted as if they had been whole
    state = where / "eon" / "states" / "0"
    searches = course.by_us(where / "journal" / "searches.jsonl")
    enough, all_of_them = course.until(searches, course.rates_of(state), missed=MISSED)
    to_first = sum(map(taken, first)) + own.get(0, 0) + unregistered * len(first) / len(records)
    spent = sum(record.seconds for record in first)
    later = sum(map(taken, rest)) + sum(own.values()) - own.get(0, 0)
    later += unregistered * len(rest) / len(records)
    return Measured(
        first=to_first,
        later=later / (steps - 1) if steps > 1 else None,
        steps=steps,
        states=len({record.state for record in records}),
        events_an_hour=3600 * (steps - 1) / max(seconds - spent, 1e-9) if steps > 1 else None,
        barriers=hops(state),
        searches=len(first),
        whole=to_first * enough / all_of_them,
    )


def discarded(where: Path) -> int:
    """Searches that were started and not registered."""
    manifest = max((where / "generations").glob("*.json"))
    body = json.loads(manifest.read_bytes().partition(b"\n")[2])
    return int(body["state"]["numbers"]["discarded"])


# -- the peer


def setup_of(case: Case, folder: Path, seed: int) -> dict[str, str]:
    """What eOn's server is given: the minimised structure, options and potential of a run without any technique."""
    where, config = folder / "setup", folder / "setup.yaml"
    settings = settings_of(case, folder, "", steps=1, seed=seed)
    config.write_text(yaml.safe_dump(settings))
    if not (where / "eon" / "pos.con").is_file():
        shutil.rmtree(where, ignore_errors=True)
        command(config, "search", "-n", "1", "--dir", str(where))
    potential, structure = inputs_of(load_config(config))
    files = potential.job_files(species_of(structure))
    text = files["in.lammps"]
    for name, path in potential.job_links().items():
        text = text.replace(f" {name}", f" {path}")
    return {
        "pos.con": (where / "eon" / "pos.con").read_text(),
        "config.ini": (where / "eon" / "config.ini").read_text(),
        "in.lammps": text,
    }


def peer(
    case: Case, folder: Path, *, visits: int, seed: int, limit_s: float, defaults: bool = False
) -> list[Visit]:
    """What eOn's server took for its first KMC steps; what it did before is taken where it is there."""
    where = folder / f"{'peer-defaults' if defaults else 'peer'}-{seed}"
    kept = where.with_suffix(".json")
    if kept.is_file():
        return [Visit(**row) for row in json.loads(kept.read_text())]
    shutil.rmtree(where, ignore_errors=True)
    setup = setup_of(case, folder, seed)
    made = Peer(where, setup, seed=seed, defaults=defaults).run(steps=visits, time_limit_s=limit_s)
    kept.write_text(json.dumps([asdict(visit) for visit in made]))
    return made


def few(folder: Path, count: int, *, held: bool = False, **prefactor: Any) -> list[tuple[Any, int]]:
    """Searches by eOn's client, evaluations counted at the potential.

    Args:
        folder: of the case.
        count: of searches.
        held: an atom far from the defect is fixed.
        prefactor: options of eOn's section of that name.
    """
    config = load_config(folder / "setup.yaml")
    ace = AcePotential.read(config.potential.ace)
    atoms = from_con((folder / "setup" / "eon" / "pos.con").read_text())
    if held:
        atoms.set_constraint(FixAtoms(indices=[farthest(atoms)]))
    ini = config_ini(config, potential_name="lammps", jobs_ahead=1)
    ini = ini.replace("job = akmc", "job = process_search\nparallel = false")
    if prefactor:
        rows = "".join(f"{key} = {value}\n" for key, value in prefactor.items())
        ini = (
            ini.partition("[Prefactor]")[0]
            + f"[Prefactor]\n{rows}\n"
            + "["
            + (ini.partition("[Prefactor]")[2].partition("\n[")[2])
        )
    files = {"pos.con": to_con(atoms), "config.ini": ini, **ace.job_files(species_of(atoms))}
    job = ClientJob(name="0_0", files=files, links=ace.job_links(), time_limit_s=1800.0)
    return [by_eon(replace(job, name=name), texts) for name, texts in starts(atoms, count, seed=5)]


def farthest(atoms: Atoms) -> int:
    """The atom that is farthest from the least coordinated one."""
    apart = atoms.get_all_distances(mic=True)
    centre = int((apart < BONDED_A).sum(axis=1).argmin())
    return int(apart[centre].argmax())


def rotations(folder: Path) -> float:
    """How many evaluations LAMMPS counts for one that eOn's client counts."""
    counted = few(folder, 8)
    return sum(calls for _, calls in counted) / sum(o.force_calls.total for o, _ in counted)


def harmonic_calls(folder: Path, count: int) -> dict[str, float]:
    """Evaluations that eOn's client makes for the prefactors of a good search, by the way in which it may succeed.

    NaN where it made none.
    """
    ways: dict[str, tuple[bool, dict[str, Any]]] = {
        WHOLE: (True, {"filter_scheme": "fraction", "filter_fraction": 1.0}),
        PART: (False, {"filter_scheme": "cutoff", "min_displacement": 0.2}),
    }
    found = {}
    for name, (held, options) in ways.items():
        plain = few(folder, count, held=held)
        runs = few(folder, count, held=held, default_value=0, **options)
        more = [
            calls - before
            for (one, calls), (other, before) in zip(runs, plain, strict=True)
            if other.found is not None and calls > before
        ]
        good = sum(one.found is not None for one, _ in runs)
        print(
            f"  eOn's harmonic prefactors, {name}: {good} of {sum(o.found is not None for o, _ in plain)} good searches stay "
            f"good; {np.mean(more) if more else np.nan:.0f} evaluations each",
            flush=True,
        )
        found[name] = mean(more) if more else float("nan")
    return found


# -- the comparison


def hops(state: Path) -> tuple[float, ...]:
    """Barriers in eV of what leads out of a state, lowest first; each hop once, though its saddle may be in the table twice.

    Args:
        state: its folder, as eOn keeps it.
    """
    rows = [line.split() for line in (state / "processtable").read_text().splitlines()[1:]]
    found: list[tuple[float, Atoms]] = []
    for barrier, number in sorted((float(row[6]), row[0]) for row in rows):
        there = from_con((state / "procdata" / f"product_{number}.con").read_text())
        if not any(abs(barrier - e) < SAME_EV and same_place(there, one) for e, one in found):
            found.append((barrier, there))
    return tuple(barrier for barrier, _ in found)


def same_place(one: Atoms, other: Atoms) -> bool:
    """Each atom is where it is in the other structure."""
    apart = wrap(one.positions - other.positions, one.cell.array)
    return bool(np.linalg.norm(apart, axis=1).max() < SAME_A)


def rate(barriers: tuple[float, ...], *, temperature_K: float = 500.0) -> float:
    """Sum of rates in units of the prefactor, of what is within 20 kT of the lowest."""
    kT = KT_EV_PER_K * temperature_K
    low = np.array([entry for entry in barriers if entry <= min(barriers) + 20 * kT])
    return float(np.exp(-low / kT).sum())


def spread(values: list[float], form: str) -> str:
    """Median, and extremes."""
    return f"{median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


class Comparison:
    """One case: the peer's visits and our runs, by variant and seed."""

    def __init__(self, name: str, case: Case, arguments: argparse.Namespace) -> None:
        self.name, self.case, self.arguments = name, case, arguments
        wanted = arguments.confidence
        self.folder = arguments.folder.resolve() / (f"{name}@{wanted:g}" if wanted else name)
        self.visits: list[list[Visit]] = []
        self.runs: dict[str, list[Measured]] = {}
        self._calls: dict[str, float] = {}

    def measure(self) -> None:
        """Run what is missing, and print each run."""
        for seed in self.arguments.seeds:
            setup_of(self.case, self.folder, seed)
            limit_s = 60 * self.arguments.peer_min
            made = peer(
                self.case, self.folder, visits=self.arguments.visits, seed=seed, limit_s=limit_s
            )
            told = [(v.calls, v.searches, "new" if v.first else "known") for v in made]
            print(f"{self.name}, seed {seed}: eOn's server {told}", flush=True)
            self.visits.append(made)
            if self.arguments.defaults:
                told = self._by_defaults(seed)
                print(f"{self.name}, seed {seed}: with its own defaults {told}", flush=True)
            for variant in self.arguments.variants:
                many = variant == "all" and self.name.startswith("vacancy")
                steps = STEPS if many else self.arguments.steps
                one = ours(self.case, self.folder, variant, steps=steps, seed=seed)
                self.runs.setdefault(variant, []).append(one)
                numbers = {
                    key: value for key, value in asdict(one).items() if key != "barriers"
                } | {"processes": len(one.barriers)}
                print(f"  {variant}: {json.dumps(numbers)}", flush=True)

    def _by_defaults(self, seed: int) -> str:
        """What eOn's server takes for its first event with its own displacement, caps and tolerances."""
        made = peer(
            self.case,
            self.folder,
            visits=1,
            seed=seed,
            limit_s=60 * self.arguments.peer_min,
            defaults=True,
        )
        where = self.folder / f"peer-defaults-{seed}"
        if not made:
            calls = (where / COUNTS).read_bytes().count(b"1")
            return f"no event in {self.arguments.peer_min:g} min and {calls} evaluations"
        found = hops(where / "states" / "0")
        return f"{made[0].calls} evaluations, {made[0].searches} searches, {len(found)} processes"

    @property
    def first(self) -> list[float]:
        """The peer's evaluations of the first event, by seed."""
        return [float(visits[0].calls) for visits in self.visits]

    def show(self) -> bool:
        """Print the ratios; whether the limits hold."""
        if "harmonic" in self.runs:
            self._calls = harmonic_calls(self.folder, self.arguments.harmonic_searches)
        theirs = [self._peer_rate(seed) for seed in self.arguments.seeds]
        most = max([rate(one.barriers) for runs in self.runs.values() for one in runs] + theirs)
        share = max(1 - found / most for found in theirs)
        text = f"{spread(self.first, '.0f')} evaluations for the first event, missed rate at most"
        print(f"  eOn's server: {text} {share:.2%}", flush=True)
        good = True
        for variant, runs in self.runs.items():
            base = self.first
            if variant == "harmonic":
                base = self._harmonic(WHOLE)
                part = [o.first / b for o, b in zip(runs, self._harmonic(PART), strict=True)]
                print(f"  harmonic: {spread(part, '.4f')} of eOn's with its {PART}", flush=True)
            firsts = [one.first / other for one, other in zip(runs, base, strict=True)]
            missed = max(1 - rate(one.barriers) / most for one in runs)
            wholes = [one.whole / other for one, other in zip(runs, self._wholes(), strict=True)]
            text = f"  {variant}: first event {spread(firsts, '.4f')} of eOn's, missed rate at most {missed:.2%}"
            if variant != "harmonic":
                text += f"; to a missed rate of {MISSED:.0%}: {spread(wholes, '.4f')}"
            laters = [
                (one.first + (one.later or 0.0) * (one.steps - 1)) / (one.states * mean_visit(v))
                for one, v in zip(runs, self.visits, strict=True)
                if one.steps > 1
            ]
            if laters and variant != "harmonic":
                text += f"; {runs[0].steps} KMC steps {spread(laters, '.5f')}"
            print(text, flush=True)
            good = self._holds(variant, median(firsts), laters) and good
        return good

    def _holds(self, variant: str, first: float, laters: list[float]) -> bool:
        limit = {"all": FIRST, "harmonic": HARMONIC}.get(variant)
        if limit is None:
            return True
        if not self.case.symmetric:
            limit = WITHOUT_SYMMETRY
        good = first <= limit
        if variant == "all" and self.name.startswith("vacancy"):
            good = good and median(laters) <= LATER
        print(f"    its limits {'hold' if good else 'are MISSED'}", flush=True)
        return good

    def _harmonic(self, way: str) -> list[float]:
        """The peer's evaluations of the first event with harmonic prefactors, made in this way."""
        each = self._calls[way]
        return [
            visits[0].calls + each * self._good_share(seed) * visits[0].searches
            for seed, visits in zip(self.arguments.seeds, self.visits, strict=True)
        ]

    def _wholes(self) -> list[float]:
        """The peer's evaluations until no more than 1 % of the rate that it knows in the end was missed."""
        found = []
        for seed, visits in zip(self.arguments.seeds, self.visits, strict=True):
            state = self.folder / f"peer-{seed}" / "states" / "0"
            enough, spent = course.until(
                course.by_eon(state), course.rates_of(state), missed=MISSED
            )
            found.append(visits[0].calls * enough / spent)
        return found

    def _peer_rate(self, seed: int) -> float:
        """As of `rate`, of what eOn's server found in its state 0."""
        return rate(hops(self.folder / f"peer-{seed}" / "states" / "0"))

    def _good_share(self, seed: int) -> float:
        path = self.folder / f"peer-{seed}" / "states" / "0" / "search_results.txt"
        rows = [row.split() for row in path.read_text().splitlines()]
        kinds = [
            row[-1] for row in rows if len(row) > 2 and row[0].isdecimal() and row[1] != "reverse"
        ]
        return mean(kind.startswith(("repeat", "good")) for kind in kinds)


def mean_visit(visits: list[Visit]) -> float:
    """Evaluations of a first visit."""
    return mean(visit.calls for visit in visits if visit.first)


def main() -> None:
    """Print each run and each ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", nargs="+", default=["vacancy", "adatom", "divacancy", "alloy"])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS))
    parser.add_argument("--visits", type=int, default=3, help="KMC steps of eOn's server")
    parser.add_argument("--steps", type=int, default=2, help="of ours, where not 100 are made")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--peer-min", type=float, default=20.0, help="its longest run")
    parser.add_argument(
        "--defaults", action="store_true", help="eOn's server with its own settings, too"
    )
    parser.add_argument("--confidence", type=float, help="of scheme `old`, in place of 0.99")
    parser.add_argument("--harmonic-searches", type=int, default=4)
    parser.add_argument("--folder", type=Path, default=Path("events-bench"))
    arguments = parser.parse_args()
    good = True
    for name in arguments.cases:
        comparison = Comparison(name, CASES[name], arguments)
        comparison.measure()
        good = comparison.show() and good
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
