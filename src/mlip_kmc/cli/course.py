"""How the present state's searches go, as rows of `status --watch`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlip_kmc.ground.wording import counted, duration

if TYPE_CHECKING:
    from mlip_kmc.report.course import Course

_BLOCKS, _LETTERS = "▁▂▃▄▅▆▇█", "_.-=+*%#"
_WIDTH = 40


def course_rows(
    course: "Course", *, running: bool, plain_text: bool = False
) -> list[tuple[str, str]]:
    """Name and text of each row.

    Args:
        course: of the run.
        running: searches are at work.
        plain_text: the terminal shows ASCII alone.
    """
    rows = []
    if course.confidences:
        marks = _LETTERS if plain_text else _BLOCKS
        line = sparkline(course.confidences, top=course.wanted or 1.0, marks=marks)
        shown = min(len(course.confidences), _WIDTH)
        rows.append(("its course", f"{line} over the last {counted(shown, 'search')} here"))
    if course.force_calls:
        total = sum(course.force_calls.values())
        parts = (
            f"{name} {count} ({count / total:.0%})" for name, count in course.force_calls.items()
        )
        rows.append(("force calls", ", ".join(parts)))
    rows.append(("next step", _next_step(course, running=running)))
    return rows


def sparkline(values: Sequence[float], *, top: float, marks: str = _BLOCKS) -> str:
    """The last values as a line of marks, from 0 to `top`; what is no number is a blank."""
    highest = len(marks) - 1
    return "".join(
        marks[round(highest * min(value / top, 1.0))] if value >= 0 else " "
        for value in values[-_WIDTH:]
    )


def _next_step(course: "Course", *, running: bool) -> str:
    if course.searches_left is None:
        return "not known: no search here has found a process of the rate table yet"
    if course.searches_left == 0:
        return "due: the confidence is reached"
    least = f"at least {counted(course.searches_left, 'search')}, if none finds a new process"
    if not running or course.next_step_s is None:
        return f"{least}; nothing searches now"
    return f"in {duration(course.next_step_s)}: {least}"
