"""How the benches print what they measured."""

import statistics


def spread(values, form):
    """Median and extremes."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def row(texts, widths):
    """One line, columns to the right."""
    return "".join(f"{text:>{width}}" for text, width in zip(texts, widths, strict=True))
