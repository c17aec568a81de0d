"""Tables that a reader can take out of the page: CSV in a `data:` link, no network, no second file.

Example:
    link = table_link("energy.csv", ("time_s", "energy_eV"), rows)
    link.href, link.note                     # 'data:text/csv;base64,...', 'every 3rd of 9000 rows'
"""

import base64
import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

MOST_ROWS = 3000


@dataclass(frozen=True)
class Link:
    """A download inside the page.

    Attributes:
        name: the file's. href: its content. note: what was left out; empty where nothing was.
    """

    name: str
    href: str
    note: str


def table_link(
    name: str, header: Sequence[str], rows: Iterable[Sequence[Any]], *, most: int = MOST_ROWS
) -> Link:
    """A CSV file; of more than `most` rows it holds every second, third, ... one, and the last."""
    every = list(rows)
    stride = max(1, math.ceil(len(every) / most))
    kept = every[::stride]
    if every and stride > 1 and (len(every) - 1) % stride:
        kept.append(every[-1])
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(kept)
    content = base64.b64encode(stream.getvalue().encode()).decode()
    note = (
        f"one row in {stride} of {len(every)}; all are in the run's results" if stride > 1 else ""
    )
    return Link(name=name, href=f"data:text/csv;charset=utf-8;base64,{content}", note=note)
