"""Scripts outside of the package import names that are there: nothing else looks at them in CI."""

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(
    path
    for folder in ("bench", "containers", "docs", "examples")
    for path in (ROOT / folder).rglob("*.py")
)


def imported(tree):
    """(module, name) of each name that a file takes from the package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "mlip_kmc":
            yield from ((node.module, alias.name) for alias in node.names)


def is_there(module, name):
    found = importlib.import_module(module)
    if hasattr(found, name):
        return True
    try:
        importlib.import_module(f"{module}.{name}")
    except ModuleNotFoundError:
        return False
    return True


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_a_script_imports_is_there(path):
    pytest.importorskip("eon", reason="NOT TESTED: eOn's server is not installed")
    names = set(imported(ast.parse(path.read_text(encoding="utf-8"))))
    assert [
        f"{module}.{name}" for module, name in sorted(names) if not is_there(module, name)
    ] == []


def test_a_name_that_is_gone_is_missed():
    tree = ast.parse("from mlip_kmc.ground import files\nfrom mlip_kmc.ground.files import nothing")
    assert [is_there(*one) for one in imported(tree)] == [True, False]
