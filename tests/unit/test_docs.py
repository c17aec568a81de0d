"""The reference pages say what the program says."""

import dataclasses
import importlib
import importlib.util
import inspect
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.glob("*.md")])
LINK = re.compile(r"\]\(([^)\s:#]*)(?:#([^)\s]+))?\)")
NAMED = re.compile(r"(?<![\w/.-])(?:src|tests|containers|docs|bench|examples|slurm)/[\w./-]*\w")


@pytest.fixture(scope="module")
def reference():
    spec = importlib.util.spec_from_file_location("reference", DOCS / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "page", ["configuration", "campaign-settings", "commands", "release-settings", "python"]
)
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
        for model in (reference.Config, reference.CampaignConfig, reference.ReleaseSettings)
        for key, _, about in reference.rows(model)
        if not about
    ]
    assert unexplained == []


def anchors(page):
    """The headings of a page as a link names them."""
    text = page.read_text(encoding="utf-8")
    headings = re.findall(
        r"^#+ (.*)$",
        re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE),
        re.MULTILINE,
    )
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    broken = []
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        there = (page.parent / target) if target else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(f"{target}#{anchor}")
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page):
    text = page.read_text(encoding="utf-8")
    assert [name for name in NAMED.findall(text) if not (ROOT / name).exists()] == []


def test_every_page_is_reached_from_the_readme():
    linked = {
        target for target, _ in LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    }
    lonely = {f"docs/{page.name}" for page in PAGES[1:]} - linked
    assert lonely == {
        "docs/potential-record.md",
        "docs/release-settings.md",
    }  # of potential.md and release.md


def test_every_table_row_has_as_many_cells_as_its_head():
    for page in PAGES:
        width = 0
        for line in page.read_text(encoding="utf-8").splitlines():
            cells = (
                len(re.findall(r"(?<!\\)\|", re.sub(r"`[^`]*`", "", line)))
                if line.startswith("|")
                else 0
            )
            assert not (cells and width) or cells == width, f"{page.name}: {line}"
            width = cells


def test_one_version():
    import mlip_kmc

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    cited = re.search(
        r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert project["version"] == mlip_kmc.__version__ == cited.group(1)
