"""Numbers, counts, times and sizes as a person reads them in a terminal: no exponent where plain digits are shorter.

Example:
    plain(220.4, digits=2)                # '220', not '2.2e+02'
    counted(1, "process")                 # '1 process'
    duration(8.1), durations(8.1, 223.0)  # '8.1 s', '8.1 s to 3.7 min'
    size(3.2e12)                          # '3.2 TB'
    shown("2 K")                          # "'2 K'"
"""

import math
from collections.abc import Mapping
from typing import overload

_ES = ("s", "x", "z", "ch", "sh")
_TIMES = (("s", 1.0), ("min", 60.0), ("h", 3600.0), ("d", 86400.0))
_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")
_PLAIN = (1e-3, 1e6)
_LONGEST_SHOWN = 60


def plain(value: float, *, digits: int = 3) -> str:
    """A number with a given count of significant digits; with a power of ten only below 0.001 and from a million on.

    Args:
        value: any number; what is not finite is named as Python names it.
        digits: significant ones; zeros at the end are left out.
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    rounded = float(f"{value:.{digits}g}")
    if _PLAIN[0] <= abs(rounded) < _PLAIN[1]:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
        text = f"{rounded:.{decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, _, exponent = f"{rounded:.{digits - 1}e}".partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}e{int(exponent)}"


@overload
def six_digits(value: float) -> float: ...
@overload
def six_digits(value: float | None) -> float | None: ...
def six_digits(value: float | None) -> float | None:
    """Six significant digits, for files: further ones depend on the processor."""
    return None if value is None else float(f"{value:.6g}")


def plural(count: float, noun: str) -> str:
    """The noun, in the plural unless there is one of it."""
    return noun if count == 1 else noun + ("es" if noun.endswith(_ES) else "s")


def counted(count: int, noun: str) -> str:
    """A number of things."""
    return f"{count} {plural(count, noun)}"


def gone(atoms: int) -> str:
    """What to say of atoms that have left the rest since state 0."""
    have = "has" if atoms == 1 else "have"
    return f"{counted(atoms, 'atom')} {have} left the rest (desorbed, evaporated) since state 0"


def done(count: int, noun: str, *, of: str = "") -> str:
    """A sentence on how many things, perhaps of a larger number, are done."""
    return f"{counted(count, noun)}{of and f' of {of}'} {'is' if count == 1 else 'are'} done"


def duration(seconds: float, *, digits: int = 2) -> str:
    """A time in the largest unit of which it is at least one."""
    name, unit = _unit(seconds, digits)
    return f"{plain(seconds / unit, digits=digits)} {name}"


def durations(low_s: float, high_s: float | None, *, digits: int = 2) -> str:
    """From one time to another; each has its own unit where they differ. None: nothing bounds it from above."""
    low = duration(low_s, digits=digits)
    if high_s is None:
        return f"at least {low}"
    high = duration(high_s, digits=digits)
    if low == high:
        return low
    (first, first_unit), (second, second_unit) = low.split(" "), high.split(" ")
    return f"{first} to {second} {second_unit}" if first_unit == second_unit else f"{low} to {high}"


def _unit(seconds: float, digits: int) -> tuple[str, float]:
    """By what will be shown: 59.97 s to two digits are 1 min."""
    rounded = float(f"{seconds:.{digits}g}")
    return next(((name, unit) for name, unit in reversed(_TIMES) if rounded >= unit), _TIMES[0])


def size(count: float) -> str:
    """Bytes, three digits."""
    rounded = float(f"{count:.3g}")
    power = 0 if rounded < 1 else min(int(math.log10(rounded)) // 3, len(_SIZES) - 1)
    return f"{plain(count / 1000**power)} {_SIZES[power]}"


_OUTCOMES = {
    "new": "new",
    "repeat": "repeated",
    "high": "beyond the thermal window",
    "bad": "bad",
    "halted": "halted",
    "known": "of a known class",
}
"""What a search came to (`records.OUTCOMES`), as adjectives: they have no plural."""


def outcomes(counts: Mapping[str, int]) -> str:
    """Registered searches by outcome: `6: 2 new, 3 repeated, 1 bad`."""
    total = sum(counts.values())
    parts = [f"{counts[kind]} {name}" for kind, name in _OUTCOMES.items() if counts.get(kind)]
    return f"{total}: {', '.join(parts)}" if total else "none yet"


def reasons(counts: Mapping[str, int], *, most: int = 4) -> str:
    """Why bad searches are bad, the most frequent reasons first."""
    ordered = sorted(counts.items(), key=lambda entry: -entry[1])
    rest = sum(count for _, count in ordered[most:])
    listed = [f"{count} x {reason}" for reason, count in ordered[:most]]
    return "; ".join([*listed, *([f"{rest} x other reasons"] if rest else [])])


def shown(value: object) -> str:
    """A value that somebody gave, on one line, shortened."""
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."
