"""Gamma by python-ace, held against LAMMPS' own; and active sets made from training sets."""

import io
import pickle
import subprocess
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.data import atomic_masses, atomic_numbers
from ase.io import read
from pyace import create_multispecies_basis_config

from mlip_kmc.evaluate.gamma import Extrapolation, Projector, gamma_of
from mlip_kmc.learning.active_set_maker import make_active_set, write_active_set
from mlip_kmc.model.frames import extended_xyz
from mlip_kmc.potential import AcePotential, BuiltinPotential

from .conftest import EXAMPLE
from .learning_material import example_module, mlip_kmc_activeset, search_frames

GAMMA_INPUT = """units metal
atom_style atomic
atom_modify map array sort 0 0.0
read_data atoms.data
pair_style pace/extrapolation
pair_coeff * * {basis} {active_set} {species}
fix grade all pair 1 pace/extrapolation gamma 1
dump out all custom 1 gamma.dump id f_grade
dump_modify out sort id format float %.17g
run 0
"""


def lammps_gamma(atoms, grade, folder):
    """Gamma of each atom by LAMMPS `pace/extrapolation`."""
    species = sorted(set(atoms.get_chemical_symbols()))[::-1]  # not the potential's own order
    cell = atoms.cell.array
    lines = [
        "gamma",
        "",
        f"{len(atoms)} atoms",
        f"{len(species)} atom types",
        *(f"0 {float(cell[axis, axis])!r} {name}lo {name}hi" for axis, name in enumerate("xyz")),
        f"{float(cell[1, 0])!r} {float(cell[2, 0])!r} {float(cell[2, 1])!r} xy xz yz",
        "",
        "Masses",
        "",
    ]
    lines += [
        f"{number} {atomic_masses[atomic_numbers[symbol]]}"
        for number, symbol in enumerate(species, start=1)
    ]
    lines += ["", "Atoms", ""]
    positions = atoms.get_positions(wrap=True).tolist()
    for number, (symbol, position) in enumerate(
        zip(atoms.get_chemical_symbols(), positions, strict=True), start=1
    ):
        lines.append(f"{number} {species.index(symbol) + 1} {' '.join(map(repr, position))}")
    (folder / "atoms.data").write_text("\n".join(lines) + "\n")
    (folder / "in.lammps").write_text(
        GAMMA_INPUT.format(
            basis=grade.basis, active_set=grade.active_set, species=" ".join(species)
        )
    )
    done = subprocess.run(
        ["lmp", "-in", "in.lammps"],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = (folder / "gamma.dump").read_text().splitlines()[9:]
    return np.array([float(row.split()[1]) for row in rows])


@pytest.fixture(scope="module")
def grade():
    return Extrapolation.of(AcePotential.read(EXAMPLE / "cu.yace"))


@pytest.mark.parametrize(
    ("seed", "rattle_A", "strain"), [(0, 0.0, 0.0), (1, 0.05, 0.0), (2, 0.2, 0.05), (3, 0.5, 0.1)]
)
def test_gamma_is_that_of_lammps(tmp_path, grade, seed, rattle_A, strain):
    rng = np.random.default_rng(seed)
    atoms = read(EXAMPLE / "vacancy.xyz")
    atoms.set_cell(
        atoms.cell.array @ (np.eye(3) + strain * np.tril(rng.uniform(-1, 1, (3, 3)))),
        scale_atoms=True,
    )
    atoms.positions += rng.normal(0, rattle_A, atoms.positions.shape) if rattle_A else 0.0
    ours, theirs = grade.gamma_of(atoms), lammps_gamma(atoms, grade, tmp_path)
    worst = np.abs(ours / theirs - 1).max()
    print(f"\ngamma up to {ours.max():.4g}: python-ace and LAMMPS differ by {worst:.1e} of it")
    assert ours.shape == (len(atoms),)
    assert worst < 1e-5


@pytest.mark.parametrize("rattle_A", [0.02, 0.1, 0.3])
def test_gamma_of_a_published_potential_is_that_of_lammps(tmp_path, rattle_A):
    """Cu-I comes with python-ace's papers; it is not ours to ship. Its own active set is of deficient rank, so one is made."""
    folder = next(
        (
            root / "shared/data/potentials"
            for root in Path(__file__).resolve().parents
            if (root / "shared/data/potentials/Cu-I.asi").is_file()
        ),
        None,
    )
    if folder is None:
        pytest.skip("NOT TESTED: the potential Cu-I is not on this machine")
    write_active_set(
        tmp_path / "Cu-I.asi",
        make_active_set(folder / "Cu-I.yaml", list(search_frames(1))[:40], complete=True),
    )
    grade = Extrapolation.read(basis=folder / "Cu-I.yaml", active_set=tmp_path / "Cu-I.asi")
    atoms = bulk("Cu", "fcc", a=3.63, cubic=True).repeat(4)
    atoms.rattle(rattle_A, seed=1)
    ours, theirs = grade.gamma_of(atoms), lammps_gamma(atoms, grade, tmp_path)
    print(
        f"\nCu-I, gamma up to {ours.max():.4g}: differ by {np.abs(ours / theirs - 1).max():.1e} of it"
    )
    assert ours == pytest.approx(theirs, rel=1e-5)


def alloy(seed, *, repeat=(2, 2, 2)):
    rng = np.random.default_rng(seed)
    atoms = bulk("Ni", "fcc", a=3.6 * rng.uniform(0.95, 1.1), cubic=True) * repeat
    atoms.set_atomic_numbers(rng.choice([13, 28], len(atoms)))
    atoms.positions += rng.normal(0, rng.uniform(0.02, 0.2), atoms.positions.shape)
    return atoms


def alloy_basis(path, *, densities):
    """Two elements, angular functions; the coefficients do not matter for the gamma of a linear active set."""
    parameters = [1, 1] if densities == 1 else [1, 1, 1, 0.5]
    configuration = create_multispecies_basis_config(
        {
            "deltaSplineBins": 0.001,
            "elements": ["Al", "Ni"],
            "embeddings": {
                "ALL": {
                    "npot": "FinnisSinclairShiftedScaled",
                    "fs_parameters": parameters,
                    "ndensity": densities,
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


def full_active_set(basis, frames):
    """Of the linearised energy, functions x densities: python-ace's; this package makes linear ones only."""
    from pyace.activelearning import compute_A_active_inverse, compute_active_set

    projector, rows = Projector(basis), {}
    for atoms in frames:
        for symbol, row in zip(
            atoms.get_chemical_symbols(), projector.evaluate(atoms, full=True)[0], strict=True
        ):
            rows.setdefault(symbol, []).append(row)
    found = compute_active_set(
        {number: np.array(rows[symbol]) for number, symbol in enumerate(sorted(rows))}, tol=1.001
    )
    inverses = compute_A_active_inverse(found)
    return {
        symbol: np.ascontiguousarray(inverses[number]) for number, symbol in enumerate(sorted(rows))
    }


@pytest.mark.parametrize(("densities", "kind"), [(1, "linear"), (2, "linear"), (2, "full")])
def test_gamma_of_an_alloy_is_that_of_lammps(tmp_path, densities, kind):
    basis, active_set = tmp_path / "alni.yaml", tmp_path / "alni.asi"
    alloy_basis(basis, densities=densities)
    frames = [alloy(seed) for seed in range(24)]
    if kind == "linear":
        write_active_set(active_set, make_active_set(basis, frames))
    else:
        with active_set.open("wb") as stream:
            np.savez(stream, **full_active_set(basis, frames))
    grade = Extrapolation.read(basis=basis, active_set=active_set)
    assert grade.full == (kind == "full")
    atoms = alloy(99, repeat=(3, 3, 3))
    ours, theirs = grade.gamma_of(atoms), lammps_gamma(atoms, grade, tmp_path)
    worst = np.abs(ours / theirs - 1).max()
    print(
        f"\nAl-Ni, {densities} densities, {kind}: gamma up to {ours.max():.4g}; they differ by {worst:.1e} of it"
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    for symbol, rows in grade.projections_of(atoms).items():
        chosen = np.array(atoms.get_chemical_symbols()) == symbol
        assert rows.shape == (chosen.sum(), len(grade.inverses[symbol]))


def test_a_completed_active_set_is_huge_outside_in_lammps_too(tmp_path):
    """Perfect crystals of nickel with one aluminium: most directions are missing, and small rows stand for them."""
    basis, active_set = tmp_path / "alni.yaml", tmp_path / "alni.asi"
    alloy_basis(basis, densities=1)
    known = bulk("Ni", "fcc", a=3.52, cubic=True) * 2
    known.symbols[0] = "Al"
    made = make_active_set(basis, [known], complete=True)
    assert [span.rank.full for span in made.spans.values()] == [False, False]
    write_active_set(active_set, made)
    grade = Extrapolation.read(basis=basis, active_set=active_set)
    inside = lammps_gamma(known, grade, tmp_path)
    print(f"\ncompleted: gamma up to {inside.max():.6f} in the training set, by LAMMPS")
    assert inside.max() == pytest.approx(1.0, abs=1e-3)
    outside = known * (2, 2, 2)
    outside.rattle(0.05, seed=1)
    ours, theirs = grade.gamma_of(outside), lammps_gamma(outside, grade, tmp_path)
    print(
        f"rattled by 0.05 A: at least {theirs.min():.3g} by LAMMPS; they differ by {np.abs(ours / theirs - 1).max():.1e} of it"
    )
    assert theirs.min() > 100
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_unknown_gamma_is_none_and_never_zero(tmp_path):
    (tmp_path / "alone.yace").write_bytes((EXAMPLE / "cu.yace").read_bytes())
    potential = AcePotential.read(tmp_path / "alone.yace")
    assert gamma_of(bulk("Cu", cubic=True), potential=potential) is None
    assert gamma_of(bulk("Al", cubic=True), potential=BuiltinPotential.named("eam_al")) is None
    known = gamma_of(
        bulk("Cu", a=3.59, cubic=True), potential=AcePotential.read(EXAMPLE / "cu.yace")
    )
    assert known.shape == (4,)
    assert (known > 0).all()


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    """The example's own training set as extended XYZ, with the group of each structure, EMT's forces, and all digits."""
    module = example_module()
    path = tmp_path_factory.mktemp("training") / "train.xyz"
    texts = []
    for labelled in module.labelled_set(module.TRAIN_SEED, 1):
        atoms = labelled.atoms.copy()
        if not atoms.cell.rank:
            atoms.set_cell([40, 40, 40])
        texts.append(extended_xyz(atoms, keys={"group": labelled.group}, gammas=None))
    path.write_text("".join(texts))
    return path


def test_the_example_s_active_set_comes_out_again(tmp_path, training, grade):
    made = mlip_kmc_activeset(
        training,
        "--basis",
        EXAMPLE / "cu.yaml",
        "--output",
        tmp_path / "cu.asi",
        "--leave-out",
        "group=tight",
    )
    assert "largest gamma in them 1.00" in made
    again = Extrapolation.read(basis=EXAMPLE / "cu.yaml", active_set=tmp_path / "cu.asi")
    rng = np.random.default_rng(5)
    worst = 0.0
    for rattle_A in (0.02, 0.1, 0.3):
        atoms = read(EXAMPLE / "vacancy.xyz")
        atoms.positions += rng.normal(0, rattle_A, atoms.positions.shape)
        worst = max(worst, np.abs(again.gamma_of(atoms) / grade.gamma_of(atoms) - 1).max())
    same = (tmp_path / "cu.asi").read_bytes() == (EXAMPLE / "cu.asi").read_bytes()
    print(
        f"\nthe example's .asi, made again: gammas differ by at most {worst:.1e}; the same file: {same}"
    )
    assert worst < 1e-5  # the active set is badly conditioned: its inverse has no more digits


def test_a_pickled_training_set_is_as_good_where_it_is_trusted(tmp_path, training, grade):
    import pandas as pd

    frames = [atoms for atoms in read(training, ":") if atoms.info["group"] != "tight"]
    pd.DataFrame({"ase_atoms": frames}).to_pickle(tmp_path / "train.pckl.gzip", compression="gzip")
    mlip_kmc_activeset(
        tmp_path / "train.pckl.gzip",
        "--basis",
        EXAMPLE / "cu.yaml",
        "--output",
        tmp_path / "cu.asi",
        "--trust-pickle",
    )
    again = Extrapolation.read(basis=EXAMPLE / "cu.yaml", active_set=tmp_path / "cu.asi")
    atoms = read(EXAMPLE / "vacancy.xyz")
    np.testing.assert_allclose(
        again.gamma_of(atoms), grade.gamma_of(atoms), rtol=1e-5
    )  # python-ace's pinv has no more digits


def test_a_pickled_array_in_an_active_set_is_never_loaded(tmp_path):
    from mlip_kmc.ground.errors import PotentialError

    stream = io.BytesIO()
    np.savez(stream, Cu=np.array([{"a": 1}], dtype=object))
    (tmp_path / "cu.asi").write_bytes(stream.getvalue())
    with pytest.raises(PotentialError, match="pickled Python objects, which are never loaded"):
        Extrapolation.read(basis=EXAMPLE / "cu.yaml", active_set=tmp_path / "cu.asi")
    (tmp_path / "cu.asi").write_bytes(pickle.dumps({"Cu": np.eye(35)}))
    with pytest.raises(PotentialError, match="is not an active set"):
        Extrapolation.read(basis=EXAMPLE / "cu.yaml", active_set=tmp_path / "cu.asi")
