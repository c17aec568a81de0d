"""Pages made in the image, opened in Debian's own Chromium, on the host.

"$(containers/packages browser)/bin/pytest" tests/browser
"""

import contextlib
import functools
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

_OF_SCREENSHOTS = "GPU stall due to ReadPixels"
"""The software renderer says so where the test reads its pixels."""
_OFF = (
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "SpareRendererForSitePerProcess"),
    *("PaintHolding", "MediaRouter", "OptimizationHints"),
)
"""Features of Chromium. The first three make ready, with each new page, the lists below the address bar and a process for the
next site, at twice the processor time of the page itself. Playwright has the others in its list, which this one replaces."""
_WINDOW = {"width": 680, "height": 360}
"""Low, as the viewer's height follows it, and drawing costs processor time by the pixel here."""
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """The folder of the pages."""
    folder = tmp_path_factory.mktemp("pages")
    command = [
        *(ROOT / "containers" / "in-image", "--dev", "--bind", folder),
        *("env", f"PYTHONPATH={ROOT / 'src'}:/mnt"),  # these sources, whatever the image holds
        *("python3", ROOT / "tests" / "browser" / "pages.py", folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium that draws without a graphics card; missing, the tests fail."""
    program = shutil.which("chromium")
    assert program, (
        "there is no chromium: ./bootstrap test installs it, or apt-get install chromium"
    )
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=program,
            args=[
                *(*sandbox, "--enable-unsafe-swiftshader"),
                f"--disable-features={','.join(_OFF)}",
            ],
        )
        yield found
        found.close()


class Opened:
    """A page with what it said and asked for."""

    def __init__(self, context, path):
        self.said, self.asked = [], []
        self.page = context.new_page()
        self.page.on("console", lambda message: self._heard(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(dialog.message))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def _heard(self, text):
        if _OF_SCREENSHOTS not in text:
            self.said.append(text)

    def unfold(self):
        """Show what is folded."""
        self.page.evaluate(
            "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
        )

    def play(self, button):
        """Open the viewer by a button; where motion is unwanted it rests at the beginning."""
        self.page.click(button)
        self.page.wait_for_selector("#viewer-canvas canvas")

    def at(self, place):
        """What the viewer draws at a place of what is played."""
        self.page.fill("#viewer-at", str(place))
        return self.drawn()

    def drawn(self):
        """The viewer's picture as it is now, as the bytes of a PNG."""
        return self.page.locator("#viewer-canvas").screenshot()


@pytest.fixture
def opened(opening):
    """Opens a page by name in a context of its own; nothing may go wrong in it until it is closed."""
    with opening() as open_page:
        yield open_page


@pytest.fixture(scope="session")
def opening(browser, pages):
    """What `opened` is made by, for a fixture that lives as long as it likes."""
    return functools.partial(_opening, browser, pages)


@contextlib.contextmanager
def _opening(browser, pages):
    contexts, every = [], []

    def open_page(name, **options):
        context = browser.new_context(
            **{"viewport": _WINDOW, "reduced_motion": "reduce", **options}
        )
        context.set_default_timeout(20_000)
        contexts.append(context)
        every.append(Opened(context, pages / f"{name}.html"))
        return every[-1]

    yield open_page
    for context in contexts:
        context.close()
    for one in every:
        assert one.said == []
        assert [url for url in one.asked if not url.startswith("data:")] == [one.asked[0]]
