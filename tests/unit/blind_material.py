"""Training sets that do not span a basis, and what python-ace's pseudo-inverse makes of them."""

from pathlib import Path

import numpy as np
from ase.build import bulk, fcc100
from pyace import create_multispecies_basis_config
from pyace.activelearning import compute_A_active_inverse, compute_active_set

from mlip_kmc.evaluate.gamma import Projector

EXAMPLE = Path(__file__).parents[2] / "examples" / "cu-vacancy"
BASIS = EXAMPLE / "cu.yaml"


def surface():
    """Cu(100): what a perfect crystal says nothing of."""
    return fcc100("Cu", (2, 2, 6), a=3.59, vacuum=8, periodic=True)


def crystal():
    """256 atoms of perfect copper."""
    return bulk("Cu", "fcc", a=3.59, cubic=True) * 4


def alloy_basis(path, elements=("Cu", "Ni")):
    """28 functions an element, of two body orders, with angular momenta."""
    configuration = create_multispecies_basis_config(
        {
            "deltaSplineBins": 0.001,
            "elements": list(elements),
            "embeddings": {
                "ALL": {
                    "npot": "FinnisSinclairShiftedScaled",
                    "fs_parameters": [1, 1],
                    "ndensity": 1,
                }
            },
            "bonds": {
                "ALL": {
                    "radbase": "ChebExpCos",
                    "radparameters": [3.0],
                    "rcut": 5.0,
                    "dcut": 0.01,
                    "NameOfCutoffFunction": "cos",
                }
            },
            "functions": {"ALL": {"nradmax_by_orders": [4, 2], "lmax_by_orders": [0, 1]}},
        }
    )
    configuration.set_func_coeffs(np.linspace(1e-3, 1e-2, len(configuration.get_func_coeffs())))
    configuration.save(str(path))
    return path


def copper(rng, *, solutes=(), rattle_A=0.1, strain=0.03):
    """32 atoms, some of them nickel."""
    atoms = bulk("Cu", "fcc", a=3.6 * rng.uniform(1 - strain, 1 + strain), cubic=True) * 2
    for index in solutes:
        atoms.symbols[index] = "Ni"
    atoms.positions += rng.normal(0.0, 1.0, atoms.positions.shape) * rattle_A
    return atoms


def dilute(seed=0):
    """Copper sampled well, and one solute in otherwise perfect copper, at 40 places."""
    rng = np.random.default_rng(seed)
    return [*(copper(rng) for _ in range(60)), *(solute(rng) for _ in range(40))]


def solute(rng):
    """Perfect copper with one nickel; the whole is shifted, so that numbers differ by rounding."""
    atoms = copper(rng, solutes=[int(rng.integers(32))], rattle_A=0.0, strain=0.0)
    atoms.translate(rng.uniform(0.0, 7.2, 3))
    return atoms


def alloy(rng, *, share=0.5):
    """32 atoms, so many of them nickel, at random."""
    atoms = copper(rng)
    atoms.symbols[rng.random(len(atoms)) < share] = "Ni"
    return atoms


def by_python_ace(basis, frames):
    """The inverses of python-ace's own recipe, which it writes into a `.asi` without a word."""
    projector, rows = Projector(basis), {}
    for atoms in frames:
        for symbol, row in zip(
            atoms.get_chemical_symbols(), projector.evaluate(atoms).rows, strict=True
        ):
            rows.setdefault(symbol, []).append(row)
    elements = sorted(rows)
    found = compute_A_active_inverse(
        compute_active_set(
            {number: np.array(rows[name]) for number, name in enumerate(elements)}, tol=1.001
        )
    )
    return {name: np.ascontiguousarray(found[number]) for number, name in enumerate(elements)}


def gammas(basis, inverses, atoms, element):
    """Those of one element's atoms."""
    rows = [
        row
        for symbol, row in zip(
            atoms.get_chemical_symbols(), Projector(basis).evaluate(atoms).rows, strict=True
        )
        if symbol == element
    ]
    return np.abs(np.array(rows) @ inverses[element]).max(axis=1)


def save(path, inverses):
    """A `.asi`."""
    with path.open("wb") as stream:
        np.savez(stream, **inverses)
    return path
