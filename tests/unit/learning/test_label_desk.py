"""Labels of good oracles, and of bad ones: each has one clear line, and no wrong label comes out."""

import json
import os
import runpy
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from mlip_kmc.config.campaign import AseOracle, CommandOracle, CutoutSection, LabelsSection
from mlip_kmc.ground.errors import PotentialError, ProgramError, RunStateError, StructureError
from mlip_kmc.learning.cutout import cut_out
from mlip_kmc.learning.labels import ase_process, oracle
from mlip_kmc.learning.labels.desk import LabelDesk
from mlip_kmc.learning.labels.doubts import levels_of
from mlip_kmc.learning.labels.faults import LabelFault
from mlip_kmc.learning.labels.folder import LabelFolder
from mlip_kmc.model.labelled import LabelledStructure, Role, labelled_text

HERE = Path(__file__).parent
ASE = "bad_calculators:Wrong"
COMMAND = HERE / "command_oracle.py"


@pytest.fixture(autouse=True)
def importable(monkeypatch, tmp_path):
    """The oracle's process finds the bad calculators; so does this one, for their identity."""
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setenv("MLIP_KMC_SCRATCH", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("PYTHONPATH", ":".join([str(HERE), *sys.path[1:]]))


@pytest.fixture
def in_process(monkeypatch):
    """The oracle's program runs in this process: most of a label is the start of its own."""

    def label(self, atoms, *, folder, cancelled=None):
        words = self.prepare(atoms, folder)
        if isinstance(self, oracle.ByAse):
            code = ase_process.main([str(folder / word) for word in words[-3:]])
        else:
            monkeypatch.setattr(
                sys, "argv", [words[1], *(str(folder / word) for word in words[2:4]), *words[4:]]
            )
            runpy.run_path(words[1])
            code = 0
        return self.answer(atoms, folder, returncode=code)

    monkeypatch.setattr(oracle._ByProgram, "label", label)


def structure(seed=1, symbol="Cu"):
    atoms = bulk("Cu", cubic=True) * (2, 1, 1)
    atoms.numbers[0] = 47 if symbol == "Ag" else 29
    atoms.rattle(0.1, seed=seed)
    return atoms


def emt(atoms):
    probe = atoms.copy()
    probe.calc = EMT()
    return probe.get_potential_energy(), probe.get_forces()


def piece(name="0_1-10", atoms=None, gammas=1.0):
    """A structure to label; the present potential is EMT itself, sure of itself unless told otherwise."""
    found = structure() if atoms is None else atoms
    return cut_out(
        found, [0], name=name, section=CutoutSection(), cutoff_A=5.0, calculator=EMT(),
        gammas_of=lambda those: np.full(len(those), gammas),
    )  # fmt: skip


def by_ase(fault="", **more):
    return AseOracle(ase=ASE, kwargs={"fault": fault}, **more)


def by_command(fault="", **more):
    words = (sys.executable, str(COMMAND), "{input}", "{output}", *([fault] if fault else []))
    return CommandOracle(command=words, **more)


def desk_of(tmp_path, oracle, *, cache="cache", **section):
    return LabelDesk(
        tmp_path / "labels", oracle=oracle, section=LabelsSection(**section), cache=tmp_path / cache
    )


def passed(desk, *pieces):
    desk.wanted(pieces or [piece()])
    return desk.pass_(threading.Event())


@pytest.mark.parametrize("kind", [by_ase(), by_command()], ids=["ase", "command"])
def test_the_contract(tmp_path, kind):
    """Any oracle: energy and forces of the structure that was asked, a stable identity, the cache, a whole file."""
    settled = kind.model_copy(update={"zero_eV": {"Cu": 0.25}, "settings": {"code": "EMT"}})
    desk = desk_of(tmp_path, settled)
    atoms = structure(symbol="Ag")
    status = passed(desk, piece(atoms=atoms))
    assert (status.done, status.failed, status.waiting, status.with_scheduler) == (1, 0, 0, 0)
    assert status.finished
    (label,) = desk.labelled()
    energy, forces = emt(atoms)
    assert label.energy_eV == pytest.approx(energy - 7 * 0.25, abs=1e-8)
    assert np.abs(label.forces_eV_per_A - forces).max() < 2e-8
    assert np.array_equal(label.atoms.positions, atoms.positions)
    assert (label.name, label.role, label.oracle) == ("0_1-10", Role.LABEL, desk.digest)
    assert label.energy_weight == 1
    assert (label.force_weights == 1).all()
    assert json.loads((tmp_path / "labels/oracle.json").read_text())["settings"] == {"code": "EMT"}
    assert sorted(path.name for path in (tmp_path / "labels/0_1-10").iterdir()) == [
        "label.xyz", "request.xyz", "state.json",
    ]  # fmt: skip
    broken = settled.model_copy(update={"time_limit_min": 1e-9})  # no process would get that far
    other = LabelDesk(
        tmp_path / "again", oracle=broken, section=LabelsSection(), cache=tmp_path / "cache"
    )
    assert passed(other, piece(atoms=atoms)).done == 1, "the label is in the cache"
    assert labelled_text(other.labelled()) == labelled_text(desk.labelled())


ALONE = [
    (by_command("raises"), LabelFault.CRASHED, "it ended with exit code 1: no k points"),
    (by_ase("dies"), LabelFault.CRASHED, "it was killed by signal 11"),
    (by_ase("hangs", time_limit_min=0.05), LabelFault.TIME_LIMIT, "it was ended after 3 s (time_limit_min)"),
    (by_command("hangs", time_limit_min=0.05), LabelFault.TIME_LIMIT, "it was ended after 3 s (time_limit_min)"),
]  # fmt: skip
FAULTS = [
    (by_ase("raises"), LabelFault.CRASHED, "RuntimeError: no k points"),
    (AseOracle(ase="nowhere.to:BeFound"), LabelFault.CRASHED, "ModuleNotFoundError: No module named 'nowhere'"),
    (by_ase("nan"), LabelFault.NOT_FINITE, "its energy or its forces are not finite"),
    (by_ase("nan_energy"), LabelFault.NOT_FINITE, "its energy or its forces are not finite"),
    (by_command("nan"), LabelFault.NOT_FINITE, "its energy or its forces are not finite"),
    (by_ase("shape"), LabelFault.WRONG_SHAPE, "its forces are of the shape (7, 3), not (8, 3)"),
    (by_ase("transposed"), LabelFault.WRONG_SHAPE, "its forces are of the shape (3, 8), not (8, 3)"),
    (by_command("shape"), LabelFault.WRONG_SHAPE, "its forces are of the shape (8, 2), not (8, 3)"),
    (by_command("silent"), LabelFault.NO_ANSWER, "it wrote no output.xyz"),
    (by_command("torn"), LabelFault.NO_ANSWER, "its output.xyz cannot be read"),
    (by_ase("outlier"), LabelFault.NET_FORCE, "its forces add up to 10 eV/A, not to zero"),
    (by_command("outlier"), LabelFault.NET_FORCE, "its forces add up to 10 eV/A, not to zero"),
    (by_ase("couple"), LabelFault.OUTLIER, "is 10 eV/A from the potential's, whose gamma there is 1"),
    (by_ase("absurd"), LabelFault.ABSURD_FORCE, "is 1e6 eV/A, more than 50"),
    (by_ase("scf_raises"), LabelFault.NOT_CONVERGED, "SCFError: no convergence in 100 cycles"),
    (by_ase("scf_result"), LabelFault.NOT_CONVERGED, "says that it did not converge"),
    (by_ase("scf_attribute"), LabelFault.NOT_CONVERGED, "says that it did not converge"),
    (by_command("scf"), LabelFault.NOT_CONVERGED, "it did not converge (converged='F')"),
    (by_ase("moves"), LabelFault.MOVED, "it answers with atoms elsewhere, 0.2 A from any"),
    (by_command("moved"), LabelFault.MOVED, "it answers with atoms elsewhere, 0.2 A from any"),
    (by_command("cell"), LabelFault.MOVED, "it answers with another cell"),
    (by_command("fewer"), LabelFault.OTHER_ATOMS, "it answers about Cu7, not about AgCu7"),
    (by_command("swapped"), LabelFault.OTHER_ATOMS, "in an order that their places do not tell"),
]  # fmt: skip


def ids(faults):
    return [
        f"{kind}-{type(section).__name__}-{number}"
        for number, (section, kind, _) in enumerate(faults)
    ]


def refused(tmp_path, section, kind, message):
    desk = desk_of(tmp_path, section)
    status = passed(desk, piece(atoms=structure(symbol="Ag")))
    assert (status.done, status.failed, status.waiting) == (0, 1, 0)
    assert desk.labelled() == ()
    ((name, found, text),) = desk.failures()
    assert (name, found) == ("0_1-10", kind), text
    assert message in text
    assert len(text.splitlines()) == 1
    print(f"{kind}: {text}")
    assert desk.pass_(threading.Event()).failed == 1, "it is not asked again"
    return desk


@pytest.mark.parametrize(("section", "kind", "message"), ALONE, ids=ids(ALONE))
def test_a_program_that_fails_takes_nobody_with_it(tmp_path, section, kind, message):
    refused(tmp_path, section, kind, message)
    assert (tmp_path / "labels/0_1-10/failed/stderr.txt").is_file(), "what it said is kept"
    assert list(tmp_path.glob("scratch/*")) == []


@pytest.mark.parametrize(("section", "kind", "message"), FAULTS, ids=ids(FAULTS))
@pytest.mark.usefixtures("in_process")
def test_a_bad_oracle_gives_one_line_and_no_label(tmp_path, section, kind, message):
    refused(tmp_path, section, kind, message)


@pytest.mark.parametrize(("calculator", "good"), [
    (SimpleNamespace(), True),
    (SimpleNamespace(converged=None), True),
    (SimpleNamespace(converged=True, results={"converged": np.True_}), True),
    (SimpleNamespace(converged=lambda: False), False),
    (SimpleNamespace(converged=lambda forces: False), True),
    (SimpleNamespace(scf=SimpleNamespace(converged=False)), False),
    (SimpleNamespace(results={"converged": np.False_}), False),
])  # fmt: skip
def test_what_a_calculator_says_of_its_convergence(calculator, good):
    assert all(ase_process._says(calculator)) == good


@pytest.mark.usefixtures("in_process")
def test_the_free_energy_is_taken_where_it_is_asked_for(tmp_path):
    desk = desk_of(tmp_path / "ase", by_ase("smears", free_energy=True))
    assert passed(desk).done == 1
    assert desk.labelled()[0].energy_eV == pytest.approx(emt(structure())[0] - 0.5)
    refused(
        tmp_path / "command",
        by_command(free_energy=True),
        LabelFault.NO_ANSWER,
        "no energy of the name 'free_energy'",
    )


@pytest.mark.usefixtures("in_process")
def test_atoms_that_come_back_in_another_order_are_brought_back(tmp_path):
    atoms = structure(symbol="Ag")
    desk = desk_of(tmp_path, by_command("reordered"))
    assert passed(desk, piece(atoms=atoms)).done == 1
    (label,) = desk.labelled()
    assert np.abs(label.forces_eV_per_A - emt(atoms)[1]).max() < 2e-8
    assert label.atoms.get_chemical_symbols() == atoms.get_chemical_symbols()


@pytest.mark.usefixtures("in_process")
def test_energies_of_another_zero_stop_it_before_more_is_spent(tmp_path):
    pieces = [piece(f"0_{seed}-1", structure(seed)) for seed in (1, 2, 3)]
    for section in (by_ase("zero"), by_command("zero")):
        desk = desk_of(tmp_path / type(section).__name__, section)
        with pytest.raises(
            PotentialError, match=r"is -3000 eV an atom from what .* it has another zero"
        ) as caught:
            passed(desk, *pieces)
        assert len(str(caught.value).splitlines()) == 1
        status = desk.status()
        assert (status.done, status.failed, status.waiting) == (0, 1, 2)
        with pytest.raises(PotentialError, match="another zero"):
            desk.pass_(threading.Event())
    right = by_ase("zero", zero_eV={"Cu": -3000.0})
    desk = desk_of(tmp_path / "AseOracle", right)
    assert passed(desk, *pieces).done == 3, "with its zero the same labels are of use"
    energies = [label.energy_eV for label in desk.labelled()]
    assert energies == pytest.approx([emt(entry.atoms)[0] for entry in pieces], abs=1e-8)


def test_the_level_of_a_training_set():
    def whole(atoms):
        energy, forces = emt(atoms)
        return LabelledStructure.whole(
            "a", atoms, energy_eV=energy - 5.0 * len(atoms), forces_eV_per_A=forces
        )

    pure, mixed = structure(1), structure(2, "Ag")
    levels = levels_of([whole(pure), whole(mixed)])
    assert levels["Cu"] == pytest.approx(emt(pure)[0] / 8 - 5.0)
    assert 7 * levels["Cu"] + levels["Ag"] == pytest.approx(emt(mixed)[0] - 40.0)
    assert levels_of([]) == {}


@pytest.mark.usefixtures("in_process")
def test_a_potential_that_is_far_off_does_not_condemn_a_label_at_the_sets_level(tmp_path):
    """A wild energy of an extrapolating potential is no zero of the oracle's."""
    wild = piece(gammas=1e7)
    wild.expected.__dict__["energy_eV"] += 800.0
    level = emt(structure())[0] / 8
    desk = LabelDesk(
        tmp_path,
        oracle=by_ase(),
        section=LabelsSection(),
        cache=tmp_path / "c",
        levels={"Cu": level},
    )
    assert passed(desk, wild).done == 1


@pytest.mark.usefixtures("in_process")
def test_where_the_potential_is_not_sure_it_is_no_witness(tmp_path):
    desk = desk_of(tmp_path, by_ase("couple"))
    assert passed(desk, piece(gammas=50.0)).done == 1


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("harm", ["torn", "bit", "another", "empty"])
def test_a_stale_cache_is_made_anew(tmp_path, harm):
    atoms, others = structure(1), structure(2)
    section = by_ase(settings={"version": "1"})
    good = desk_of(tmp_path / "first", section, cache="../cache")
    passed(good, piece("0_1-1", atoms), piece("0_1-2", others))
    entries = {path: path.read_bytes() for path in (tmp_path / "cache").rglob("*.label")}
    assert len(entries) == 2
    (one, data), (_, other) = entries.items()
    broken = {
        "torn": data[: len(data) // 2],
        "bit": data[:-20] + bytes([data[-20] ^ 1]) + data[-19:],
        "another": other,
        "empty": b"",
    }[harm]
    one.write_bytes(broken)
    again = desk_of(tmp_path / "second", section, cache="../cache")
    assert passed(again, piece("0_1-1", atoms), piece("0_1-2", others)).done == 2
    assert labelled_text(again.labelled()) == labelled_text(good.labelled())
    assert one.read_bytes() == data, "it was made anew"


@pytest.mark.usefixtures("in_process")
def test_labels_of_two_oracles_are_never_mixed(tmp_path):
    """Other settings, another version, another script: another identity; the cache of one is none of the other's."""
    script = tmp_path / "dft.py"
    script.write_text("1")
    word = lambda: CommandOracle(command=("python3", str(script), "{input}", "{output}"))  # noqa: E731
    first = oracle.oracle_of(word()).digest
    script.write_text("2")
    digests = [
        first,
        oracle.oracle_of(word()).digest,
        oracle.oracle_of(by_ase()).digest,
        oracle.oracle_of(by_ase("zero")).digest,
        oracle.oracle_of(by_ase(settings={"cutoff_eV": 400})).digest,
        oracle.oracle_of(by_ase(free_energy=True)).digest,
        oracle.oracle_of(AseOracle(ase="ase.calculators.emt:EMT")).digest,
    ]
    assert len(set(digests)) == len(digests)
    assert (
        oracle.oracle_of(AseOracle(ase="ase.calculators.emt:EMT"))
        .facts()["version"]
        .startswith("ase 3.")
    )
    assert oracle.oracle_of(by_ase()).facts()["version"].startswith("sha256:"), "a loose file"
    limits = by_ase(time_limit_min=5, largest_force_eV_per_A=9, zero_eV={"Cu": 1.0})
    assert oracle.oracle_of(limits).digest == digests[2], (
        "limits decide what is believed, not what is computed"
    )
    passed(desk_of(tmp_path, by_ase()), piece())
    other = desk_of(tmp_path, by_ase("raises"))
    assert passed(other, piece()).failed == 1, (
        "neither the cache nor the folder gives the other's label"
    )


@pytest.mark.usefixtures("in_process")
def test_what_another_oracle_has_labelled_is_told(tmp_path):
    """By the note beside the labels, which is of the oracle that made them, not of the one that was asked first."""
    settings = {"code": "EMT", "cutoff_eV": 400}
    first = by_ase(settings=settings, zero_eV={"Cu": 0.1})
    desk_of(tmp_path, by_ase("zero")).wanted([piece()])
    desk = desk_of(tmp_path, first)
    assert desk.pass_(threading.Event()).done == 1
    assert desk.other_oracle() == ()
    assert (
        desk_of(tmp_path, by_ase(settings=settings, zero_eV={"Cu": 0.1, "Ag": 0.0})).other_oracle()
        == ()
    )
    limits = by_ase(settings=settings, zero_eV={"Cu": 0.1}, time_limit_min=1)
    assert desk_of(tmp_path, limits).other_oracle() == ()
    others = {
        ("settings.cutoff_eV",): by_ase(
            settings={**settings, "cutoff_eV": 500}, zero_eV={"Cu": 0.1}
        ),
        ("kwargs.fault", "zero_eV.Cu"): by_ase("zero", settings=settings),
        ("energy",): by_ase(settings=settings, zero_eV={"Cu": 0.1}, free_energy=True),
        ("ase", "command", "kwargs", "version", "zero_eV.Cu"): by_command(settings=settings),
    }
    for differs, section in others.items():
        assert desk_of(tmp_path, section).other_oracle() == differs
    note = tmp_path / "labels/oracle.json"
    note.write_text("[")
    with pytest.raises(RunStateError, match=r"oracle.json is damaged"):
        desk.other_oracle()
    note.unlink()
    assert desk.other_oracle() == ()


@pytest.mark.usefixtures("in_process")
def test_what_is_written_is_the_same_after_any_way(tmp_path):
    """A second pass, a torn state, a torn label, another order of making: the same files, byte by byte."""
    pieces = [piece(f"0_{seed}-1", structure(seed)) for seed in (1, 2, 3)]

    def files(folder):
        return {
            path.relative_to(folder): path.read_bytes()
            for path in sorted((folder / "labels").rglob("*"))
            if path.is_file()
        }

    passed(desk_of(tmp_path / "a", by_ase()), *pieces)
    whole = files(tmp_path / "a")
    desk = desk_of(tmp_path / "b", by_ase(), at_a_time=3)
    desk.wanted(pieces)
    desk.wanted(pieces)
    stop = threading.Event()
    stop.set()
    desk.pass_(stop)
    passed(desk, *pieces)
    (tmp_path / "b/labels/0_2-1/label.xyz").write_bytes(whole[Path("labels/0_2-1/label.xyz")][:100])
    (tmp_path / "b/labels/0_3-1/state.json").write_text("{")
    desk = desk_of(tmp_path / "b", by_ase())
    status = desk.status()
    assert (status.done, status.waiting) == (1, 2)
    assert desk.pass_(threading.Event()).done == 3
    assert files(tmp_path / "b") == whole


@pytest.mark.usefixtures("in_process")
def test_killed_at_each_write_it_comes_to_the_same_files(tmp_path, monkeypatch):
    """Before and after each rename: what is made by two processes is what one makes, byte by byte."""
    pieces = [piece("0_1-1", structure(1)), piece("0_2-1", structure(2))]

    def work(folder):
        passed(desk_of(folder, by_ase()), *pieces)
        return {
            path.relative_to(folder): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and ".tmp" not in path.name
        }

    whole = work(tmp_path / "whole")
    assert len(whole) == 2 * 4 + 2
    killed = True
    number = 0
    while killed:
        number += 1
        with monkeypatch.context() as patch, Bomb(patch, number) as bomb:
            work(tmp_path / str(number))
        killed = bomb.gone_off
        assert work(tmp_path / str(number)) == whole, number
    assert number > 30


class Bomb:
    """A kill at the n-th sync of a file or a folder."""

    def __init__(self, patch, number):
        self.left, self.gone_off = number, False
        sync = os.fsync

        def counted(descriptor):
            self.left -= 1
            if self.left == 0:
                self.gone_off = True
                raise KeyboardInterrupt
            sync(descriptor)

        patch.setattr(os, "fsync", counted)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        return kind is KeyboardInterrupt


def test_a_stop_leaves_the_label_waiting(tmp_path):
    desk = desk_of(tmp_path, by_command("hangs"))
    stop = threading.Event()
    desk.wanted([piece()])
    timer = threading.Timer(1.0, stop.set)
    timer.start()
    status = desk.pass_(stop)
    assert (status.waiting, status.failed) == (1, 0)
    assert list(tmp_path.glob("scratch/*")) == []


def test_a_program_that_is_not_there_is_the_users_matter(tmp_path):
    desk = desk_of(tmp_path, CommandOracle(command=("no-such-code", "{input}", "{output}")))
    with pytest.raises(ProgramError, match="the program no-such-code is not on PATH"):
        passed(desk)
    assert desk.status().waiting == 1


def test_names_are_unique_and_a_damaged_list_is_named(tmp_path):
    desk = desk_of(tmp_path, by_ase())
    with pytest.raises(RunStateError, match="have one name"):
        desk.wanted([piece(), piece()])
    for name in ("../a", ".", "..", ".a", "a b", "", "a/b"):
        with pytest.raises(StructureError, match="is named by letters"):
            desk.wanted([replace(piece(), name=name)])
    assert desk.status().finished
    assert desk.labelled() == ()
    desk.wanted([piece()])
    (tmp_path / "labels/wanted.json").write_text("[")
    with pytest.raises(RunStateError, match="is damaged; remove it"):
        desk.status()


def test_a_request_keeps_every_number(tmp_path):
    atoms = structure()
    wanted = piece(atoms=atoms)
    folder = LabelFolder(tmp_path / "0_1-10")
    folder.write_request(wanted)
    found = folder.request()
    assert np.array_equal(found.atoms.positions, atoms.positions)
    assert np.array_equal(found.expected.forces_eV_per_A, wanted.expected.forces_eV_per_A)
    assert np.array_equal(found.expected.gammas, wanted.expected.gammas)
    assert found.expected.energy_eV == wanted.expected.energy_eV
    assert np.array_equal(found.force_weights, wanted.force_weights)
    assert (found.name, found.energy_weight) == (wanted.name, 1.0)
