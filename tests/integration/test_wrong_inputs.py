"""Wrong inputs: each ends with its exit code and one line that says what is wrong, where, and what to do.

Nothing is started and nothing is lost: no run directory is made for them, and one that is there stays as it is. Each row runs
the command line in a forked process, which is the command but for the second that Python takes to import it.
"""

import contextlib
import ctypes
import hashlib
import os
import resource
import shutil
import signal
import sys
import traceback
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml
from ase.constraints import FixAtoms, FixBondLength, FixCartesian
from ase.io import read

from mlip_kmc.akmc import run as run_module  # imported here, once, for all rows
from mlip_kmc.cli import main
from mlip_kmc.config import load_config
from mlip_kmc.ground.programs import check_cpu
from mlip_kmc.potential.record import Digests

from .conftest import EXAMPLE, mlip_kmc, write_config

FILES = ("cu.yace", "cu.yaml", "cu.asi", "cu.record.json", "vacancy.xyz")
SETTINGS = {
    "structure": "vacancy.xyz",
    "potential": {"ace": "cu.yace"},
    "temperature_K": 500,
    "search": {"engine": "eon"},
    "workers": 1,
    "stop": {"kmc_steps": 1},
}
WHO_HOLDS_IT = {"lock", "live.json"}
"""What says who uses a run directory, and is no part of the run."""


# -- what is spoilt


def config(**changes):
    """Other values of keys in `akmc.yaml`; None removes one."""

    def spoil(folder):
        settings = yaml.safe_load((folder / "akmc.yaml").read_text())
        settings = {key: value for key, value in (settings | changes).items() if value is not None}
        (folder / "akmc.yaml").write_text(yaml.safe_dump(settings))

    return spoil


def content(data, name="akmc.yaml"):
    """Another content of a file."""
    return lambda folder: (folder / name).write_bytes(data)


def added(text):
    """Text at the end of `akmc.yaml`."""
    return lambda folder: (folder / "akmc.yaml").write_text(
        (folder / "akmc.yaml").read_text() + text
    )


def changed(name, change):
    """A file's content, changed."""
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def gone(name):
    return lambda folder: (folder / name).unlink()


def directory(name):
    def spoil(folder):
        (folder / name).unlink()
        (folder / name).mkdir()

    return spoil


def arrays(save=np.savez, **by_element):
    """Another active set."""

    def spoil(folder):
        with (folder / "cu.asi").open("wb") as stream:
            save(stream, **by_element)

    return spoil


def structure(change, name="vacancy.xyz"):
    """The structure, changed in place; `.traj` keeps constraints that `.xyz` does not."""

    def spoil(folder):
        atoms = read(folder / "vacancy.xyz")
        change(atoms)
        atoms.write(folder / name)
        config(structure=name)(folder)

    return spoil


def constrained(*constraints):
    return structure(lambda atoms: atoms.set_constraint(list(constraints)), "c.traj")


def moved(atoms, index, place):
    atoms.positions[index] = place


def gold(atoms):
    atoms.symbols[5] = "Au"


def half(data):
    return data[: len(data) // 2]


def dumped(folder):
    atoms = read(folder / "vacancy.xyz")
    rows = [
        f"{index} 1 {x} {y} {z}"
        for index, (x, y, z) in enumerate(atoms.positions.tolist(), start=1)
    ]
    sides = [f"0 {length}" for length in atoms.cell.lengths()]
    (folder / "last.dump").write_text(
        "\n".join(
            [
                "ITEM: TIMESTEP",
                "0",
                "ITEM: NUMBER OF ATOMS",
                str(len(atoms)),
                "ITEM: BOX BOUNDS pp pp pp",
                *sides,
                "ITEM: ATOMS id type x y z",
                *rows,
                "",
            ]
        )
    )
    config(structure="last.dump", potential={"eon": "eam_al"})(folder)


SQUARE = np.random.default_rng(1).normal(size=(35, 35))

# what it is: how the inputs are spoilt, the exit code, words of the line
WRONG = {
    # the configuration
    "no configuration": (gone("akmc.yaml"), 2, ["cannot read the configuration", "No such file", "name a YAML file"]),
    "a directory for a configuration": (directory("akmc.yaml"), 2, ["it is a directory, not a file", "name a YAML file"]),
    "no YAML": (content(b"structure: [1\ntemperature_K: 3\n"), 2, ["akmc.yaml line 2", "correct the YAML there"]),
    "a tab for an indent": (content(b"search:\n\tmax_iterations: 3\n"), 2, ["akmc.yaml line 2", "correct the YAML there"]),
    "binary": (content(bytes(range(256)) * 4), 2, ["is not UTF-8 text; name a YAML file"]),
    "empty": (content(b""), 2, ["is not a configuration: it holds no keys", "examples/cu-vacancy/akmc.yaml is one"]),
    "a list": (content(b"- 1\n- 2\n"), 2, ["it holds no keys"]),
    "huge": (content(b"# " + b"x" * 2_000_000), 2, ["is larger than 1000000 bytes"]),
    "a structure for a configuration": (changed("akmc.yaml", lambda _: (EXAMPLE / "vacancy.xyz").read_bytes()), 2, ["akmc.yaml"]),
    "an unknown key": (config(serach={}), 2, ["unknown key 'serach'; did you mean 'search'?"]),
    "an unknown key in a section": (config(search={"max_iteration": 3}), 2,
                                    ["unknown key 'search.max_iteration'; did you mean 'max_iterations'?"]),
    "a key outside of its section": (config(kmc_steps=3), 2, ["unknown key 'kmc_steps'; did you mean 'stop.kmc_steps'?"]),
    "a key twice": (added("temperature_K: 400\n"), 2, ["duplicate key 'temperature_K', given above already", "line"]),
    "Celsius": (config(temperature_K=None, temperature_C=227), 2,
                ["unknown key 'temperature_C'; did you mean 'temperature_K'?", "in the unit that this name ends with"]),
    "no unit": (config(temperature_K=None, temperature=500), 2, ["unknown key 'temperature'; did you mean 'temperature_K'?"]),
    "hours": (config(stop={"wall_time_h": 24}), 2, ["unknown key 'stop.wall_time_h'; did you mean 'wall_time_min'?"]),
    "a number with its unit": (config(temperature_K="500 K"), 2,
                               ["'temperature_K': must be a number (it is '500 K'); write 500 alone"]),
    "no temperature": (config(temperature_K=None), 2, ["'temperature_K' is missing; add it"]),
    "a negative temperature": (config(temperature_K=-500), 2, ["'temperature_K': must be more than 0 (it is -500"]),
    "absolute zero": (config(temperature_K=0), 2, ["'temperature_K': must be more than 0"]),
    "NaN for a temperature": (config(temperature_K=float("nan")), 2, ["'temperature_K': must be a finite number"]),
    "an infinite temperature": (config(temperature_K=float("inf")), 2, ["'temperature_K': must be a finite number"]),
    "text for a number": (config(temperature_K="hot"), 2, ["'temperature_K': must be a number (it is 'hot')"]),
    "a truth value for a number": (config(temperature_K=True), 2, ["'temperature_K': must be a number (it is true)"]),
    "certainty": (config(confidence={"value": 1.0}), 2, ["'confidence.value': must be less than 1"]),
    "an unknown scheme": (config(confidence={"scheme": "dynamics"}), 2, ["must be 'old', 'new' or 'sampling'"]),
    "no workers": (config(workers=0), 2, ["'workers': must be a whole number of at least 1, or auto (it is 0)"]),
    "a negative seed": (config(seed=-1), 2, ["'seed': must be at least 0"]),
    "two prefactors": (config(prefactor={"harmonic": True, "constant_per_s": 1e13}), 2, ["'prefactor': must be a section with"]),
    "an unknown section of eOn": (config(eon={"Optimiser": {"max_move": 1}}), 2,
                                  ["eOn has no section 'Optimiser'; did you mean 'Optimizer'?"]),
    "an unknown option of eOn": (config(eon={"Optimizer": {"max_mov": 1}}), 2,
                                 ["eOn's section 'Optimizer' has no option 'max_mov'; did you mean 'max_move'?"]),
    "a reserved option of eOn": (config(eon={"Main": {"temperature": 300}}), 2,
                                 ["eon.Main.temperature cannot be set: set temperature_K"]),
    "a reserved section of eOn": (config(eon={"Communicator": {"type": "mpi"}}), 2,
                                  ["eon.Communicator cannot be set", "set workers"]),
    "text for a number of eOn's": (config(eon={"Optimizer": {"max_move": "far"}}), 2,
                                   ["eon.Optimizer.max_move is a finite number, not 'far'"]),
    # the potential
    "no potential": (config(potential={"ace": "no.yace"}), 2, ["'potential.ace': there is no file", "no.yace; correct the path"]),
    "a directory for a potential": (config(potential={"ace": "."}), 2, ["'potential.ace'", "is a directory, not a file"]),
    "only a name for a potential": (config(potential="cu.yace"), 2, ["'potential': must be a section with exactly one of"]),
    "an unknown evaluator": (config(potential={"ace": "cu.yace", "evaluator": "fast"}), 2, ["must be 'product' or 'recursive'"]),
    "an active set without its basis": (config(potential={"ace": "cu.yace", "active_set": "cu.asi"}), 2,
                                        ["'potential': needs both of 'basis' and 'active_set', or neither"]),
    "a basis that is not there": (config(potential={"ace": "cu.yace", "basis": "no.yaml", "active_set": "cu.asi"}), 2,
                                  ["'potential.basis': there is no file", "correct the path"]),
    "an unknown built-in": (config(potential={"eon": "eam_cu"}), 4, ["no built-in potential 'eam_cu'; it has eam_al"]),
    "a truncated .yace": (changed("cu.yace", half), 4, ["cu.yace is truncated or damaged at line", "fetch or fit it again"]),
    "an empty .yace": (content(b"", "cu.yace"), 4, ["cu.yace is not a .yace potential, or a truncated one", "pace_yaml2yace"]),
    "a binary .yace": (content(bytes(range(256)), "cu.yace"), 4, ["cu.yace is not a .yace potential: it is not text"]),
    "a B-basis for a .yace": (config(potential={"ace": "cu.yaml"}), 4, ["cu.yaml is not a .yace potential", "pace_yaml2yace"]),
    "a truncated B-basis": (changed("cu.yaml", half), 4, ["the B-basis", "cu.yaml is truncated or damaged at line"]),
    "a B-basis of another cutoff": (changed("cu.yaml", lambda data: data.replace(b"rcutij: 5", b"rcutij: 6")), 4,
                                    ["has a cutoff of 6.0 A, but", "one of 5.0 A; give the .yaml that the .yace was made from"]),
    "an active set of another shape": (arrays(Cu=SQUARE[:34, :34]), 4, ["cu.asi has 34 functions of Cu, but the B-basis",
                                                                        "has 35", "potential activeset"]),
    "an active set that is not square": (arrays(Cu=SQUARE[:, :9]), 4, ["cu.asi has the shape (35, 9), which is not square"]),
    "an active set of another element": (arrays(Al=SQUARE), 4, ["cu.asi is of 'Al', but the B-basis", "is of 'Cu'"]),
    "an active set with a pickled object": (arrays(Cu=np.array([{}], dtype=object)), 4,
                                            ["pickled Python objects, which are never loaded"]),
    "an active set that is not finite": (arrays(Cu=np.full((35, 35), np.nan)), 4, ["not finite", "potential activeset"]),
    "an active set by columns": (arrays(Cu=np.asfortranarray(SQUARE)), 4, ["by columns, and LAMMPS would read it transposed"]),
    "an active set of single precision": (arrays(Cu=SQUARE.astype("f4")), 4, ["float32, but LAMMPS reads float64"]),
    "a compressed active set": (arrays(np.savez_compressed, Cu=SQUARE), 4, ["is compressed, and LAMMPS would not see Cu"]),
    "a truncated active set": (changed("cu.asi", half), 4, ["cu.asi is not an active set, or a truncated or damaged one"]),
    "a .yace that is not the record's": (changed("cu.yace", lambda data: data.replace(b"E0: [0]", b"E0: [1]")), 4,
                                         ["cu.yace is sha256 ", "cu.record.json is of sha256 ", "restore the file, or",
                                          "mlip-kmc potential record --force"]),
    "an active set that is not the record's": (arrays(Cu=SQUARE), 4, ["cu.asi is sha256 ", "restore the file, or"]),
    "an active set that the record misses": (gone("cu.asi"), 4, ["that the record", "is not in use; restore the file, or"]),
    "a torn record": (changed("cu.record.json", half), 4,
                      ["cu.record.json is damaged or truncated: it is not JSON; restore it, or"]),
    # the structure
    "no structure": (config(structure="no.xyz"), 2, ["'structure.file': there is no file", "no.xyz; correct the path"]),
    "a directory for a structure": (config(structure="."), 2, ["'structure.file'", "is a directory, not a file"]),
    "no structure's format": (content(b"hello\n", "vacancy.xyz"), 3, ["cannot read a structure from", "vacancy.xyz"]),
    "an empty structure": (content(b"", "vacancy.xyz"), 3, ["vacancy.xyz", "give a whole file of a format that ASE reads"]),
    "a truncated structure": (changed("vacancy.xyz", half), 3, ["cannot read a structure from", "vacancy.xyz"]),
    "no atoms": (content(b'0\nLattice="9 0 0 0 9 0 0 0 9" pbc="T T T"\n', "vacancy.xyz"), 3, ["vacancy.xyz"]),
    "an element that the potential does not know": (structure(gold), 3, [
        "vacancy.xyz: the potential does not know Au (it knows Cu); use another structure or potential"]),
    "a small cell": (structure(lambda atoms: atoms.set_cell([9.5, 10.8, 10.8], scale_atoms=True)), 3,
                     ["vacancy.xyz: the cell is 9.500 A wide, less than twice the potential's cutoff of 5.000 A; use a larger"]),
    "overlapping atoms": (structure(partial(moved, index=7, place=(1.7, 1.7, 0.1))), 3,
                          ["vacancy.xyz: atoms", "A apart, nearer than structure.minimum_distance_A = 1.0"]),
    "no periodicity": (structure(lambda atoms: atoms.set_pbc([True, True, False])), 3,
                       ["vacancy.xyz: the structure is periodic along [True, True, False]", "add vacuum and set pbc to True"]),
    "NaN for a position": (structure(partial(moved, index=7, place=(np.nan, 0, 0))), 3,
                           ["vacancy.xyz: the structure has positions that are not finite numbers; correct them"]),
    "an atom at the moon": (structure(partial(moved, index=7, place=(4e18, 0, 0))), 3,
                            ["positions beyond 1e+06 A; give lengths in A"]),
    "two kinds of constraints": (constrained(FixAtoms([0]), FixBondLength(1, 2)), 3,
                                 ["c.traj: the structure has a constraint FixBondLengths (atoms 1, 2), but eOn knows only"]),
    "an atom fixed along one axis": (constrained(FixCartesian(3, (True, False, False))), 3,
                                     ["c.traj: atom 3 (from 0) is fixed along some directions only (F T T", "write F F F"]),
    "a dump without elements": (dumped, 3, ["last.dump: it has no column element, and its types (1) are no elements",
                                            "structure.species"]),
    "aluminium's potential for copper": (config(potential={"eon": "eam_al"}), 3, [
        "vacancy.xyz: the potential does not know Cu (it knows Al)"]),
    "a narrow cell for eOn's EMT": (config(potential={"eon": "emt"}), 3, [
        "vacancy.xyz: the cell is 10.769 A wide, and eOn's built-in emt ends with an error below 10.965 A; use a larger cell"]),
    "a format that is no name": (config(structure={"file": "vacancy.xyz", "format": "lammps_data"}), 2, ["'structure.format'"]),
    "a format that nobody reads": (config(structure={"file": "vacancy.xyz", "format": "lamps-data"}), 3, [
        "structure.format: ASE reads no format 'lamps-data'; did you mean lammps-data?"]),
    "a format of another file": (config(structure={"file": "vacancy.xyz", "format": "cif"}), 3, ["vacancy.xyz"]),
    "a species that is none": (config(structure={"file": "vacancy.xyz", "species": ["cu"]}), 2, ["'structure.species"]),
    "all atoms fixed": (constrained(FixAtoms(range(107))), 3,
                        ["c.traj: all atoms of the structure are fixed; free those that may move"]),
}  # fmt: skip


# -- how it runs


@dataclass(frozen=True)
class Ended:
    returncode: int
    stdout: str
    stderr: str


def forked(*arguments, cwd, before=lambda: None):
    """Run the command line in a process of its own, after `before` in that process."""
    out, err = os.pipe(), os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # numpy's idle threads do not come along
        child = os.fork()
    if child == 0:
        _command(arguments, cwd, before, out[1], err[1])
    for end in (out[1], err[1]):
        os.close(end)
    with os.fdopen(out[0]) as stdout, os.fdopen(err[0]) as stderr:
        said = stdout.read(), stderr.read()
    return Ended(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), *said)


def _command(arguments, cwd, before, out, err):
    code = 70
    try:
        signal.alarm(100)
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        os.chdir(cwd)
        before()
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # noqa: BLE001 - this process ends here, whatever comes
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def clients():
    return [
        p
        for p in psutil.process_iter(["name"])
        if p.info["name"] in ("eonclient", "lmp") and p.status() != "zombie"
    ]


def contents(folder):
    """Every file of a run directory by content, but for what says who holds it."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in WHO_HOLDS_IT
    }


def refused(done, code, words):
    """It ended as it should: the exit code, and one line with all the words."""
    assert done.returncode == code, done.stdout + done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("mlip-kmc: ")
    assert len(lines[0]) < 800
    assert all(word in lines[0] for word in words), (words, lines[0])
    assert "Traceback" not in done.stdout + done.stderr
    assert clients() == []


@pytest.fixture
def folder(tmp_path):
    """Right inputs, to be spoilt."""
    for name in FILES:
        shutil.copy(EXAMPLE / name, tmp_path)
    (tmp_path / "akmc.yaml").write_text(yaml.safe_dump(SETTINGS))
    return tmp_path


@pytest.fixture(scope="module")
def old_run(tmp_path_factory):
    """A run of another configuration, which nothing may touch."""
    where = tmp_path_factory.mktemp("old")
    settings = write_config(where, stop={"kmc_steps": 1}, confidence={"value": 0.5})
    done = mlip_kmc("run", settings, "--dir", "run", cwd=where)
    assert done.returncode == 0, done.stdout + done.stderr
    return where / "run"


# -- the rows


def test_there_are_forty_rows_at_least():
    assert len(WRONG) + len(ELSEWHERE) >= 40


@pytest.mark.parametrize("what", WRONG)
def test_wrong_inputs_start_nothing_and_lose_nothing(folder, old_run, what):
    spoil, code, words = WRONG[what]
    spoil(folder)
    inputs, before = contents(folder), contents(old_run)
    refused(forked("run", "akmc.yaml", "--dir", "run", cwd=folder), code, words)
    assert not (folder / "run").exists()
    refused(forked("run", "akmc.yaml", "--dir", old_run, cwd=folder), code, words)
    assert contents(old_run) == before
    assert contents(folder) == inputs


@pytest.mark.parametrize("what", ["an unknown key", "a truncated .yace", "overlapping atoms"])
def test_the_command_itself_says_the_same(folder, what):
    spoil, code, words = WRONG[what]
    spoil(folder)
    refused(mlip_kmc("run", "akmc.yaml", "--dir", "run", cwd=folder), code, words)
    assert not (folder / "run").exists()


@pytest.mark.parametrize("what", ["a truncated .yace", "an active set with a pickled object"])
@pytest.mark.parametrize("command", ["info", "record"])
def test_the_potentials_own_commands_say_the_same(folder, what, command):
    spoil, code, words = WRONG[what]
    spoil(folder)
    before = contents(folder)
    refused(forked("potential", command, "cu.yace", cwd=folder), code, words)
    assert contents(folder) == before


@dataclass(frozen=True)
class Place:
    """Where right inputs cannot run."""

    code: int
    words: list[str]
    run: str = "run"
    before: object = lambda: None


def limited():
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def full_disk():
    """A file system of 64 kB, full, at `disk`; only this process and its children see it."""
    user, group = os.getuid(), os.getgid()
    os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNS)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {user} 1"),
        ("gid_map", f"0 {group} 1"),
    ):
        Path("/proc/self", name).write_text(text)
    Path("disk").mkdir()
    if ctypes.CDLL(None, use_errno=True).mount(b"tmpfs", b"disk", b"tmpfs", 0, b"size=64k") != 0:
        raise OSError(ctypes.get_errno(), "mount")
    with contextlib.suppress(OSError), Path("disk/filler").open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))


def full_scratch():
    full_disk()
    os.environ["MLIP_KMC_SCRATCH"] = "disk"


def old_processor():
    cpuinfo = Path("cpuinfo")
    cpuinfo.write_text("flags\t\t: fpu sse sse2 ssse3 sse4_1 sse4_2 popcnt cx16 lahf_lm\n")
    Path("parts.json").write_text('{"march": "x86-64-v3"}')
    run_module.check_cpu = partial(check_cpu, cpuinfo=cpuinfo, etc=Path())


def environment(**values):
    return lambda: os.environ.update(values)


ELSEWHERE = {
    "a file for a run directory": Place(8, ["akmc.yaml: there is a file of that name, not a directory; choose another --dir"],
                                        run="akmc.yaml"),
    "a run directory below a file": Place(8, ["a part of the path is a file, not a directory; choose another --dir"],
                                          run="akmc.yaml/run"),
    "a name that is too long": Place(8, ["the name is too long; choose a shorter --dir"], run="x" * 300),
    "a read-only file system": Place(8, ["cannot write /opt/mlip-kmc/run: the file system is read-only; choose another --dir"],
                                     run="/opt/mlip-kmc/run"),
    "a full disk": Place(8, ["cannot write", "the disk is full; make room and run the same command again"],
                         run="disk/run", before=full_disk),
    "a limit of file sizes": Place(8, ["cannot write", "raise the limit (ulimit -f)"], before=limited),
    "no eonclient": Place(5, ["the program eonclient is not on PATH; run inside the image"],
                          before=environment(PATH="/nowhere")),
    "an old processor": Place(5, ["this machine's processor lacks", "avx2", "run on another node, or build the image with"],
                              before=old_processor),
    "a scratch that is not there": Place(2, ["MLIP_KMC_SCRATCH names no directory", "does not see /nowhere", "bind it"],
                                         before=environment(MLIP_KMC_SCRATCH="/nowhere")),
    "a scratch that is full": Place(8, ["/disk/mlip-kmc.", "the disk is full; make room and run the same command again"],
                                    before=full_scratch),
    "a scratch that is read-only": Place(8, ["cannot write /opt: the file system is read-only; choose another MLIP_KMC_SCRATCH"],
                                         before=environment(MLIP_KMC_SCRATCH="/opt")),
}  # fmt: skip
KNOWN_AT_ONCE = (
    "an old processor",
    "a scratch that is not there",
    "a file for a run directory",
    "a run directory below a file",
)


@pytest.mark.parametrize("what", ELSEWHERE)
def test_right_inputs_in_a_wrong_place(folder, what):
    place = ELSEWHERE[what]
    inputs = contents(folder)
    refused(
        forked("run", "akmc.yaml", "--dir", place.run, cwd=folder, before=place.before),
        place.code,
        place.words,
    )
    if what in KNOWN_AT_ONCE:
        assert not (folder / "run").exists()
    committed = [
        name for name in contents(folder) if name not in (inputs.keys() | {"cpuinfo", "parts.json"})
    ]
    assert committed == [], "nothing is committed where nothing could start"
    assert inputs.items() <= contents(folder).items()


def test_a_run_directory_of_another_configuration_stays_as_it_is(folder, old_run):
    before = contents(old_run)
    done = forked("run", "akmc.yaml", "--dir", old_run, cwd=folder)
    refused(
        done,
        6,
        [f"the run directory {old_run} belongs to another configuration", "choose another --dir"],
    )
    assert contents(old_run) == before


def test_empty_sections_are_no_error(folder):
    added("search:\n")(folder)
    config(stop=None)(folder)
    added("stop:\n")(folder)
    assert load_config(folder / "akmc.yaml").stop.kmc_steps is None


def test_the_rows_are_of_the_example_as_it_is(folder):
    """What is spoilt is right before: `no eonclient` above is as far as right inputs come without it."""
    record = yaml.safe_load((folder / "cu.record.json").read_text())
    assert (
        Digests(**record["digests"]).yace
        == hashlib.sha256((folder / "cu.yace").read_bytes()).hexdigest()
    )
