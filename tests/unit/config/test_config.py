"""The configuration: what is taken, what is refused and in which words, and what the digest holds."""

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mlip_kmc.akmc.setup import with_recorded_engine
from mlip_kmc.config import (
    AcePotentialSection,
    Config,
    ConstantPrefactor,
    HarmonicPrefactor,
    load_config,
)
from mlip_kmc.ground.environment import scratch_directory, source_date_epoch
from mlip_kmc.ground.errors import ConfigError

JARGON = (
    "Input should",
    "validation error",
    "pydantic",
    "Traceback",
    "Section",
    "Prefactor",
    "type=",
    "Literal",
    "[key]",
)
MINIMAL = {"structure": "cu.xyz", "potential": {"ace": "cu.yace"}, "temperature_K": 300}


@pytest.fixture
def folder(tmp_path):
    for name in ("cu.xyz", "cu.yace", "cu.yaml", "cu.asi", "other.xyz"):
        (tmp_path / name).write_text(name)
    return tmp_path


def load(folder, text, name="akmc.yaml"):
    (folder / name).write_text(text, encoding="utf-8")
    return load_config(folder / name)


def load_keys(folder, **keys):
    return load(folder, yaml.safe_dump(MINIMAL | keys))


def refused(folder, text):
    """The lines of the refusal, without the path that each starts with."""
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    lines = str(caught.value).splitlines()
    assert lines
    for line in lines:
        assert str(folder / "akmc.yaml") in line
        assert not any(word in line for word in JARGON), line
        assert len(line) < 500
    return [line.removeprefix(f"{folder / 'akmc.yaml'}").removeprefix(": ") for line in lines]


def refused_keys(folder, **keys):
    return refused(folder, yaml.safe_dump(MINIMAL | keys))


def test_the_least_configuration(folder):
    config = load_keys(folder)
    assert config.structure.file == folder / "cu.xyz"
    assert isinstance(config.potential, AcePotentialSection)
    assert config.potential.ace == folder / "cu.yace"
    assert (config.temperature_K, config.seed, config.workers, config.eon) == (300.0, 1, "auto", {})
    assert config.worker_count >= 1
    assert config.prefactor == ConstantPrefactor(constant_per_s=1e13)


def test_everything_at_once(folder):
    config = load(folder, """
structure: {file: ./cu.xyz, allow_small_cell: yes, minimum_distance_A: 0.5}
potential: {ace: cu.yace, basis: cu.yaml, active_set: cu.asi, evaluator: recursive}
temperature_K: 3e2
confidence: {scheme: sampling, value: 0.95}
prefactor: {harmonic: on}
search: {displace: least_coordinated, max_coordination: 9, displacement_A: .2, max_iterations: 1e3}
stop: {kmc_steps: 1_000, simulated_time_s: 1e-3, wall_time_min: 60}
workers: 3
seed: 012
superbasins: off
recycling: no
""")  # fmt: skip
    assert config.structure.allow_small_cell is True
    assert config.potential.active_set == folder / "cu.asi"
    assert config.prefactor == HarmonicPrefactor(harmonic=True)
    assert (config.search.displacement_A, config.search.max_iterations) == (0.2, 1000)
    assert (config.stop.kmc_steps, config.stop.simulated_time_s) == (1000, 1e-3)
    assert (config.workers, config.worker_count, config.seed) == (3, 3, 12)
    assert (config.superbasins, config.recycling) == (False, False)


@pytest.mark.parametrize(
    "number", ["1e13", "1E13", "1.0e13", "1e+13", "10000000000000", "+1e13", '"1e13"']
)
def test_numbers_with_an_exponent_are_numbers(folder, number):
    config = load(folder, f"{yaml.safe_dump(MINIMAL)}prefactor: {{constant_per_s: {number}}}\n")
    assert config.prefactor.constant_per_s == 1e13
    assert isinstance(config.prefactor.constant_per_s, float)


def test_exponents_are_numbers_for_eon_too(folder):
    pytest.importorskip("eon")
    config = load(
        folder,
        f"{yaml.safe_dump(MINIMAL)}eon: {{Lanczos: {{tolerance: 1e-3}}, Optimizer: {{max_iterations: 1e3}}}}",
    )
    assert config.eon == {"Lanczos": {"tolerance": 1e-3}, "Optimizer": {"max_iterations": 1000}}
    assert type(config.eon["Optimizer"]["max_iterations"]) is int


@pytest.mark.parametrize("value", ["1:30", "0x10", "0o17", "300 K", "true", "yes", "", "[300]", "{a: 1}", "2001-01-01",
                                   ".nan", ".inf", "-.inf", "nan", "inf", "0", "-5", "1e999", "3,0", "-0"])  # fmt: skip
def test_a_temperature_that_is_none_is_refused(folder, value):
    lines = refused(
        folder, f"structure: cu.xyz\npotential: {{ace: cu.yace}}\ntemperature_K: {value}\n"
    )
    assert len(lines) == 1
    assert lines[0].startswith("'temperature_K'")


@pytest.mark.parametrize(
    "value", ["0", "-1", "1.5", "many", "true", "[1]", "99999999999", "9" * 5000, "{}"]
)
@pytest.mark.parametrize("key", ["workers", "stop: {kmc_steps", "search: {max_iterations"])
def test_a_count_that_is_none_is_refused(folder, key, value):
    lines = refused(folder, f"{yaml.safe_dump(MINIMAL)}{key}: {value}{'}' if '{' in key else ''}\n")
    assert len(lines) == 1
    assert key.split("{")[-1] in lines[0] or "too long a number" in lines[0]


@pytest.mark.parametrize(("given_", "line"), [
    ({"serach": {}}, "unknown key 'serach'; did you mean 'search'?"),
    ({"Temperature_k": 3}, "unknown key 'Temperature_k'; did you mean 'temperature_K'?"),
    ({"potential": {"ace": "cu.yace", "evaluater": "product"}},
     "unknown key 'potential.evaluater'; did you mean 'evaluator'?"),
    ({"potential": {"eon": "lj", "basis": "cu.yaml"}}, "unknown key 'potential.basis'; known here: eon"),
    ({"structure": {"file": "cu.xyz", "allow_small_cel": True}},
     "unknown key 'structure.allow_small_cel'; did you mean 'allow_small_cell'?"),
    ({"search": {"max_iteration": 3}}, "unknown key 'search.max_iteration'; did you mean 'max_iterations'?"),
    ({"stop": {"kmc_step": 3}}, "unknown key 'stop.kmc_step'; did you mean 'kmc_steps'?"),
    ({"confidence": {"shceme": "old"}}, "unknown key 'confidence.shceme'; did you mean 'scheme'?"),
    ({"prefactor": {"harmonic": True, "harmonik": 1}}, "unknown key 'prefactor.harmonik'; did you mean 'harmonic'?"),
    ({"zzz": 1, 5: 2}, "unknown key '5'; known here: structure, potential, temperature_K, confidence"),
    ({"a\nb": 1}, "unknown key 'a\\nb'; known here"),
])  # fmt: skip
def test_unknown_keys_get_the_closest_name(folder, given_, line):
    assert any(
        found.startswith(line)
        for found in refused_keys(folder, **{str(k): v for k, v in given_.items()})
    )


@pytest.mark.parametrize(("given_", "line"), [
    ({"structure": "no.xyz"}, "'structure.file': there is no file FOLDER/no.xyz"),
    ({"structure": "."}, "'structure.file': FOLDER is a directory, not a file"),
    ({"structure": "~nobody_of_that_name/x"}, "'structure.file': '~nobody_of_that_name/x' names no file"),
    ({"structure": "a" * 5000}, "'structure.file': "),
    ({"structure": "a\nb"}, "'structure.file': must be a file name without line breaks"),
    ({"structure": 5}, "'structure': must be a file name, or a section with the key 'file'"),
    ({"structure": {}}, "'structure.file' is missing"),
    ({"structure": {"file": 5}}, "'structure.file': must be a file name"),
    ({"structure": {"file": "cu.xyz", "minimum_distance_A": 0}}, "'structure.minimum_distance_A': must be more than 0"),
    ({"potential": "cu.yace"}, "'potential': must be a section with exactly one of the keys 'ace'"),
    ({"potential": {}}, "'potential': must be a section with exactly one of the keys 'ace'"),
    ({"potential": {"ace": "cu.yace", "eon": "lj"}}, "'potential': must be a section with exactly one of"),
    ({"potential": {"ace": "no.yace"}}, "'potential.ace': there is no file FOLDER/no.yace"),
    ({"potential": {"ace": "cu.yace", "evaluator": "fast"}},
     "'potential.evaluator': must be 'product' or 'recursive' (it is 'fast')"),
    ({"potential": {"ace": "cu.yace", "basis": "cu.yaml"}}, "'potential': needs both of 'basis' and 'active_set'"),
    ({"potential": {"eon": "l j"}}, "'potential.eon': must be a name of letters"),
    ({"confidence": {"scheme": "dynamics"}},
     "'confidence.scheme': must be 'old', 'new' or 'sampling' (it is 'dynamics')"),
    ({"confidence": {"value": 1}}, "'confidence.value': must be less than 1"),
    ({"confidence": {"value": 0}}, "'confidence.value': must be more than 0"),
    ({"confidence": 0.9}, "'confidence': must be a section of keys"),
    ({"prefactor": 1e13}, "'prefactor': must be a section with exactly one of the keys 'constant_per_s'"),
    ({"prefactor": {"harmonic": False}}, "'prefactor.harmonic': must be True"),
    ({"prefactor": {"constant_per_s": -1}}, "'prefactor.constant_per_s': must be more than 0"),
    ({"search": {"displacement_A": True}}, "'search.displacement_A': must be a number (it is true)"),
    ({"search": {"displacement_radius_A": -1}}, "'search.displacement_radius_A': must be at least 0"),
    ({"search": {"displace": "randm"}}, "'search.displace': must be 'random', "),
    ({"superbasins": "maybe"}, "'superbasins': must be true or false (it is 'maybe')"),
    ({"seed": -1}, "'seed': must be at least 0"),
    ({"seed": 2**63}, "'seed': must be less than"),
    ({"workers": "all"}, "'workers': must be a whole number of at least 1, or auto (it is 'all')"),
    ({"eon": []}, "'eon': must be a section of eOn's sections"),
    ({"eon": {"Main": 3}}, "eon.Main must be a section"),
    ({"eon": {"Main": {"x": [1]}}}, "eon.Main.x must be one value; put a list in quotes"),
])  # fmt: skip
def test_wrong_values_are_named(folder, given_, line):
    lines = refused_keys(folder, **given_)
    assert len(lines) == 1
    assert lines[0].startswith(line.replace("FOLDER", str(folder)))


@pytest.mark.parametrize(("options", "words"), [
    ({"Optimiser": {}}, "eOn has no section 'Optimiser'; did you mean 'Optimizer'?"),
    ({"Optimizer": {"max_mov": 1}}, "eOn's section 'Optimizer' has no option 'max_mov'; did you mean 'max_move'?"),
    ({"Main": {"temperature": 1}}, "eon.Main.temperature cannot be set: set temperature_K"),
    ({"Communicator": {"type": "mpi"}}, "eon.Communicator cannot be set: searches go through"),
    ({"Optimizer": {"max_move": "far"}}, "eon.Optimizer.max_move is a finite number, not 'far'"),
])  # fmt: skip
def test_eons_options_are_checked(folder, options, words):
    pytest.importorskip("eon")
    assert refused_keys(folder, eon=options) == [
        next(line for line in refused_keys(folder, eon=options) if line.startswith(words))
    ]


def test_all_that_is_wrong_is_said_at_once(folder):
    lines = refused(
        folder, "structure: no.xyz\ntemperature_K: -1\nserach: {}\nstop: {kmc_steps: 0}\n"
    )
    assert len(lines) == 5
    assert "'potential' is missing; add it" in lines


@pytest.mark.parametrize(("text", "words"), [
    ("", "it holds no keys"), ("# nothing\n", "it holds no keys"), ("- 1\n", "it holds no keys"),
    ("just text", "it holds no keys"),
    ("a: 1\na: 2\n", "line 2: duplicate key 'a'"), ("search:\n  x: 1\n  x: 1\n", "line 3: duplicate key 'x'"),
    ("a: [{b: {c: 1, c: 2}}]\n", "duplicate key 'c'"), ("a: {1: 2, 1: 3}", "duplicate key 1"),
    ("a: [1\n", "line 2"), ("a: b: c\n", "line 1"), ("\ta: 1\n", "line 1"),
    ("a: !!python/object:os.system x\n", "line 1"),
    ("a: 1\n---\na: 2\n", "expected a single document"), ("a\0b: 1\n", "not YAML"), ("? [1]\n: 2\n", "plain name"),
    ("? {a: 1}\n: 2\n", "plain name"), ("a: &x [1, 2]\nb: *x\n", "aliases"), ("a: &x [*x]\n", "aliases"),
    ("a: &x {b: 1}\nc: {<<: {b: 1}}\n", "merge keys"), ("a: !!int x\n", "too long a number"), ("a: !!float x\n", "tag"),
])  # fmt: skip
def test_what_is_no_plain_yaml_is_refused_in_one_line(folder, text, words):
    lines = refused(folder, text)
    assert len(lines) == 1
    assert words in lines[0]


def test_bombs_end_early(folder):
    nine = "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12))
    assert "aliases" in refused(folder, f"a0: &a0 [lol]\n{nine}\n")[0]
    assert "nested too deeply" in refused(folder, "a: " + "[" * 20_000)[0]
    assert "nested too deeply" in refused(folder, "a: " + "{a: " * 20_000)[0]
    assert "larger than" in refused(folder, "# " + "x" * 2_000_000)[0]


def test_unreadable_configurations(folder):
    (folder / "binary").write_bytes(bytes(range(256)))
    (folder / "latin").write_bytes("temperature_K: 300 # gr\xfc\xdfe".encode("latin-1"))
    for path in (
        folder,
        folder / "missing.yaml",
        folder / "binary",
        folder / "latin",
        folder / "cu.xyz" / "x",
        "a\0b",
    ):
        with pytest.raises(ConfigError) as caught:
            load_config(path)
        assert len(str(caught.value).splitlines()) == 1


def test_a_byte_order_mark_and_windows_lines_are_fine(folder):
    text = yaml.safe_dump(MINIMAL).replace("\n", "\r\n")
    (folder / "bom.yaml").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert load_config(folder / "bom.yaml").temperature_K == 300


def test_paths_count_from_the_file_not_from_here(folder, monkeypatch):
    sub = folder / "sub"
    sub.mkdir()
    (sub / "link.yaml").write_text(
        "structure: ../cu.xyz\npotential: {ace: ../cu.yace}\ntemperature_K: 300\n"
    )
    monkeypatch.chdir(folder.parent)
    assert (
        load_config(str((sub / "link.yaml").relative_to(folder.parent))).structure.file
        == folder / "cu.xyz"
    )


def test_empty_sections_are_absent(folder):
    config = load(folder, f"{yaml.safe_dump(MINIMAL)}search:\nstop:\neon:\nworkers:\n")
    assert (config.workers, config.eon, config.search.max_iterations) == ("auto", {}, 1000)
    assert refused(folder, "structure:\npotential: {ace: cu.yace}\ntemperature_K: 1\n") == [
        "'structure' is missing; add it"
    ]


def test_it_is_frozen(folder):
    config = load_keys(folder)
    with pytest.raises(ValidationError):
        config.seed = 2
    with pytest.raises(ValidationError):
        config.search.max_iterations = 2


def test_python_values_are_taken_too(folder):
    section = AcePotentialSection(ace=folder / "cu.yace")
    config = Config(
        structure=folder / "cu.xyz",
        potential=section,
        temperature_K=300,
        prefactor=HarmonicPrefactor(harmonic=True),
    )
    assert config.potential == section
    assert Config.model_validate(config.model_dump()) == config


@settings(deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
                    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=8), x, max_size=3),
                    max_leaves=8),
       st.sampled_from([*Config.model_fields, "else"]))  # fmt: skip
def test_any_value_of_any_key_is_taken_or_refused_in_words(tmp_path_factory, value, key):
    folder = tmp_path_factory.getbasetemp()
    (folder / "fuzz.yaml").write_text(yaml.safe_dump({key: value}), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(folder / "fuzz.yaml")
    assert not any(word in str(caught.value) for word in ("Input should", "pydantic", "Traceback"))


def test_physics_leaves_out_what_may_change(folder):
    physics = load_keys(folder).physics()
    same = [
        load(folder, "# a comment\n" + yaml.safe_dump(dict(reversed(MINIMAL.items())))),
        load_keys(
            folder,
            temperature_K=301,
            structure={"file": str(folder / "cu.xyz"), "allow_small_cell": True},
        ),
        load_keys(
            folder,
            workers=7,
            stop={"kmc_steps": 3, "wall_time_min": 2},
            search={"max_bad_in_a_row": 9, "time_limit_min": 3},
        ),
        load_keys(folder, prefactor={"constant_per_s": 1e13}, seed=1, eon={}),
    ]
    assert all(config.physics() == physics for config in same)


def test_physics_knows_all_that_decides_the_trajectory(folder):
    others = [
        {}, {"seed": 2}, {"recycling": True}, {"superbasins": True}, {"prefactor": {"harmonic": True}},
        {"prefactor": {"constant_per_s": 1e12}}, {"confidence": {"value": 0.9}}, {"confidence": {"scheme": "new"}},
        {"search": {"displacement_A": 0.2}}, {"search": {"superbasin_lead": 48}},
    ]  # fmt: skip
    found = [load_keys(folder, **keys).physics() for keys in others]
    assert all(found.count(one) == 1 for one in found)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"recycling": True}, "set one"),
        ({"potential": {"eon": "eam_al"}}, "reuse.radius_A"),
        ({"eon": {"Saddle Search": {"displace_listed_atom_weight": 1.0}}}, "where searches start"),
    ],
)
def test_reuse_after_a_hop_goes_not_with_everything(folder, keys, said):
    assert load_keys(folder, reuse={"after_hop": True}).most_ahead == 48
    with pytest.raises(ConfigError, match=said):
        load_keys(folder, reuse={"after_hop": True}, **keys)


def test_a_folder_that_runs_share_starts_at_the_configuration(folder):
    symmetry = {"classes": True, "share": "pool"}
    assert load_keys(folder, symmetry=symmetry).symmetry.share == folder / "pool"
    alone = load_keys(folder, symmetry={"classes": True})
    assert load_keys(folder, symmetry=symmetry).physics() == alone.physics()


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"symmetry": {"share": "pool"}}, "share needs classes: true"),
        ({"symmetry": {"classes": True, "share": "akmc.yaml"}}, "is no folder"),
        ({"symmetry": {"classes": True, "share": "a\nb"}}, "without control characters"),
        (
            {
                "symmetry": {"classes": True, "share": "pool"},
                "reuse": {"after_hop": True, "radius_A": 5},
            },
            "symmetry.share and reuse.after_hop",
        ),
        ({"search": {"ahead": True}, "superbasins": True}, "search.ahead and superbasins"),
        ({"search": {"ahead": True}, "recycling": True}, "search.ahead and recycling"),
        (
            {"search": {"ahead": True}, "reuse": {"after_hop": True, "radius_A": 5}},
            "search.ahead and reuse.after_hop",
        ),
        ({"search": {"ahead_unused_share": 1.1}}, "ahead_unused_share"),
    ],
)
def test_sharing_and_work_ahead_go_not_with_everything(folder, keys, said):
    with pytest.raises(ConfigError, match=said):
        load_keys(folder, **keys)


def test_a_key_that_is_younger_than_a_run_keeps_it(folder):
    """Runs of versions without `superbasin_lead` go on: their facts are those of its default."""
    assert (
        "search.superbasin_lead" not in load_keys(folder, search={"superbasin_lead": 24}).physics()
    )


def test_limits_are_what_physics_leaves_out(folder):
    config = load_keys(folder, stop={"kmc_steps": 3})
    limits = config.limits()
    assert not limits.keys() & config.physics().keys()
    assert limits["stop.kmc_steps"] == 3
    assert limits["temperature_K"] == 300.0
    assert set(limits) == {
        "temperature_K",
        "workers",
        "stop.kmc_steps",
        "stop.simulated_time_s",
        "stop.desorbed_atoms",
        "stop.wall_time_min",
        "stop.wait_for_room_min",
        "retention.evidence_MB",
        "search.max_bad_in_a_row",
        "search.time_limit_min",
        "search.ahead",
        "search.ahead_unused_share",
        "symmetry.share",
        "gamma.on_halt",
        "gamma.repair_after",
    }


def test_eons_options_are_in_the_digest_by_value(folder):
    pytest.importorskip("eon")
    found = [
        load_keys(folder, eon={"Optimizer": {"max_move": value}}).physics()
        for value in (1, 1.0, "1", "1e0", 2)
    ]
    assert found[0] == found[1] == found[2] == found[3]
    assert found[4] != found[0]


def test_scratch_directories_in_order(tmp_path, monkeypatch):
    for name in ("MLIP_KMC_SCRATCH", "SLURM_TMPDIR", "TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    assert scratch_directory() == Path("/tmp")  # noqa: S108
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert scratch_directory() == tmp_path
    monkeypatch.setenv("SLURM_TMPDIR", str(tmp_path / "gone"))
    assert scratch_directory() == tmp_path
    monkeypatch.setenv("MLIP_KMC_SCRATCH", str(tmp_path / "gone"))
    with pytest.raises(ConfigError, match="MLIP_KMC_SCRATCH names no directory"):
        scratch_directory()
    os.mkdir(tmp_path / "gone")  # noqa: PTH102
    assert scratch_directory() == tmp_path / "gone"


def test_source_date_epoch(monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert source_date_epoch() is None
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert source_date_epoch() == 1_700_000_000
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "")
    assert source_date_epoch() is None


@pytest.mark.parametrize(
    "given",
    [
        "yesterday",
        "1.7e9",
        " ",
        "1700000000 ",
        "-1",
        "1.5",
        "0",
        "99999999999",
        "9" * 400,
        "\N{ARABIC-INDIC DIGIT ONE}",
    ],
)
def test_a_source_date_epoch_that_is_none(monkeypatch, given):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", given)
    with pytest.raises(ConfigError, match="SOURCE_DATE_EPOCH must be whole seconds"):
        source_date_epoch()


def test_python_packages_of_the_user_s_own(tmp_path):
    (tmp_path / "a.xyz").touch()
    for name in ("mine", "yours", "with:colon"):
        (tmp_path / name).mkdir()

    def config(path):
        potential = {"ase": "m:C", "python_path": path}
        given = {"structure": "a.xyz", "potential": potential, "temperature_K": 300}
        return Config.model_validate(given, context={"base": tmp_path})

    found = config(["mine", str(tmp_path / "yours")])
    assert found.potential.python_path == (tmp_path / "mine", tmp_path / "yours")
    assert config("mine").potential.python_path == (tmp_path / "mine",)
    # where it lies decides no number: the run notes it, and may go on from another place
    assert found.limits()["potential.python_path"] == [
        str(tmp_path / name) for name in ("mine", "yours")
    ]
    assert "potential.python_path" not in found.physics()
    for wrong, words in (
        ("none", "there is no folder"),
        ("a.xyz", "there is no folder"),
        ("with:colon", "Python takes no folder"),
        (3, "must be a folder, or a list of folders"),
    ):
        with pytest.raises(ValidationError, match=words):
            config(wrong)


@pytest.mark.parametrize(
    ("keys", "engine"),
    [
        ({}, "native"),
        ({"search": {"engine": "eon"}}, "eon"),
        ({"potential": {"ase": "ase.calculators.emt:EMT"}}, "native"),
        ({"potential": {"eon": "eam_al"}}, "eon"),
        ({"eon": {"Dimer": {"rotations_max": 5}}}, "eon"),
        ({"eon": {"Optimizer": {"converged_force": 0.001}}}, "native"),
        ({"search": {"engine": "eon"}, "eon": {"Optimizer": {"converged_force": 0.001}}}, "eon"),
    ],
)
def test_our_own_engine_searches_where_none_is_named_and_it_can(folder, keys, engine):
    assert load_keys(folder, **keys).search.engine == engine


def test_a_run_goes_on_with_its_own_engine_where_none_is_named(folder):
    old, new = {"seed": 1}, {"search.engine": "native"}
    unnamed, eon = load_keys(folder), load_keys(folder, search={"engine": "eon"})
    assert with_recorded_engine(unnamed, None).search.engine == "native"
    assert with_recorded_engine(unnamed, old).search.engine == "eon"
    assert with_recorded_engine(unnamed, new).search.engine == "native"
    assert with_recorded_engine(eon, new).search.engine == "eon"
    assert "search.engine" not in with_recorded_engine(unnamed, old).physics()
    assert unnamed.physics()["search.engine"] == "native"
    early = load_keys(folder, search={"early_stop": True})
    assert with_recorded_engine(early, old).search.engine == "native"
