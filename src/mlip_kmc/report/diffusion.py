"""Diffusion along one trajectory: mean squared displacement and diffusion coefficients, each with its error.

Example:
    for walk in follow(states, events):                # one a temperature and epoch: places at equal times, and squared hops
        for found in diffusion(walk):
            found.temperature_K, found.species, found.tracer_m2_per_s, found.tracer_error_m2_per_s

A diffusion coefficient belongs to one temperature and one potential. The KMC steps made with the same are taken together, in
their order: where the run was at another temperature in between, they are joined as if it had not been.

Two estimates, both of Einstein's relation in three dimensions, <|r(t) - r(0)|^2> = 6 D t (Mehrer, Diffusion in Solids,
Springer 2007, chapters 2 and 4):

- tracer: D* = (1/N) sum_i <|r_i(t0 + B) - r_i(t0)|^2> / 6B over the N atoms of a species and blocks of equal length B that do not
  overlap; its error is that of the mean over blocks, which for a mean is the jackknife's (Efron and Stein, Ann. Stat. 9,
  586 (1981)). Blocks must outlast the memory of the walk (Flyvbjerg and Petersen, J. Chem. Phys. 91, 461 (1989)): at least ten
  KMC steps each, and four blocks; with fewer there is no value.
- uncorrelated hops: sum over KMC steps of the squared displacements, / 6T. It ignores that hops undo each other, so for such
  walks it lies above the truth; its relative error is that of counting n steps, 1/sqrt(n).

Positions are minima, so there are no vibrations in them. Where no atom is fixed, the centre of mass rests, which makes squared
displacements smaller by about 1/N.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlip_kmc.model.atom_path import AtomPath
from mlip_kmc.model.records import Event, StateRecord
from mlip_kmc.model.structure import read_structure

Array = npt.NDArray[np.float64]

M2_PER_A2 = 1e-20
STEPS_PER_BLOCK = 10
BLOCKS = (20, 10, 8, 5, 4)
TRUSTED_STEPS = 100
"""Below it the counting error alone is more than a tenth."""
_GRID = 40
_GRID_ATOMS = 5_000_000
_KEPT_STATES = 256


@dataclass(frozen=True)
class Trajectory:
    """The KMC steps made at one temperature with one potential, as the estimates need them.

    Attributes:
        temperature_K: of their rates; None where the run did not note it.
        epoch: of the potential: see `mlip_kmc.model.records.Epoch`.
        species: N symbols.
        time_s: how long they took. steps: how many they are. returns: those of them that undo the one before.
        ambiguous: those of them in which an atom may have gone by another periodic image, which a larger cell would tell.
        grid: (M + 1, N, 3) unwrapped displacements in A since the first, at the times m T/M; at most 200 of them.
        hops_A2: (N, 3) sum over KMC steps of the squared displacements, by atom and axis.
        anchored: fixed atoms hold the frame.
    """

    temperature_K: float | None
    epoch: int
    species: tuple[str, ...]
    time_s: float
    steps: int
    returns: int
    ambiguous: int
    grid: Array
    hops_A2: Array
    anchored: bool

    @property
    def name(self) -> str:
        """Its temperature, and its epoch but for the first; empty where neither tells anything."""
        kelvin = [] if self.temperature_K is None else [f"{self.temperature_K:g} K"]
        return ", ".join([*kelvin, *([f"epoch {self.epoch}"] if self.epoch else [])])


@dataclass(frozen=True)
class SpeciesDiffusion:
    """One species at one temperature with one potential.

    Attributes:
        temperature_K, epoch: see `Trajectory`.
        species: symbol. atoms: how many.
        hop_m2_per_s, hop_error_m2_per_s: uncorrelated hops, of one atom.
        tracer_m2_per_s, tracer_error_m2_per_s: of one atom; None where there are too few steps.
        axes_m2_per_s: tracer along x, y, z (<dx^2>/2B).
        blocks: how many the tracer value is the mean of.
        lags_s: lag times. msd_A2: mean over time origins of the squared displacement, summed over the atoms.
        msd_error_A2: its jackknife error over blocks of origins; empty where there are too few steps.
    """

    temperature_K: float | None
    epoch: int
    species: str
    atoms: int
    hop_m2_per_s: float
    hop_error_m2_per_s: float
    tracer_m2_per_s: float | None
    tracer_error_m2_per_s: float | None
    axes_m2_per_s: tuple[float, float, float] | None
    blocks: int
    lags_s: tuple[float, ...]
    msd_A2: tuple[float, ...]
    msd_error_A2: tuple[float, ...]


@dataclass
class _Course:
    """The steps made at one temperature, while they are added one by one."""

    time_s: float
    latest: npt.NDArray[np.intp]  # by point of the grid, the last step before it
    grid: Array
    hops_A2: Array
    place: Array
    steps: int = 0
    returns: int = 0
    ambiguous: int = 0

    @classmethod
    def of(cls, steps_s: Sequence[float], *, atoms: int) -> "_Course":
        """Before the first step; `steps_s` are the times that they take."""
        size = _GRID * max(1, min(5, _GRID_ATOMS // (atoms * _GRID)))
        begins = np.cumsum([0.0, *steps_s])
        times = np.linspace(0.0, begins[-1], size + 1)
        latest = np.searchsorted(begins, times * (1 + 1e-12), side="right") - 1
        grid, hops, place = np.zeros((size + 1, atoms, 3)), *np.zeros((2, atoms, 3))
        return cls(float(begins[-1]), latest, grid, hops, place)

    def add(self, moved: Array, *, undoes: bool, ambiguous: bool) -> None:
        """The next step; `moved` are (N, 3) displacements in A."""
        self.steps += 1
        self.ambiguous += ambiguous
        self.returns += undoes
        self.place = self.place + moved
        self.hops_A2 += moved**2
        self.grid[self.latest == self.steps] = self.place


def follow(states: Sequence[StateRecord], events: Sequence[Event]) -> tuple[Trajectory, ...]:
    """Replay the journal's mappings on the states' structures.

    Returns:
        a trajectory for each temperature and epoch, in the order of their first steps; none without a state, an event, or time.
    """
    if not states or not events:
        return ()
    start = read_structure(states[0].structure)
    path = AtomPath.start(
        np.asarray(start.cell.array), start.get_chemical_symbols(), anchored=bool(start.constraints)
    )
    steps_s: dict[tuple[float | None, int], list[float]] = defaultdict(list)
    for event in events:
        if not event.relabelled:
            steps_s[event.temperature_K, event.epoch].append(event.step_time_s)
    courses = {key: _Course.of(times, atoms=len(start)) for key, times in steps_s.items()}
    places = _positions(states, events, path)
    before, previous = next(places), -1
    for event, now in zip(events, places, strict=True):
        if event.relabelled:  # no step: another potential has other minima
            before, previous = now, -1
            continue
        undoes = event.product == previous
        courses[event.temperature_K, event.epoch].add(
            now - before, undoes=undoes, ambiguous=event.ambiguous
        )
        before, previous = now, event.reactant
    return tuple(
        Trajectory(
            temperature_K=temperature_K,
            epoch=epoch,
            species=path.species,
            time_s=course.time_s,
            steps=course.steps,
            returns=course.returns,
            ambiguous=course.ambiguous,
            grid=course.grid,
            hops_A2=course.hops_A2,
            anchored=path.anchored,
        )
        for (temperature_K, epoch), course in courses.items()
        if course.time_s > 0
    )


def _positions(
    states: Sequence[StateRecord], events: Sequence[Event], path: AtomPath
) -> Iterator[Array]:
    structures = {state.number: state.structure for state in states}
    kept: dict[int, Array] = {}

    def positions(state: int) -> Array:
        if state not in kept:
            if len(kept) >= _KEPT_STATES:
                kept.pop(next(iter(kept)))
            kept[state] = np.asarray(read_structure(structures[state]).positions)
        return kept[state]

    yield path.unwrapped(positions(0))
    for event in events:
        path = path.changed(event.mapping, event.images, event.drift_A, event.turn)
        yield path.unwrapped(positions(event.product))


def diffusion(walk: Trajectory) -> tuple[SpeciesDiffusion, ...]:
    """Estimates for every species, in the order of first appearance."""
    kinds = np.asarray(walk.species)
    return tuple(
        _of_species(walk, name, np.flatnonzero(kinds == name))
        for name in dict.fromkeys(walk.species)
    )


def _of_species(walk: Trajectory, name: str, atoms: npt.NDArray[np.intp]) -> SpeciesDiffusion:
    count, size = len(atoms), len(walk.grid) - 1
    hop = float(walk.hops_A2[atoms].sum()) / (6 * walk.time_s * count) * M2_PER_A2
    places = walk.grid[:, atoms]
    blocks = blocks_for(walk.steps)
    lags = np.arange(1, size // 2 + 1)
    msd, error = _msd(places, lags, blocks)
    tracer: Mapping[str, object] = _tracer(places, walk.time_s, blocks)
    return SpeciesDiffusion(
        temperature_K=walk.temperature_K,
        epoch=walk.epoch,
        species=name,
        atoms=count,
        hop_m2_per_s=hop,
        hop_error_m2_per_s=hop / float(np.sqrt(walk.steps)),
        blocks=blocks,
        lags_s=tuple(map(float, lags * walk.time_s / size)),
        msd_A2=tuple(map(float, msd)),
        msd_error_A2=tuple(map(float, error)),
        **tracer,  # type: ignore[arg-type]
    )


def blocks_for(steps: int) -> int:
    """How many blocks so many KMC steps allow; 0 where they are too few."""
    return next((blocks for blocks in BLOCKS if steps // blocks >= STEPS_PER_BLOCK), 0)


def _tracer(places: Array, time_s: float, blocks: int) -> dict[str, object]:
    if not blocks:
        return {"tracer_m2_per_s": None, "tracer_error_m2_per_s": None, "axes_m2_per_s": None}
    ends = places[:: (len(places) - 1) // blocks]
    squares = (np.diff(ends, axis=0) ** 2).mean(axis=1)  # (blocks, 3)
    axes = squares.mean(axis=0) / (2 * time_s / blocks) * M2_PER_A2
    values = squares.sum(axis=1) / (6 * time_s / blocks) * M2_PER_A2
    error = values.std(ddof=1) / np.sqrt(blocks)
    return {
        "tracer_m2_per_s": float(values.mean()),
        "tracer_error_m2_per_s": float(error),
        "axes_m2_per_s": tuple(map(float, axes)),
    }


def _msd(places: Array, lags: npt.NDArray[np.intp], blocks: int) -> tuple[Array, Array]:
    """Mean over origins, and the delete-one-block jackknife error of it, in A^2 summed over the atoms."""
    means, errors = np.empty(len(lags)), np.empty(len(lags) if blocks else 0)
    flat = np.ascontiguousarray(places).reshape(len(places), -1)
    for index, lag in enumerate(lags):
        squares = ((flat[lag:] - flat[:-lag]) ** 2).sum(axis=1)
        means[index] = squares.mean()
        if blocks:
            errors[index] = _jackknife(np.array_split(squares, blocks))
    return means, errors


def _jackknife(groups: Sequence[Array]) -> float:
    sums, counts = (
        np.array([group.sum() for group in groups]),
        np.array([len(group) for group in groups]),
    )
    without = (sums.sum() - sums) / (counts.sum() - counts)
    size = len(groups)
    return float(np.sqrt((size - 1) / size * ((without - without.mean()) ** 2).sum()))
