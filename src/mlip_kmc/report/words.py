"""Numbers as a reader wants them, in the page's own HTML-free text.

Example:
    scientific(3.1e-16)                   # '3.1 × 10⁻¹⁶'
    with_error(3.14e-16, 0.9e-16)         # '(3.1 ± 0.9) × 10⁻¹⁶'
    si_time(3.2e-6)                       # (1e-6, 'µs')
"""

import math

from mlip_kmc.ground.wording import plural

_UP = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_TIMES = ((1e-15, "fs"), (1e-12, "ps"), (1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s"))
MISSING, MINUS = "–", "\u2212"


def power(exponent: int) -> str:
    """Ten to a power."""
    return f"10{str(exponent).translate(_UP)}"


def scientific(value: float | None, *, digits: int = 2) -> str:
    """A number with a power of ten; plain where that is shorter."""
    if value is None:
        return MISSING
    if value == 0 or 1e-2 <= abs(value) < 1e4:
        return f"{value:.{digits + 1}g}".replace("-", MINUS)
    exponent = math.floor(math.log10(abs(value)))
    mantissa = f"{value / 10**exponent:.{digits - 1}f}"
    if mantissa.lstrip("-").startswith("10"):
        mantissa, exponent = f"{value / 10 ** (exponent + 1):.{digits - 1}f}", exponent + 1
    return f"{mantissa} × {power(exponent)}".replace("-", MINUS)


def with_error(value: float, error: float) -> str:
    """A value and its error to two digits of the error, with one power of ten."""
    if value == 0 and error == 0:
        return "0"
    exponent = math.floor(math.log10(max(abs(value), abs(error))))
    scaled = error / 10**exponent
    digits = min(max(0, 1 - math.floor(math.log10(scaled))) if scaled > 0 else 2, 6)
    return f"({value / 10**exponent:.{digits}f} ± {scaled:.{digits}f}) × {power(exponent)}"


def si_time(longest_s: float) -> tuple[float, str]:
    """The unit for times up to this: its size in s, and its name."""
    if longest_s <= 0:
        return _TIMES[-1]
    return next(((size, name) for size, name in reversed(_TIMES) if longest_s >= size), _TIMES[0])


def time(value_s: float | None) -> str:
    """A time with its unit, three digits."""
    if value_s is None:
        return MISSING
    size, name = si_time(value_s)
    return f"{scientific(value_s / size)} {name}"


def kelvin(temperature_K: float | None) -> str:
    """A temperature; nothing where it is unknown."""
    return "" if temperature_K is None else f"{temperature_K:g} K"


def duration(seconds: float) -> str:
    """Processor or wall time: seconds, minutes or hours."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def count(number: int, noun: str) -> str:
    """A number of things."""
    return f"{integer(number)} {plural(number, noun)}"


def steps(number: int) -> str:
    """So many KMC steps."""
    return count(number, "KMC step")


def integer(value: int) -> str:
    """Digits in groups of three, with thin spaces."""
    return f"{value:,}".replace(",", "\u202f")


def share(part: float) -> str:
    """A part of one in percent; a small one is not shown as nothing."""
    return f"{100 * part:.1f} %" if part >= 0.001 or part == 0 else "< 0.1 %"


def fixed(value: float | None, digits: int) -> str:
    """So many decimals, or a dash."""
    return MISSING if value is None else f"{value:.{digits}f}".replace("-", MINUS)
