"""The driver, alone and behind its server, against LAMMPS and python-ace; and what goes wrong around it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import read

from mlip_kmc.config import Config
from mlip_kmc.driver import ServerProcess, served
from mlip_kmc.driver import standalone as driver
from mlip_kmc.driver.runtime import driver_files
from mlip_kmc.evaluate.client import ClientJob, End, run_job, texts_of
from mlip_kmc.evaluate.gamma import gamma_of
from mlip_kmc.ground.files import sha256_of
from mlip_kmc.model.frames import Kind, read_kept_frames
from mlip_kmc.model.records import SearchRecord, read_lines
from mlip_kmc.model.structure import to_con
from mlip_kmc.potential import AcePotential, AsePotential, DrivenPotential
from mlip_kmc.potential.inputs import potential_of
from mlip_kmc.store.view import RunView

from .conftest import EXAMPLE, example_settings, mlip_kmc, text_of, write_config

GAMMA = {"basis": str(EXAMPLE / "cu.yaml"), "active-set": str(EXAMPLE / "cu.asi")}
EMT_RECIPE = {"ase": "ase.calculators.emt:EMT"}
CALLS = int(os.environ.get("MLIP_KMC_DRIVER_CALLS", "600"))
"""Of the leak test; `just driver-leaks` makes 20 000."""


def rattled(seed, *, turned=False):
    """Copper with a vacancy in a triclinic cell, some atoms outside of it; `turned`: not restricted triclinic."""
    atoms = bulk("Cu", a=3.6, cubic=True).repeat(3)
    del atoms[0]
    atoms.set_cell(atoms.cell.array @ [[1, 0, 0], [0.05, 1, 0], [-0.03, 0.04, 1]], scale_atoms=True)
    atoms.positions += np.random.default_rng(seed).normal(0, 0.05, atoms.positions.shape)
    atoms.positions[3] += atoms.cell.array[1] - 2 * atoms.cell.array[2]
    if turned:
        atoms.rotate(40, (1, 2, 3), rotate_cell=True)
    return atoms


def structure_of(atoms):
    return driver.parse(text_of(atoms).encode())


def words_of(recipe):
    return [word for name, value in recipe.items() for word in (f"--{name}", str(value))]


def by_hand(atoms, recipe, *, largest_file_bytes="unlimited"):
    return subprocess.run(
        [*limited(largest_file_bytes), driver.SCRIPT, *words_of(recipe)],
        input=text_of(atoms).encode(),
        capture_output=True,
        check=False,
        timeout=120,
    )


def limited(largest_file_bytes):
    """Python, which can write no larger files."""
    return ["prlimit", f"--fsize={largest_file_bytes}", sys.executable]


def numbers_of(done):
    assert done.returncode == 0, done.stderr
    values = np.array(done.stdout.split(), dtype=float)
    return values[0], values[1:].reshape(-1, 3)


def until(happened, *, limit_s=20.0):
    """Wait for a thing that must come; fail when it does not."""
    end = time.monotonic() + limit_s
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


@contextlib.contextmanager
def server_of(folder, recipe, workers=1):
    folder.mkdir(mode=0o700, exist_ok=True)
    with ServerProcess(
        recipe, socket_path=folder / "socket", workers=workers, log=folder / "server.log"
    ) as server:
        yield server


# -- one answer


BASELINE = {
    "zbl": {"inner_A": 1.0, "outer_A": 2.7}
}  # reaches the nearest neighbours, so that it matters


def potential_with(**more):
    settings = {
        "structure": str(EXAMPLE / "vacancy.xyz"),
        "potential": {"ace": str(EXAMPLE / "cu.yace"), **more},
        "temperature_K": 500,
    }
    return potential_of(Config.model_validate(settings))


@pytest.mark.parametrize(
    "more", [{}, {"baseline": BASELINE, "minimum_distance_A": 1.5}], ids=["ace", "ace and baseline"]
)
def test_an_answer_does_not_depend_on_the_way_or_on_what_was_asked_before(
    tmp_path, more, monkeypatch
):
    """Bytes for bytes what the evaluator gives in this process, for which test_evaluators.py has the contract."""
    monkeypatch.setattr(
        "mlip_kmc.potential.ace.check_training", lambda *_, **__: None
    )  # the baseline here is for show
    driven = potential_with(**more, path="driver")
    first, second = rattled(1), rattled(2, turned=True)
    for engine in ("lammps", "pyace"):
        recipe = {**driven.recipe(), **driven.gamma_recipe(), "engine": engine}
        grades, folder = tmp_path / "gamma", tmp_path / engine
        with server_of(folder, recipe) as server:
            asked = {"socket": folder / "socket", "digest": server.digest, "gamma": grades}
            for atoms in (first, second, first):
                right = driver.Evaluator(recipe).evaluate(structure_of(atoms))
                ways = [asked] if atoms is second else [asked, {**recipe, "gamma": grades}]
                for way in ways:
                    done = by_hand(atoms, way)
                    assert (done.returncode, done.stderr) == (0, b"")
                    assert done.stdout == driver.formatted(right)
                    assert grades.read_bytes() == driver.gamma_rows(right)


@pytest.mark.parametrize("engine", ["lammps", "pyace"])
def test_gamma_is_that_of_each_call_while_atoms_move_in_one_cell(engine):
    """As in a search: LAMMPS' `fix pair` keeps the gamma of a time step, and `run 0` makes no new one."""
    potential = AcePotential.read(EXAMPLE / "cu.yace")
    evaluator = driver.Evaluator(
        {
            "potential": str(potential.yace),
            "basis": str(potential.basis),
            "active-set": str(potential.active_set),
            "engine": engine,
        }
    )
    rest = bulk("Cu", a=3.6, cubic=True).repeat(2)
    found, right = [], []
    for number, rattle_A in enumerate((0.01, 0.3, 0.1, 0.02, 0.3)):
        atoms = rest.copy()
        atoms.rattle(rattle_A, seed=number)
        found.append(evaluator.evaluate(structure_of(atoms)).gamma)
        right.append(gamma_of(atoms, potential=potential))
    assert max(map(max, right)) > 2 * min(map(max, right))
    np.testing.assert_allclose(found, right, rtol=1e-5)


@pytest.mark.parametrize("engine", ["lammps", "pyace"])
def test_without_an_active_set_gamma_is_unknown(engine):
    done = by_hand(rattled(1), {"potential": EXAMPLE / "cu.yace", "engine": engine})
    assert (done.returncode, done.stderr) == (0, b"gamma unknown\n")


def test_a_basis_of_another_potential_is_refused(tmp_path):
    """The numbers of the .yace, then, would not be those that gamma speaks of."""
    text = (EXAMPLE / "cu.yace").read_text()
    coefficient = text[text.index("ctildes: [") + 10 :].split(",")[0].split("]")[0]
    other = tmp_path / "other.yace"
    other.write_text(
        text.replace(f"ctildes: [{coefficient}", f"ctildes: [{float(coefficient) + 1.0}", 1)
    )
    for engine in ("lammps", "pyace"):
        done = by_hand(rattled(1), {"potential": other, **GAMMA, "engine": engine})
        assert (done.returncode, done.stdout) == (driver.UNUSABLE, b"")
        assert b"do not belong together" in done.stderr


def test_from_the_threshold_on_the_code_is_100_and_the_frame_is_kept(tmp_path):
    atoms = rattled(1)
    atoms.positions[7] += 0.9  # far from what the potential has seen
    for engine in ("lammps", "pyace"):
        halts = tmp_path / engine
        done = by_hand(
            atoms,
            {
                "potential": EXAMPLE / "cu.yace",
                **GAMMA,
                "engine": engine,
                "halt": 5,
                "halts": halts,
                "search": "0_3",
                "step": 12,
            },
        )
        assert done.returncode == driver.HALTED
        (line,) = done.stderr.decode().splitlines()
        assert line.endswith(f"reaches 5; kept at {halts}/0_3-12.xyz")
        assert len(done.stdout.splitlines()) == 1 + len(atoms), "the numbers are there all the same"
        (found,), warnings = read_kept_frames(halts)
        assert (found.kind, found.search, found.step, warnings) == (Kind.HALT, "0_3", 12, ())
        assert found.gamma > 5
        assert found.atoms.positions.tolist() == structure_rows(atoms)
    assert by_hand(atoms, {"potential": EXAMPLE / "cu.yace", **GAMMA, "halt": 1e9}).returncode == 0


def structure_rows(atoms):
    return np.array(structure_of(atoms).positions).reshape(-1, 3).tolist()


# -- the server


@pytest.fixture(scope="module")
def ace_server(tmp_path_factory):
    """Two workers with LAMMPS."""
    folder = tmp_path_factory.mktemp("ace")
    folder.chmod(0o700)
    with server_of(folder, {"potential": str(EXAMPLE / "cu.yace"), "engine": "lammps"}, workers=2):
        yield folder / "socket"


def test_twenty_clients_at_once_get_their_own_answers(ace_server):
    all_atoms = [rattled(seed) for seed in range(20)]
    evaluator = driver.Evaluator({"potential": str(EXAMPLE / "cu.yace"), "engine": "pyace"})
    right = [evaluator.evaluate(structure_of(atoms)) for atoms in all_atoms]
    assert len({answer.energy for answer in right}) == 20
    with ThreadPoolExecutor(20) as pool:
        done = list(pool.map(lambda atoms: by_hand(atoms, {"socket": ace_server}), all_atoms))
    for answer, one in zip(right, done, strict=True):
        energy, forces = numbers_of(one)
        assert energy == pytest.approx(answer.energy, abs=1e-8)
        np.testing.assert_allclose(forces.ravel(), answer.forces, atol=1e-8)


@pytest.mark.parametrize("engine", ["lammps", "pyace"])
def test_many_calls_leak_nothing(tmp_path, engine):
    structures = [structure_of(rattled(1)), structure_of(rattled(2, turned=True))]
    recipe = {"potential": str(EXAMPLE / "cu.yace"), **GAMMA, "engine": engine}
    with server_of(tmp_path / "s", recipe) as server:
        path = str(tmp_path / "s/socket")
        first = [driver.ask(path, structure).energy for structure in structures]
        (worker,) = psutil.Process(server.pid).children()

        def held():
            return worker.memory_info().rss / 2**20, worker.num_fds(), worker.num_threads()

        seen = []
        for call in range(CALLS):
            if call % max(1, CALLS // 6) == 0:
                seen.append(held())
            # the same cell three times, then the other: both ways through the LAMMPS engine
            assert driver.ask(path, structures[call // 3 % 2]).energy == pytest.approx(
                first[call // 3 % 2], abs=1e-9
            )
        seen.append(held())
        print(f"\n{engine}: MB, descriptors, threads after each sixth of {CALLS} calls: {seen}")
        assert server.restarts == 0
        for column in (1, 2):  # a connection may be open or closed already
            assert max(row[column] for row in seen[1:]) - min(row[column] for row in seen[1:]) <= 1
        assert seen[-1][0] - seen[1][0] < 5, f"memory grows: {seen}"


def test_only_its_owner_can_reach_it_and_only_one_server_listens(ace_server):
    assert ace_server.parent.stat().st_mode & 0o777 == 0o700
    assert ace_server.stat().st_mode & 0o777 == 0o600
    config, open_to_all = ace_server.parent / "akmc.yaml", ace_server.parent / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o755)
    config.write_text(
        yaml.safe_dump(
            {
                "structure": str(EXAMPLE / "vacancy.xyz"),
                "temperature_K": 500,
                "potential": {"ace": str(EXAMPLE / "cu.yace")},
            }
        )
    )
    for socket, words in (
        (ace_server, "is listening at"), (open_to_all / "socket", "others can enter"), (config, "no socket"),
        (ace_server.parent / f"{'x' * 120}/socket", "and Linux takes 107: use a shorter directory"),
    ):  # fmt: skip
        done = mlip_kmc("serve", config, "--socket", socket, cwd=ace_server.parent)
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert driver.ask(str(ace_server), structure_of(rattled(1))).energy < 0, (
        "the first server is still there"
    )


def test_the_command_serves_until_it_is_told_to_stop(tmp_path):
    config = tmp_path / "akmc.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "structure": str(EXAMPLE / "vacancy.xyz"),
                "temperature_K": 500,
                "potential": {"ace": str(EXAMPLE / "cu.yace")},
            }
        )
    )
    with subprocess.Popen(
        [sys.executable, "-m", "mlip_kmc", "serve", config, "--socket", tmp_path / "s/socket"],
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout.readline().startswith("potential ")
        done = by_hand(rattled(1), {"socket": tmp_path / "s/socket"})
        assert (done.returncode, done.stderr[:6]) == (0, b"gamma "), (
            "B-basis and active set beside the .yace are taken up"
        )
        assert b"unknown" not in done.stderr
        children = psutil.Process(server.pid).children()
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0
    assert not (tmp_path / "s/socket").exists()
    assert not any(child.is_running() for child in children)


# -- inside a run


def test_a_driven_ace_search_is_that_of_lammps(tmp_path):
    settings = example_settings()
    settings |= {"structure": str(EXAMPLE / "vacancy.xyz"), "workers": 2}
    records = {}
    for path in ("lammps", "driver"):
        settings["potential"] = {"ace": str(EXAMPLE / "cu.yace"), "path": path}
        (tmp_path / "akmc.yaml").write_text(yaml.safe_dump(settings))
        done = mlip_kmc("search", "akmc.yaml", "-n", 1, "--dir", path, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        records[path] = read_lines(tmp_path / path / "journal/searches.jsonl", SearchRecord)
    for one, other in zip(*records.values(), strict=True):
        assert (one.outcome, one.state, one.index) == (other.outcome, other.state, other.index)
        if one.barrier is not None:
            assert other.barrier == pytest.approx(one.barrier, abs=2e-3)
    copies = tmp_path / "driver/driver"
    assert {path.name for path in driver_files()} <= {path.name for path in copies.iterdir()}
    done = subprocess.run(
        [sys.executable, copies / "pace_driver.py", "--potential", EXAMPLE / "cu.yace"],
        check=False,
        input=text_of(read(EXAMPLE / "vacancy.xyz")).encode(),
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    done = mlip_kmc("search", "akmc.yaml", "-n", 2, "--dir", "lammps", cwd=tmp_path)
    assert done.returncode != 0, "another way to the numbers is another trajectory"
    assert "potential.path" in done.stderr
    assert not list(Path(tempfile.gettempdir()).glob("mlip-kmc.*/*/socket")), (
        "no server's directory is left"
    )


def test_a_driven_run_whose_atoms_come_too_near_stops_with_100(tmp_path):
    settings = example_settings()
    settings |= {
        "structure": str(EXAMPLE / "vacancy.xyz"),
        "workers": 1,
        "potential": {"ace": str(EXAMPLE / "cu.yace"), "path": "driver", "minimum_distance_A": 2.4},
    }
    (tmp_path / "akmc.yaml").write_text(yaml.safe_dump(settings))
    done = mlip_kmc("search", "akmc.yaml", "-n", 5, "--dir", "run", cwd=tmp_path)
    assert done.returncode == 100, done.stderr
    assert "was halted: Cu-Cu atoms are " in done.stdout
    frames, warnings = read_kept_frames(
        tmp_path / "run/halts"
    )  # searches that were made ahead may have been halted, too
    assert warnings == ()
    assert {(frame.state, frame.kind) for frame in frames} == {(0, Kind.EVIDENCE)}
    (found,) = (frame for frame in frames if f"search {frame.search} was halted" in done.stdout)
    assert f"kept at {tmp_path}/run/halts/{found.name}.xyz" in done.stdout
    distances = found.atoms.get_all_distances(mic=True)
    assert distances[np.triu_indices(len(distances), 1)].min() < 2.4


def test_a_calculator_of_the_user_s_own_searches_too(tmp_path):
    """It comes in by its folder, which takes no package's place, and is named in the run; the present folder is none."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "my_calculator.py").write_text(
        "from ase.calculators.emt import EMT\n\nclass Mine(EMT):\n    pass\n"
    )
    for trap in (mine / "ase.py", mine / "numpy.py", tmp_path / "random.py", tmp_path / "yaml.py"):
        trap.write_text("raise SystemExit('the wrong module')\n")
    config = write_config(tmp_path)
    settings = yaml.safe_load(config.read_text())
    settings["potential"] = {
        "ase": "my_calculator:Mine",
        "kwargs": {"asap_cutoff": True},
        "python_path": "mine",
    }

    def search(folder):
        config.write_text(yaml.safe_dump(settings))
        return subprocess.run(
            [sys.executable, "-P", "-m", "mlip_kmc", "search", config, "-n", "1", "--dir", folder],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    done = search("run")
    assert done.returncode == 0, done.stderr
    assert len(read_lines(tmp_path / "run/journal/searches.jsonl", SearchRecord)) == 1
    with RunView.read(tmp_path / "run", detail="numbers") as view:
        assert view.epoch.inputs == {
            "structure_file": "adatom.xyz",
            "calculator": "my_calculator:Mine",
            "calculator_file": str(mine / "my_calculator.py"),
            "calculator_sha256": sha256_of(mine / "my_calculator.py"),
            "python_path": str(mine),
        }
    settings["potential"]["ase"] = "my_calculator:NoSuchThing"
    done = search("other")
    assert done.returncode == 4, done.stderr
    assert "NoSuchThing" in done.stderr
    assert len(done.stderr.splitlines()) == 1


POINT = "[Main]\njob = point\nquiet = true\n[Potential]\npotential = ext_pot\n"


@pytest.fixture
def job(tmp_path):
    """One point energy of a job of eOn's client."""

    def make(driven, atoms):
        return run_job(
            ClientJob(
                name="0_7",
                links=driven.job_links(),
                time_limit_s=100,
                evidence=tmp_path / "evidence",
                files={"pos.con": to_con(atoms), "config.ini": POINT},
            ),
            reader=texts_of(),
        )

    return make


def test_a_halt_inside_eon_is_told_and_its_structure_is_kept_twice(tmp_path, job):
    limits = {"minimum-distance": "2.5", "halts": str(tmp_path / "halts")}
    with served(
        DrivenPotential(AcePotential.read(EXAMPLE / "cu.yace")), workers=1, limits=limits
    ) as driven:
        atoms = bulk("Cu", a=3.6, cubic=True).repeat(2)
        assert job(driven, atoms).end is End.FINISHED
        atoms.positions[0] += 0.2
        done = job(driven, atoms)
    assert done.end is End.HALTED
    assert done.message.startswith("Cu-Cu atoms are ")
    assert done.message.endswith(f"; kept at {tmp_path}/halts/0_7-0.xyz")
    (found,), _ = read_kept_frames(tmp_path / "halts")
    assert (found.search, found.state, found.step, found.kind) == ("0_7", 0, 0, Kind.EVIDENCE)
    (question,) = (tmp_path / "evidence").glob("extpot_*/from_eon_to_extpot")
    np.testing.assert_allclose(
        driver.atoms_of(driver.parse(question.read_bytes())).positions,
        found.atoms.positions,
        atol=1e-12,
    )


def test_the_server_dies_with_its_run(tmp_path):
    program = (
        "import sys, time; from pathlib import Path; from mlip_kmc.driver import ServerProcess\n"
        "folder = Path(sys.argv[1])\n"
        "with ServerProcess({'ase': 'ase.calculators.emt:EMT'}, socket_path=folder / 'socket', workers=2,"
        " log=folder / 'log') as server:\n print(server.pid, flush=True)\n time.sleep(300)"
    )
    (tmp_path / "s").mkdir(mode=0o700)
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path / "s"], stdout=subprocess.PIPE, text=True
    ) as run:
        try:
            server = psutil.Process(int(run.stdout.readline()))
            # the socket is there before the last worker is
            until(lambda: len(server.children()) == 2)
            family = [server, *server.children()]
        finally:
            run.kill()
        run.wait()
        until(
            lambda: (
                not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in family)
            )
        )


# -- faults

DYING = '''
import os, signal
from pathlib import Path
from ase.calculators.emt import EMT
class Dying(EMT):
    """Kills what the file `die` says, in the middle of an evaluation, once."""
    def __init__(self, folder):
        super().__init__()
        self.folder = Path(folder)
    def calculate(self, *arguments, **keywords):
        order = self.folder / "die"
        if order.exists():
            whom = order.read_text()
            order.unlink()
            os.kill(os.getppid() if whom == "server" else os.getpid(), signal.SIGKILL)
            if whom == "server":
                signal.pause()  # killed with its parent
        super().calculate(*arguments, **keywords)
'''


@pytest.mark.parametrize("whom", ["worker", "server"])
def test_killed_in_the_middle_of_a_call_the_call_is_answered_all_the_same(tmp_path, whom):
    (tmp_path / "dying.py").write_text(DYING)
    potential = AsePotential(
        name="dying:Dying", arguments={"folder": str(tmp_path)}, python_path=(tmp_path,)
    )
    with server_of(tmp_path / "s", potential.recipe()) as server:
        for seed in range(2):
            atoms = rattled(seed)  # ASE calculators remember the last structure
            (tmp_path / "die").write_text(whom)
            done = by_hand(atoms, {"socket": tmp_path / "s/socket", "digest": server.digest})
            atoms.calc = EMT()
            assert numbers_of(done)[0] == pytest.approx(atoms.get_potential_energy(), abs=1e-12)
            assert not (tmp_path / "die").exists()
        assert server.restarts == (2 if whom == "server" else 0)


def test_a_removed_socket_comes_back(tmp_path):
    with server_of(tmp_path / "s", EMT_RECIPE) as server:
        path = tmp_path / "s/socket"
        before = driver.ask(str(path), structure_of(rattled(1)))
        path.unlink()
        assert driver.ask(str(path), structure_of(rattled(1)), wait_s=20).energy == before.energy
        assert server.restarts == 0


@pytest.mark.parametrize("way", ["one-shot", "persistent"])
def test_a_full_disk_while_a_halt_is_written(tmp_path, way):
    """A limit on the size of files stands for the disk: the write fails half-way."""
    atoms, halts = rattled(1), tmp_path / "halts"
    recipe = {**EMT_RECIPE, "minimum-distance": "3", "halts": str(halts)}
    if way == "one-shot":
        done = by_hand(atoms, recipe, largest_file_bytes=2000)
    else:
        (tmp_path / "s").mkdir(mode=0o700)
        (tmp_path / "recipe.json").write_text(json.dumps(recipe))
        command = [
            *limited(2000),
            "-m",
            "mlip_kmc",
            "serve",
            "--recipe",
            tmp_path / "recipe.json",
            "--socket",
            tmp_path / "s/socket",
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout.readline().startswith("potential ")
            done = by_hand(atoms, {"socket": tmp_path / "s/socket"})
            assert numbers_of(
                by_hand(bulk("Cu", a=5.0, cubic=True), {"socket": tmp_path / "s/socket"})
            )[0], "it goes on"
            server.terminate()
    assert (done.returncode, done.stdout) == (driver.DISK, b"")
    assert f"the structure cannot be kept at {halts}/by_hand_".encode() in done.stderr
    assert b"File too large; make room" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(halts.iterdir()) == [], "nothing half"


def test_a_potential_that_changes_under_a_running_server_is_refused(tmp_path):
    yace = tmp_path / "cu.yace"
    original = (EXAMPLE / "cu.yace").read_bytes()
    yace.write_bytes(original)
    atoms = rattled(1)
    with server_of(tmp_path / "s", {"potential": str(yace), "engine": "lammps"}) as server:
        question = {"socket": tmp_path / "s/socket", "digest": server.digest}
        before = numbers_of(by_hand(atoms, question))[0]
        yace.write_bytes(original.replace(b"rcut", b"rcut ", 1))
        done = by_hand(atoms, question)
        assert (done.returncode, done.stdout) == (driver.CHANGED, b"")
        assert (
            f"the potential {yace} is another than the one that was loaded".encode() in done.stderr
        )
        yace.write_bytes(original)
        assert numbers_of(by_hand(atoms, question))[0] == before, (
            "restored, it goes on; the date alone means nothing"
        )
        yace.unlink()
        done = by_hand(atoms, question)
        assert (done.returncode, done.stdout) == (driver.UNUSABLE, b"")
        yace.write_bytes(original + b"\n")
        os.kill(server.pid, signal.SIGKILL)
        begun = time.monotonic()
        done = by_hand(atoms, question)  # a server with the other file must not come up
        assert (done.returncode, done.stdout) == (driver.NO_SERVER, b"")
        assert b"its files changed" in done.stderr
        assert server.failure.encode() in done.stderr
        assert time.monotonic() - begun < 30, "it does not wait for what will not come"
