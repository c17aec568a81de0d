"""The baseline as a formula and as a value: smooth ends, invariances, what is refused and with which line."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from mlip_kmc.check import inputs
from mlip_kmc.check.findings import Level
from mlip_kmc.cli.potential import potential as potential_command
from mlip_kmc.config import AcePotentialSection, load_config
from mlip_kmc.driver.standalone.short_range import (
    energy_and_forces,
    energy_and_slope,
    energy_forces_virial,
    shortest_distances,
    too_near,
)
from mlip_kmc.ground.errors import ConfigError, PotentialError
from mlip_kmc.potential import AcePotential
from mlip_kmc.potential.baseline import Baseline, LennardJones, Zbl, baseline_of, pair_names
from mlip_kmc.potential.inputs import inputs_of
from mlip_kmc.potential.minimum_distance import (
    NEAR_FILE,
    TooNear,
    minimum_distances_of,
    near_commands,
    read_too_near,
    too_near_in,
)
from mlip_kmc.potential.record import PotentialRecord, Training

from ..alloy import flow_text

EXAMPLE = Path(__file__).parents[3] / "examples" / "cu-vacancy"
ALLOY = flow_text()
ZBL = Zbl(inner_A=0.8, outer_A=1.2)
LJ = LennardJones(epsilon_eV=0.5, sigma_A=1.2, inner_A=1.15, outer_A=1.3)
PAIRS = {
    "Cu-Cu": Zbl(inner_A=0.9, outer_A=2.5).model_dump(),
    "Cu-Ni": LJ.model_dump(),
    "Ni-Ni": Zbl(inner_A=0.5, outer_A=1.9).model_dump(),
}
UNITS = st.floats(0.0, 1.0, exclude_max=True)


@st.composite
def structures(draw):
    """Symbols, positions and a cell that may be skewed and smaller than the cutoffs; nothing nearer than 0.4 A."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    cell = np.diag(rng.uniform(1.5, 6.0, 3)) + np.tril(rng.uniform(-0.6, 0.6, (3, 3)), -1)
    positions = np.empty((0, 3))
    for _ in range(40):
        new = np.vstack([positions, rng.uniform(-1, 2, 3) @ cell])
        if shortest_distances(["X"] * len(new), new, cell, 0.4) == {} and len(new) <= 7:
            positions = new
    return list(rng.choice(["Cu", "Ni"], len(positions))), positions, cell


def by_hand(pairs, symbols, positions, cell, reach=5):
    """The energy as a plain sum over atoms and images."""
    images = np.array(list(product(range(-reach, reach + 1), repeat=3)))
    energy = 0.0
    for i, j in product(range(len(symbols)), repeat=2):
        name = "-".join(sorted((symbols[i], symbols[j])))
        distances = np.linalg.norm(positions[j] - positions[i] + images @ cell, axis=1)
        near = (distances < pairs[name]["outer_A"]) & ((i != j) | images.any(axis=1))
        energy += float(energy_and_slope(pairs[name], name, distances[near])[0].sum()) / 2
    return energy


@pytest.mark.parametrize(
    ("pair", "name"),
    [
        (ZBL, "Cu-Cu"),
        (ZBL, "H-W"),
        (Zbl(inner_A=0.1, outer_A=3.0), "Al-Ni"),
        (LJ, "Cu-Cu"),
        (LennardJones(epsilon_eV=2.0, sigma_A=2.0, inner_A=1.0, outer_A=1.2), "Cu-Ni"),
    ],
)
def test_two_derivatives_are_continuous_and_end_at_zero(pair, name):
    pair = pair.model_dump()

    def derivatives(r):
        step_A = 1e-5
        around = np.minimum(np.array([r - step_A, r, r + step_A]), pair["outer_A"])
        values, slopes = energy_and_slope(pair, name, around)
        return values[1], slopes[1], (slopes[2] - slopes[0]) / (around[2] - around[0])

    inner, outer = pair["inner_A"], pair["outer_A"]
    scale = np.abs(derivatives(inner))
    for below, above in zip(derivatives(inner - 2e-5), derivatives(inner + 2e-5), strict=True):
        assert abs(below - above) <= 3e-3 * max(abs(below), abs(above))
    third = scale[2] / (outer - inner)
    for value, bound in zip(
        derivatives(outer), (1e-10 * scale[0], 1e-9 * scale[1], 1e-4 * third), strict=True
    ):
        assert abs(value) <= bound + 1e-10


@given(st.sampled_from(["H-H", "Cu-Cu", "Al-W"]), st.floats(0.05, 1.5), st.floats(0.02, 2.0))
def test_zbl_is_nowhere_attractive(name, inner_A, width_A):
    repulsive(Zbl(inner_A=inner_A, outer_A=inner_A + width_A), name)


@given(st.floats(0.3, 1.2), st.floats(0.01, 1.0))
def test_a_lennard_jones_that_is_accepted_is_nowhere_attractive(inner_A, width_A):
    try:
        pair = LennardJones(epsilon_eV=1.0, sigma_A=1.0, inner_A=inner_A, outer_A=inner_A + width_A)
    except ValueError as error:
        assert "attracti" in str(error)  # noqa: PT017
    else:
        repulsive(pair, "Cu-Cu")


def repulsive(pair, name):
    distances = np.linspace(0.5 * pair.inner_A, pair.outer_A, 500)
    values, slopes = energy_and_slope(pair.model_dump(), name, distances)
    assert (slopes <= 1e-10 * np.abs(slopes).max()).all()
    assert (values >= -1e-10 * values.max()).all()


@settings(max_examples=20, deadline=None)
@given(structures())
def test_images_are_all_counted_once(found):
    symbols, positions, cell = found
    energy = energy_and_forces(PAIRS, symbols, positions, cell)[0]
    assert energy == pytest.approx(by_hand(PAIRS, symbols, positions, cell), rel=1e-9, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(structures(), st.integers(0, 2**32 - 1))
def test_nothing_depends_on_place_order_images_or_frame(found, seed):
    symbols, positions, cell = found
    rng = np.random.default_rng(seed)
    energy, forces, virial = energy_forces_virial(PAIRS, symbols, positions, cell)
    scale = max(np.abs(forces).max(), abs(energy), 1.0)
    order = rng.permutation(len(symbols))
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    images = rng.integers(-2, 3, (len(symbols), 3)) @ cell
    moved = (positions + rng.normal(size=3) + images)[order] @ rotation
    other = energy_forces_virial(PAIRS, [symbols[index] for index in order], moved, cell @ rotation)
    assert abs(other[0] - energy) < 1e-9 * scale
    np.testing.assert_allclose(other[1], forces[order] @ rotation, atol=1e-9 * scale)
    np.testing.assert_allclose(
        other[2], rotation.T @ virial @ rotation, atol=1e-9 * max(scale, np.abs(virial).max())
    )
    np.testing.assert_allclose(forces.sum(axis=0), 0.0, atol=1e-9 * scale)


@settings(max_examples=20, deadline=None)
@given(structures())
def test_forces_and_virial_are_slopes(found):
    symbols, positions, cell = found
    _, forces, virial = energy_forces_virial(PAIRS, symbols, positions, cell)
    step = 1e-6

    def slope(change):
        return (change(step) - change(-step)) / (2 * step)

    def moved(index):
        unit = np.zeros_like(positions)
        unit[index] = 1.0
        return lambda by: energy_and_forces(PAIRS, symbols, positions + by * unit, cell)[0]

    def strained(index):
        unit = np.zeros((3, 3))
        unit[index] = 1.0
        return lambda by: energy_and_forces(
            PAIRS, symbols, positions + by * positions @ unit, cell + by * cell @ unit
        )[0]

    numeric = np.array([-slope(moved(index)) for index in np.ndindex(positions.shape)]).reshape(
        positions.shape
    )
    np.testing.assert_allclose(numeric, forces, atol=1e-6 * max(np.abs(forces).max(), 1.0))
    numeric = np.array([slope(strained(index)) for index in np.ndindex(3, 3)]).reshape(3, 3)
    np.testing.assert_allclose(numeric, virial, atol=1e-6 * max(np.abs(virial).max(), 1.0))


def test_blocks_of_atoms_give_the_same(monkeypatch):
    rng = np.random.default_rng(1)
    positions, cell, symbols = rng.uniform(0, 6, (60, 3)), np.eye(3) * 6, ["Cu", "Ni"] * 30
    whole = energy_and_forces(PAIRS, symbols, positions, cell)
    monkeypatch.setattr("mlip_kmc.driver.standalone.short_range._BLOCK", 150)
    parts = energy_and_forces(PAIRS, symbols, positions, cell)
    assert whole[0] == pytest.approx(parts[0], rel=1e-12)
    np.testing.assert_allclose(whole[1], parts[1], rtol=1e-9, atol=1e-9)


def test_the_worst_pair_is_named():
    positions, cell = np.array([(0, 0, 0), (1.0, 0, 0), (0, 0, 2.0)]), np.eye(3) * 9
    symbols = ["Ni", "Cu", "Cu"]
    assert shortest_distances(symbols, positions, cell, 3.0) == pytest.approx(
        {"Cu-Cu": 5**0.5, "Cu-Ni": 1.0}
    )
    assert too_near({"Cu-Cu": 2.3, "Cu-Ni": 0.9}, symbols, positions, cell) == (
        "Cu-Cu",
        pytest.approx(5**0.5),
        2.3,
    )
    assert too_near({"Cu-Cu": 2.3, "Cu-Ni": 1.5}, symbols, positions, cell) == ("Cu-Ni", 1.0, 1.5)
    assert too_near({"Cu-Cu": 2.2, "Ni-Ni": 20.0}, symbols, positions, np.eye(3) * 30) is None
    assert too_near({}, symbols, positions, cell) is None


def test_lammps_text_of_one_and_of_several():
    one = Baseline.of(ZBL, {}, elements=("Ni", "Cu"))
    assert one.lammps(("Ni", "Cu")) == (
        ["zbl 0.8 1.2"],
        ["pair_coeff 1 1 zbl 28 28", "pair_coeff 1 2 zbl 28 29", "pair_coeff 2 2 zbl 29 29"],
    )
    assert one.lammps(("Cu",)) == (["zbl 0.8 1.2"], ["pair_coeff 1 1 zbl 29 29"])
    several = Baseline.of(
        ZBL, {"Ni-Cu": Zbl(inner_A=0.5, outer_A=1.0), "Ni-Ni": LJ}, elements=("Cu", "Ni")
    )
    assert several.lammps(("Cu", "Ni")) == (
        ["zbl 0.8 1.2", "zbl 0.5 1.0", "lj/smooth 1.0 2.0"],
        [
            "pair_coeff 1 1 zbl 1 29 29",
            "pair_coeff 1 2 zbl 2 29 28",
            "pair_coeff 2 2 lj/smooth 0.5 1.2 1.15 1.3",
            "pair_modify pair lj/smooth shift yes",
        ],
    )
    assert several.lammps(("Ni",))[0] == ["lj/smooth 1.0 2.0"]
    assert Baseline.of(None, {"Cu-Ni": ZBL}, elements=("Cu", "Ni")).lammps(("Cu",)) == ([], [])
    assert json.loads(several.facts()) == several.to_driver()


def test_the_potential_s_input_and_facts():
    plain = AcePotential.read(EXAMPLE / "cu.yace", check_record=False)
    potential = plain.guarded(
        baseline=Baseline.of(ZBL, {}, elements=("Cu",)), minimum_distance_A={"Cu-Cu": 1.1}
    )
    assert potential.lammps_input(("Cu",)) == (
        "pair_style hybrid/overlay pace product zbl 0.8 1.2\npair_coeff * * pace potential.yace Cu\npair_coeff 1 1 zbl 29 29\n"
        + "".join(f"{line}\n" for line in near_commands({"Cu-Cu": 1.1}, ("Cu",)))
    )
    added = dict(set(potential.facts().items()) - set(plain.facts().items()))
    assert added == {
        "potential.baseline": '{"Cu-Cu":{"inner_A":0.8,"kind":"zbl","outer_A":1.2}}',
        "potential.minimum_distance_A": '{"Cu-Cu":1.1}',
    }


def test_core_repulsion_beside_a_baseline_is_warned_of(tmp_path):
    baseline = Baseline.of(ZBL, {}, elements=("Cu",))
    with_core = AcePotential.read(EXAMPLE / "cu.yace", check_record=False)
    assert with_core.guarded(baseline=None, minimum_distance_A={}).warnings == ()
    warnings = with_core.guarded(baseline=baseline, minimum_distance_A={}).warnings
    assert any("core repulsion of its own" in line for line in warnings)
    path = tmp_path / "a.yace"
    for text, core in (
        (ALLOY, False),
        (ALLOY.replace("prehc: 0.0", "prehc: 0"), False),
        (ALLOY.replace("prehc: 0.0", "prehc: 60.5", 1), True),
        (ALLOY.replace("inner_cutoff_type: distance", "inner_cutoff_type: zbl"), True),
        (ALLOY.replace("inner_cutoff_type: distance", "inner_cutoff_type: density"), False),
    ):
        path.write_text(text)
        assert AcePotential.read(path).core_repulsion is core


def recorded(tmp_path, **changes):
    """A potential of Cu and N with a record that says what it was fitted to."""
    path = tmp_path / "a.yace"
    path.write_text(ALLOY)
    record = AcePotential.read(path).new_record().model_dump() | changes
    path.with_suffix(".record.json").write_bytes(PotentialRecord.model_validate(record).to_json())
    return AcePotential.read(path)


def training(**smallest):
    return Training(structures=1, atoms=2, smallest_distance_A=smallest).model_dump()


def guard(potential, baseline):
    return potential.guarded(baseline=baseline, minimum_distance_A={})


CU_N = Baseline.of(ZBL, {}, elements=("Cu", "N"))


def refused(call, *words):
    with pytest.raises(PotentialError) as caught:
        call()
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    for word in words:
        assert word in message
    return message


def test_a_baseline_within_the_training_distances_is_refused(tmp_path):
    potential = recorded(tmp_path, training=training(**{"Cu-Cu": 2.0, "Cu-N": 1.1}))
    refused(
        lambda: guard(potential, CU_N),
        "the baseline of Cu-N ends at 1.2 A",
        "down to 1.1 A",
        "outer_A to at most 1.1",
    )
    narrower = Baseline.of(ZBL, {"Cu-N": Zbl(inner_A=0.8, outer_A=1.1)}, elements=("Cu", "N"))
    assert guard(potential, narrower).warnings == (), "N-N was not in the training set"


def test_without_a_record_the_distances_are_not_known(tmp_path):
    (tmp_path / "a.yace").write_text(ALLOY)
    for potential in (AcePotential.read(tmp_path / "a.yace"), recorded(tmp_path)):
        (warning,) = guard(potential, CU_N).warnings
        assert "training distances" in warning
        assert "are not known" in warning


def test_what_the_fit_subtracted_must_be_there(tmp_path):
    potential = recorded(tmp_path, training=training(**{"Cu-N": 1.0}), baseline=CU_N.to_driver())
    assert guard(potential, CU_N).warnings == ()
    refused(
        lambda: guard(potential, None),
        "fitted with a baseline subtracted",
        "potential.baseline",
        '"Cu-N"',
    )
    other = Baseline.of(ZBL, {"N-N": LJ}, elements=("Cu", "N"))
    refused(lambda: guard(potential, other), "the baseline of N-N is not the one")
    fewer = Baseline.of(None, {"N-N": ZBL}, elements=("Cu", "N"))
    refused(lambda: guard(potential, fewer), "the baseline of Cu-Cu is not the one")


def configured(tmp_path, **potential):
    (tmp_path / "a.yace").write_text(ALLOY)
    (tmp_path / "a.xyz").write_bytes((EXAMPLE / "vacancy.xyz").read_bytes())
    path = tmp_path / "akmc.yaml"
    path.write_text(
        json.dumps(
            {
                "structure": "a.xyz",
                "potential": {"ace": "a.yace", **potential},
                "temperature_K": 300,
            }
        )
    )
    return path


ENDS = {"inner_A": 0.8, "outer_A": 1.2}


def test_a_configuration_becomes_a_potential(tmp_path):
    potential, _ = inputs_of(
        load_config(
            configured(
                tmp_path,
                baseline={
                    "zbl": ENDS,
                    "pairs": {
                        "N-Cu": {
                            "lj": {
                                "epsilon_eV": 0.5,
                                "sigma_A": 1.2,
                                "inner_A": 1.15,
                                "outer_A": 1.3,
                            }
                        }
                    },
                },
                minimum_distance_A={"N-N": 0.9},
            )
        )
    )
    assert dict(potential.baseline.pairs) == {"Cu-Cu": ZBL, "Cu-N": LJ, "N-N": ZBL}
    assert potential.minimum_distance_A == {"N-N": 0.9}
    assert inputs_of(load_config(configured(tmp_path, minimum_distance_A=1)))[
        0
    ].minimum_distance_A == dict.fromkeys(("Cu-Cu", "Cu-N", "N-N"), 1.0)
    assert inputs_of(load_config(configured(tmp_path)))[0].baseline is None


def test_check_and_info_tell_of_it(tmp_path):
    config = load_config(
        configured(tmp_path, baseline={"zbl": ENDS}, minimum_distance_A={"Cu-N": 1.25})
    )
    (finding,), found = inputs.potential(config)
    assert finding.level is Level.WARN, "the training distances are not known"
    assert finding.advice == found.warnings[0]
    assert finding.text.endswith("with a baseline of Cu-Cu, Cu-N, N-N; refused below Cu-N 1.25 A")
    assert inputs.potential(load_config(configured(tmp_path)))[0][0].level is Level.OK
    for yace, said in (
        (tmp_path / "a.yace", "core         no repulsion of its own"),
        (EXAMPLE / "cu.yace", "core         has a repulsion of its own"),
    ):
        assert said in CliRunner().invoke(potential_command, ["info", str(yace)]).output


def test_the_page_s_example_is_valid():
    text = (EXAMPLE.parents[1] / "docs" / "baseline.md").read_text(encoding="utf-8")
    raw = yaml.safe_load(text.split("```yaml")[1].split("```")[0])["potential"]
    section = AcePotentialSection.model_validate({**raw, "ace": str(EXAMPLE / "cu.yace")})
    baseline = baseline_of(section.baseline, elements=("Cu", "Ni"))
    assert {name: pair.kind for name, pair in baseline.pairs.items()} == {
        "Cu-Cu": "zbl",
        "Cu-Ni": "zbl",
        "Ni-Ni": "lj",
    }
    assert minimum_distances_of(section.minimum_distance_A, elements=("Cu", "Ni")) == {
        "Cu-Cu": 1.4,
        "Cu-Ni": 1.3,
    }


WRONG = [
    (
        {"baseline": {"zbl": {"inner_A": 1.2, "outer_A": 1.2}}},
        "the baseline: inner_A (1.2) must be less than outer_A (1.2)",
    ),
    (
        {"baseline": {"zbl": {"inner_A": 0, "outer_A": 1.2}}},
        "'potential.baseline.zbl.inner_A': must be more than 0",
    ),
    ({"baseline": {"zbl": {"iner_A": 0.8, "outer_A": 1.2}}}, "did you mean 'inner_A'?"),
    ({"baseline": {"zbl": {"outer_A": 1.2}}}, "'potential.baseline.zbl.inner_A' is missing"),
    ({"baseline": {"zlb": ENDS}}, "did you mean 'zbl'?"),
    (
        {"baseline": {"zbl": ENDS, "lj": {"epsilon_eV": 1, "sigma_A": 1, **ENDS}}},
        "has both of 'zbl' and 'lj'",
    ),
    ({"baseline": {}}, "give 'zbl', 'lj' or 'pairs' in it"),
    ({"baseline": {"pairs": {"Cu-N": {}}}}, "the baseline of Cu-N needs one of 'zbl' and 'lj'"),
    ({"baseline": {"pairs": {"Cu-Ni": {"zbl": ENDS}}}}, "did you mean 'Cu-N'?"),
    ({"baseline": {"pairs": {"Xx-Yy": {"zbl": ENDS}}}}, "it has Cu-Cu, Cu-N, N-N"),
    (
        {"baseline": {"pairs": {"Cu-N": {"zbl": ENDS}, "N-Cu": {"zbl": ENDS}}}},
        "the pair 'Cu-N' twice",
    ),
    (
        {"baseline": {"lj": {"epsilon_eV": 1, "sigma_A": 1, "inner_A": 0.9, "outer_A": 1.5}}},
        "at most 2^(1/6) sigma_A (1.1225)",
    ),
    (
        {"baseline": {"lj": {"epsilon_eV": 1, "sigma_A": 1, "inner_A": 0.7, "outer_A": 1.1}}},
        "outer_A must be at most 0.8",
    ),
    ({"minimum_distance_A": -1}, "must be a number of A above zero"),
    ({"minimum_distance_A": "far"}, "must be a number of A above zero"),
    ({"minimum_distance_A": {"Cu-N": True}}, "Cu-N: must be a number of A above zero"),
    (
        {"minimum_distance_A": {"Cu-Ni": 1.0}},
        "the minimum distance has a pair 'Cu-Ni', which the potential has not",
    ),
    ({"minimum_distance_A": 7}, "is not less than the cutoff"),
]


@pytest.mark.parametrize(("potential", "said"), WRONG, ids=[said[:30] for _, said in WRONG])
def test_a_wrong_configuration_is_refused_with_one_line(tmp_path, potential, said):
    with pytest.raises((ConfigError, PotentialError)) as caught:
        inputs_of(load_config(configured(tmp_path, **potential)))
    message = str(caught.value)
    assert said in message
    assert len(message.splitlines()) == 1


def test_no_section_is_no_baseline():
    assert baseline_of(None, elements=("Cu",)) is None
    assert pair_names(("Ni", "Cu")) == ["Cu-Cu", "Cu-Ni", "Ni-Ni"]


ALIKE = dict.fromkeys(("Cu-Cu", "Cu-Ni", "Ni-Ni"), 1.2)


def head_of(minimum_A, species):
    """What LAMMPS writes on top of `near.txt`."""
    (line,) = (text for text in near_commands(minimum_A, species) if text.startswith("fix"))
    return line.split('title "')[1].rstrip('"')


def test_what_lammps_is_told_to_report():
    assert near_commands({"Al-Al": 1.0}, ("Ni", "Cu")) == near_commands({}, ("Ni", "Cu")) == []
    assert near_commands({"Cu-Ni": 1.25}, ("Ni", "Cu")) == [
        "group mk_type2 type 2",
        "compute mk_near0 mk_type2 coord/atom cutoff 1.25 1",
        "compute mk_count0 all reduce sum c_mk_near0",
        'fix mk_near all print 1 "$(step) $(c_mk_count0:%.0f)" append near.txt screen no title "# step Cu-Ni<1.25"',
        'variable mk_apart equal "(c_mk_count0) == 0"',
        "dump mk_near_frames all custom 1 near.dump id x y z",
        "dump_modify mk_near_frames sort id format float %.17g skip v_mk_apart append yes",
    ]
    assert head_of({"Cu-Cu": 1.2}, ("Cu",)) == "# step Cu-Cu<1.2"
    assert head_of(ALIKE, ("Ni", "Cu")) == "# step any<1.2"
    assert head_of(ALIKE | {"Cu-Ni": 1.0}, ("Ni", "Cu")) == "# step Cu-Cu<1.2 Cu-Ni<1.0 Ni-Ni<1.2"


def test_numbers_reach_lammps_as_plain_numbers():
    minimum_A = {"Cu-Cu": np.float64(1.2), "Cu-Ni": 1}
    pair = LennardJones(
        epsilon_eV=np.float64(0.5),
        sigma_A=np.float64(1.2),
        inner_A=np.float64(1.15),
        outer_A=np.float64(1.3),
    )
    baseline = Baseline.of(
        Zbl(inner_A=np.float64(0.8), outer_A=np.float64(1.2)),
        {"Cu-Ni": pair},
        elements=("Cu", "Ni"),
    )
    styles, lines = baseline.lammps(("Cu", "Ni"))
    text = "\n".join([*near_commands(minimum_A, ("Cu", "Ni")), *styles, *lines])
    assert "float64" not in text
    assert "cutoff 1.0 " in text


def test_what_lammps_reported_is_read():
    head = "# step Cu-Cu<1.2 Cu-Ni<1.0 Ni-Ni<1.2\n"
    text = f"{head}0 0 0 0\n{head}1 0 2 2\n\n1 1\n2 4 0 0\n3 4 0"
    assert list(read_too_near(text)) == [
        TooNear(step=1, pair="Cu-Ni", minimum_A=1.0),
        TooNear(step=1, pair="Ni-Ni", minimum_A=1.2),
        TooNear(step=2, pair="Cu-Cu", minimum_A=1.2),
    ]
    assert list(read_too_near("# step any<1.2\n0 nan\n")) == [
        TooNear(step=0, pair="any", minimum_A=1.2)
    ]
    assert list(read_too_near("0 4\n")) == [], "without a head nobody knows of which pairs it is"


def test_the_first_report_in_a_directory_is_told_in_words(tmp_path):
    assert too_near_in(tmp_path) is None
    (tmp_path / NEAR_FILE).write_text("# step Cu-Cu<1.2\n0 0\n7 2\n8 4\n")
    assert str(too_near_in(tmp_path)) == "Cu-Cu atoms came nearer than 1.2 A at force call 7"
    (tmp_path / NEAR_FILE).write_text("# step any<1.2\n0 2\n")
    assert str(too_near_in(tmp_path)) == "atoms came nearer than 1.2 A at force call 0"
    (tmp_path / NEAR_FILE).write_text("# step any<1.2\n0 0\n1 2")
    assert too_near_in(tmp_path) is None, "the last line is being written"


def test_any_pair_is_one_of_the_structure():
    """The minima of elements that the structure has not are left out."""
    for of_copper in (0.5, 2.0):
        minimum_A = {
            name: of_copper if "Cu" in name else 1.2 for name in pair_names(("Al", "Cu", "Ni"))
        }
        assert head_of(minimum_A, ("Ni", "Al")) == "# step any<1.2"
    assert minimum_distances_of({"Ni-Al": 1.1}, elements=("Al", "Ni")) == {"Al-Ni": 1.1}


def test_a_minimum_distance_beyond_the_cutoff_is_refused(tmp_path):
    (tmp_path / "a.yace").write_text(ALLOY)
    potential = AcePotential.read(tmp_path / "a.yace")
    refused(
        lambda: potential.guarded(baseline=None, minimum_distance_A={"Cu-N": 6.25}),
        "the minimum distance of Cu-N (6.25 A) is not less than the cutoff",
        "(6.25 A)",
    )
