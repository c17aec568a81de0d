"""Templates of pages: everything in them is escaped but drawings, and a name that is missing is an error.

environment().get_template("page.html.j2").render(...)
environment(Path(__file__).parent / "templates")       # templates of another room, which may include those of this one
"""

import functools
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mlip_kmc.report import words

TEMPLATES = Path(__file__).parent / "templates"


@functools.cache
def environment(*folders: Path) -> Environment:
    """The environment of the run's page, made once, so that templates are compiled once; `folders` are looked through first."""
    made = Environment(
        loader=FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(
        scientific=words.scientific,
        fixed=words.fixed,
        signed=words.signed,
        integer=words.integer,
        time=words.time,
        duration=words.duration,
        share=words.share,
        steps=words.steps,
        count=words.count,
        drawing=Markup,
    )
    return made


def page_style() -> Markup:
    """The text of every page's style element, as its policy names it."""
    return Markup(f"\n{(TEMPLATES / 'page.css').read_text(encoding='utf-8')}")  # noqa: S704 - our own
