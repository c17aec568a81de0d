"""What searches evaluated, counted by centres: in the whole cell, or in regions of it.

regions_of(read_lines(run / "journal" / "searches.jsonl", SearchRecord)).said       # in words; empty where there were no regions
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from mlip_kmc.ground.wording import counted, plain
from mlip_kmc.model.records.search import Grown, SearchRecord

_BECAUSE = {
    Grown.BARRIER: "as the barrier moved",
    Grown.LEFT: "as an atom left",
    Grown.OTHER: "as the process was another",
}


@dataclass(frozen=True)
class Regions:
    """Counts over registered searches.

    Attributes:
        searches: that say how many centres they evaluated. centres: evaluations of a centre in their force calls.
        in_regions: searches that ended in a region, not in the whole cell.
        grown: how often a region was too small, by reason.
    """

    searches: int = 0
    centres: int = 0
    in_regions: int = 0
    grown: dict[str, int] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """In words."""
        if not self.in_regions and not self.grown:
            return ""
        told = f"{self.in_regions} of {counted(self.searches, 'search')} in a region, "
        told += f"{plain(self.centres / max(self.searches, 1))} evaluations of a centre each"
        why = [f"{self.grown[key]} {text}" for key, text in _BECAUSE.items() if key in self.grown]
        return told + (f"; regions grew: {', '.join(why)}" if why else "")


def regions_of(searches: Iterable[SearchRecord]) -> Regions:
    """Count them.

    Args:
        searches: registered ones.
    """
    counts = [record for record in searches if record.centres is not None]
    return Regions(
        searches=len(counts),
        centres=sum(record.centres or 0 for record in counts),
        in_regions=sum(record.region_A is not None for record in counts),
        grown=dict(Counter(reason for record in counts for reason in record.grown)),
    )
