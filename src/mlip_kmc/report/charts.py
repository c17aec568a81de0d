"""Plain charts as SVG text: axes, lines, bars, dots. Colours and type are classes, which the page's style sheet sets.

Example:
    chart = Chart(width=760, height=300, x=Scale(0, 10), y=Scale(0, 1), x_label="Simulated time (µs)", y_label="Energy (eV)")
    chart.steps([(0, 0), (4, 1), (10, 1)], css="line s1")
    chart.svg("Energy against time: ...")          # <svg role="img" aria-label="Energy against time: ...">...

One drawing serves light and dark. The same calls give the same bytes.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

Point = tuple[float, float]

_GLYPH_PX = 6.6


def px(value: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    text = f"{value:.1f}"
    return text.removesuffix(".0") if text != "-0.0" else "0"


@dataclass(frozen=True)
class Scale:
    """An axis.

    Attributes:
        low, high: its ends, in the data's unit.
        ticks: (value, text); nice ones where None.
        integers: ticks at whole numbers only.
    """

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...] | None = None
    integers: bool = False

    def marks(self, count: int) -> tuple[tuple[float, str], ...]:
        """Ticks and their text, about so many."""
        if self.ticks is not None:
            return self.ticks
        step = nice_step((self.high - self.low) / max(count, 1))
        step = max(1.0, step) if self.integers else step
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return tuple(
            (index * step, f"{index * step:.{decimals}f}".replace("-", "\u2212") if index else "0")
            for index in range(first, last + 1)
        )


def nice_step(least: float) -> float:
    """1, 2 or 5 times a power of ten, not less than `least`."""
    if least <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


@dataclass
class Chart:
    """A chart that is being drawn; sizes in px of the SVG's own frame."""

    width: int
    height: int
    x: Scale
    y: Scale
    x_label: str
    y_label: str
    left: int = 54
    right: int = 18
    top: int = 30
    bottom: int = 46
    marks: list[str] = field(default_factory=list)

    def at(self, point: Point) -> Point:
        """Where a data point is drawn."""
        across = (point[0] - self.x.low) / ((self.x.high - self.x.low) or 1.0)
        up = (point[1] - self.y.low) / ((self.y.high - self.y.low) or 1.0)
        return (
            self.left + across * (self.width - self.left - self.right),
            self.height - self.bottom - up * (self.height - self.top - self.bottom),
        )

    def line(self, points: Iterable[Point], *, css: str) -> None:
        """Straight lines through points."""
        self._path([f"{px(x)},{px(y)}" for x, y in map(self.at, points)], css)

    def steps(self, points: Sequence[Point], *, css: str) -> None:
        """Each value holds until the next point."""
        corners = []
        for index, point in enumerate(points):
            if index:
                corners.append((point[0], points[index - 1][1]))
            corners.append(point)
        self.line(corners, css=css)

    def band(self, lower: Sequence[Point], upper: Sequence[Point], *, css: str) -> None:
        """The area between two lines."""
        corners = [f"{px(x)},{px(y)}" for x, y in map(self.at, [*lower, *reversed(upper)])]
        if corners:
            self.marks.append(f'<path class="{css}" d="M{" ".join(corners)}Z"/>')

    def _path(self, corners: Sequence[str], css: str) -> None:
        if corners:
            self.marks.append(f'<path class="{css}" d="M{" ".join(corners)}"/>')

    def dot(
        self, point: Point, *, css: str, radius: float = 3.0, note: str = "", goes: str = ""
    ) -> None:
        """A disc; the note shows on hovering, and `goes` (of `goes_to`) is where a click leads."""
        x, y = self.at(point)
        inside = f"<title>{escape(note)}</title>" if note else ""
        self.marks.append(
            f'<circle class="{css}" cx="{px(x)}" cy="{px(y)}" r="{px(radius)}"{goes}>{inside}</circle>'
        )

    def pick_times(self, longest_s: float) -> None:
        """A click within the axes leads to the film's frame of that time; the x axis is one of time, from 0."""
        self.marks.insert(
            0,
            f'<rect class="pick" x="{self.left}" y="{self.top}" width="{self.width - self.left - self.right}" '
            f'height="{self.height - self.top - self.bottom}" data-longest-s="{longest_s!r}"/>',
        )

    def bar(self, low: Point, high: Point, *, css: str, note: str = "") -> None:
        """A box between two corners."""
        (left, bottom), (right, top) = self.at(low), self.at(high)
        inside = f"<title>{escape(note)}</title>" if note else ""
        self.marks.append(
            f'<rect class="{css}" x="{px(left)}" y="{px(top)}" width="{px(max(right - left, 0.5))}" '
            f'height="{px(max(bottom - top, 0.0))}">{inside}</rect>'
        )

    def text(
        self,
        point: Point,
        text: str,
        *,
        css: str = "",
        anchor: str = "start",
        dx: float = 0,
        dy: float = 0,
    ) -> None:
        """Words at a data point."""
        x, y = self.at(point)
        self.marks.append(label(x + dx, y + dy, text, css=css, anchor=anchor))

    def svg(self, alternative: str) -> str:
        """The whole drawing."""
        return wrap(
            [*self._frame(), *self.marks],
            width=self.width,
            height=self.height,
            alternative=alternative,
        )

    def _frame(self) -> list[str]:
        floor, parts = self.height - self.bottom, []
        for value, text in self.y.marks(5):
            _, y = self.at((self.x.low, value))
            parts.append(f'<path class="grid" d="M{self.left},{px(y)}H{self.width - self.right}"/>')
            parts.append(label(self.left - 8, y + 4, text, anchor="end"))
        for value, text in self._fitting(self.x):
            x, _ = self.at((value, self.y.low))
            parts.append(f'<path class="axis" d="M{px(x)},{floor}v5"/>')
            parts.append(label(x, floor + 19, text, anchor="middle"))
        parts.append(f'<path class="axis" d="M{self.left},{floor}H{self.width - self.right}"/>')
        parts.append(label(4, self.top - 16, self.y_label, css="name"))
        parts.append(
            label(self.width - self.right, self.height - 6, self.x_label, css="name", anchor="end")
        )
        return parts

    def _fitting(self, scale: Scale) -> tuple[tuple[float, str], ...]:
        """Ticks that leave room between their texts."""
        room = self.width - self.left - self.right
        for count in (8, 6, 5, 4, 3, 2):
            found = scale.marks(count)
            if (
                len(found) * (max((len(text) for _, text in found), default=0) + 2) * _GLYPH_PX
                <= room
            ):
                return found
        return found[:: max(1, len(found) // 2)]


def goes_to(*, state: int | None = None, step: int | None = None) -> str:
    """Attributes of a mark that a click leads from: to a state, or to the film after so many KMC steps."""
    return f' data-state="{state}"' if state is not None else f' data-step="{step}"'


def label(x: float, y: float, text: str, *, css: str = "", anchor: str = "start") -> str:
    """Words, at px."""
    name = f' class="{css}"' if css else ""
    end = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text{name} x="{px(x)}" y="{px(y)}"{end}>{escape(text)}</text>'


def wrap(parts: Iterable[str], *, width: float, height: float, alternative: str) -> str:
    """An SVG that assistive programs read as one picture."""
    return (
        f'<svg role="img" aria-label="{escape(alternative)}" viewBox="0 0 {px(width)} {px(height)}" '
        f'width="{px(width)}" height="{px(height)}">{"".join(parts)}</svg>'
    )


def padded(
    values: Sequence[float], *, least: float, floor: float | None = None
) -> tuple[float, float]:
    """The range of values with a margin of a twentieth, at least so wide; from `floor` where that is given."""
    low, high = min(values), max(values)
    if high - low < least:
        middle = (low + high) / 2
        low, high = middle - least / 2, middle + least / 2
    margin = (high - low) / 20
    return (low - margin if floor is None else floor), high + margin


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """At most about `most` points, with the lowest and the highest of each stretch: what stands out stays."""
    if len(points) <= most:
        return list(points)
    size = math.ceil(len(points) / (most // 2))
    kept: list[Point] = []
    for start in range(0, len(points), size):
        stretch = range(start, min(start + size, len(points)))
        ends = {
            min(stretch, key=lambda index: points[index][1]),
            max(stretch, key=lambda index: points[index][1]),
        }
        kept += [points[index] for index in sorted(ends)]
    if kept[-1] != points[-1]:
        kept.append(points[-1])
    return kept
