"""What a campaign tried, as a table for a terminal.

print(table_of(Path("my-campaign")))
"""

from pathlib import Path

from mlip_kmc.campaign.history import GenerationSummary, history_of
from mlip_kmc.ground.wording import plain

_HEAD = (
    "generation",
    "KMC steps",
    "searches",
    "labels",
    "of use",
    "gamma",
    "meV/atom",
    "meV/A",
    "ended",
)


def table_of(directory: Path) -> str:
    """One line a generation: what exploring with it came to, and what was labelled to repair it.

    Args:
        directory: of the campaign.
    """
    rows = [_HEAD, *(_row(entry) for entry in history_of(directory))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD) - 1)]
    return "\n".join(
        "  ".join([*(cell.rjust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    )


def _row(entry: GenerationSummary) -> tuple[str, ...]:
    steps = entry.kmc_steps
    return (
        str(entry.generation),
        "-" if steps is None else str(steps),
        str(sum(entry.searches.values())) if entry.searches else "-",
        str(entry.labels),
        str(entry.labelled),
        _number(entry.largest_gamma),
        _number(entry.energy_rmse_eV_per_atom, scale=1e3),
        _number(entry.force_rmse_eV_per_A, scale=1e3),
        entry.status or "-",
    )


def _number(value: float | None, *, scale: float = 1.0) -> str:
    return "-" if value is None else plain(value * scale, digits=3)
