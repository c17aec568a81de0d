"""Draw docs/example.png from a run's report: the process of the lowest barrier as it moves, and where atoms went.

just picture
"$(containers/packages browser)/bin/python" bench/picture.py my-run/results/report.html docs/example.png

The stills are those of the page's own viewer, in Debian's Chromium; numbers are read from the page.
"""

import base64
import os
import shutil
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

_STILL_PX = 216
_STYLE = f"""
body {{ margin: 0; padding: 14px; width: max-content; background: #fff; color: #16191d;
  font: 14px/1.35 "Liberation Sans", Arial, sans-serif; }}
.row {{ display: flex; gap: 10px; }} figure {{ margin: 0; width: {_STILL_PX}px; }}
figure.walk {{ margin-left: 14px; width: 256px; }}
img {{ display: block; border: 1px solid #d9dde3; border-radius: 8px; width: {_STILL_PX}px; height: {_STILL_PX}px; }}
.walk img {{ border: 0; border-radius: 0; width: 256px; height: auto; }}
figcaption {{ text-align: center; padding-top: 5px; }} b {{ font-size: 15px; }} svg {{ display: block; margin-top: 2px; }}
"""


def stills(page: Page, button: str, places: list[int], *, nearer: int = 0) -> list[tuple[str, str]]:
    """(picture as a data URL, what the viewer says) at places of what a button of the page plays."""
    page.click(button)
    page.wait_for_selector("#viewer-canvas canvas")
    for _ in range(nearer):
        page.press("#viewer-canvas", "+")
    found = []
    for place in places:
        page.fill("#viewer-at", str(place))
        picture = page.locator("#viewer-canvas").screenshot()
        found.append((_data_url(picture), page.inner_text("#viewer-note")))
    page.keyboard.press("Escape")
    return found


def _data_url(picture: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"


def levels(energies_eV: list[float]) -> str:
    """Energies below the stills, joined by dashes, as the page draws them."""
    pitch, width, top, height = _STILL_PX + 10, 110, 16, 66
    highest, lowest = max(energies_eV), min(energies_eV)
    spots = []
    for place, energy in enumerate(energies_eV):
        middle = place * pitch + _STILL_PX / 2
        y = top + (highest - energy) / ((highest - lowest) or 1.0) * (height - top - 8)
        spots.append((middle - width / 2, middle + width / 2, y))
    lines = "".join(
        f'<path d="M{left},{y}H{right}" stroke="#16191d" stroke-width="3"/>'
        for left, right, y in spots
    )
    joints = "".join(
        f'<path d="M{one[1]},{one[2]}L{other[0]},{other[2]}" stroke="#5b6470" stroke-dasharray="5 4"/>'
        for one, other in pairwise(spots)
    )
    return f'<svg width="{3 * pitch - 10}" height="{height}">{lines}{joints}</svg>'


def composed(process: list[tuple[str, str]], *, path: str, said: str) -> str:
    """The picture as a page."""
    names = ("reactant", "saddle", "product")
    energies = [float(said.split(": ")[1].split(" ")[0]) for _, said in process]
    figures = "".join(
        f"<figure><img src='{url}'><figcaption><b>{name}</b>, {energy:.3f} eV</figcaption></figure>"
        for (url, _), name, energy in zip(process, names, energies, strict=True)
    )
    walk = f"<figure class='walk'><img src='{path}'><figcaption>{said}</figcaption></figure>"
    return (
        f"<!doctype html><meta charset='utf-8'><style>{_STYLE}</style>"
        f"<div class='row'><div><div class='row'>{figures}</div>{levels(energies)}</div>{walk}</div>"
    )


def main(report: Path, target: Path) -> None:
    """Write the picture."""
    program = shutil.which("chromium") or sys.exit(
        "picture: there is no chromium; apt-get install chromium"
    )
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    options: dict[str, Any] = {"reduced_motion": "reduce", "color_scheme": "light"}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=[*sandbox, "--enable-unsafe-swiftshader"]
        )
        page = browser.new_page(viewport={"width": 320, "height": 640}, **options)
        page.set_default_timeout(60_000)
        page.goto(report.resolve().as_uri())
        page.evaluate(
            "size => Object.assign(document.getElementById('viewer-canvas').style, { width: size, height: size })",
            f"{_STILL_PX}px",
        )
        process = stills(page, ".first [data-show]", [0, 50, 100], nearer=2)
        walk = page.locator("#path .narrow svg").screenshot()
        said = page.inner_text(".lead").split(",")
        drawn = browser.new_page(viewport={"width": 1100, "height": 400})
        drawn.set_content(
            composed(
                process,
                path=_data_url(walk),
                said=f"hops of atoms in <b>{said[0]}</b>,<br>{said[1]}",
            )
        )
        drawn.locator("body").screenshot(path=target)
        browser.close()
    print(f"{target}: {target.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
