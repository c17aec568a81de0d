"""The reference pages say what the program says."""

import dataclasses
import importlib
import importlib.util
import inspect
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def reference():
    spec = importlib.util.spec_from_file_location("reference", DOCS / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["configuration", "commands", "release-settings", "python"])
def test_reference_pages_are_up_to_date(reference, page):
    made = getattr(reference, page.replace("-", "_"))()
    assert (DOCS / f"{page}.md").read_text(encoding="utf-8") == made, "run `just docs`"


def described(reference):
    """(name, class or function, the names that its docstring describes) of the whole Python interface."""
    for place, *names in reference.INTERFACE.values():
        for name in names:
            found = getattr(importlib.import_module(place), name)
            entries = reference.Docstring.of(found).entries
            yield name, found, [key for part in entries.values() for key in part]


def test_every_field_and_argument_of_the_python_interface_is_described(reference):
    lacking = []
    for name, found, keys in described(reference):
        functions = {}
        if dataclasses.is_dataclass(found):
            wanted = [field.name for field in dataclasses.fields(found)]
            lacking += [f"{name}.{key}" for key in wanted if key not in keys]
            functions = {}
        elif inspect.isclass(found):
            functions = {
                key: one
                for key, one in vars(found).items()
                if inspect.isfunction(one) and (key == "__init__" or not key.startswith("_"))
            }
        else:
            functions = {"": found}
        for key, function in functions.items():
            arguments = list(inspect.signature(function).parameters)
            told = reference.Docstring.of(function).entries.get("Args", {})
            lacking += [
                f"{name}.{key}({one})" for one in arguments if one != "self" and one not in told
            ]
    assert lacking == []


def test_the_package_names_what_it_has(reference):
    import mlip_kmc

    assert {"EonWrapper", *reference.INTERFACE["Results"][1:]} <= set(mlip_kmc.__all__)
    for name in mlip_kmc.__all__:
        assert getattr(mlip_kmc, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = mlip_kmc.Nothing


def test_every_key_is_explained(reference):
    unexplained = [
        key
        for model in (reference.Config, reference.ReleaseSettings)
        for key, _, about in reference.rows(model)
        if not about
    ]
    assert unexplained == []
