"""B-basis and active set: what is read, what is refused and in which words, and that nothing is ever unpickled."""

import io
import pickle
import shutil
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.potential import AcePotential
from mlip_kmc.potential.active_set import ActiveSet
from mlip_kmc.potential.basis import BBasis

EXAMPLE = Path(__file__).parents[3] / "examples" / "cu-vacancy"
OTHERS = Path(__file__).resolve().parents[4] / "shared" / "data" / "potentials"
ALLOY = {
    "global": {"DeltaSplineBins": 0.001},
    "species": [
        {
            "speciesblock": "Ni",
            "ndensityi": 2,
            "rcutij": 4.5,
            "nbody": [{"type": "Ni Ni"}, {"type": "Ni Ni Ni"}],
        },
        {
            "speciesblock": "Al",
            "ndensityi": 1,
            "rcutij": 5,
            "nbody": [{"type": "Al Al"}, {"type": "Al Al", "skip": True}],
        },
        {
            "speciesblock": "Al Ni",
            "rcutij": 5.5,
            "nbody": [{"type": "Al Ni"}, {"type": "Al Ni Ni"}],
        },
        {"speciesblock": "Ni Al", "nbody": [{"type": "Ni Al", "skip": False}]},
    ],
}


@pytest.fixture
def folder(tmp_path):
    """The example's files, without their record, to be spoilt."""
    for name in ("cu.yace", "cu.yaml", "cu.asi"):
        shutil.copy(EXAMPLE / name, tmp_path)
    return tmp_path


def saved(path, arrays, save=np.savez):
    with path.open("wb") as stream:
        save(stream, **arrays)
    return path


def matrix(size=35, **arguments):
    return np.random.default_rng(1).normal(size=(size, size), **arguments)


def refused(folder):
    with pytest.raises(PotentialError) as caught:
        AcePotential.read(folder / "cu.yace")
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert str(folder) in message
    assert ";" in message, "what to do"
    return message


def test_the_example_and_the_time_that_reading_takes():
    potential = AcePotential.read(EXAMPLE / "cu.yace")
    assert potential.knows_gamma
    assert (potential.functions, potential.basis_functions, potential.active_set_kind) == (
        {"Cu": 35},
        {"Cu": 35},
        "linear",
    )
    assert set(potential.facts()) == {
        "potential.ace",
        "potential.evaluator",
        "potential.basis",
        "potential.active_set",
    }
    assert (potential.facts()["potential.basis"], potential.facts()["potential.active_set"]) == (
        potential.digests.yaml,
        potential.digests.asi,
    )
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        AcePotential.read(EXAMPLE / "cu.yace")
        times.append(time.perf_counter() - begin)
    assert min(times) < 0.3


def test_without_an_active_set_gamma_is_unknown(folder):
    (folder / "cu.asi").unlink()
    potential = AcePotential.read(folder / "cu.yace")
    assert (potential.knows_gamma, potential.basis, potential.basis_functions) == (
        False,
        None,
        None,
    )
    assert potential.facts()["potential.active_set"] is None


def test_functions_are_counted_by_the_element_at_their_centre(tmp_path):
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(ALLOY))
    basis = BBasis.read(tmp_path / "a.yaml")
    assert (basis.elements, basis.cutoff_A) == (("Al", "Ni"), 5.5)
    assert (basis.functions, basis.densities) == ({"Ni": 3, "Al": 3}, {"Ni": 2, "Al": 1})


@pytest.mark.parametrize(
    "path",
    [EXAMPLE / "cu.yaml", OTHERS / "Cu-I.yaml", OTHERS / "Cu-III.yaml"],
    ids=lambda path: path.stem,
)
def test_python_ace_counts_the_same_functions(path):
    pytest.importorskip("pyace")
    if not path.exists():
        pytest.skip("not here")
    from pyace import ACEBBasisSet
    from pyace.activelearning import compute_number_of_functions

    assert list(BBasis.read(path).functions.values()) == compute_number_of_functions(
        ACEBBasisSet(str(path))
    )


def test_python_ace_counts_the_same_functions_of_an_alloy(tmp_path):
    pytest.importorskip("pyace")
    from pyace import ACEBBasisSet, create_multispecies_basis_config
    from pyace.activelearning import compute_number_of_functions

    bond = {
        "radbase": "ChebExpCos",
        "radparameters": [3.0],
        "rcut": 4.5,
        "dcut": 0.01,
        "NameOfCutoffFunction": "cos",
    }
    embedding = {
        "npot": "FinnisSinclairShiftedScaled",
        "fs_parameters": [1, 1, 1, 0.5],
        "ndensity": 2,
    }
    functions = {
        "UNARY": {"nradmax_by_orders": [4, 2, 1], "lmax_by_orders": [0, 2, 1]},
        "BINARY": {"nradmax_by_orders": [3, 1], "lmax_by_orders": [0, 1]},
    }
    create_multispecies_basis_config(
        {
            "deltaSplineBins": 0.001,
            "elements": ["Ni", "Al", "Cu"],
            "embeddings": {"ALL": embedding},
            "bonds": {"ALL": bond},
            "functions": functions,
        }
    ).save(str(tmp_path / "a.yaml"))
    expected = ACEBBasisSet(str(tmp_path / "a.yaml"))
    expected.to_ACECTildeBasisSet().save_yaml(str(tmp_path / "a.yace"))
    basis = BBasis.read(tmp_path / "a.yaml")
    assert basis.elements == tuple(expected.elements_name)
    assert [basis.functions[element] for element in basis.elements] == compute_number_of_functions(
        expected
    )
    sizes = basis.functions
    for factor, kind in ((1, "linear"), (2, "full")):
        saved(
            tmp_path / "a.asi", {element: matrix(factor * size) for element, size in sizes.items()}
        )
        potential = AcePotential.read(tmp_path / "a.yace")
        assert (potential.active_set_kind, potential.basis_functions) == (kind, sizes)


def test_a_published_active_set_of_others_is_blind():
    """Its training set spans less than the basis has, and python-ace's pseudo-inverse does not say so."""
    if not (OTHERS / "Cu-I.asi").exists():
        pytest.skip("not here")
    with pytest.raises(
        PotentialError,
        match=r"rank-deficient in Cu \(58 independent environments for 82 functions\)",
    ):
        ActiveSet.read(OTHERS / "Cu-I.asi", basis=BBasis.read(OTHERS / "Cu-I.yaml"))


@pytest.mark.parametrize(("change", "words"), [
    (lambda text: text[: len(text) // 2], "is truncated or damaged at line"),
    (lambda text: text.replace("species:", "kinds:"), "is not a B-basis: it has no species blocks"),
    (lambda text: text.replace("Cu", "Al"), "is of Al, but"),
    (lambda text: text.replace("rcutij: 5", "rcutij: 5.5"), "has a cutoff of 5.5 A, but"),
    (lambda text: text.replace("rcutij", "rcut"), "has no usable 'rcutij'"),
    (lambda text: text.replace("rcutij: 5", "rcutij: far"), "has no usable values"),
    (lambda text: text.replace("ndensityi", "ndensity"), "has no usable 'ndensityi'"),
    (lambda text: text.replace("speciesblock", "block"), "has no usable 'speciesblock'"),
    (lambda text: text.replace("speciesblock: Cu", "speciesblock: ''"), "no usable values"),
    (lambda _: "species: [1, 2]\n", "no usable values"),
    (lambda _: "", "it has no species blocks"),
    (lambda _: "[" * 50_000, "truncated or damaged"),
    (lambda text: "\n".join(line for line in text.splitlines() if "nr: [1, 1]" not in line), "do not belong together"),
    (lambda text: text + "      - {type: Cu Cu, nr: [1], nl: [0], c: [1.0]}\n", "do not belong together"),
])  # fmt: skip
def test_a_b_basis_that_is_none_or_another(folder, change, words):
    (folder / "cu.yaml").write_text(change((folder / "cu.yaml").read_text()))
    assert words in refused(folder)


def test_a_b_basis_that_is_no_text(folder):
    shutil.copy(folder / "cu.asi", folder / "cu.yaml")
    assert "it is not text" in refused(folder)


class Harmful:
    """What runs code when it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


@pytest.mark.parametrize(("arrays", "save", "words"), [
    ({"Cu": matrix(34)}, np.savez, "has 34 functions of Cu, but the B-basis"),
    ({"Cu": matrix(70)}, np.savez, "has 70 functions of Cu"),
    ({"Cu": matrix()[:, :30]}, np.savez, "has the shape (35, 30), which is not square"),
    ({"Cu": matrix().ravel()}, np.savez, "has the shape (1225,)"),
    ({"Cu": np.empty((0, 0))}, np.savez, "has the shape (0, 0)"),
    ({"Cu": matrix().astype("f4")}, np.savez, "is of the type float32, but LAMMPS reads float64"),
    ({"Cu": matrix().astype(">f8")}, np.savez, "is of the type >f8"),
    ({"Cu": np.asfortranarray(matrix())}, np.savez, "is stored by columns"),
    ({"Cu": matrix()}, np.savez_compressed, "is compressed, and LAMMPS would not see Cu"),
    ({"Cu": np.where(np.eye(35, dtype=bool), np.nan, 1.0)}, np.savez, "not finite"),
    ({"Cu": np.full((35, 35), np.inf)}, np.savez, "not finite"),
    ({"Cu": np.zeros((35, 35))}, np.savez, "zeros only"),
    ({"Al": matrix()}, np.savez, "is of 'Al', but the B-basis"),
    ({"0": matrix()}, np.savez, "is of '0', but the B-basis"),
    ({"Cu": matrix(), "Al": matrix()}, np.savez, "is of 'Al', 'Cu', but"),
    ({}, np.savez, "is of nothing, but"),
    ({"Cu": np.array([[Harmful()]], dtype=object)}, np.savez, "holds pickled Python objects, which are never loaded"),
])  # fmt: skip
def test_an_active_set_that_is_of_no_use(folder, arrays, save, words):
    saved(folder / "cu.asi", arrays, save)
    assert words in refused(folder)


@pytest.mark.parametrize("change", [
    lambda _: b"", lambda data: data[: len(data) // 2], lambda data: data[:-1], lambda data: data[:200] + b"x" + data[201:],
    lambda _: pickle.dumps(Harmful()), lambda _: b"PK\x03\x04" + bytes(100),
])  # fmt: skip
def test_an_active_set_that_is_torn(folder, change):
    (folder / "cu.asi").write_bytes(change((folder / "cu.asi").read_bytes()))
    assert "is not an active set, or a truncated or damaged one; make it again" in refused(folder)


@pytest.mark.parametrize(
    "content", [b"", b"no npy", b"\x93NUMPY\x01\x00\xff\xff{", pickle.dumps(Harmful())]
)
def test_an_entry_that_is_no_array(folder, content):
    with zipfile.ZipFile(folder / "cu.asi", "w") as archive:
        archive.writestr("Cu.npy", content)
    assert "is not an active set" in refused(folder)


def test_two_entries_of_one_name(folder):
    stream = io.BytesIO()
    np.save(stream, matrix())
    with zipfile.ZipFile(folder / "cu.asi", "w") as archive:
        archive.writestr("Cu.npy", stream.getvalue())
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("Cu.npy", stream.getvalue())
    assert "is of 'Cu', but" in refused(folder)


@settings(deadline=None, max_examples=60)
@given(data=st.binary(max_size=300), start=st.integers(0, 10_057), length=st.integers(0, 40))
def test_any_damage_is_refused_in_words_or_harmless(tmp_path_factory, data, start, length):
    folder = tmp_path_factory.getbasetemp()
    whole = (EXAMPLE / "cu.asi").read_bytes()
    path = folder / "fuzz.asi"
    path.write_bytes(whole[:start] + data + whole[start + length :])
    basis = BBasis.read(EXAMPLE / "cu.yaml")
    try:
        assert ActiveSet.read(path, basis=basis).kind == "linear"
    except PotentialError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 - both ends are good


@settings(deadline=None, max_examples=60)
@given(
    array=hnp.arrays(
        dtype=hnp.floating_dtypes() | hnp.integer_dtypes() | hnp.boolean_dtypes(),
        shape=hnp.array_shapes(max_dims=3, max_side=4),
    )
)
def test_any_array_is_refused_in_words(tmp_path_factory, array):
    path = saved(tmp_path_factory.getbasetemp() / "array.asi", {"Cu": array})
    with pytest.raises(PotentialError) as caught:
        ActiveSet.read(path, basis=BBasis.read(EXAMPLE / "cu.yaml"))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("array", "same"),
    [(lambda a: a, True), (np.asfortranarray, False), (lambda a: a.astype("f4"), False)],
)
def test_what_is_refused_would_give_another_gamma(tmp_path, array, same):
    """python-ace and LAMMPS read `.asi` with the same code: it takes columns for rows, and any type for float64."""
    pytest.importorskip("pyace")
    from ase.build import bulk
    from pyace import PyACECalculator

    atoms = bulk("Cu", a=3.6, cubic=True)
    atoms.rattle(0.05, seed=1)
    gamma = []
    given_ = np.load(EXAMPLE / "cu.asi")["Cu"]
    for path in (EXAMPLE / "cu.asi", saved(tmp_path / "x.asi", {"Cu": array(given_)})):
        calculator = PyACECalculator(str(EXAMPLE / "cu.yaml"))
        calculator.set_active_set(str(path))
        calculator.calculate(atoms)
        gamma.append(calculator.results["gamma"])
    assert np.allclose(*gamma, rtol=1e-9) == same
