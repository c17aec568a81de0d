"""A campaign from a potential that has seen no hop, to 20 KMC steps without a halt, with EMT as oracle; `just campaign-demo`.

For each case: a potential fitted to bulk and rattled defects, a campaign on the defect, and then the barriers of the first and of
the last potential beside EMT's own (climbing-image nudged elastic bands of all three). Limits: 6 generations, 80 labels, 15 meV,
and 15 minutes on two cores that have nothing else to do.

    python3 bench/campaign.py vacancy [--folder DIR]      # or adatom, alloy, silver
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from ase import Atoms
from ase.build import add_adsorbate, bulk, fcc100
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.mep import NEB
from ase.optimize import BFGS, FIRE
from scipy.optimize import minimize_scalar

from mlip_kmc.campaign.state import FILE, CampaignState
from mlip_kmc.evaluate.calculator import calculator_of
from mlip_kmc.ground.errors import MlipKmcError
from mlip_kmc.model.labelled import write_labelled
from mlip_kmc.potential import AcePotential

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).resolve().parents[1]
STEPS, MOST_GENERATIONS, MOST_LABELS, MOST_ERROR_MEV, MOST_MIN = 20, 6, 80, 15.0, 15.0
LARGER = "larger.yaml"
SELECT = 1.5
"""Half the usual one: EMT's labels are cheap, and what is just known is what one of hundreds of later searches halts beyond."""


HALT = 3.0
"""Where a vacancy is to halt: its saddle has gamma 3.1 under a potential that has seen no hop."""


def recipe() -> Any:
    """`examples/cu-campaign/make_campaign.py`: labels by EMT, bases, the fit of a first potential."""
    path = ROOT / "examples" / "cu-campaign" / "make_campaign.py"
    spec = importlib.util.spec_from_file_location("make_campaign", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is missing")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Case:
    """A defect.

    Attributes:
        name: of it. elements: of the potential.
        training, test: what the first potential is fitted to, and measured on; structures without labels.
        start: where the run starts. search: its section of the run's configuration.
        ends: by name, two minima beside a saddle. scale: of the potential's lengths, against copper's.
        larger: whether a larger basis may be tried, as barriers ask for one.
        halt: from which gamma on a search is halted; None: the usual one.
    """

    name: str
    elements: tuple[str, ...]
    training: Sequence[Atoms]
    test: Sequence[Atoms]
    start: Atoms
    search: dict[str, Any]
    ends: dict[str, tuple[Atoms, Atoms]]
    scale: float = 1.0
    larger: bool = False
    halt: float | None = None


# -- cases


def vacancy_case(make: Any) -> Case:
    """A copper vacancy: bulk and vacancies rattled by at most 0.05 A are known, no hop."""
    rng = np.random.default_rng(1)

    def frames(count: int) -> list[Atoms]:
        found = list(make.bulk_structures(rng, count))
        for _ in range(count):
            atoms = make.strained(make.with_vacancy(), rng, 0.02)
            found.append(make.rattled(atoms, rng, rng.uniform(0, 0.05)))
        return found

    start = make.with_vacancy(3)
    end = start.copy()
    hopper = make.neighbour_of_vacancy(start, make.FCC_NEIGHBOURS[-1])
    end.positions[hopper] -= make.FCC_NEIGHBOURS[-1] * make.A_EMT
    search = {
        "displace": "under_coordinated",
        "max_coordination": 11,
        "displacement_A": 0.3,
        "displacement_radius_A": 3.0,
        "max_iterations": 300,
    }
    ends = {"hop": (start, end)}
    return Case("vacancy", ("Cu",), frames(20), frames(10), start, search, ends, halt=HALT)


def _slab(adatom: bool, *, a: float = 3.59) -> Atoms:  # noqa: FBT001
    slab = fcc100("Cu", (4, 4, 4), a=a, vacuum=7.0, periodic=True)
    if adatom:
        add_adsorbate(slab, "Cu", 1.75, "hollow")
    slab.set_constraint(FixAtoms([atom.index for atom in slab if atom.tag == 4]))
    return slab


def adatom_case(make: Any) -> Case:
    """A copper adatom on Cu(100): bulk and rattled bare surfaces are known, no adatom."""
    rng = np.random.default_rng(2)

    def frames(count: int) -> list[Atoms]:
        found = list(make.bulk_structures(rng, count))
        for _ in range(count):
            atoms = _slab(adatom=False)
            atoms.set_constraint()
            found.append(make.rattled(atoms, rng, rng.uniform(0, 0.1)))
        return found

    start = _slab(adatom=True)
    hop, exchange = start.copy(), start.copy()
    step = start.cell[0] / 4
    hop.positions[-1] += step
    # the adatom takes a surface atom's place, which goes on to the hollow site diagonally opposite
    diagonal = (start.cell[0] + start.cell[1]) / 4
    top = [atom.index for atom in start if atom.tag == 1]
    middle = start.positions[-1] + diagonal / 2
    distances = [np.linalg.norm((start.positions[index] - middle)[:2]) for index in top]
    taken = top[int(np.argmin(distances))]
    exchange.positions[-1] = start.positions[taken]
    exchange.positions[taken] = start.positions[-1] + diagonal
    search = {
        "displace": "least_coordinated",
        "displacement_A": 0.3,
        "displacement_radius_A": 3.0,
        "max_iterations": 300,
    }
    ends = {"hop": (start, hop), "exchange": (start, exchange)}
    return Case("adatom", ("Cu",), frames(20), frames(8), start, search, ends, larger=True)


def alloy_case(make: Any) -> Case:
    """A copper vacancy beside a nickel atom: bulk and rattled vacancies with and without nickel are known, no hop."""
    rng = np.random.default_rng(3)

    def with_nickel(atoms: Atoms, count: int) -> Atoms:
        atoms.symbols[rng.choice(len(atoms), size=count, replace=False)] = "Ni"
        return atoms

    def frames(count: int) -> list[Atoms]:
        found = []
        for _ in range(count):
            base = with_nickel(make.perfect(), int(rng.integers(0, 32)))
            found.append(make.rattled(make.strained(base, rng, 0.03), rng, rng.uniform(0, 0.15)))
        for _ in range(count):
            base = with_nickel(make.with_vacancy(), int(rng.integers(1, 8)))
            found.append(make.rattled(make.strained(base, rng, 0.02), rng, rng.uniform(0, 0.05)))
        return found

    start = make.with_vacancy(3)
    direction = make.FCC_NEIGHBOURS[-1]
    solute = make.neighbour_of_vacancy(start, direction)
    start.symbols[solute] = "Ni"
    swap = start.copy()
    swap.positions[solute] -= direction * make.A_EMT
    other = make.FCC_NEIGHBOURS[0]
    host, away = make.neighbour_of_vacancy(start, other), start.copy()
    away.positions[host] -= other * make.A_EMT
    search = {
        "displace": "under_coordinated",
        "max_coordination": 11,
        "displacement_A": 0.3,
        "displacement_radius_A": 3.0,
        "max_iterations": 300,
    }
    ends = {"solute": (start, swap), "host": (start, away)}
    return Case("alloy", ("Cu", "Ni"), frames(40), frames(12), start, search, ends, halt=HALT)


def silver_case(make: Any) -> Case:
    """A silver vacancy: the copper one with all lengths, those of the basis too, in the ratio of EMT's lattice constants."""
    copper = vacancy_case(make)
    scale = _lattice_constant("Ag", near=4.06) / make.A_EMT

    def silver(atoms: Atoms) -> Atoms:
        found = Atoms(["Ag"] * len(atoms), atoms.positions, cell=atoms.cell, pbc=True)
        found.set_cell(found.cell.array * scale, scale_atoms=True)
        return found

    return Case(
        name="silver",
        elements=("Ag",),
        training=[silver(atoms) for atoms in copper.training],
        test=[silver(atoms) for atoms in copper.test],
        start=silver(copper.start),
        search={**copper.search, "displacement_radius_A": 3.0 * scale},
        ends={name: (silver(one), silver(other)) for name, (one, other) in copper.ends.items()},
        scale=scale,
        halt=copper.halt,
    )


def _lattice_constant(symbol: str, *, near: float) -> float:
    """Of the fcc crystal as EMT has it, in A."""

    def energy_eV(a: float) -> float:  # noqa: N802 - a unit
        crystal = bulk(symbol, "fcc", a=a)
        crystal.calc = EMT()
        return float(crystal.get_potential_energy())

    return float(minimize_scalar(energy_eV, bounds=(0.95 * near, 1.05 * near)).x)


CASES: dict[str, Callable[[Any], Case]] = {
    "vacancy": vacancy_case,
    "adatom": adatom_case,
    "alloy": alloy_case,
    "silver": silver_case,
}


# -- the first potential


def first_potential(case: Case, first: Any, folder: Path) -> None:
    """Fit it, and write the sets beside it."""
    training = [first.labelled(f"train-{i}", atoms) for i, atoms in enumerate(case.training)]
    test = [first.labelled(f"test-{i}", atoms) for i, atoms in enumerate(case.test)]
    write_labelled(folder / "train.xyz", training)
    write_labelled(folder / "test.xyz", test)
    first.fit(folder, "first", training, elements=case.elements, scale=case.scale)
    if case.larger:
        found = first.basis(case.elements, scale=case.scale, larger=True)
        found.save(str(folder / LARGER))


def write_configuration(case: Case, first: Any, folder: Path) -> None:
    """The run's and the campaign's."""
    case.start.write(folder / "start.xyz")
    run = {
        "structure": "start.xyz",
        "potential": {"ace": "first.yace"},
        "temperature_K": 500,
        "search": case.search,
        "gamma": {"select": SELECT, **({} if case.halt is None else {"halt": case.halt})},
        "symmetry": {"orbits": True, "classes": True},
        "confidence": {"scheme": "old", "value": 0.9},
        "workers": 2,
        "seed": 1,
    }
    zero = {symbol: first.free_atom_eV(symbol) for symbol in case.elements}
    campaign = {
        "explore": "akmc.yaml",
        "training": {"data": "train.xyz", "test": "test.xyz"},
        "oracle": {
            "ase": "ase.calculators.emt:EMT",
            "settings": {"code": "ASE EMT"},
            "zero_eV": zero,
        },
        "labels": {"at_a_time": 2},
        "confirm": {
            "rate_share": 1
        },  # the exchange of an adatom, too, which carries next to nothing at 500 K
        "calm_steps": STEPS,
        "budget": {"generations": MOST_GENERATIONS, "labels": MOST_LABELS},
    }
    if case.larger:
        campaign["refit"] = {"larger_bases": [LARGER]}
    (folder / "akmc.yaml").write_text(yaml.safe_dump(run))
    (folder / "campaign.yaml").write_text(yaml.safe_dump(campaign))


# -- barriers


def barrier(ends: tuple[Atoms, Atoms], make_calculator: Callable[[], Any]) -> float:
    """In eV, of a climbing-image band of seven images; NaN where it does not converge, or leaves what can be evaluated."""
    try:
        return _band(ends, make_calculator)
    except (MlipKmcError, ValueError, RuntimeError):  # python-ace refuses atoms that overlap
        return float("nan")


def _band(ends: tuple[Atoms, Atoms], make_calculator: Callable[[], Any]) -> float:
    band = [ends[0].copy(), *(ends[0].copy() for _ in range(5)), ends[1].copy()]
    for atoms in band:
        atoms.calc = make_calculator()
    for atoms in (band[0], band[-1]):
        BFGS(atoms, logfile=None).run(fmax=0.005, steps=200)
    neb = NEB(band, climb=True, method="improvedtangent")
    neb.interpolate(mic=True)
    if not FIRE(neb, logfile=None).run(fmax=0.02, steps=400):
        return float("nan")
    energies = [atoms.get_potential_energy() for atoms in band]
    return float(max(energies) - energies[0])


def barriers(case: Case, calculators: dict[str, Callable[[], Any]]) -> dict[str, dict[str, float]]:
    """By process, by potential."""
    return {
        process: {name: barrier(ends, make) for name, make in calculators.items()}
        for process, ends in case.ends.items()
    }


def main() -> None:
    """Run the cases that are named, and print what each came to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cases", nargs="*", default=["vacancy"], choices=list(CASES))
    parser.add_argument("--folder", type=Path, default=Path("campaign-demo"))
    arguments = parser.parse_args()
    first = recipe()
    results = [
        one_case(CASES[name](first.make), first, arguments.folder / name)
        for name in arguments.cases
    ]
    sys.exit(0 if all(results) else 1)


def one_case(case: Case, first_recipe: Any, folder: Path) -> bool:
    """Whether it keeps the limits."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "campaign.yaml").is_file():
        first_potential(case, first_recipe, folder)
        write_configuration(case, first_recipe, folder)
    done = subprocess.run(
        [sys.executable, "-m", "mlip_kmc", "campaign", "campaign.yaml", "--dir", "campaign"],
        cwd=folder,
        check=False,
    )
    where = folder / "campaign"
    minutes = CampaignState.read(where / FILE).wall_s / 60  # over all starts
    if done.returncode != 0:
        print(f"{case.name}: the campaign ended with {done.returncode} after {minutes:.1f} min")
        return False
    outcome = json.loads((where / "outcome.json").read_text())
    last = AcePotential.read(where / outcome["potential"])
    first = AcePotential.read(folder / "first.yace")
    found = barriers(
        case,
        {
            "EMT": EMT,
            "first": lambda: calculator_of(first),
            "last": lambda: calculator_of(last),
        },
    )
    generation = int(outcome["best"].removeprefix("gen-"))
    print(
        f"\n{case.name}: {STEPS} KMC steps in a row with {outcome['best']}, {outcome['labels']} labels, {minutes:.1f} min"
        f" (allowed {MOST_GENERATIONS}, {MOST_LABELS}, {MOST_MIN:g})"
    )
    confirmed = [
        1e3 * row["error_eV"] for row in (outcome["confirmed"] or {"processes": []})["processes"]
    ]
    print(
        f"  barriers of the run against EMT in the same structures: {', '.join(f'{error:+.1f}' for error in confirmed)} meV"
    )
    good = generation <= MOST_GENERATIONS and outcome["labels"] <= MOST_LABELS
    good = good and minutes <= MOST_MIN
    for process, values in found.items():
        errors = {name: 1e3 * (values[name] - values["EMT"]) for name in ("first", "last")}
        print(
            f"  {process}: EMT {values['EMT']:.4f} eV; the first potential is off by {errors['first']:+.1f} meV, the last by "
            f"{errors['last']:+.1f} meV (allowed {MOST_ERROR_MEV:g})"
        )
        good = good and abs(errors["last"]) <= MOST_ERROR_MEV
    return good


if __name__ == "__main__":
    main()
