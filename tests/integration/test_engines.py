"""A contract that both search engines keep: eOn's client, and our own, on the same starts with the same potential."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import yaml
from ase.build import bulk

from mlip_kmc.akmc.start import relaxed
from mlip_kmc.config import GammaSection, load_config
from mlip_kmc.config.eon_options import config_ini
from mlip_kmc.evaluate.client import ClientJob, End, cancel_jobs
from mlip_kmc.evaluate.gamma import Extrapolation
from mlip_kmc.evaluate.warm import recipe_of
from mlip_kmc.model.frames import Kind, potential_digest
from mlip_kmc.model.records import HaltKind
from mlip_kmc.model.structure import from_con, moved_con, to_con
from mlip_kmc.potential import AcePotential
from mlip_kmc.report.refreshes import refreshes_of
from mlip_kmc.search.native.task import NativeSearch, NativeSetup
from mlip_kmc.search.outcome import Termination
from mlip_kmc.search.settling import start_at
from mlip_kmc.search.task import SearchTask
from mlip_kmc.search.watch import Watch
from mlip_kmc.store.view import RunView

from .conftest import EXAMPLE, mlip_kmc
from .egg_box import Box

ENGINES = ("eon", "native")
SAME_EV, SAME_A = 1e-4, 0.01
FORCE = 1e-3


@pytest.fixture(scope="module")
def ace():
    return AcePotential.read(EXAMPLE / "cu.yace")


@pytest.fixture(scope="module")
def vacancy(ace, tmp_path_factory):
    """A small cell with a vacancy, well relaxed."""
    atoms = bulk("Cu", a=3.615, cubic=True).repeat((3, 3, 3))
    del atoms[0]
    return relaxed(atoms, ace, evidence=tmp_path_factory.mktemp("evidence"), force=1e-4).atoms


def options(**search):
    config = load_config(EXAMPLE / "akmc.yaml")
    changed = {"converged_force_eV_per_A": FORCE, **search}
    text = config_ini(
        config.model_copy(update={"search": config.search.model_copy(update=changed)}),
        potential_name="lammps",
        jobs_ahead=1,
    )
    return text.replace(
        "job = akmc", "job = process_search\nparallel = false\nrandom_seed = 7", 1
    ).replace("\nrandom_seed = 1\n", "\n", 1)


def displaced(atoms, seed, size=0.3):
    """Texts of a start: a neighbour of the vacancy and what is near it, moved at random."""
    random = np.random.default_rng(seed)
    few = np.flatnonzero([len(near) == 11 for near in neighbours(atoms)])
    centre = random.choice(few)
    chosen = [*neighbours(atoms)[centre], centre]
    moved = np.zeros_like(atoms.positions)
    moved[chosen] = random.normal(0.0, size, (len(chosen), 3))
    return texts(atoms, moved)


def neighbours(atoms):
    apart = atoms.get_all_distances(mic=True)
    return [np.flatnonzero((row < 3.3) & (row > 0.0)) for row in apart]


def texts(atoms, moved, direction=None):
    rows = (moved if direction is None else direction) / max(np.linalg.norm(moved), 1e-9)
    return {
        "displacement.con": moved_con(to_con(atoms), atoms.positions + moved),
        "direction.dat": "".join(" ".join(map(repr, row)) + "\n" for row in rows.tolist()),
    }


def task_of(
    engine, atoms, potential, files, *, name="0_1", kind="random", watch=None, tmp=None, **search
):
    ini = options(**search)
    job = ClientJob(
        name=name,
        files={
            "pos.con": to_con(atoms),
            "config.ini": ini,
            **potential.job_files(("Cu",), gamma=watch.thresholds if watch else None),
            **files,
        },
        links=potential.job_links(),
        time_limit_s=300.0,
        evidence=tmp,
    )
    if engine == "eon":
        return SearchTask(job, kind=kind, watch=watch)
    return NativeSearch(job, setup=NativeSetup(recipe_of(potential)), kind=kind, watch=watch)


def farthest(one, other):
    return float(np.linalg.norm(one - other, axis=1).max())


@pytest.fixture(scope="module")
def processes(ace, vacancy):
    """What each engine found from random starts, by engine."""
    found = {}
    for engine in ENGINES:
        for seed in range(4):
            outcome = task_of(engine, vacancy, ace, displaced(vacancy, seed)).run()
            assert outcome.end is End.FINISHED
            if outcome.found is not None:
                found[engine] = outcome
                break
    return found


@pytest.mark.parametrize(("first", "then"), [ENGINES, ENGINES[::-1]])
def test_each_engine_finds_the_others_process_from_its_saddle(processes, vacancy, ace, first, then):
    there = processes[first]
    files = start_at(there.found, reactant_con=to_con(vacancy))
    here = task_of(then, vacancy, ace, files, kind="refresh").run()
    assert here.termination is Termination.GOOD
    assert farthest(here.found.saddle_A, there.found.saddle_A) < SAME_A
    assert farthest(here.found.reactant_A, there.found.reactant_A) < SAME_A
    assert farthest(here.found.product_A, there.found.product_A) < SAME_A
    assert here.barrier_eV == pytest.approx(there.barrier_eV, abs=SAME_EV)
    for energy in ("reactant_eV", "saddle_eV", "product_eV"):
        assert getattr(here.found, energy) == pytest.approx(
            getattr(there.found, energy), abs=SAME_EV
        )
    modes = [outcome.found.mode / np.linalg.norm(outcome.found.mode) for outcome in (here, there)]
    assert abs(float((modes[0] * modes[1]).sum())) > 0.8


def test_our_own_search_is_the_same_again_and_counts_what_it_calls(vacancy, ace, processes):
    files = displaced(vacancy, 0)
    one, again = (task_of("native", vacancy, ace, files).run() for _ in range(2))
    assert one.barrier_eV == again.barrier_eV
    assert one.force_calls == again.force_calls
    assert one.force_calls.saddle > 5
    assert one.termination is again.termination
    assert processes["native"].force_calls.minimization > 5


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("search", "termination"),
    [
        ({"max_energy_eV": 0.2}, Termination.HIGH_ENERGY),
        ({"max_iterations": 1}, Termination.TOTAL_ITERATIONS),
    ],
)
def test_bad_searches_end_typed(engine, search, termination, vacancy, ace):
    files = displaced(vacancy, 3, size=0.1)
    outcome = task_of(engine, vacancy, ace, files, **search).run()
    assert outcome.end is End.FINISHED
    assert outcome.termination is termination
    assert outcome.found is None


def watched(ace, **thresholds):
    return Watch(
        thresholds=GammaSection(every=1, **thresholds),
        basis=ace.basis,
        active_set=ace.active_set,
        digest=potential_digest(basis=ace.basis, active_set=ace.active_set),
        max_energy_eV=20.0,
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_gamma_halts_a_search_and_its_frame_is_kept(engine, vacancy, ace):
    watch = watched(ace, select=0.5, halt=0.7)
    outcome = task_of(engine, vacancy, ace, displaced(vacancy, 1), watch=watch).run()
    assert (outcome.end, outcome.termination) == (End.HALTED, Termination.HALTED)
    assert outcome.graded.halt_kind is HaltKind.EXTRAPOLATION
    assert outcome.found is None
    (frame,) = [frame for frame in outcome.graded.frames if frame.kind is Kind.HALT]
    assert frame.gamma == outcome.graded.gamma_path
    assert frame.gamma >= 0.7
    grade = Extrapolation.of(ace)
    assert np.max(grade.gamma_of(frame.atoms)) == pytest.approx(frame.gamma, abs=1e-5)
    if engine == "native":  # at the call itself
        assert frame.step == outcome.force_calls.total - 1


def test_both_engines_see_the_same_gamma_of_a_good_search(processes, vacancy, ace):
    watch, graded = watched(ace, select=1e3, halt=1e4), {}
    files = start_at(processes["eon"].found, reactant_con=to_con(vacancy))
    for engine in ENGINES:
        outcome = task_of(engine, vacancy, ace, files, kind="refresh", watch=watch).run()
        assert outcome.found is not None
        graded[engine] = outcome.graded
        assert outcome.graded.gamma_path >= outcome.graded.gamma_reactant - 1e-6
    for point in ("gamma_reactant", "gamma_saddle", "gamma_product"):
        one, other = (getattr(graded[engine], point) for engine in ENGINES)
        assert one == pytest.approx(other, abs=1e-2), point


@pytest.mark.parametrize("engine", ENGINES)
def test_atoms_too_near_halt_a_search(engine, vacancy, ace):
    guarded = ace.guarded(baseline=None, minimum_distance_A={"Cu-Cu": 2.2})
    watch = watched(ace, select=1e3, halt=1e4)
    outcome = task_of(engine, vacancy, guarded, displaced(vacancy, 2), watch=watch).run()
    assert outcome.end is End.HALTED
    assert outcome.graded.halt_kind is HaltKind.TOO_NEAR
    assert [frame.kind for frame in outcome.graded.frames] == [Kind.EVIDENCE]
    distances = outcome.graded.frames[0].atoms.get_all_distances(mic=True)
    np.fill_diagonal(distances, np.inf)
    assert distances.min() < 2.2


@pytest.mark.parametrize("engine", ENGINES)
def test_a_search_that_is_taken_back_ends_as_cancelled(engine, vacancy, ace):
    cancel_jobs(["mine"])
    outcome = task_of(engine, vacancy, ace, displaced(vacancy, 0)).run(tag="mine")
    assert outcome.end is End.CANCELLED
    assert outcome.termination is None
    assert outcome.force_calls.total == 0


def test_a_running_search_of_our_own_ends_at_its_next_call(vacancy, ace, monkeypatch):
    from mlip_kmc.search.native import calls

    seen, see = [], calls.Calls.__call__

    def counted(self, positions):
        seen.append(1)
        if len(seen) == 7:
            cancel_jobs(["mine"])
        return see(self, positions)

    monkeypatch.setattr(calls.Calls, "__call__", counted)
    outcome = task_of("native", vacancy, ace, displaced(vacancy, 0)).run(tag="mine")
    assert outcome.end is End.CANCELLED
    assert len(seen) == 7


def test_a_potential_that_fails_is_told_and_the_next_search_is_whole(vacancy, ace, tmp_path):
    broken = tmp_path / "cu.yace"
    broken.write_text("nothing: of a potential\n")
    bad = replace(ace, yace=broken, digest="0" * 64)
    kept = tmp_path / "evidence"
    outcome = task_of("native", vacancy, bad, displaced(vacancy, 0), tmp=kept).run()
    assert outcome.end is End.EVALUATION_ERROR
    assert "cu.yace" in outcome.message
    assert (kept / "displacement.con").is_file()
    assert outcome.message in (kept / "why.txt").read_text()
    assert task_of("native", vacancy, ace, displaced(vacancy, 0)).run().end is End.FINISHED


def test_threads_search_at_the_same_time_and_alone_alike(vacancy, ace):
    tasks = [task_of("native", vacancy, ace, displaced(vacancy, seed)) for seed in (0, 1)]
    alone = [task.run() for task in tasks]
    together = [None, None]

    def run(index):
        together[index] = tasks[index].run()

    threads = [threading.Thread(target=run, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(alone, together, strict=True):
        assert (one.barrier_eV, one.force_calls) == (other.barrier_eV, other.force_calls)


def test_a_state_that_was_written_with_few_digits_is_relaxed_first(vacancy, ace):
    rough = from_con(to_con(vacancy))
    rough.positions = np.round(rough.positions, 2)
    outcome = task_of("native", rough, ace, displaced(rough, 0)).run()
    exact = task_of("native", vacancy, ace, displaced(vacancy, 0)).run()
    assert outcome.found is not None
    assert outcome.found.reactant_eV == pytest.approx(exact.found.reactant_eV, abs=SAME_EV)


BOX = Box(0.100, 0.300, a_A=2.4, b_A=3.1, gamma_deg=75.0, spring_eV_per_A2=0.5)


@pytest.fixture(scope="module")
def switched(tmp_path_factory):
    """Searches by eOn's client, then by our own, each also where none is named, then with another seed: a run directory, and what
    the last start said.
    """
    folder = tmp_path_factory.mktemp("switched")
    BOX.atoms(0.0, 0.0).write(folder / "atom.xyz")

    def searched(engine, count, seed=1):
        settings = {
            "structure": "atom.xyz",
            "potential": {"ase": "mlip_kmc.evaluate.egg_box:EggBox", "kwargs": BOX.keywords},
            "temperature_K": 300,
            "confidence": {"value": 0.9},
            "workers": 2,
            "seed": seed,
            "search": {"displacement_A": 0.4} | ({"engine": engine} if engine else {}),
        }
        (folder / "akmc.yaml").write_text(yaml.safe_dump(settings))
        return mlip_kmc("search", "akmc.yaml", "-n", count, "--dir", "run", cwd=folder)

    for engine, count in (("eon", 5), (None, 6), ("native", 10), (None, 11)):
        done = searched(engine, count)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run", searched("native", 15, seed=2)


def test_a_run_goes_on_with_the_other_engine_in_a_new_epoch(switched):
    run, _ = switched
    with RunView.read(run) as view:
        assert [epoch.facts.get("search.engine") for epoch in view.epochs] == [None, "native"]
        assert [record.epoch for record in view.searches] == [0] * 6 + [1] * 5  # unnamed: as it was
        assert view.searches_now == view.searches  # what eOn's client found holds
        found = [one for one in view.searches if one.barrier is not None and not one.reason]
    exact = {way.barrier_eV for way in BOX.ways(0, 0)}
    for record in found:
        assert min(abs(record.barrier - barrier) for barrier in exact) < 1e-3
    assert len({record.epoch for record in found}) == 2


def test_the_report_of_a_run_with_two_engines_tells_of_no_other_potential(switched):
    run, _ = switched
    with RunView.read(run) as view:
        refreshes = refreshes_of(view)
    assert not refreshes.changed
    assert refreshes.epochs[0].searches == 11
    done = mlip_kmc("status", run, cwd=run.parent)
    assert done.returncode == 0
    assert "refresh" not in done.stdout


def test_no_other_setting_may_change_with_the_engine(switched):
    _, refused = switched
    assert refused.returncode != 0
    assert "seed was 1, is 2" in refused.stderr
