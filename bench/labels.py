"""Labels until a potential is calm and right on saddles: those that `select` chooses, against random choice of the same ones.

    containers/in-image python3 bench/labels.py [--folder DIR] [--seeds 5] [--batch 2]

The case is the vacancy of `bench/campaign.py` in 31 atoms: its first potential knows bulk and rattled vacancies, no hop.

What is compared is not two campaigns (ten of them would take hours), but two ways to choose from one fixed pool. Each seed has
a pool of its own: structures along climbs that begin at the vacancy as its searches do and follow the *first* potential, one
every third step of a dimer (about ten force calls, as gamma is looked at), from gamma `select` on, the demonstrations' 1.5.
Then, batch by batch of the same size, one side takes what `select_frames` chooses under its present potential, the other draws
from the pool at random; EMT labels them, and all labels so far are fitted by the campaign's `refit`. A side has arrived when
both hold:

* calm, a stand-in for 20 KMC steps without a halt: gamma reaches `halt` along none of a fixed list of climbs that *EMT* leads
  and no side chooses from. These are as many searches as one KMC step takes, not twenty. Climbs that would halt with the whole
  pool labelled are left out for that pool: a campaign would meet their like in later generations, which one pool has not.
* right: on a fixed list of saddles every barrier is within 15 meV of EMT's. They are those at which these climbs ended, and the
  lowest in a cell smaller and larger by 1 %; a potential's barrier is that of its own saddle, converged from EMT's.

Random draws are fitted only from the batch on at which the active set says that they are calm: gamma depends on which
structures are labelled, not on the fit. Climbs are ASE's dimer, not eOn's, as this process evaluates them itself. Target: at
most 1/5.
"""

import argparse
import json
import statistics
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.mep import DimerControl, MinModeAtoms, MinModeTranslate
from ase.neighborlist import neighbor_list
from ase.optimize import BFGS
from campaign import CASES, SELECT, first_potential, recipe
from table import row, spread

from mlip_kmc.config import GammaSection
from mlip_kmc.config.campaign import RefitSection
from mlip_kmc.evaluate.calculator import calculator_of
from mlip_kmc.evaluate.gamma import Extrapolation
from mlip_kmc.learning.frame_selection import select_frames
from mlip_kmc.learning.maxvol import Pool
from mlip_kmc.learning.refit import refit
from mlip_kmc.model.frames import KeptFrame, Kind, Stage
from mlip_kmc.model.labelled import LabelledStructure, Role, read_labelled
from mlip_kmc.potential import AcePotential

LIMIT, MOST_ERROR_MEV = 1 / 5, 15.0
THRESHOLDS = GammaSection(select=SELECT)
SELECTS = (SELECT, 1.2)
"""Of a first and a further round: as `campaign/repair.py` has them."""
HELD_SEED, HELD_CLIMBS, POOL_CLIMBS = 1600, 16, 10
STEPS, EVERY, FMAX = 90, 3, 0.02
NEAREST_A, HIGHEST_EV, HIGHEST_BARRIER_EV = 1.5, 20.0, 3.0
"""Structures with nearer atoms, or higher above the minimum, are evidence and no candidates; higher saddles are not listed."""
WIDTHS = (6, 7, 9, 12, 15, 11, 19)


@dataclass(frozen=True)
class Climb:
    """What one met: structures on its way, and the saddle it ended at with its mode (3 N), if it did."""

    way: list[Atoms]
    saddle: Atoms | None = None
    mode: np.ndarray | None = None


@dataclass(frozen=True)
class Saddle:
    """A minimum and a saddle beside it, as EMT has them, and EMT's barrier in eV."""

    minimum: Atoms
    saddle: Atoms
    mode: np.ndarray
    barrier_eV: float


def climb(start: Atoms, calculator, rng: np.random.Generator) -> Climb:
    """Displace what is around an atom beside the vacancy, and follow the lowest mode up."""
    atoms = start.copy()
    atoms.calc = calculator
    first, count = neighbor_list("i", atoms, 3.0), len(atoms)
    beside = np.flatnonzero(np.bincount(first, minlength=count) <= 11)
    near = atoms.get_distances(rng.choice(beside), range(count), mic=True) < 3.0
    displacement = np.where(near[:, None], rng.normal(0.0, 0.3, (count, 3)), 0.0)
    control = DimerControl(
        initial_eigenmode_method="displacement", displacement_method="vector", logfile=None
    )
    way: list[Atoms] = []
    try:
        dimer = MinModeAtoms(atoms, control, random_seed=int(rng.integers(2**31)))
        dimer.displace(displacement_vector=displacement, mask=[True] * count)
        search = MinModeTranslate(dimer, logfile=None)
        search.attach(lambda: way.append(_bare(atoms)), interval=EVERY)
        if not search.run(fmax=FMAX, steps=STEPS):
            return Climb(way)
        return Climb([*way, _bare(atoms)], _bare(atoms), dimer.get_eigenmode().ravel().copy())
    except (ValueError, RuntimeError, ArithmeticError):  # python-ace where atoms overlap
        return Climb(way)


def _bare(atoms: Atoms) -> Atoms:
    return Atoms(atoms.get_chemical_symbols(), atoms.positions, cell=atoms.cell, pbc=True)


class UpHill(Calculator):
    """A calculator whose force along a mode is turned round: minima of this are saddles of that."""

    implemented_properties = ("energy", "forces")

    def __init__(self, inner, mode: np.ndarray) -> None:
        super().__init__()
        self.inner, self.mode = inner, mode / np.linalg.norm(mode)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
        """Energy as it is, forces turned."""
        super().calculate(atoms, properties, system_changes)
        forces = self.inner.get_forces(self.atoms).ravel()
        turned = forces - 2.0 * (forces @ self.mode) * self.mode
        self.results = {
            "energy": self.inner.get_potential_energy(self.atoms),
            "forces": turned.reshape(-1, 3),
        }


def at_rest(atoms: Atoms, calculator) -> Atoms | None:
    """Converged; None where it is not in 200 steps."""
    moved = atoms.copy()
    moved.calc = calculator
    return moved if BFGS(moved, logfile=None).run(fmax=FMAX, steps=200) else None


def barrier_eV(minimum: Atoms, saddle: Atoms, mode: np.ndarray, calculator) -> float:  # noqa: N802 - a unit
    """Between minimum and saddle of a calculator, converged from where EMT has them; NaN where they are not found."""
    try:
        ends = at_rest(minimum, calculator), at_rest(saddle, UpHill(calculator, mode))
    except (ValueError, RuntimeError, ArithmeticError):
        return float("nan")
    if any(end is None for end in ends):
        return float("nan")
    return float(ends[1].get_potential_energy() - ends[0].get_potential_energy())


def scaled(atoms: Atoms, factor: float) -> Atoms:
    """In a cell that is larger by a factor along each edge."""
    found = atoms.copy()
    found.set_cell(found.cell.array * factor, scale_atoms=True)
    return found


def saddles_of(minimum: Atoms, climbs: list[Climb]) -> list[Saddle]:
    """Those of different barriers, and the lowest of them in two other cells."""
    found: list[Saddle] = []
    for one in climbs:
        if one.saddle is None:
            continue
        height = barrier_eV(minimum, one.saddle, one.mode, EMT())
        known = any(abs(height - other.barrier_eV) < 1e-3 for other in found)
        if 0.05 < height < HIGHEST_BARRIER_EV and not known:
            found.append(Saddle(minimum, one.saddle, one.mode, height))
    found.sort(key=lambda one: one.barrier_eV)
    hop = found[0]
    for factor in (0.99, 1.01):
        ends = scaled(hop.minimum, factor), scaled(hop.saddle, factor)
        found.append(Saddle(*ends, hop.mode, barrier_eV(*ends, hop.mode, EMT())))
    return found


@dataclass
class Bench:
    """What all sides have in common.

    Attributes:
        folder: scratch of it. label: labels a structure by EMT.
        first: the potential that knows no hop. training: what it was fitted to.
        held: climbs that EMT leads. saddles: the fixed list.
        fits: how many were made. counting: which of the climbs count, with the present pool.
    """

    folder: Path
    label: object
    first: AcePotential
    training: tuple[LabelledStructure, ...]
    held: list[Climb]
    saddles: list[Saddle]
    fits: int = field(default=0, init=False)
    counting: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.counting = np.ones(len(self.held), dtype=bool)

    @cached_property
    def grade(self) -> Extrapolation:
        """Of the first potential."""
        return Extrapolation.of(self.first)

    @cached_property
    def rows(self) -> list[np.ndarray]:
        """Of each climb of the list, all atoms' projections."""
        return [
            np.vstack([self.grade.projections_of(atoms)["Cu"] for atoms in one.way])
            for one in self.held
        ]

    def gammas(self, inverse: np.ndarray) -> np.ndarray:
        """The largest along each climb."""
        return np.array([np.abs(rows @ inverse).max() for rows in self.rows])

    def fitted(self, chosen: list[KeptFrame]) -> AcePotential:
        """With these labels."""
        self.fits += 1
        labels = []
        for frame in chosen:
            one = self.label(frame.name, frame.atoms)
            forces = one.forces_eV_per_A
            labels.append(
                LabelledStructure.whole(
                    one.name, one.atoms, energy_eV=one.energy_eV, forces_eV_per_A=forces
                )
            )
        return refit(
            self.first,
            training=self.training,
            labels=labels,
            section=RefitSection(),
            directory=self.folder / "fits",
            name=f"fit-{self.fits}",
        ).potential

    def reach(self, pool: list[KeptFrame]) -> np.ndarray:
        """Which of the listed climbs would be calm if all of a pool were labelled."""
        start = self.grade.inverses["Cu"]
        active = Pool(size=len(start))
        for owner, frame in enumerate(pool):
            active.add(self.grade.projections_of(frame.atoms)["Cu"] @ start, owner=owner)
        return self.gammas(start @ active.inverse) < THRESHOLDS.halt

    def judged(self, potential: AcePotential) -> tuple[float, float]:
        """The largest gamma along the climbs that count, and the largest error of a listed barrier in meV; NaN is no number."""
        gammas = self.gammas(Extrapolation.of(potential).inverses["Cu"])[self.counting]
        errors = [
            1e3
            * abs(
                barrier_eV(one.minimum, one.saddle, one.mode, calculator_of(potential))
                - one.barrier_eV
            )
            for one in self.saddles
        ]
        return float(np.max(gammas)), float(np.max(errors))


@dataclass(frozen=True)
class Side:
    """How one side came out: labels until it had arrived, None where the pool was not enough; what it was like at the end."""

    labels: int | None
    calm_after: int | None
    gamma: float
    error_meV: float


def arrived(gamma: float, error_meV: float) -> bool:
    """Both hold."""
    return not THRESHOLDS.reaches_halt(gamma) and error_meV <= MOST_ERROR_MEV


def pool_of(bench: Bench, start: Atoms, seed: int) -> list[KeptFrame]:
    """Candidates along climbs that the first potential leads."""
    rng, grade, found = np.random.default_rng([seed, 16]), bench.grade, []
    calculator = calculator_of(bench.first)
    lowest = _energy(start, calculator)
    for number in range(POOL_CLIMBS):
        for step, atoms in enumerate(climb(start, calculator, rng).way):
            near = neighbor_list("d", atoms, NEAREST_A)
            if len(near) or not _energy(atoms, calculator) - lowest < HIGHEST_EV:
                continue
            gammas = grade.gamma_of(atoms)
            if THRESHOLDS.reaches_select(gammas.max()):
                found.append(
                    KeptFrame(
                        atoms=atoms,
                        gammas=gammas,
                        search=f"0_{number}",
                        state=0,
                        stage=Stage.SEARCH,
                        step=step,
                        kind=Kind.CANDIDATE,
                        potential=grade.digest,
                    )
                )
    return found


def _energy(atoms: Atoms, calculator) -> float:
    probe = atoms.copy()
    probe.calc = calculator
    return float(probe.get_potential_energy())


def chosen_side(bench: Bench, pool: list[KeptFrame], *, batch: int) -> Side:
    """Batches that the product's selection takes."""
    potential, taken, calm, round_ = bench.first, [], None, 0
    gamma = error = float("nan")
    while True:
        names = {frame.name for frame in taken}
        rest = tuple(frame for frame in pool if frame.name not in names)
        selection = select_frames(
            rest, grade=Extrapolation.of(potential), select=SELECTS[round_], most=batch
        )
        if not selection.frames and round_ + 1 < len(SELECTS):
            round_ += 1
            continue
        if not selection.frames:
            return Side(None, calm, gamma, error)
        taken += selection.frames
        potential = bench.fitted(taken)
        gamma, error = bench.judged(potential)
        print(
            f"    chosen: {len(taken)} labels, gamma {gamma:.1f}, error {error:.1f} meV", flush=True
        )
        calm = calm or (None if THRESHOLDS.reaches_halt(gamma) else len(taken))
        if arrived(gamma, error):
            return Side(len(taken), calm, gamma, error)


def random_side(bench: Bench, pool: list[KeptFrame], *, batch: int, seed: int) -> Side:
    """Batches drawn at random."""
    order = np.random.default_rng([seed, 17]).permutation(len(pool))
    start = bench.grade.inverses["Cu"]
    active, taken, calm = Pool(size=len(start)), [], None
    gamma = error = float("nan")
    for begin in range(0, len(order), batch):
        for index in order[begin : begin + batch]:
            frame = pool[index]
            taken.append(frame)
            active.add(bench.grade.projections_of(frame.atoms)["Cu"] @ start, owner=len(taken))
        gamma = float(np.max(bench.gammas(start @ active.inverse)[bench.counting]))
        if THRESHOLDS.reaches_halt(gamma):
            continue
        calm = calm or len(taken)
        gamma, error = bench.judged(bench.fitted(taken))
        print(
            f"    random: {len(taken)} labels, gamma {gamma:.1f}, error {error:.1f} meV", flush=True
        )
        if arrived(gamma, error):
            return Side(len(taken), calm, gamma, error)
    if calm is None:
        gamma, error = bench.judged(bench.fitted(taken))
    return Side(None, calm, gamma, error)


def prepared(folder: Path) -> tuple[Bench, Atoms]:
    """The first potential, and the lists; and the minimum under it."""
    first, folder = recipe(), folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    case = CASES["vacancy"](first.make)
    first_potential(case, first, folder)
    potential = AcePotential.read(folder / "first.yace")
    minimum = at_rest(first.make.with_vacancy(), EMT())
    rng = np.random.default_rng(HELD_SEED)
    held = [climb(minimum, EMT(), rng) for _ in range(HELD_CLIMBS)]
    saddles = saddles_of(_bare(minimum), held)
    training = read_labelled(folder / "train.xyz", role=Role.TRAINING)
    bench = Bench(folder, first.labelled, potential, training, held, saddles)
    return bench, _bare(at_rest(minimum, calculator_of(potential)))


def main() -> None:
    """Print each seed, the medians and their ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("labels-bench"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=2)
    arguments = parser.parse_args()
    bench, start = prepared(arguments.folder)
    listed = ", ".join(f"{one.barrier_eV:.3f}" for one in bench.saddles)
    before = bench.judged(bench.first)
    print(
        f"{HELD_CLIMBS} listed climbs by EMT, {sum(one.saddle is not None for one in bench.held)} of them to a saddle; "
        f"{len(bench.saddles)} listed saddles (EMT, eV): {listed}"
    )
    print(f"the first potential: largest gamma {before[0]:.1f}, largest error {before[1]:.1f} meV")
    lines, results = [], []
    for seed in range(arguments.seeds):
        pool = pool_of(bench, start, seed)
        bench.counting = bench.reach(pool)
        print(
            f"  seed {seed}: {len(pool)} candidates; {bench.counting.sum()} of {HELD_CLIMBS} listed climbs count, before: "
            f"gamma {bench.judged(bench.first)[0]:.1f}",
            flush=True,
        )
        sides = {
            "chosen": chosen_side(bench, pool, batch=arguments.batch),
            "random": random_side(bench, pool, batch=arguments.batch, seed=seed),
        }
        results.append((len(pool), sides))
        lines += [
            row((seed, len(pool), name, *_told(side)), WIDTHS) for name, side in sides.items()
        ]
    heads = (
        "seed",
        "pool",
        "side",
        "calm after",
        "largest gamma",
        "error meV",
        "labels until both",
    )
    print(f"\n{row(heads, WIDTHS)}")
    print("\n".join(lines))
    sys.exit(0 if conclusion(results, arguments.folder) else 1)


def _told(side: Side) -> tuple[str, ...]:
    return (
        "never" if side.calm_after is None else f"{side.calm_after}",
        f"{side.gamma:.1f}",
        f"{side.error_meV:.1f}",
        "not reached" if side.labels is None else f"{side.labels}",
    )


def conclusion(results: list[tuple[int, dict[str, Side]]], folder: Path) -> bool:
    """Medians over the seeds; a pool that was not enough counts as its size, which is too little for random draws."""
    counts = {
        name: [
            size if sides[name].labels is None else sides[name].labels for size, sides in results
        ]
        for name in ("chosen", "random")
    }
    short = {name: sum(sides[name].labels is None for _, sides in results) for name in counts}
    ratio = statistics.median(counts["chosen"]) / statistics.median(counts["random"])
    for name, found in counts.items():
        print(
            f"{name}: {spread(found, '.0f')} labels, {short[name]} of {len(found)} not reached with the whole pool"
        )
    print(f"ratio of the medians {ratio:.3f} (at most {LIMIT:.3f})")
    (folder / "labels.json").write_text(
        json.dumps({**counts, "ratio": ratio, "not_reached": short})
    )
    return ratio <= LIMIT and not short["chosen"]


if __name__ == "__main__":
    main()
