"""What is missed by our own engine with symmetry and early stops, against an exhaustive reference; `just bench-accuracy`.

    containers/in-image python3 bench/accuracy.py [--folder DIR] [--reference 2000] [--ours 1000] [--repeats 60] [--steps 2000]

Three runs of the example's vacancy in DIR, each of which goes on where it was ended: the reference (searches of state 0 by eOn's
client), ours (native, orbits, early stops, as many as wanted) and a KMC run (native, orbits, classes). Then from these:

- each process of the reference is looked for among ours by its saddle; barriers and sums of rates are compared;
- repeats: the searches of each run are dealt out anew (shuffled by seed) until `old` 0.99 stops, and the rate that is missed is
  counted; with orbits a process that is found brings its orbit;
- the KMC run's jumps: is diffusion isotropic, and is the atoms' correlation factor that of a cell of this size? That is computed
  exactly from the walk of one vacancy about one tagged atom, and goes to fcc's 0.7815 as the cell grows.

Exit code 1: a limit is missed (the missed share's 95 % bound below 1 %, barriers to 1 meV, no wrong audit, kinetics within three
errors).
"""

from __future__ import annotations

import argparse
import itertools
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from ase.io import read
from example import by_eon_alone

from mlip_kmc.model.records import SearchRecord, read_lines
from mlip_kmc.model.structure import from_con, minimum_image
from mlip_kmc.store.eon_tree import read_states

SEED = 1001
KT_EV = 500 / 11604.5
REPEATS_IN_A_ROW = 100  # `old` at 0.99
SAME_SADDLE_A = 0.1
FCC = 0.7815
SYMMETRY = {"orbits": True, "classes": True}
LIMIT = 0.01


def settings(kind: str) -> dict[str, Any]:
    """Of one of the runs."""
    found = by_eon_alone() | {"workers": 1, "seed": SEED, "gamma": {"on_halt": "continue"}}
    found["search"] |= {"max_bad_in_a_row": 1000}
    if kind == "reference":
        return found
    found["search"] |= {"engine": "native", "early_stop": kind == "ours"}
    return found | {"symmetry": SYMMETRY}


def made(kind: str, folder: Path, arguments: list[str], **changes: Any) -> Path:
    """The run's directory, when it has come so far."""
    config, where = folder / f"{kind}.yaml", folder / kind
    config.write_text(yaml.safe_dump(settings(kind) | changes), encoding="utf-8")
    command = [sys.executable, "-m", "mlip_kmc", *arguments, "--quiet", "--dir", str(where)]
    done = subprocess.run([*command, str(config)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{kind} ended with exit code {done.returncode}: {done.stderr[-2000:]}")
    return where


class Pool:
    """Searches of state 0 that can be dealt out anew.

    Attributes:
        records: of searches. barriers: eV by process. orbit: its processes by process.
    """

    def __init__(self, run: Path) -> None:
        journal = read_lines(run / "journal" / "searches.jsonl", SearchRecord)
        self.records = [record for record in journal if record.state == 0]
        (self.state, *_) = read_states(run / "eon")
        low = min(process.barrier for process in self.state.processes)
        self.barriers = {
            process.process: process.barrier
            for process in self.state.processes
            if process.barrier <= low + 20 * KT_EV
        }
        self.orbit = {process: frozenset({process}) for process in self.barriers}
        for record in self.records:
            if record.outcome == "new" and record.images:
                together = frozenset({record.process, *record.images})
                self.orbit |= dict.fromkeys(together, together)
        self.rates = {key: math.exp(-barrier / KT_EV) for key, barrier in self.barriers.items()}

    def saddles(self) -> dict[int, Any]:
        """(N, 3) by process."""
        return {
            process.process: from_con(process.saddle.read_text(encoding="utf-8")).positions
            for process in self.state.processes
            if process.process in self.barriers
        }

    @property
    def most_missed(self) -> float:
        """The largest share of the rate that one orbit has; none can be missed where there is but one."""
        shares = {sum(self.rates[key] for key in orbit) for orbit in self.orbit.values()}
        several = len(set(self.orbit.values())) > 1
        return max(shares) / sum(self.rates.values()) if several else 0.0

    def repeat(self, random: np.random.Generator) -> tuple[float, int, int]:
        """The missed share of the rate when `old` stops; searches and their force calls."""
        known: set[int] = set()
        in_a_row = calls = 0
        for used, index in enumerate(random.permutation(len(self.records)), start=1):
            record = self.records[index]
            calls += record.force_calls
            if record.process not in self.orbit:
                continue
            in_a_row = in_a_row + 1 if record.process in known else 0
            known |= self.orbit[record.process]
            if in_a_row >= REPEATS_IN_A_ROW:
                found = sum(self.rates[key] for key in known)
                return 1 - found / sum(self.rates.values()), used, calls
        sys.exit("too few searches for a repeat")


def compared(reference: Pool, ours: Pool) -> bool:
    """Print how our processes differ from the reference's."""
    cell = from_con(reference.state.structure.read_text(encoding="utf-8")).cell.array
    mine, off, found = ours.saddles(), [], set()
    for key, place in reference.saddles().items():
        apart = {
            other: np.linalg.norm(minimum_image(there - place, cell), axis=1).max()
            for other, there in mine.items()
        }
        nearest = min(apart, key=lambda other: apart[other])
        if apart[nearest] <= SAME_SADDLE_A:
            found.add(nearest)
            off.append(1e3 * abs(ours.barriers[nearest] - reference.barriers[key]))
    ratio = sum(ours.rates.values()) / sum(reference.rates.values())
    audits = [record.early for record in ours.records if record.early in ("confirmed", "wrong")]
    wrong, stopped = audits.count("wrong"), sum(r.early == "stopped" for r in ours.records)
    print(
        f"reference: {len(reference.records)} searches (seed {SEED}), {len(reference.barriers)} processes within 20 kT; ours: "
        f"{len(ours.records)} searches, {len(ours.barriers)} processes, {len(found)} of the reference's"
    )
    print(
        f"  barriers differ by at most {max(off):.2f} meV, the sum of rates by {ratio - 1:+.2%}; early stops {stopped}, audits "
        f"{len(audits)}, {wrong} wrong (at most {3 / max(len(audits), 1):.1%} with 95 %)"
    )
    same = len(found) == len(reference.barriers) == len(ours.barriers)
    return same and max(off) < 1.0 and not wrong and abs(ratio - 1) < LIMIT


def repeated(name: str, pool: Pool, count: int) -> float:
    """Print what repeats miss; the 95 % bound of the mean missed share."""
    random = np.random.default_rng(SEED)
    missed, used, calls = np.array([pool.repeat(random) for _ in range(count)]).T
    means = [random.choice(missed, count).mean() for _ in range(2000)]
    some = int((missed > 1e-9).sum())
    bound = max(float(np.quantile(means, 0.95)), at_most(some, count) * pool.most_missed)
    print(
        f"{name}: {count} repeats, missed share {missed.mean():.3%} (95 % bound {bound:.2%}, worst {missed.max():.2%}; {some} "
        f"missed something), {used.mean():.0f} searches, {calls.mean():.0f} force calls as counted"
    )
    return bound


def at_most(seen: int, of: int) -> float:
    """The share that gives so few with 5 % (Clopper and Pearson, Biometrika 26, 404 (1934))."""
    from scipy.stats import beta

    return float(beta.ppf(0.95, seen + 1, of - seen)) if seen < of else 1.0


def neighbours() -> Any:
    """(12, 3) nearest neighbours of a fcc site, in halves of the cubic lattice parameter."""
    signs = [(i, j) for i in (1, -1) for j in (1, -1)]
    return np.array(
        [np.insert([i, j], zero, 0) for zero in range(3) for i, j in signs], dtype=np.int64
    )


def correlation(cells: int) -> float:
    """The exact tracer correlation factor of a periodic fcc cell of cells^3 cubic cells with one vacancy.

    f = (1 + t) / (1 - t), where t is the mean cosine between two jumps of the tagged atom that follow each other (Compaan and
    Haven, Trans. Faraday Soc. 52, 786 (1956)): the vacancy walks on all other sites until it exchanges with the atom again.
    """
    size, jumps = 2 * cells, neighbours()
    grid = np.stack(np.meshgrid(*[np.arange(size)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    sites = grid[grid.sum(axis=1) % 2 == 0]
    index = {tuple(site): number for number, site in enumerate(sites)}
    walk = np.zeros((len(sites), len(sites)))
    last = np.zeros((len(sites), 3))  # mean displacement of the atom in an exchange from there
    for number, site in enumerate(sites[1:], start=1):
        for jump in jumps:
            to = index[tuple((site + jump) % size)]
            if to == 0:
                last[number] -= jump / 12  # the atom goes where the vacancy was
            else:
                walk[number, to] += 1 / 12
    mean = np.linalg.solve(np.eye(len(sites)) - walk, last)
    before = jumps[0]  # the atom moved by this; the vacancy is now behind it
    t = float(mean[index[tuple(-before % size)]] @ before) / 2
    return (1 + t) / (1 - t)


def jumps_of(run: Path) -> tuple[Any, Any]:
    """(n,) which atom, and (n, 3) by what it jumped, in halves of the lattice parameter, one for each KMC step."""
    frames = read(run / "results" / "trajectory.xyz", ":")
    half_A = frames[0].cell.lengths()[0] / 6
    who, how = [], []
    for one, other in itertools.pairwise(frames):
        moved = (other.positions - one.positions) / half_A
        atom = int(np.linalg.norm(moved, axis=1).argmax())
        jump = np.rint(moved[atom] - np.median(moved, axis=0)).astype(int)
        if not (jump @ jump == 2 and np.abs(jump).max() == 1):
            sys.exit(f"step {len(who)} is no jump to a nearest neighbour: {jump}")
        who.append(atom)
        how.append(jump)
    return np.array(who), np.array(how)


def turns(who: Any, how: Any) -> Any:
    """(n,) cosines between two jumps of one atom that follow each other, which are all that its correlation factor rests on."""
    last: dict[int, Any] = {}
    found = []
    for atom, jump in zip(who.tolist(), how, strict=True):
        if atom in last:
            found.append(float(jump @ last[atom]) / 2)
        last[atom] = jump
    return np.array(found)


def kinetics(run: Path) -> bool:
    """Print whether the vacancy's jumps are isotropic, and the atoms' correlation factor."""
    from scipy.stats import chisquare

    who, how = jumps_of(run)
    counts = [int((how == jump).all(axis=1).sum()) for jump in neighbours()]
    chance = float(chisquare(counts).pvalue)
    squares = np.square(how).mean(axis=0)
    error = math.sqrt(2 / 9 / len(how))  # of a mean square that is 0 or 1, with 2/3
    crossed = [float((how[:, i] * how[:, j]).mean()) for i, j in ((0, 1), (0, 2), (1, 2))]
    print(
        f"vacancy, {len(how)} steps: D in units of a^2/12 a jump {np.round(1.5 * squares, 3).tolist()} +- {1.5 * error:.3f}, off "
        f"the diagonal {np.round(1.5 * np.array(crossed), 3).tolist()} +- {1.5 * math.sqrt(1 / 3 / len(how)):.3f}; the twelve "
        f"directions {min(counts)} to {max(counts)} times, p = {chance:.2f}"
    )
    cosines = turns(who, how)
    t, error_of_t = float(cosines.mean()), float(cosines.std(ddof=1) / math.sqrt(len(cosines)))
    found, spread = (1 + t) / (1 - t), 2 * error_of_t / (1 - t) ** 2
    exact = correlation(3)
    print(
        f"tracer correlation factor {found:.3f} +- {spread:.3f} from {len(cosines)} pairs of jumps of one atom; exact in this "
        f"cell {exact:.4f} (cells of 4, 5, 6: {', '.join(f'{correlation(cells):.4f}' for cells in (4, 5, 6))}; infinite {FCC})"
    )
    isotropic = np.abs(squares - 2 / 3).max() < 3 * error and chance > 1e-3
    return bool(isotropic and abs(found - exact) < 3 * spread)


def main() -> None:
    """Make what is missing of the runs, print what they say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("accuracy-bench"))
    parser.add_argument("--reference", type=int, default=2000)
    parser.add_argument("--ours", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--steps", type=int, default=2000)
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {"reference": arguments.reference, "ours": arguments.ours}
    reference, ours = (
        Pool(made(kind, folder, ["search", "-n", str(count)])) for kind, count in wanted.items()
    )
    good = compared(reference, ours)
    bounds = [
        repeated("stock order, eOn's client", reference, arguments.repeats),
        repeated("native, orbits, early stops", ours, arguments.repeats),
    ]
    good = good and bounds[1] < LIMIT
    if arguments.steps:
        run = made("kinetics", folder, ["run"], stop={"kmc_steps": arguments.steps})
        good = kinetics(run) and good
    print(f"limits {'hold' if good else 'are MISSED'}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
