"""eOn is changed in one file, and only the eOn that the changes were made for."""

import ast
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

adapter = pytest.importorskip(
    "mlip_kmc.akmc.eon_adapter", reason="eOn's server is not installed: run the tests in the image"
)

from mlip_kmc.ground.errors import ProgramError  # noqa: E402
from mlip_kmc.search.quick_yaml import quick_yaml  # noqa: E402

PACKAGE = Path(__file__).parents[3] / "src" / "mlip_kmc"


@pytest.fixture(autouse=True)
def forget():
    adapter.verify.cache_clear()
    yield
    adapter.verify.cache_clear()


def test_the_installed_eon_is_the_one_that_the_changes_were_made_for():
    adapter.verify()
    assert all(change.reason and change.sources for change in adapter.ADAPTED)


def test_its_options_are_those_that_yaml_itself_reads():
    """`quick_yaml` has libyaml read them, and only them."""
    slow = yaml.BaseLoader
    with quick_yaml():
        assert yaml.BaseLoader is yaml.CBaseLoader
        quickly = adapter.ConfigClass().format
    assert yaml.BaseLoader is slow
    found, expected = (
        [(part.name, [vars(key) for key in part.keys]) for part in options]
        for options in (quickly, adapter.ConfigClass().format)
    )
    assert len(found) > 20
    assert found == expected


def test_another_version_is_refused(monkeypatch):
    monkeypatch.setattr(adapter.eon, "__version__", "3.7.0")
    with pytest.raises(
        ProgramError,
        match=r"eOn 3\.7\.0 is installed; this mlip-kmc changes functions of eOn 3\.6\.0",
    ):
        adapter.verify()


NAMES = {name: digest for change in adapter.ADAPTED for name, digest in change.sources.items()}


@pytest.fixture
def changed(monkeypatch):
    def change(name):
        module, inside = name.split(":")
        owner = adapter.importlib.import_module(module)
        *parents, last = inside.split(".")
        for part in parents:
            owner = getattr(owner, part)
        monkeypatch.setattr(owner, last, "%d\n" if last == "processtable_line" else lambda: None)

    return change


@pytest.mark.parametrize("name", NAMES)
def test_each_function_with_another_source_has_another_digest(changed, name):
    assert adapter.source_digest(name) == NAMES[name]
    changed(name)
    assert adapter.source_digest(name) not in (NAMES[name], None)


def test_a_function_with_another_source_is_refused_by_name(changed):
    changed("eon.superbasin:Superbasin")
    changed("eon.akmcstate:AKMCState.processtable_line")
    with pytest.raises(
        ProgramError,
        match=r"is not as it was released: eon\.akmcstate:AKMCState\.processtable_line, "
        r"eon\.superbasin:Superbasin differ",
    ):
        adapter.verify()


def test_a_function_that_is_gone_is_refused():
    assert adapter.source_digest("eon.akmcstate:AKMCState.nothing") is None
    assert adapter.source_digest("eon.nothing:nothing") is None


IMPORT_EON = ("eon_adapter.py", "eon_displacements.py")


def test_nothing_else_imports_eon():
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom) and not node.level
                else []
            )
            assert path.name in IMPORT_EON or not any(
                name.split(".")[0] == "eon" for name in names
            ), path


def test_every_method_of_eons_that_a_class_of_ours_replaces_is_in_the_table():
    plumbing = {"__doc__", "__module__", "__static_attributes__", "__firstlineno__"}
    for ours in (
        adapter.NotingInfo,
        adapter.RecordingState,
        adapter.StateList,
        adapter.Explorer,
    ):
        for base in ours.__mro__[1:]:
            for member in (vars(ours).keys() & vars(base).keys()) - plumbing:
                if base.__module__.startswith("eon."):
                    name = f"{base.__module__}:{base.__name__}"
                    assert {name, f"{name}.{member}"} & NAMES.keys(), f"{name}.{member}"


def test_energy_levels_keep_all_digits(tmp_path):
    """eOn's own write six; a run that is continued must merge the same states."""
    from mlip_kmc.akmc.eon_adapter import ExactEnergyLevel

    class Only:
        path = str(tmp_path)
        get_energy = staticmethod(lambda: -1.0)

    scheme = object.__new__(ExactEnergyLevel)
    scheme.config = SimpleNamespace(sb_state_file="level")
    scheme.states = SimpleNamespace(get_num_states=lambda: 1, get_state=lambda _: Only)
    scheme.global_energy_min = None
    for level in (-1234.000000123456789, 1 / 3, 5e-324, -0.0):
        scheme.levels = {Only: level}
        scheme.write_data()
        scheme.levels = {}
        scheme.read_data()
        assert repr(scheme.levels[Only]) == repr(level)


def test_an_info_files_values_are_those_that_were_set_last(tmp_path):
    info = adapter.NotingInfo(str(tmp_path / "info"))
    assert info.get("MetaData", "repeats", 0) == 0
    info.set("MetaData", "repeats", 3)
    assert info.get("MetaData", "repeats", 0) == 3
    info.set("MetaData", "repeats", "%(kT)s")  # the parser asks itself for what stands in a value
    info.set("MetaData", "kT", 0.04)
    assert info.get("MetaData", "repeats", 0) == 0.04
    info.remove_option("MetaData", "repeats")
    assert info.get("MetaData", "repeats", 0) == 0
    info.flush()
    (tmp_path / "info").write_text("[MetaData]\nkt = 0.05\n")
    assert info.get("MetaData", "kT", None) == 0.04  # nobody else writes it
    info.loaded = False
    assert info.get("MetaData", "kT", None) == 0.05
