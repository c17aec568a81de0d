"""The report's page in a real browser: quiet, quick to open, drawn, kept to the keyboard, readable by all, printable."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

FIRST = ".first [data-show]"
FILM = "[data-show=film]"
WHOLE = {"width": 680, "height": 560}
"""A window in which the viewer shows all its parts at once."""
COUNT_DRAWINGS = """() => { // 3Dmol.js draws on one canvas and hands over what it has drawn
    const { transferToImageBitmap } = OffscreenCanvas.prototype;
    window.drawings = 0;
    OffscreenCanvas.prototype.transferToImageBitmap = function () {
        drawings += 1;
        return transferToImageBitmap.call(this);
    };
}"""
DRAWINGS = """async (least) => { // since it was last asked; those of a change of size or sight come with the next frames
    for (let frame = 0; frame < 3 || (drawings < least && frame < 300); frame += 1)
        await new Promise(requestAnimationFrame);
    const found = drawings;
    drawings = 0;
    return found;
}"""
EVIL = "<script>pwned = 1</script>"


def test_a_process_and_the_film_move(opened):
    small = opened("small")
    small.play(FIRST)
    reactant, saddle, product = small.at(0), small.at(50), small.at(100)
    assert len({reactant, saddle, product}) == 3
    assert small.at(50) == saddle
    assert "saddle: 0.500 eV" in small.page.inner_text("#viewer-note")
    small.page.keyboard.press("Escape")
    small.play(FILM)
    frames = {small.at(step) for step in (0, 3, 12)}
    assert len(frames) == 3
    assert "KMC step 12 of 12, 12 µs, state 0, over 0.800 eV" in small.page.inner_text(
        "#viewer-note"
    )


def test_it_plays_by_itself_unless_motion_is_unwanted(opened):
    small = opened("small", reduced_motion="no-preference")
    small.page.click(FIRST)
    expect(small.page.locator("#viewer-at")).not_to_have_value("0")
    assert small.page.inner_text("#viewer-play") == "Pause"
    small.page.emulate_media(reduced_motion="reduce")
    small.page.click("#viewer-close")
    small.page.click(FIRST)
    assert small.page.inner_text("#viewer-play") == "Play"
    assert small.page.input_value("#viewer-at") == "0"


def test_options_change_what_is_drawn(opened):
    small = opened("small")
    small.play(FIRST)
    before = small.drawn()
    small.page.check("#viewer-cell")
    with_cell = small.drawn()
    small.page.uncheck("#viewer-fade")
    assert len({before, with_cell, small.drawn()}) == 3
    small.page.click("#viewer-next")
    assert small.page.inner_text("#viewer-title") != ""


def test_a_change_is_drawn_once(opened):
    small = opened("small")
    page = small.page
    page.evaluate(COUNT_DRAWINGS)
    small.play(FIRST)
    assert page.evaluate(DRAWINGS) == 1
    small.at(50)
    assert page.evaluate(DRAWINGS) == 1
    for name in ("cell", "fade"):
        page.click(f"#viewer-{name}")
        assert page.evaluate(DRAWINGS) == 1
    page.press("#viewer-canvas", "ArrowLeft")
    assert page.evaluate(DRAWINGS) == 1
    page.click("#viewer-next")
    assert page.evaluate(DRAWINGS) == 1
    page.set_viewport_size({"width": 720, "height": 400})
    assert page.evaluate(DRAWINGS, 1) > 0
    page.keyboard.press("Escape")
    assert page.evaluate(DRAWINGS) == 0  # out of sight
    small.play(FILM)
    assert page.evaluate(DRAWINGS) == 1


def test_a_click_in_a_figure_leads_there(opened):
    twenty = opened("twenty").page
    note = twenty.locator("#viewer-note")
    twenty.locator("#energy svg:visible").click()
    expect(note).to_contain_text(
        re.compile(r"KMC step (19|20|21) of 40, \d+ µs, state \d+, over 0.800 eV")
    )
    assert twenty.inner_text("#viewer-play") == "Play"
    twenty.keyboard.press("Escape")
    twenty.locator("#landscape svg:visible [data-state='0']").click()
    expect(twenty.locator("#viewer-title")).to_have_text("State 0")
    twenty.keyboard.press("Escape")
    # a state without a scene of its own: the film
    twenty.locator("#network svg:visible [data-state='19']").click()
    expect(note).to_contain_text("KMC step 19 of 40")
    twenty.keyboard.press("Escape")
    twenty.locator(".first svg").first.click()
    expect(twenty.locator("#viewer-title")).to_contain_text("State 0, process 1")


def test_its_list_has_all_and_a_picture_can_be_saved(opened):
    page = opened("small").page
    page.click(FIRST)
    listed = page.locator("#viewer-which option").all_inner_texts()
    assert listed[0] == "State 0"
    assert listed[-1] == "The trajectory"
    page.select_option("#viewer-which", "film")
    expect(page.locator("#viewer-title")).to_have_text("The trajectory")
    page.fill("#viewer-at", "3")
    with page.expect_download() as found:
        page.click("#viewer-save")
    assert found.value.suggested_filename == "film-3.png"
    assert found.value.path().read_bytes().startswith(b"\x89PNG")


def test_the_keyboard_is_enough(opened):
    page = opened("small").page
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.show !== undefined"):
            break
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "viewer-canvas"
    page.keyboard.press(" ")
    assert page.inner_text("#viewer-play") == "Pause"
    page.keyboard.press(" ")
    assert page.inner_text("#viewer-play") == "Play"
    seen = [page.locator("#viewer-canvas").screenshot()]
    for key in ("ArrowLeft", "ArrowUp", "+"):
        page.keyboard.press(key)
        seen.append(page.locator("#viewer-canvas").screenshot())
    assert len(set(seen)) == 4
    page.fill("#viewer-at", "0")
    page.focus("#viewer-at")
    page.keyboard.press("ArrowRight")
    assert page.input_value("#viewer-at") == "1"
    page.keyboard.press("Escape")
    assert page.is_hidden("#viewer")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_hinders_assistive_programs(opened, scheme):
    small = opened("small", color_scheme=scheme, viewport=WHOLE)
    small.unfold()
    found = faults(small.page)
    small.play(FIRST)
    assert [*found, *faults(small.page)] == []


@pytest.fixture(scope="module")
def unfolded(request, opening):
    """A page that shows all its parts, the same for tests that only look at it."""
    with opening() as open_page:
        found = open_page(request.param, viewport=WHOLE)
        found.unfold()
        yield found.page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("unfolded", ["compared", "campaign", "twenty", "followed"], indirect=True)
def test_nor_on_other_pages(unfolded, scheme):
    unfolded.emulate_media(color_scheme=scheme)
    assert faults(unfolded) == []


def faults(page):
    """What axe-core finds: rule, how bad, where."""
    answer = Axe().run(page).response
    return [
        (one["id"], one["impact"], [node["target"] for node in one["nodes"][:3]])
        for one in answer["violations"]
    ]


def test_words_of_others_are_shown_as_text(opened):
    small = opened("small")
    small.unfold()
    assert small.page.evaluate("typeof pwned") == "undefined"
    assert small.page.inner_text("body").count(EVIL) >= 3
    assert "<b>run & 'co'" in small.page.inner_text("h1")
    assert (
        small.page.locator("body img, body script:not([type]), h1 b").count() == 2
    )  # the viewer's two scripts


def test_words_of_others_are_text_where_runs_are_compared(opened):
    page = opened("compared").page
    assert page.evaluate("typeof pwned") == "undefined"
    assert page.inner_text("body").count(EVIL) == 1  # the potential's name
    assert "<b>run & 'co'" in page.inner_text("#runs + div")
    assert page.locator("body img, script, td b").count() == 0


def test_the_landscape_is_told_in_words(opened):
    picture = opened("twenty").page.locator("#landscape svg:visible")
    assert picture.get_attribute("role") == "img"
    assert picture.get_attribute("aria-label").startswith("Disconnectivity graph of 20 states")
    assert picture.locator("circle").count() == 20


def test_a_followed_page_says_of_when_it_is(opened):
    page = opened("followed").page
    assert "(generation 1)" in page.inner_text("#age")
    at = page.get_attribute("#age time", "datetime")
    assert page.evaluate("at => Math.abs(Date.now() - Date.parse(at)) < 3600e3", at)


def test_states_that_are_alike_share_a_part_and_one_is_seen_alone(opened):
    alike = opened("alike")
    assert alike.page.locator("details summary b").all_inner_texts()[1:] == [
        "State 0 and 3 like it"
    ]
    alike.play("[data-show=state-0]")
    assert alike.page.is_hidden("#viewer-play")
    assert alike.page.inner_text("#viewer-note") == "a minimum, -10.000000 eV"
    still = alike.drawn()
    alike.page.click("#viewer-next")
    assert alike.page.is_visible("#viewer-play")
    assert alike.at(100) != still


def test_no_other_script_runs(opened):
    small = opened("small")
    blocked = small.page.evaluate("""() => new Promise((resolve) => {
        addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective));
        document.body.append(Object.assign(document.createElement("script"), { textContent: "pwned = 1" }));
    })""")
    assert blocked == "script-src-elem"
    assert small.page.evaluate("typeof pwned") == "undefined"
    assert "script-src" in small.said.pop()  # the browser says so


def test_without_scripts_the_pictures_remain(opened):
    page = opened("small", java_script_enabled=False).page
    assert page.locator(".first svg").first.is_visible()
    assert page.locator("button:visible").count() == 0
    assert "Lowest barrier" in page.inner_text("main")


def test_it_prints(opened):
    page = opened("small").page
    page.emulate_media(media="print")
    assert page.locator("button:visible").count() == 0
    assert page.locator(".pictures svg").first.is_visible()
    assert page.locator("#settings dd").first.is_visible()  # folded on the screen, whole on paper
    assert page.pdf().startswith(b"%PDF-")


@pytest.mark.parametrize("name", ["small", "twenty", "large"])
def test_a_page_opens_soon_and_is_small(opened, pages, name):
    assert (pages / f"{name}.html").stat().st_size < 5_000_000
    found = opened(name)
    session = found.page.context.new_cdp_session(found.page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    found.page.reload()
    found.asked.pop()
    metrics = {
        one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]
    }
    assert metrics["TaskDuration"] < 2.0  # seconds of the page's own processor time
    if name == "large":
        found.play(FIRST)
        assert found.at(0) != found.at(100)
