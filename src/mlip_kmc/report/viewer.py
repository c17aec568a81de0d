"""The page's three-dimensional viewer: 3Dmol.js from the image, the page's own script, and what the browser may run of it.

Example:
    viewer = Viewer.of(library(Path(sys.prefix)), scenes=scenes_of(blocks, film=None))
    policy(style, viewer)                    # the page's Content-Security-Policy

A page without the viewer holds no script at all. With it, the policy names the sha256 of its two scripts: nothing else runs.
"""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from markupsafe import Markup

_OWN = Path(__file__).parent / "templates" / "viewer.js"
LIBRARY = Path("share/3dmol/3Dmol-min.js")
"""Where the image has it, below its prefix."""


@dataclass(frozen=True)
class Viewer:
    """What the page embeds: the library, its own script, and the scenes as JSON."""

    library: Markup
    own: Markup
    scenes: Markup

    @classmethod
    def of(cls, library: str, *, scenes: str) -> Self:
        """From the library's text.

        Args:
            library: JavaScript.
            scenes: of `scenes_of`, which has escaped what could end the element.
        """
        own = _OWN.read_text(encoding="utf-8")
        return cls(Markup(library), Markup(own), Markup(scenes))  # noqa: S704 - the image's and our own


def library(prefix: Path) -> str:
    """The viewer's library; empty where the image has none, and where it could not be embedded as it is.

    Args:
        prefix: of the image's Python.
    """
    path = prefix / LIBRARY
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return "" if "</script" in text.lower() or "<!--" in text else text


def policy(style: str, viewer: Viewer | None) -> str:
    """The page's Content-Security-Policy: its own style and scripts by their digests, pictures in the page, nothing else.

    Args:
        style: the text of the page's style element.
        viewer: None where the page has no script.
    """
    scripts = [] if viewer is None else [digest(viewer.library), digest(viewer.own)]
    parts = ["default-src 'none'", f"style-src {digest(style)}", "img-src data:"]
    parts += [f"script-src {' '.join(scripts)}"] if scripts else []
    parts += ["base-uri 'none'", "form-action 'none'"]
    return "; ".join(parts)


def digest(text: str) -> str:
    """As a policy names it."""
    found = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{found}'"
