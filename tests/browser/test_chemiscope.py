"""The exported data set in the viewer of chemiscope's own package, which checks what it loads and draws it."""

import gzip
import importlib.util
import json
from pathlib import Path

import pytest

PARTS = ("meta", "map", "structure", "info")
LOAD = """async () => {
    const said = [], warnings = new Chemiscope.Warnings();
    warnings.addHandler((message) => said.push(message));
    const config = { meta: "our-meta", map: "our-map", structure: "our-structure", info: "our-info" };
    window.visualizer = await Chemiscope.DefaultVisualizer.load(config, data, warnings);
    return said;
}"""


@pytest.fixture(scope="module")
def data(pages):
    """The data set of a run of two states."""
    return json.loads(gzip.decompress((pages / "exported" / "chemiscope.json.gz").read_bytes()))


@pytest.fixture
def page(browser):
    """A page with chemiscope's script and the four places that it fills; nothing may go wrong in it."""
    package = Path(importlib.util.find_spec("chemiscope").origin).parent
    said = []
    page = browser.new_page(viewport={"width": 900, "height": 700})
    page.on("pageerror", lambda error: said.append(str(error)))
    places = "".join(
        f"<div id='our-{part}' style='width: 210px; height: 160px; float: left'></div>"
        for part in PARTS
    )
    page.set_content(f"<!doctype html><body>{places}")
    page.add_script_tag(path=package / "sphinx" / "static" / "chemiscope.min.js")
    yield page
    page.close()
    assert said == []


def loaded(page, data):
    """What chemiscope warns of; it raises what it does not accept."""
    page.add_script_tag(content=f"window.data = {json.dumps(data)}")
    return page.evaluate(LOAD)


def test_chemiscope_takes_it_without_a_word_and_draws_it(page, data):
    assert loaded(page, data) == []
    page.wait_for_selector("#our-structure canvas")
    assert page.get_by_text("aKMC run <b>run & 'co'").count()
    minimum = page.locator("#our-structure").screenshot()
    page.evaluate("visualizer.select({ structure: 1, environment: 31 })")
    page.get_by_text("saddle").first.wait_for(state="attached")
    assert page.locator("#our-structure").screenshot() != minimum


def test_chemiscope_refuses_what_is_none(page, data):
    data["properties"]["energy"]["values"].pop()
    with pytest.raises(Exception, match="energy"):
        loaded(page, data)
