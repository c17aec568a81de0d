"""The reference pages say what the program says."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def reference():
    spec = importlib.util.spec_from_file_location("reference", DOCS / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["configuration", "commands", "release-settings"])
def test_reference_pages_are_up_to_date(reference, page):
    made = getattr(reference, page.replace("-", "_"))()
    assert (DOCS / f"{page}.md").read_text(encoding="utf-8") == made, "run `just docs`"


def test_every_key_is_explained(reference):
    unexplained = [
        key
        for model in (reference.Config, reference.ReleaseSettings)
        for key, _, about in reference.rows(model)
        if not about
    ]
    assert unexplained == []
