"""The record beside a potential: what it holds, when it is refused, and the commands that show and write it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from mlip_kmc.cli.potential import potential as command
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.potential import AcePotential
from mlip_kmc.potential.record import (
    PotentialRecord,
    Recipe,
    Training,
    read_record,
    record_path,
    write_record,
)

EXAMPLE = Path(__file__).parents[3] / "examples" / "cu-vacancy"


@pytest.fixture
def yace(tmp_path):
    for name in ("cu.yace", "cu.yaml", "cu.asi"):
        shutil.copy(EXAMPLE / name, tmp_path)
    return tmp_path / "cu.yace"


@pytest.fixture
def record(yace):
    """The path of a right record of the potential."""
    write_record(record_path(yace), AcePotential.read(yace).new_record())
    return record_path(yace)


def refused(yace):
    with pytest.raises(PotentialError) as caught:
        AcePotential.read(yace)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert f"mlip-kmc potential record --force {yace}" in message
    return message


def run(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_the_examples_record():
    found = AcePotential.read(EXAMPLE / "cu.yace").record
    assert found is not None
    assert (found.elements, found.functions, found.baseline) == (("Cu",), {"Cu": 35}, None)
    assert found.recipe.name == "examples/cu-vacancy/make_potential.py"
    assert found.training.smallest_distance_A["Cu-Cu"] >= 1.3
    assert found.test_errors.energy_rmse_eV_per_atom < 0.1
    assert (EXAMPLE / "cu.record.json").read_bytes() == found.to_json()


def test_a_right_record_is_read(yace, record):
    found = AcePotential.read(yace).record
    assert found == AcePotential.read(yace, check_record=False).new_record()
    assert read_record(record).to_json() == record.read_bytes()
    assert AcePotential.read(yace, check_record=False).record is None


def test_no_record_is_no_error(yace):
    assert AcePotential.read(yace).record is None


@pytest.mark.parametrize(("name", "change"), [
    ("cu.yace", lambda data: data.replace(b"E0: [0]", b"E0: [1]")),
    ("cu.yaml", lambda data: data.replace(b"rho_core_cut: 200000", b"rho_core_cut: 100000")),
    ("cu.asi", lambda data: data),
])  # fmt: skip
def test_a_file_of_another_potential_is_refused(yace, record, name, change):
    path = yace.parent / name
    if name == "cu.asi":
        with path.open("wb") as stream:
            np.savez(stream, Cu=np.eye(35))
    else:
        path.write_bytes(change(path.read_bytes()))
    message = refused(yace)
    digests = AcePotential.read(yace, check_record=False).digests
    said = json.loads(record.read_text())["digests"]
    kind = path.suffix[1:]
    assert message.startswith(f"{path} is sha256 {getattr(digests, kind)[:12]}...")
    assert f"is of sha256 {said[kind][:12]}..." in message
    assert "restore the file, or" in message


def test_an_active_set_that_has_gone_is_missed(yace, record):
    (yace.parent / "cu.asi").unlink()
    assert "the .yaml file cu.yaml that the record" in refused(yace)


def test_an_active_set_that_came_later_is_unknown(yace):
    asi = yace.with_suffix(".asi").rename(yace.parent / "later")
    write_record(record_path(yace), AcePotential.read(yace).new_record())
    asi.rename(yace.with_suffix(".asi"))
    assert "knows of none" in refused(yace)


@pytest.mark.parametrize(("change", "words"), [
    (lambda text: text[: len(text) // 2], "is damaged or truncated: it is not JSON"),
    (lambda _: "", "is not JSON"),
    (lambda _: "[" * 100_000, "is not JSON"),
    (lambda _: "[]", "is not a whole one"),
    (lambda text: text.replace('"format": 1', '"format": 2'), "another version of mlip-kmc"),
    (lambda text: text.replace('"cutoff_A"', '"cutof_A"'), "unknown key 'cutof_A'; did you mean 'cutoff_A'?"),
    (lambda text: text.replace('"recipe"', '"receipt"'), "unknown key 'receipt'; did you mean 'recipe'?"),
    (lambda text: text.replace('"yace": "', '"yace": "x'), "'digests.yace'"),
    (lambda text: text.replace("5.0", "-5.0"), "'cutoff_A': must be more than 0"),
    (lambda text: text.replace("5.0", "6.0"), "was altered: its cutoff_A is not what the files hold"),
    (lambda text: text.replace('"Cu": 35', '"Cu": 36'), "was altered: its functions is not"),
])  # fmt: skip
def test_a_record_that_is_none(yace, record, change, words):
    record.write_text(change(record.read_text()))
    assert words in refused(yace)


def test_a_record_that_is_a_directory(yace):
    record_path(yace).mkdir()
    assert "it is a directory, not a file" in refused(yace)


@settings(deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
                    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=8), x, max_size=3), max_leaves=8),
       st.sampled_from([*PotentialRecord.model_fields, "else"]))  # fmt: skip
def test_any_value_of_any_key_is_taken_or_refused_in_one_line(tmp_path_factory, value, key):
    path = tmp_path_factory.getbasetemp() / "fuzz.record.json"
    right = (
        AcePotential.read(EXAMPLE / "cu.yace", check_record=False)
        .new_record()
        .model_dump(mode="json")
    )
    path.write_text(json.dumps(right | {key: value}), encoding="utf-8")
    try:
        assert isinstance(read_record(path), PotentialRecord)
    except PotentialError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 - both ends are good
        assert "pydantic" not in str(error)  # noqa: PT017


@given(st.lists(st.sampled_from(["Cu", "Ni", "Al"]), min_size=1, max_size=4),
       st.lists(st.floats(0.1, 4.0), min_size=12, max_size=12))  # fmt: skip
@settings(deadline=None)
def test_smallest_distances_are_those_of_brute_force(symbols, places):
    atoms = Atoms(symbols, positions=np.array(places)[: 3 * len(symbols)].reshape(-1, 3))
    expected = {}
    for i in range(len(atoms)):
        for j in range(i):
            pair = "-".join(sorted((symbols[i], symbols[j])))
            distance = float(np.linalg.norm(atoms.positions[i] - atoms.positions[j]))
            if 1e-3 < distance < 3.0:
                expected[pair] = min(expected.get(pair, np.inf), distance)
    if any(
        np.linalg.norm(a - b) <= 1e-3
        for i, a in enumerate(atoms.positions)
        for b in atoms.positions[:i]
    ):
        return  # nothing is recorded of atoms in one place
    found = Training.of([atoms], cutoff_A=3.0)
    assert (found.structures, found.atoms) == (1, len(atoms))
    assert found.smallest_distance_A.keys() == expected.keys()
    for pair, distance in expected.items():
        assert found.smallest_distance_A[pair] == pytest.approx(distance, abs=1e-4)


@given(
    st.lists(
        st.lists(st.sampled_from(["Cu", "Ni"]), min_size=1, max_size=3), min_size=2, max_size=5
    ),
    st.integers(0, 10**6),
)
@settings(deadline=None, max_examples=25)
def test_smallest_distances_of_a_set_are_those_of_its_structures_one_by_one(sets, seed):
    places = np.random.default_rng(seed).uniform(0, 3, (len(sets), 3, 3))
    structures = [
        Atoms(symbols, positions=where[: len(symbols)], cell=[4, 4, 4], pbc=True)
        for symbols, where in zip(sets, places, strict=True)
    ]
    expected = {}
    for one in structures:
        for pair, distance in Training.of([one], cutoff_A=5.0).smallest_distance_A.items():
            expected[pair] = min(expected.get(pair, np.inf), distance)
    assert Training.of(structures, cutoff_A=5.0).smallest_distance_A == expected


def test_smallest_distances_see_periodic_images():
    found = Training.of([bulk("Cu", a=3.6), bulk("Cu", a=4.0)], cutoff_A=5.0)
    assert (found.structures, found.atoms) == (2, 2)
    assert found.smallest_distance_A == {"Cu-Cu": pytest.approx(3.6 / np.sqrt(2), abs=1e-4)}


# -- the commands


def test_info_says_all_that_matters(yace, record):
    done = run("info", yace)
    assert done.exit_code == 0
    for words in ("elements     Cu", "cutoff       5 A", "functions    35 of Cu", "gamma        available", "(linear)",
                  "evaluators   product, recursive", "record       valid"):  # fmt: skip
        assert words in done.output


def test_info_of_the_example_tells_its_history():
    done = run("info", EXAMPLE / "cu.yace")
    assert "recipe       examples/cu-vacancy/make_potential.py (ase " in done.output
    assert "shortest distances Cu-Cu 1.3" in done.output
    assert "meV/atom" in done.output


def test_info_as_json(yace, record):
    facts = json.loads(run("info", yace, "--json").output)
    assert (facts["elements"], facts["cutoff_A"], facts["gamma"]) == (["Cu"], 5.0, "available")
    assert (facts["functions"], facts["basis_functions"], facts["active_set_kind"]) == (
        {"Cu": 35},
        {"Cu": 35},
        "linear",
    )
    assert facts["record"]["state"] == "valid"
    assert facts["digests"] == facts["record"]["content"]["digests"]


def test_without_an_active_set_gamma_is_unknown_not_zero(yace):
    yace.with_suffix(".asi").unlink()
    assert "gamma        unknown: it needs" in run("info", yace).output
    assert json.loads(run("info", yace, "--json").output)["gamma"] == "unknown"


def test_info_shows_a_wrong_record_and_goes_on(yace, record):
    yace.with_suffix(".asi").unlink()
    done = run("info", yace)
    assert done.exit_code == 0
    assert "record       invalid: the .yaml file" in done.output


def test_a_record_is_written_once(yace):
    done = run("record", yace)
    assert (done.exit_code, done.output) == (0, f"wrote {record_path(yace)}\n")
    before = record_path(yace).read_bytes()
    assert "is right already" in run("record", yace).output
    assert record_path(yace).read_bytes() == before
    assert AcePotential.read(yace).record is not None


def test_a_right_record_keeps_what_it_knows(yace, record):
    full = read_record(record).model_copy(update={"recipe": Recipe(name="mine")})
    write_record(record, full)
    assert run("record", "--force", yace).exit_code == 0
    assert read_record(record) == full


def test_a_record_that_says_something_else_is_replaced_by_force_only(yace, record):
    with yace.with_suffix(".asi").open("wb") as stream:
        np.savez(stream, Cu=np.eye(35))
    before = record.read_bytes()
    done = run("record", yace)
    assert isinstance(done.exception, PotentialError)
    assert "give --force to replace it" in str(done.exception)
    assert len(str(done.exception).splitlines()) == 1
    assert record.read_bytes() == before
    assert run("record", yace, "--force").exit_code == 0
    assert AcePotential.read(yace).record.digests.asi != json.loads(before)["digests"]["asi"]


def test_a_torn_record_is_replaced_by_force_only(yace, record):
    record.write_text("{")
    assert isinstance(run("record", yace).exception, PotentialError)
    assert record.read_text() == "{"
    assert run("record", yace, "--force").exit_code == 0


def test_a_wrong_potential_gets_no_record(yace):
    yace.write_bytes(yace.read_bytes()[:1000])
    for name in ("info", "record"):
        assert isinstance(run(name, yace).exception, PotentialError)
    assert not record_path(yace).exists()
