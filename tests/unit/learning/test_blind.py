"""Active sets that cannot see: how python-ace makes them, that they are refused, and what completes them."""

import hashlib
import json
import re
import shutil
from dataclasses import replace

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from click.testing import CliRunner

from mlip_kmc.akmc.grading import log_sight
from mlip_kmc.check.findings import Level
from mlip_kmc.check.sight import eyesight, rests_on
from mlip_kmc.cli.main import cli
from mlip_kmc.config import Config
from mlip_kmc.driver import standalone as driver
from mlip_kmc.driver.standalone.rank import check_rank, independent
from mlip_kmc.evaluate.eyesight import look_around
from mlip_kmc.evaluate.gamma import Extrapolation, Projector
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.learning.active_set_maker import make_active_set, support_of, write_active_set
from mlip_kmc.learning.spanning import natural_scales, span_of
from mlip_kmc.potential import AcePotential
from mlip_kmc.potential.active_set import ActiveSet, blindness_of
from mlip_kmc.potential.basis import BBasis
from mlip_kmc.potential.rank import Rank, equilibrated, inverse_of, rank_of_inverse
from mlip_kmc.potential.whereabouts import NOTE, noted_blindness
from mlip_kmc.report.page import render
from mlip_kmc.report.status import read_status
from mlip_kmc.report.summary import collect
from mlip_kmc.store.view import RunView

from ..blind_material import (
    BASIS,
    EXAMPLE,
    alloy,
    alloy_basis,
    by_python_ace,
    copper,
    crystal,
    dilute,
    gammas,
    save,
    solute,
    surface,
)
from ..synthetic import commit

HALT = 15.0


def rattled(count=60, seed=2):
    """Copper that spans the example's basis."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        atoms = bulk("Cu", "fcc", a=rng.uniform(2.8, 4.6), cubic=True)
        atoms.positions += rng.normal(0.0, rng.uniform(0.05, 0.4), (4, 3))
        found.append(atoms)
    return found


@pytest.fixture(scope="module")
def blind_alloy(tmp_path_factory):
    """Basis, training set and python-ace's inverses of copper sampled well and one solute in perfect copper."""
    basis = alloy_basis(tmp_path_factory.mktemp("alloy") / "cuni.yaml")
    frames = dilute()
    return basis, frames, by_python_ace(basis, frames)


@pytest.fixture
def potential_folder(tmp_path):
    """The example's files without their record, to be spoilt."""
    for name in ("cu.yace", "cu.yaml", "cu.asi"):
        shutil.copy(EXAMPLE / name, tmp_path)
    return tmp_path


# ---- rank


def test_rank_and_condition_do_not_depend_on_scales():
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.normal(size=(20, 20)))[0] for _ in range(2))
    inverse = left @ right
    scaled = inverse * 10.0 ** rng.uniform(-8, 8, 20)[:, None] * 10.0 ** rng.uniform(-8, 8, 20)
    assert rank_of_inverse(inverse).independent == rank_of_inverse(scaled).independent == 20
    assert 1.0 <= rank_of_inverse(inverse).condition < 100
    assert rank_of_inverse(scaled).condition < 1e3, "scales are no condition"
    for kept in (1, 7, 19):
        less = left[:, :kept] @ right[:kept]
        assert rank_of_inverse(less) == Rank(functions=20, independent=kept, condition=float("inf"))
        assert not rank_of_inverse(less).full


def test_a_function_that_no_environment_has_is_a_missing_direction():
    inverse = np.diag([1.0, 2.0, 0.0, 3.0])
    assert rank_of_inverse(inverse).independent == 3
    inverse[2, 1] = 1e-19  # what pinv leaves of zero
    assert rank_of_inverse(inverse).independent == 3


def test_the_inverse_of_a_badly_scaled_matrix():
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(30, 30)) * 10.0 ** rng.uniform(-8, 8, 30)
    inverse, off = inverse_of(matrix)
    scaled, rows, columns = equilibrated(matrix)
    np.testing.assert_allclose(scaled, matrix * rows[:, None] * columns, rtol=1e-12)
    print(
        f"\nactive set x inverse is 1 within {off:.1e}; numpy.linalg.pinv would keep "
        f"{np.linalg.matrix_rank(np.linalg.pinv(matrix))} of 30 directions"
    )
    assert off < 1e-10
    assert rank_of_inverse(inverse).full
    assert not rank_of_inverse(np.linalg.pinv(matrix)).full, "the fault that this is made for"


# ---- one element: a perfect crystal


def test_python_ace_takes_a_perfect_crystal_and_then_sees_no_surface():
    inverses = by_python_ace(BASIS, [crystal()])
    of_surface, right = (
        gammas(BASIS, inverses, surface(), "Cu").max(),
        example_grade().gamma_of(surface()).max(),
    )
    print(
        f"\nCu(100): gamma {of_surface:.3g} by the crystal's active set, {right:.3g} by the example's"
    )
    assert of_surface < 0.1
    assert right > 50
    assert rank_of_inverse(inverses["Cu"]).independent == 1


def example_grade():
    return Extrapolation.read(basis=BASIS, active_set=EXAMPLE / "cu.asi")


def test_a_perfect_crystal_is_refused_with_both_numbers():
    with pytest.raises(
        PotentialError,
        match=r"Cu: 256 atoms, 1 independent environment for 35 functions.*--complete",
    ) as caught:
        make_active_set(BASIS, [crystal()])
    assert len(str(caught.value).splitlines()) == 1


def test_lattice_constants_alone_do_not_span_either():
    """A curve in 35 dimensions: its points are independent to some digits only."""
    frames = [bulk("Cu", "fcc", a=a, cubic=True) for a in np.linspace(3.4, 3.8, 70)]
    with pytest.raises(
        PotentialError, match=r"Cu: 280 atoms, 1\d independent environments for 35 functions"
    ):
        make_active_set(BASIS, frames)
    made = make_active_set(BASIS, frames, complete=True)
    assert made.largest_gamma <= 1.01


def test_a_completed_crystal_sees_the_surface(tmp_path):
    made = make_active_set(BASIS, [crystal()], complete=True)
    write_active_set(tmp_path / "cu.asi", made)
    grade = Extrapolation.read(basis=BASIS, active_set=tmp_path / "cu.asi")
    inside, outside = grade.gamma_of(crystal()).max(), grade.gamma_of(surface()).max()
    print(f"\ncompleted: gamma {inside:.6f} in the crystal, {outside:.3g} at the surface")
    assert inside == pytest.approx(1.0, abs=1e-6)
    assert outside > 1000 * HALT
    assert ActiveSet.read(tmp_path / "cu.asi", basis=BBasis.read(BASIS)).ranks["Cu"].full


def test_completing_what_is_complete_changes_nothing():
    frames = rattled()
    plain, completed = make_active_set(BASIS, frames), make_active_set(BASIS, frames, complete=True)
    assert plain.inverses["Cu"].tolist() == completed.inverses["Cu"].tolist()
    assert plain.spans["Cu"].rank.full


def test_more_of_the_same_does_not_span():
    span = span_of(
        np.array(Projector(BASIS).evaluate(crystal()).rows),
        scales=natural_scales(Projector(BASIS))["Cu"],
    )
    assert (span.environments, span.rank.independent) == (256, 1)


# ---- two elements: a solute that was seen in one place


def test_python_ace_s_gamma_of_a_solute_is_small_everywhere(blind_alloy):
    basis, _, inverses = blind_alloy
    rng = np.random.default_rng(9)
    others = [copper(rng, solutes=[0], rattle_A=0.3), copper(rng, solutes=[0, 1]), alloy(rng)]
    largest = [float(gammas(basis, inverses, atoms, "Ni").max()) for atoms in others]
    print(
        f"\ngamma of Ni rattled by 0.3 A, beside another, in an alloy: {', '.join(f'{gamma:.3f}' for gamma in largest)}"
    )
    assert max(largest) < 0.1
    assert rank_of_inverse(inverses["Ni"]).independent == 1


def test_a_solute_seen_in_one_place_is_refused_and_what_it_lacks_is_named(blind_alloy):
    basis, frames, _ = blind_alloy
    with pytest.raises(
        PotentialError,
        match=r"Ni: 40 atoms, none with a neighbour Ni, 1 independent environment for 28",
    ):
        make_active_set(basis, frames)


@pytest.fixture(scope="module")
def rattled_solutes(tmp_path_factory):
    """40 cells of copper rattled by 0.12 A with one nickel each: functions of nickel beside nickel are zero in all of them."""
    folder, rng = tmp_path_factory.mktemp("solutes"), np.random.default_rng(7)
    frames = [
        copper(rng, solutes=[int(rng.integers(32))], rattle_A=0.12, strain=0.0) for _ in range(40)
    ]
    return alloy_basis(folder / "cuni.yaml"), frames


def test_solutes_that_never_met_each_other_are_refused_however_they_are_rattled(
    rattled_solutes, tmp_path
):
    basis, frames = rattled_solutes
    ase.io.write(tmp_path / "train.xyz", frames, format="extxyz")
    target = tmp_path / "cuni.asi"
    _, _, error = run("activeset", tmp_path / "train.xyz", "--basis", basis, "--output", target)
    assert isinstance(error, PotentialError)
    assert re.search(
        r"Ni: 40 atoms, none with a neighbour Ni, 10 independent environments for 28", str(error)
    )
    assert not target.exists()
    nickel = bulk("Ni", "fcc", a=3.52, cubic=True) * 2
    write_active_set(target, make_active_set(basis, frames, complete=True))
    grade = Extrapolation.read(basis=basis, active_set=target)
    assert grade.gamma_of(nickel).min() > 1000 * HALT
    assert max(grade.gamma_of(atoms).max() for atoms in frames) < 1.01


def test_an_active_set_of_such_solutes_is_refused_by_every_reader(rattled_solutes, tmp_path):
    """python-ace's own recipe makes it without a word; pure nickel, far outside, then has a gamma of nothing."""
    basis, frames = rattled_solutes
    inverses = by_python_ace(basis, frames)
    nickel = bulk("Ni", "fcc", a=3.52, cubic=True) * 2
    assert gammas(basis, inverses, nickel, "Ni").max() < 1e-6
    assert gammas(basis, inverses, frames[0], "Ni").max() < 1.01
    path = save(tmp_path / "cuni.asi", inverses)
    words = r"rank-deficient in Ni \(10 independent environments for 28 functions\)"
    with pytest.raises(PotentialError, match=words):
        Extrapolation.read(basis=basis, active_set=path)
    with pytest.raises(driver.DriverError, match=words):
        check_rank(str(path))
    options = {"potential": str(basis), "basis": str(basis), "active-set": str(path)}
    with pytest.raises(driver.DriverError, match=words):
        driver.Evaluator(options)


def test_the_driver_counts_as_everybody_does(rattled_solutes):
    basis, frames = rattled_solutes
    rng = np.random.default_rng(0)
    with np.load(EXAMPLE / "cu.asi") as archive:
        inverses = [archive["Cu"], *by_python_ace(basis, frames).values()]
    inverses += [*by_python_ace(BASIS, [crystal()]).values(), rng.normal(size=(9, 9))]
    inverses += [rng.normal(size=(9, 3)) @ rng.normal(size=(3, 9)), np.zeros((2, 2))]
    for inverse in inverses:
        assert independent(inverse.copy()) == rank_of_inverse(inverse.copy()).independent


def test_a_completed_solute_is_seen_by_element(blind_alloy, tmp_path):
    basis, frames, _ = blind_alloy
    made = make_active_set(basis, frames, complete=True)
    write_active_set(tmp_path / "cuni.asi", made)
    grade, rng = (
        Extrapolation.read(basis=basis, active_set=tmp_path / "cuni.asi"),
        np.random.default_rng(9),
    )
    assert grade.gamma_of(solute(rng)).max() < 1.01
    for atoms in (copper(rng, solutes=[0], rattle_A=0.1), copper(rng, solutes=[0, 1]), alloy(rng)):
        of_nickel = np.array(atoms.get_chemical_symbols()) == "Ni"
        assert grade.gamma_of(atoms)[of_nickel].min() > HALT
    assert grade.gamma_of(copper(rng, rattle_A=0.05)).max() < 3, "copper alone was sampled well"


def test_an_element_without_a_single_atom(tmp_path):
    basis = alloy_basis(tmp_path / "cuni.yaml")
    rng = np.random.default_rng(4)
    frames = [copper(rng) for _ in range(30)]
    with pytest.raises(
        PotentialError,
        match="Ni: 0 atoms, none with a neighbour Cu or Ni, 0 independent environments for 28",
    ):
        make_active_set(basis, frames)
    write_active_set(tmp_path / "cuni.asi", make_active_set(basis, frames, complete=True))
    grade = Extrapolation.read(basis=basis, active_set=tmp_path / "cuni.asi")
    assert grade.gamma_of(copper(rng, solutes=[3]))[3] > 1000 * HALT


# ---- a `.asi` of others


def test_an_active_set_of_deficient_rank_is_refused_when_it_is_read(potential_folder):
    save(potential_folder / "cu.asi", by_python_ace(BASIS, [crystal()]))
    with pytest.raises(
        PotentialError,
        match=r"rank-deficient in Cu \(1 independent environments for 35 functions\).*--complete",
    ):
        AcePotential.read(potential_folder / "cu.yace")
    assert (
        AcePotential.read(potential_folder / "cu.yace", allow_blind=True).active_set_kind
        == "linear"
    )
    said = blindness_of(potential_folder / "cu.asi", basis=BASIS)
    assert "Cu (1 independent environments for 35 functions)" in said
    assert blindness_of(EXAMPLE / "cu.asi", basis=BASIS) == ""
    assert blindness_of(potential_folder / "gone.asi", basis=BASIS) == ""


@pytest.mark.parametrize(
    "turned",
    [np.transpose, lambda a: a[::-1], lambda a: np.roll(a, 3, axis=0)],
    ids=["transposed", "functions in the other order", "functions shifted"],
)
def test_rows_that_are_no_environments_of_the_basis_are_refused(potential_folder, turned):
    with np.load(EXAMPLE / "cu.asi") as archive:
        inverse = archive["Cu"]
    save(potential_folder / "cu.asi", {"Cu": np.ascontiguousarray(turned(inverse))})
    with pytest.raises(
        PotentialError,
        match=r"rows of Cu in the active set .* are no environments of the B-basis .*transposed",
    ):
        Extrapolation.read(basis=BASIS, active_set=potential_folder / "cu.asi")
    save(
        potential_folder / "cu.asi", {"Cu": np.ascontiguousarray(inverse[:, ::-1])}
    )  # which row is first means nothing
    assert (
        Extrapolation.read(basis=BASIS, active_set=potential_folder / "cu.asi")
        .gamma_of(surface())
        .max()
        > HALT
    )


def test_a_transposed_set_of_an_alloy_is_refused(blind_alloy, tmp_path):
    basis, _, _ = blind_alloy
    rng = np.random.default_rng(1)
    inverses = dict(make_active_set(basis, [alloy(rng) for _ in range(40)]).inverses)
    save(tmp_path / "right.asi", inverses)
    Extrapolation.read(basis=basis, active_set=tmp_path / "right.asi")
    save(
        tmp_path / "wrong.asi", {"Cu": inverses["Cu"], "Ni": np.ascontiguousarray(inverses["Ni"].T)}
    )
    with pytest.raises(PotentialError, match="rows of Ni in the active set"):
        Extrapolation.read(basis=basis, active_set=tmp_path / "wrong.asi")


def test_where_the_training_set_is_there_it_says_whether_they_belong_together(tmp_path):
    frames = rattled()
    write_active_set(tmp_path / "cu.asi", make_active_set(BASIS, frames))
    grade = Extrapolation.read(basis=BASIS, active_set=tmp_path / "cu.asi")
    support = support_of(grade, frames)
    assert support.belongs
    assert support.lines == ["Cu: 240 atoms, 35 independent environments for 35 functions"]
    assert not support_of(grade, [surface()]).belongs


# ---- eyesight


def test_the_example_sees_and_says_what_was_not_tried():
    atoms, potential = ase.io.read(EXAMPLE / "vacancy.xyz"), AcePotential.read(EXAMPLE / "cu.yace")
    looks = look_around(atoms, potential, grade=Extrapolation.of(potential))
    print("\n" + "\n".join(f"{look.name}: {dict(look.gammas)} {look.why_not}" for look in looks))
    assert [look.name for look in looks] == [
        "20 % more volume",
        "20 % less volume",
        "a Cu-Cu pair pushed together",
    ]
    assert all(look.gammas["Cu"] >= HALT for look in looks[:2])
    assert "reaches down to 1.3291 A" in looks[2].why_not
    assert not any(look.blind(halt=HALT) for look in looks)


def test_a_blind_set_is_found_by_what_it_does_not_see():
    """The crystal's pseudo-inverse, past the check of its rank."""
    atoms, potential = ase.io.read(EXAMPLE / "vacancy.xyz"), AcePotential.read(EXAMPLE / "cu.yace")
    grade = replace(Extrapolation.of(potential), inverses=by_python_ace(BASIS, [crystal()]))
    looks = look_around(atoms, potential, grade=grade)
    assert [set(look.blind(halt=HALT)) for look in looks] == [{"Cu"}, {"Cu"}, set()]


def alloy_potential(basis, inverses):
    """As far as eyesight asks for it; without a record."""
    grade = Extrapolation(
        basis=basis,
        active_set=basis.with_suffix(".asi"),
        inverses=inverses,
        digest="",
        projector=Projector(basis),
        full=False,
    )
    return AcePotential(
        yace=basis.with_suffix(".yace"), elements=("Cu", "Ni"), cutoff_A=5.0, digest="", basis=basis
    ), grade


def test_blindness_is_told_by_element(blind_alloy):
    """Copper's rows see that nickel is about; nickel's own see nothing, which the largest gamma of all would hide."""
    basis, frames, inverses = blind_alloy
    completed = make_active_set(basis, frames, complete=True).inverses
    atoms = copper(np.random.default_rng(3), solutes=[0, 1], rattle_A=0.0)
    potential, grade = alloy_potential(basis, {"Cu": completed["Cu"], "Ni": inverses["Ni"]})
    looks = {look.name: look for look in look_around(atoms, potential, grade=grade)}
    print(
        "\n"
        + "\n".join(
            f"{name}: { ({e: float(f'{g:.3g}') for e, g in look.gammas.items()}) }"
            for name, look in looks.items()
        )
    )
    assert "Cu and Ni exchanged" in looks
    pairs = [name for name in looks if "pair" in name]
    assert [name[: len("a Cu-Cu pair")] for name in pairs] == [
        "a Cu-Cu pair",
        "a Cu-Ni pair",
        "a Ni-Ni pair",
    ]
    for name, look in looks.items():
        if "Ni" in look.gammas:
            assert set(look.blind(halt=HALT)) == {"Ni"}, name
            assert look.gammas.get("Cu", np.inf) >= HALT, name
    _, seeing = alloy_potential(basis, completed)
    assert not any(look.blind(halt=HALT) for look in look_around(atoms, potential, grade=seeing))


def with_training(basis, shortest):
    potential, _ = alloy_potential(basis, {})
    record = AcePotential.read(EXAMPLE / "cu.yace").record
    return replace(
        potential,
        record=record.model_copy(
            update={
                "training": record.training.model_copy(update={"smallest_distance_A": shortest})
            }
        ),
    )


def pair_look(potential, grade):
    atoms = copper(np.random.default_rng(3), rattle_A=0.0, strain=0.0)
    (look,) = [look for look in look_around(atoms, potential, grade=grade) if "pair" in look.name]
    return look


@pytest.mark.parametrize(
    ("shortest", "least_A", "name"),
    [
        ({"Cu-Cu": 2.0}, {}, "a Cu-Cu pair 1.40 A apart"),  # 0.7 of the training set's
        (
            {"Cu-Cu": 2.0},
            {"Cu-Cu": 1.8},
            "a Cu-Cu pair 1.82 A apart",
        ),  # a tenth of the way above where it halts anyway
        (
            {},
            {},
            "a Cu-Cu pair 2.04 A apart",
        ),  # no such pair in the set: 0.8 of the present distance
        ({"Cu-Cu": 2.0}, {"Cu-Cu": 1.95}, "a Cu-Cu pair pushed together"),
    ],
)
def test_how_near_a_pair_is_pushed(blind_alloy, shortest, least_A, name):
    basis, _, inverses = blind_alloy
    _, grade = alloy_potential(basis, inverses)
    look = pair_look(replace(with_training(basis, shortest), minimum_distance_A=least_A), grade)
    assert look.name == name
    assert bool(look.why_not) == name.endswith("together")


# ---- the commands


def run(*arguments):
    done = CliRunner().invoke(cli, ["potential", *map(str, arguments)])
    return done.exit_code, done.output, done.exception


def test_the_command_refuses_and_completes(tmp_path):
    ase.io.write(tmp_path / "crystal.xyz", crystal(), format="extxyz")
    code, _, error = run(
        "activeset", tmp_path / "crystal.xyz", "--basis", BASIS, "--output", tmp_path / "cu.asi"
    )
    assert code != 0
    assert "independent environment" in str(error)
    assert not (tmp_path / "cu.asi").exists()
    code, output, _ = run(
        "activeset",
        tmp_path / "crystal.xyz",
        "--basis",
        BASIS,
        "--output",
        tmp_path / "cu.asi",
        "--complete",
    )
    assert code == 0, output
    assert "Cu: 256 atoms" in output
    assert "small rows span the rest, where gamma is huge" in output


def test_info_names_a_blind_set_and_what_the_example_s_rests_on(potential_folder, tmp_path):
    ase.io.write(tmp_path / "train.xyz", rattled(), format="extxyz")
    code, output, _ = run("info", EXAMPLE / "cu.yace", "--training", tmp_path / "train.xyz")
    assert code == 0
    assert "rank 35 of 35, condition 1.2e+09" in output
    assert "240 atoms of Cu, 35 independent environments for 35 functions" in output
    save(potential_folder / "cu.asi", by_python_ace(BASIS, [crystal()]))
    code, output, _ = run("info", potential_folder / "cu.yace")
    assert code == 0
    assert "rank 1 of 35, RANK-DEFICIENT" in output
    assert "gamma        REFUSED: the active set" in output
    with np.load(EXAMPLE / "cu.asi") as archive:
        save(potential_folder / "cu.asi", {"Cu": np.ascontiguousarray(archive["Cu"].T)})
    assert "REFUSED: the rows of Cu" in run("info", potential_folder / "cu.yace")[1]
    code, _, error = run("record", potential_folder / "cu.yace")
    assert code == 0, error  # a record is of the files as they are


# ---- what is told of old runs, and by check and run


@pytest.fixture
def old_run(potential_folder):
    """A run that was made with a crystal's pseudo-inverse, whose files are still there."""
    save(potential_folder / "cu.asi", by_python_ace(BASIS, [crystal()]))
    digest = hashlib.sha256((potential_folder / "cu.asi").read_bytes()).hexdigest()
    minimised = {
        "energy": -10.0,
        "energy_drop": 0.1,
        "largest_displacement_A": 0.01,
        "largest_force_eV_per_A": 1e-4,
        "pressure_GPa": 0.1,
        "lowest_eigenvalue_eV_per_A2": 1.0,
        "force_calls": 10,
        "gamma": 0.02,
    }
    run_dir = commit(
        potential_folder / "run",
        potential_note={
            "facts": {"potential.active_set": digest, "gamma.select": 3.0, "gamma.halt": 15.0},
            "minimised": minimised,
        },
    )
    names = {"ace": "cu.yace", "basis": "cu.yaml", "active_set": "cu.asi"}
    (run_dir / NOTE).write_text(
        json.dumps({key: str(potential_folder / name) for key, name in names.items()})
    )
    return run_dir


def test_status_and_report_name_a_run_whose_active_set_is_blind(old_run):
    said = CliRunner().invoke(cli, ["status", str(old_run)])
    assert said.exit_code == 0
    assert "is rank-deficient in Cu (1 independent environments for 35 functions)" in " ".join(
        said.output.split()
    )
    assert "rank-deficient in Cu" in read_status(old_run).active_set_blind
    with RunView.read(old_run) as view:
        report = collect(view, etc=old_run, software={})
    assert (
        "rank-deficient in Cu"
        in json.loads(report.as_json())["extrapolation_grade"]["active_set_blind"]
    )
    assert "WARNING: the active set" in render(report)


def test_nothing_is_said_where_the_active_set_sees_or_is_another(old_run):
    shutil.copy(EXAMPLE / "cu.asi", old_run.parent / "cu.asi")  # not the one of the run
    assert read_status(old_run).active_set_blind == ""
    (old_run.parent / "cu.asi").unlink()
    assert read_status(old_run).active_set_blind == ""
    assert noted_blindness(old_run, digest=None) == ""
    (old_run / NOTE).write_text("torn")
    assert read_status(old_run).active_set_blind == ""


def configured(training=None):
    named = {} if training is None else {"training": str(training)}
    return Config.model_validate(
        {
            "structure": str(EXAMPLE / "vacancy.xyz"),
            "temperature_K": 500,
            "potential": {"ace": str(EXAMPLE / "cu.yace"), **named},
        }
    )


def test_a_run_warns_of_what_its_active_set_does_not_see(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO", logger="mlip_kmc.akmc.grading")
    atoms, potential = ase.io.read(EXAMPLE / "vacancy.xyz"), AcePotential.read(EXAMPLE / "cu.yace")
    log_sight(atoms, potential, configured())
    assert caplog.messages == [], "the example sees"
    ase.io.write(tmp_path / "train.xyz", rattled(), format="extxyz")
    log_sight(atoms, potential, configured(tmp_path / "train.xyz"))
    first, second = caplog.records
    assert (first.levelname, first.getMessage()) == (
        "INFO",
        "the active set rests on Cu: 240 atoms, 35 independent environments for 35 functions",
    )
    assert second.levelname == "WARNING"
    assert "made from another training set" in second.getMessage()
    blind = replace(Extrapolation.of(potential), inverses=by_python_ace(BASIS, [crystal()]))
    monkeypatch.setattr(Extrapolation, "of", classmethod(lambda *_: blind))
    caplog.clear()
    log_sight(atoms, potential, configured())
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "gamma of Cu is only 0.0" in caplog.messages[0]
    assert "20 % more volume" in caplog.messages[0]


def test_check_finds_the_example_fit_and_names_what_a_blind_set_does_not_see(tmp_path, monkeypatch):
    atoms, potential = ase.io.read(EXAMPLE / "vacancy.xyz"), AcePotential.read(EXAMPLE / "cu.yace")
    (finding,), _ = eyesight(atoms, potential, thresholds=configured().gamma)
    assert (finding.level, finding.values["blind"]) == (Level.OK, ())
    (finding,), _ = rests_on(potential, None)
    assert finding.level is Level.OK
    assert "35 of 35 directions of Cu (condition 1.2e+09)" in finding.text
    ase.io.write(tmp_path / "train.xyz", rattled(), format="extxyz")
    (finding,), _ = rests_on(potential, tmp_path / "train.xyz")
    assert finding.level is Level.WARN, "it is another training set"
    assert "Cu: 240 atoms, 35 independent environments for 35 functions" in finding.text
    blind = replace(Extrapolation.of(potential), inverses=by_python_ace(BASIS, [crystal()]))
    monkeypatch.setattr(Extrapolation, "of", classmethod(lambda *_: blind))
    (finding,), _ = eyesight(atoms, potential, thresholds=configured().gamma)
    assert finding.level is Level.WARN
    assert finding.values["blind"] == ("20 % more volume, Cu", "20 % less volume, Cu")
