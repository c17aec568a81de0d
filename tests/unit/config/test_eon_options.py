"""The `config.ini`: as eOn's own reader and Python's take it, value by value."""

import configparser

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlip_kmc.config import Config
from mlip_kmc.config.eon_options import (
    RESERVED,
    RESERVED_SECTIONS,
    check_options,
    config_ini,
    ini_text,
    minimum_force,
    schema,
    with_converged_forces,
)
from mlip_kmc.search.quick_yaml import quick_yaml

pytest.importorskip("eon")

NAMES = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_", min_size=1, max_size=12
).filter(lambda x: x != "DEFAULT")
TEXTS = st.text("abcXYZ019 _.,/()+-", max_size=20).map(str.strip)
VALUES = st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS


@pytest.fixture
def configured(tmp_path):
    for name in ("cu.xyz", "cu.yace"):
        (tmp_path / name).write_text("")

    def make(**keys):
        least = {
            "structure": tmp_path / "cu.xyz",
            "potential": {"ace": tmp_path / "cu.yace"},
            "temperature_K": 300,
        }
        return Config(**least | keys)

    return make


def as_eon_reads(tmp_path, text):
    from eon.config import ConfigClass

    path = tmp_path / "config.ini"
    path.write_text(text, encoding="utf-8")
    with quick_yaml():
        read = ConfigClass()
    read.init(str(path))
    return read


@settings(deadline=None)
@given(st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=4), max_size=4))
def test_ini_text_comes_back_value_by_value(options):
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read_string(ini_text(options))
    assert parser.sections() == list(options)
    for section, entries in options.items():
        assert list(parser[section]) == list(entries)
        for key, value in entries.items():
            found = parser[section][key]
            if isinstance(value, bool):
                assert parser[section].getboolean(key) is value
            else:
                assert type(value)(found) == value


def test_a_whole_configuration_arrives_as_meant(tmp_path, configured):
    config = configured(
        temperature_K=431.25,
        seed=2**31 + 7,
        recycling=True,
        superbasins=True,
        confidence={"scheme": "new", "value": 0.975},
        prefactor={"constant_per_s": 3.7e12},
        search={
            "displace": "least_coordinated",
            "max_coordination": 8,
            "displacement_A": 0.123,
            "displacement_radius_A": 3.25,
            "converged_force_eV_per_A": 0.0125,
            "max_energy_eV": 7.5,
            "max_iterations": 321,
            "thermal_window_kT": 17.5,
        },
        eon={
            "Optimizer": {"max_move": "1e-1", "lbfgs_auto_scale": "F"},
            "Coarse Graining": {"superbasin_scheme": "energy_level"},
            "Saddle Search": {"displace_type_list": "Cu, Ag"},
        },
    )
    text = config_ini(config, potential_name="lammps", jobs_ahead=4)
    found = as_eon_reads(tmp_path, text)
    assert (found.main_job, found.main_temperature, found.main_random_seed) == ("akmc", 431.25, 7)
    assert (found.akmc_confidence, found.akmc_confidence_scheme, found.akmc_thermal_window) == (
        0.975,
        "new",
        17.5,
    )
    assert (found.comm_type, found.comm_job_buffer_size, found.comm_job_bundle_size) == (
        "local",
        4,
        1,
    )
    assert (found.process_search_default_prefactor, found.process_search_minimize_first) == (
        3.7e12,
        True,
    )
    assert (found.recycling_on, found.sb_on, found.sb_scheme, found.askmc_on) == (
        True,
        True,
        "energy_level",
        False,
    )
    assert (found.displace_least_coordinated_weight, found.displace_random_weight) == (1.0, 0.0)
    assert (found.disp_max_coord, found.disp_magnitude, found.disp_radius) == (8, 0.123, 3.25)
    assert (found.saddle_search_max_iterations, found.akmc_max_kmc_steps) == (321, 0)
    parser = configparser.ConfigParser()
    parser.read_string(text)
    assert parser["Potential"]["potential"] == "lammps"
    assert parser["Optimizer"].getfloat("max_move") == 0.1
    assert parser["Optimizer"]["lbfgs_auto_scale"] == "false"
    assert parser["Saddle Search"].getfloat("converged_force") == 0.0125
    assert parser["Optimizer"].getfloat("converged_force") == 1e-3  # minima are relaxed further
    assert parser["Saddle Search"]["displace_type_list"] == "Cu, Ag"


@pytest.mark.parametrize("displace", ["random", "under_coordinated", "least_coordinated"])
@pytest.mark.parametrize("prefactor", [{"harmonic": True}, {"constant_per_s": 1e13}])
@pytest.mark.parametrize("name", ["lammps", "eam_al", "morse_pt"])
def test_eon_takes_every_kind_of_configuration(tmp_path, configured, displace, prefactor, name):
    config = configured(search={"displace": displace}, prefactor=prefactor)
    found = as_eon_reads(tmp_path, config_ini(config, potential_name=name, jobs_ahead=1))
    weights = {
        kind: getattr(found, f"displace_{kind}_weight")
        for kind in ("random", "under_coordinated", "least_coordinated")
    }
    assert weights == dict.fromkeys(weights, 0.0) | {displace: 1.0}
    assert found.process_search_default_prefactor == 1e13, "with 0 eOn would make its own"


def test_eon_takes_every_default_of_its_own(tmp_path, configured):
    """Whatever eOn's manual shows can be written under `eon`, and arrives."""

    def plain(described):
        default, values = described["default"], described.get("values")
        return (
            isinstance(default, str)
            and not set(default) & set("%#;")
            and (not values or default in values)
        )

    options = {
        section: {
            key: described["default"]
            for key, described in entries.items()
            if (section, key) not in RESERVED and plain(described)
        }
        for section, entries in schema().items()
        if section not in RESERVED_SECTIONS
    }
    config = configured(eon=yaml.safe_load(yaml.safe_dump(options)))
    text = config_ini(config, potential_name="lammps", jobs_ahead=2)
    assert as_eon_reads(tmp_path, text).main_job == "akmc"
    assert sum(map(len, options.values())) > 350


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"main": {}}, "did you mean 'Main'?"),
        ({"Qwertz": {}}, "see eOn's manual"),
        ({"Optimizer": {"opt_methd": "cg"}}, "did you mean 'opt_method'?"),
        ({"Optimizer": {"opt_method": "newton"}}, "eon.Optimizer.opt_method is one of"),
        ({"Optimizer": {"max_iterations": 1.5}}, "whole number"),
        ({"Optimizer": {"max_iterations": True}}, "whole number"),
        ({"Optimizer": {"max_iterations": 2**31}}, "whole number"),
        ({"Optimizer": {"max_iterations": "1" * 6000}}, "whole number"),
        ({"Optimizer": {"max_move": True}}, "number"),
        ({"Optimizer": {"max_move": "1 A"}}, "number"),
        ({"Optimizer": {"max_move": float("nan")}}, "finite"),
        ({"Optimizer": {"max_move": 10**400}}, "finite"),
        ({"Optimizer": {"lbfgs_auto_scale": "maybe"}}, "true or false"),
        ({"Optimizer": {"lbfgs_auto_scale": 2}}, "true or false"),
        ({"Saddle Search": {"displace_type_list": False}}, "put the text in quotes"),
        ({"Saddle Search": {"displace_type_list": "Cu\n[Main]\njob = x"}}, "line breaks"),
        ({"Saddle Search": {"displace_type_list": "%(job)s"}}, "'%'"),
        ({"Saddle Search": {"displace_type_list": "Cu ; Ag"}}, "';'"),
        ({"Saddle Search": {"displace_type_list": "Cu\x85x"}}, "line breaks"),
        ({"Saddle Search": {"displace_type_list": " Cu"}}, "spaces"),
    ],
)
def test_what_eon_would_misread_is_refused(options, words):
    with pytest.raises(ValueError, match=r"eO?[no]") as caught:
        check_options(options)
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(("section", "key"), RESERVED)
def test_every_reserved_option_exists_and_says_what_to_do_instead(section, key):
    assert key in schema()[section]
    with pytest.raises(ValueError, match="cannot be set: ") as caught:
        check_options({section: {key: "1"}})
    assert RESERVED[section, key] in str(caught.value)


@pytest.mark.parametrize("section", RESERVED_SECTIONS)
def test_every_reserved_section_exists_and_says_why(section):
    assert section in schema()
    with pytest.raises(ValueError, match=RESERVED_SECTIONS[section].split(";")[0]):
        check_options({section: {}})


def test_nothing_is_fine():
    check_options({})
    assert ini_text({}) == ""


@pytest.mark.parametrize(("lowest", "force"), [
    (None, 1e-3), (1.0, 1e-3), (0.05, 1e-3), (0.0063, 0.02 * 0.0063), (1e-4, 2e-6),
    (9e-5, 1e-3), (0.0, 1e-3), (-5e-4, 1e-3),
])  # fmt: skip
def test_minima_of_a_flat_landscape_are_relaxed_further_but_not_for_a_free_rotation(lowest, force):
    assert minimum_force(lowest) == pytest.approx(force)


def test_a_search_is_converged_further_and_all_else_stays(configured):
    text = config_ini(
        configured(), potential_name="lammps", jobs_ahead=1, minimum_force_eV_per_A=1e-5
    )
    further = with_converged_forces(text, 1e-4)
    changed = set(further.splitlines()) - set(text.splitlines())
    assert changed == {"converged_force = 0.0001"}
    parser = configparser.ConfigParser()
    parser.read_string(further)
    assert parser["Saddle Search"].getfloat("converged_force") == 1e-4
    assert parser["Optimizer"].getfloat("converged_force") == 1e-5
