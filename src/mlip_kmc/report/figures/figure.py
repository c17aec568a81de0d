"""What every figure of the page is: a wide and a narrow drawing, a legend, a caption, and its data."""

from collections.abc import Callable
from dataclasses import dataclass

from mlip_kmc.report.data import Link

WIDTHS = (("wide", 820), ("narrow", 350))


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        key: short name, also of its place in the page. title: what it shows.
        drawings: (class, SVG) for wide and narrow pages. legend: (class of the mark, words).
        caption: sentences. link: its data.
    """

    key: str
    title: str
    drawings: tuple[tuple[str, str], ...]
    legend: tuple[tuple[str, str], ...]
    caption: tuple[str, ...]
    link: Link


def drawings(draw: Callable[[int], str]) -> tuple[tuple[str, str], ...]:
    """The drawing in both widths; `draw` makes the SVG of a width in pixels."""
    return tuple((css, draw(width)) for css, width in WIDTHS)
