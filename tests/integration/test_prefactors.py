"""Harmonic prefactors of real runs against dense Hessians by python-ace, by eOn's recorded values, and where they fail."""

import csv
import json
import math

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk
from ase.constraints import FixAtoms

from mlip_kmc.config.eon_options import hessian_ini
from mlip_kmc.evaluate.by_eon import evaluate
from mlip_kmc.evaluate.calculator import calculator_of
from mlip_kmc.evaluate.client import run_job, texts_of
from mlip_kmc.model.rates import Point, dense_hessian, prefactors, spectrum
from mlip_kmc.model.rates.rigid import gathered
from mlip_kmc.model.records import Event, SearchRecord, read_lines
from mlip_kmc.model.structure import fixed_atoms, read_structure
from mlip_kmc.potential import AcePotential, BuiltinPotential
from mlip_kmc.search.hessian import hessian_task, moving_atoms
from mlip_kmc.store.eon_tree import read_states

from .conftest import EXAMPLE, example_settings, mlip_kmc, write_config
from .test_trimer import write_trimer

KELVIN_PER_EV = 11604.5


def example_config(folder, **changes):
    settings = example_settings()
    settings["structure"], settings["potential"]["ace"] = (
        str(EXAMPLE / "vacancy.xyz"),
        str(EXAMPLE / "cu.yace"),
    )
    settings |= {"prefactor": {"harmonic": True}, "workers": 2, **changes}
    (folder / "akmc.yaml").write_text(yaml.safe_dump(settings))


@pytest.fixture(scope="module")
def copper(tmp_path_factory):
    """The example until two processes are found, with harmonic prefactors."""
    folder = tmp_path_factory.mktemp("copper")
    example_config(folder)
    done = mlip_kmc("search", "akmc.yaml", "-n", "2", "--dir", "run", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run", done.stdout


def by_python_ace(path):
    """The spectrum of a structure by a dense Hessian of all atoms, python-ace and nothing of eOn's."""
    atoms = read_structure(path)
    atoms.set_constraint()
    probe = atoms.copy()
    probe.calc = calculator_of(AcePotential.read(EXAMPLE / "cu.yace"))

    def forces(positions):
        probe.positions = positions
        return probe.get_forces()

    hessian = dense_hessian(forces, atoms.positions, free=np.arange(len(atoms)), step_A=3e-3)
    roots = np.sqrt(np.repeat(atoms.get_masses(), 3))
    return spectrum(
        hessian / np.outer(roots, roots),
        masses_u=atoms.get_masses(),
        positions_A=atoms.positions,
        held_A=np.empty((0, 3)),
    )


def test_the_examples_prefactors_are_those_of_a_dense_hessian_by_python_ace(copper):
    run, _ = copper
    states = read_states(run / "eon", read_lines(run / "journal" / "searches.jsonl", SearchRecord))
    process = states[0].processes[0]
    reactant, saddle = map(by_python_ace, (states[0].structure, process.saddle))
    exact = prefactors(reactant, saddle, reactant)
    print(f"{process.prefactor:.4e} per s in the run, {exact.forward_per_s:.4e} by python-ace")
    assert process.prefactor_kind == "harmonic"
    assert process.prefactor == pytest.approx(exact.forward_per_s, rel=0.02)
    assert exact.forward_per_s == pytest.approx(5.81e12, rel=0.05)
    assert process.rate == pytest.approx(
        process.prefactor * math.exp(-process.barrier * KELVIN_PER_EV / 500), rel=1e-12
    )


def test_every_search_says_what_its_process_is_rated_by(copper):
    run, printed = copper
    records = read_lines(run / "journal" / "searches.jsonl", SearchRecord)
    new = [record for record in records if record.outcome == "new"]
    assert new
    assert "bad" not in {record.outcome for record in records}
    for record in records:
        assert (record.rated is not None) == (record.outcome == "new")
    assert {(one.rated.kind, one.rated.atoms, one.rated.of_atoms) for one in new} == {
        ("harmonic", 107, 107)
    }
    calls = [one.rated.force_calls for one in new]
    print(f"{calls} force calls for saddle and product in place of 1284")
    assert all(60 < count < 300 for count in calls)
    assert "*" not in printed
    status = json.loads(mlip_kmc("status", run, "--json", cwd=run.parent).stdout)
    assert (status["prefactors"], status["prefactor_reasons"], status["outdated"]) == (
        {"harmonic": len(new)},
        {},
        [],
    )
    report = json.loads(mlip_kmc("report", run, "--json", cwd=run.parent).stdout)
    assert report["prefactors"] == {
        "kind": "harmonic",
        "rated": len(new),
        "constant": 0,
        "reasons": {},
        "fewest_atoms": 107,
        "of_atoms": 107,
    }


def test_another_number_of_workers_makes_the_same_prefactors(copper, tmp_path):
    """To the last digit: what a part of a Hessian is does not depend on who is there to make it."""
    run, _ = copper
    example_config(tmp_path, workers=1)
    done = mlip_kmc("search", "akmc.yaml", "-n", "2", "--dir", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    one, two = (
        [record.rated for record in read_lines(path / "journal" / "searches.jsonl", SearchRecord)]
        for path in (tmp_path / "run", run)
    )
    assert one == two


def adatom(folder, name="run", **changes):
    settings = {
        "prefactor": {"harmonic": True},
        "search": {"converged_force_eV_per_A": 0.001},
        "stop": {"kmc_steps": 2},
        "confidence": {"scheme": "new", "value": 0.01},
        **changes,
    }
    write_config(folder, f"{name}.yaml", **settings)
    done = mlip_kmc("run", f"{name}.yaml", "--dir", name, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / name, done.stdout


@pytest.fixture(scope="module")
def slab(tmp_path_factory):
    """Two steps of an adatom on a slab whose lowest layer is fixed, by eOn's own potential."""
    return adatom(tmp_path_factory.mktemp("slab"))


def asked_one_by_one(atoms, name):
    """Forces of eOn's built-in potential at any positions, each by a job of its own."""
    potential = BuiltinPotential.named(name)

    def forces(positions):
        probe = atoms.copy()
        probe.positions = positions
        return evaluate(probe, potential).forces_eV_per_A

    return forces


def matrix_by_eon(atoms, moving, name):
    task = hessian_task(
        "0.reactant",
        atoms=atoms,
        moving=moving,
        links={},
        time_limit_s=60,
        recipe={"config.ini": hessian_ini(name)},
    )
    done = run_job(task.job, reader=texts_of("hessian.dat"))
    return np.loadtxt(done.found["hessian.dat"].splitlines())


def test_a_slab_with_fixed_atoms_has_no_free_motion(slab):
    run, _ = slab
    records = read_lines(run / "journal" / "searches.jsonl", SearchRecord)
    rated = [record.rated for record in records if record.rated]
    assert rated
    assert {(one.atoms, one.of_atoms) for one in rated} == {(33, 33)}
    harmonic = [one for one in rated if one.kind == "harmonic"]
    assert harmonic
    assert all(1e11 < one.forward_per_s < 1e16 and not one.reason for one in harmonic)
    for one in rated:  # a search may find a saddle of second order
        assert (
            one.kind == "harmonic"
            or "saddle: it is no first-order saddle (2 negative eigenvalues" in one.reason
        )


def test_atoms_of_two_kinds_in_any_order_keep_their_rows_and_masses():
    """The order of eOn's matrix is that of the atoms, though its files sort them by kind."""
    atoms = bulk("Cu", "fcc", a=1.6, cubic=True).repeat(2)
    atoms.set_cell(30.0 * np.eye(3))
    atoms.set_chemical_symbols(["Cu", "Ni"] * 16)
    atoms.set_constraint(FixAtoms(indices=[0, 9]))
    atoms.rattle(0.03, seed=1)
    moving = np.array([2, 5, 11])
    exact = dense_hessian(asked_one_by_one(atoms, "lj"), atoms.positions, free=moving)
    roots = np.sqrt(np.repeat(atoms.get_masses()[moving], 3))
    assert matrix_by_eon(atoms, moving, "lj") * np.outer(roots, roots) == pytest.approx(
        exact, rel=1e-4, abs=1e-4
    )


def test_rates_obey_detailed_balance_to_print_precision(slab):
    """Each step's process and its reverse: k / k' = (nu / nu') exp(-(E' - E) / kT), from the two states' own tables."""
    run, _ = slab
    states = {state.number: state for state in read_states(run / "eon")}
    checked = 0
    for event in read_lines(run / "journal" / "events.jsonl", Event):
        forward = next(p for p in states[event.reactant].processes if p.process == event.process)
        back = [
            p
            for p in states[event.product].processes
            if p.product == event.reactant and p.saddle_energy == forward.saddle_energy
        ]
        if event.product == event.reactant or not back:
            continue
        difference = states[event.product].energy - states[event.reactant].energy
        ratio = forward.prefactor / back[0].prefactor * math.exp(-difference * KELVIN_PER_EV / 400)
        assert forward.rate / back[0].rate == pytest.approx(ratio, rel=1e-9)
        assert forward.prefactor_kind == back[0].prefactor_kind
        checked += 1
    assert checked


def test_a_process_without_a_harmonic_prefactor_has_the_constant_in_both_directions(
    tmp_path, monkeypatch
):
    """Saddles that are hardly converged keep a second negative eigenvalue, or forces that are none: here all of them fail."""
    folder = tmp_path
    (folder / "sitecustomize.py").write_text(
        "import mlip_kmc.model.rates.vineyard as v\nv.SOFT = 0.5\n"
    )  # nothing is stiff enough
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{__import__('os').environ.get('PYTHONPATH', '')}")
    run, printed = adatom(
        folder, prefactor={"harmonic": True, "fallback_per_s": 3e12}, stop={"kmc_steps": 1}
    )
    states = read_states(run / "eon")
    for process in [process for state in states for process in state.processes]:
        assert (process.prefactor, process.prefactor_kind) == (3e12, "constant")
    assert "* constant, in both directions; " in printed
    assert "reactant: a mode is too soft" in printed
    shown = mlip_kmc("status", run, cwd=folder).stdout
    assert "0 of" in shown
    assert "constant in both directions: " in " ".join(shown.split())
    assert mlip_kmc("report", run, "--output", "page.html", cwd=folder).returncode == 0
    page = (folder / "page.html").read_text()
    assert "because harmonic theory gives none" in page
    with (run / "results" / "processes.csv").open() as stream:
        assert {row["prefactor_kind"] for row in csv.DictReader(stream)} == {"constant"}


def test_check_tries_one(tmp_path):
    write_config(tmp_path, prefactor={"harmonic": True}, search={"converged_force_eV_per_A": 0.001})
    found = json.loads(
        mlip_kmc("check", "akmc.yaml", "--json", "--searches", "2", cwd=tmp_path).stdout
    )
    values = {finding["name"]: finding for finding in found["findings"]}["prefactor"]
    assert values["level"] == "ok", values
    assert 1e12 < values["values"]["forward_per_s"] < 1e14
    assert values["values"]["atoms"] == values["values"]["free_atoms"] == 33


def test_a_free_cluster_turns_freely():
    """Seven atoms in a box, by eOn's Lennard-Jones potential: six motions cost nothing, also where the boundary cuts it."""
    from ase.calculators.lj import LennardJones
    from ase.optimize import BFGS

    atoms = Atoms(
        "Ar7",
        positions=np.array(
            [
                [0, 0, 0.8],
                [0, 0, -0.8],
                *[
                    [0.95 * math.cos(a), 0.95 * math.sin(a), 0]
                    for a in np.arange(5) * 2 * math.pi / 5
                ],
            ]
        ),
    )
    atoms.calc = LennardJones(rc=40.0)
    BFGS(atoms, logfile=None).run(fmax=1e-9)
    hessian = dense_hessian(
        lambda places: forces_of(atoms, places),
        atoms.positions.copy(),
        free=np.arange(7),
        step_A=1e-4,
    )
    mass = atoms.get_masses()[0]
    places = [atoms.positions + 10.0, gathered((atoms.positions + 20.3) % 20.0, 20.0 * np.eye(3))]
    spectra = [
        spectrum(
            hessian / mass, masses_u=atoms.get_masses(), positions_A=where, held_A=np.empty((0, 3))
        )
        for where in places
    ]
    for found in spectra:
        assert (found.rotations, found.modes, found.negative) == (3, 15, 0)
    assert spectra[0].log_inertia == pytest.approx(spectra[1].log_inertia, abs=1e-9)
    assert spectra[0].log_inertia == pytest.approx(
        math.log(np.prod(atoms.get_moments_of_inertia())), abs=1e-9
    )


def forces_of(atoms, places):
    atoms.positions = places
    return atoms.get_forces()


def test_the_trimers_recorded_rate_comes_with_eons_choice_of_atoms(tmp_path):
    """eOn's choice: the atoms that make up 99 % of the motion, and their neighbours within 3.3 A; all give another number."""
    write_trimer(tmp_path, confidence=0.5, steps=1)
    done = mlip_kmc("search", "akmc.yaml", "-n", "6", "--dir", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    state = read_states(tmp_path / "run" / "eon")[0]
    process = min(state.processes, key=lambda one: one.barrier)
    assert process.barrier == pytest.approx(0.278290, abs=1e-5)
    reactant, saddle, product = map(
        read_structure, (state.structure, process.saddle, process.product_structure)
    )
    moving = eons_choice(reactant, saddle, product)
    spectra = [
        hessian_task(
            f"0.{point}",
            atoms=atoms,
            moving=moving,
            links={},
            time_limit_s=300,
            recipe={"config.ini": hessian_ini("eam_al")},
        )
        .run()
        .spectrum
        for point, atoms in zip(Point, (reactant, saddle, product), strict=True)
    ]
    theirs = prefactors(*spectra).forward_per_s * math.exp(-process.barrier * KELVIN_PER_EV / 300)
    free = len(moving_atoms(reactant, saddle, product, most=10**6))
    print(
        f"{theirs:.4g} per s with eOn's {len(moving)} atoms (recorded: 1.657e8 to 1.665e8), {process.rate:.4g} with all {free} "
        f"free ones: a factor of {process.rate / theirs:.3f}"
    )
    assert 1.657e8 * 0.99 < theirs < 1.665e8 * 1.01
    assert process.prefactor_kind == "harmonic"


def eons_choice(reactant, saddle, product, fraction=0.99, within_A=3.3):
    """As eOn's `movedAtomsPct`: the farthest moved first, until they make up the fraction, then what is near to them."""
    moved = np.maximum(
        np.linalg.norm(saddle.positions - reactant.positions, axis=1),
        np.linalg.norm(saddle.positions - product.positions, axis=1),
    )
    fixed = set(fixed_atoms(saddle).tolist())
    chosen, done = [], 0.0
    for atom in np.argsort(-moved):
        if done >= fraction * moved.sum():
            break
        if int(atom) not in fixed:
            chosen.append(int(atom))
            done += moved[atom]
    near = {
        int(other)
        for atom in chosen
        for other in np.flatnonzero(
            saddle.get_distances(atom, range(len(saddle)), mic=True) < within_A
        )
    }
    return np.array(sorted((near | set(chosen)) - fixed))
