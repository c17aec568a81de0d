"""What followed without a search, or without the end of one, and what its audits say.

shortcuts = shortcuts_of(read_lines(run / "journal" / "searches.jsonl", SearchRecord))
shortcuts.symmetry, shortcuts.early_stops, shortcuts.reuse       # in words; empty where there was nothing of it
"""

from collections.abc import Iterable
from dataclasses import dataclass

from mlip_kmc.ground.wording import counted
from mlip_kmc.model.records.search import Early, Registered, Reused, SearchRecord, Twin

AUDIT = "audit"
"""The kind of a search that starts at a saddle which was handed over with a class' table."""
SHARED = "shared"
"""The kind of a search that starts at a saddle which another run knows."""
_CARRIED = "carried"
_NOTHING = (Registered.BAD, Registered.HALTED)


@dataclass(frozen=True)
class Shortcuts:
    """Counts over registered searches.

    Attributes:
        images: processes that followed from another by symmetry. images_again: of them, those that were converged again.
        images_left: those that did not hold, and were left to searches. recognised: states whose table was handed over.
        audits: searches from a saddle that was handed over. audits_wrong: of them, those that ended elsewhere.
        early: climbs that ended at a known saddle. early_audits: those that went on to their end. early_wrong: of them, those
            that ended elsewhere.
        beyond: climbs that ended out of the thermal window. beyond_audits: those that went on to their end.
            beyond_wrong: of them, those that ended in it.
        shared: searches from a saddle that another run knows. shared_lost: of them, those that did not find one.
        carried: processes that were carried over a hop. carried_lost: of them, those that were not there any more and matter.
        twins: saddles that were found beside a known one, and converged further. twins_same: of them, those that were it.
        elsewhere: audits far from what a hop changed. elsewhere_wrong: of them, those that found what should have been listed.
    """

    images: int = 0
    images_again: int = 0
    images_left: int = 0
    recognised: int = 0
    audits: int = 0
    audits_wrong: int = 0
    early: int = 0
    early_audits: int = 0
    early_wrong: int = 0
    beyond: int = 0
    beyond_audits: int = 0
    beyond_wrong: int = 0
    twins: int = 0
    twins_same: int = 0
    shared: int = 0
    shared_lost: int = 0
    carried: int = 0
    carried_lost: int = 0
    elsewhere: int = 0
    elsewhere_wrong: int = 0

    @property
    def symmetry(self) -> str:
        """What followed by symmetry, in words."""
        if not (self.images or self.images_left or self.recognised):
            return ""
        orbits = f"{counted(self.images, 'process')} by orbits"
        if self.images_again or self.images_left:
            orbits += (
                f" ({self.images_again} converged again, {self.images_left} more left to searches)"
            )
        told = f"{orbits}, {counted(self.recognised, 'state')} recognised"
        return f"{told}; {_audited(self.audits, self.audits_wrong)}"

    @property
    def sharing(self) -> str:
        """What was looked up because other runs know it, in words."""
        if not self.shared:
            return ""
        return f"{counted(self.shared, 'saddle')} of other runs searched for, {self.shared_lost} of them not there"

    @property
    def reuse(self) -> str:
        """What was carried over hops, in words."""
        if not self.carried and not self.elsewhere:
            return ""
        told = f"{counted(self.carried, 'process')} carried over hops, {self.carried_lost} of them gone"
        if not self.elsewhere:
            return f"{told}; no audit yet"
        audits = f"{counted(self.elsewhere, 'audit')} far from the change"
        if self.elsewhere_wrong:
            told += f"; {self.elsewhere_wrong} of {audits} found a process that was missing"
            return f"{told}: such states are searched whole"
        return f"{told}; {audits}, none found a process that was missing (at most {min(3 / self.elsewhere, 1):.2g} do, 95 %)"

    @property
    def early_stops(self) -> str:
        """What ended early, in words."""
        said = []
        if self.early or self.early_audits:
            wrong = _audited(self.early_audits, self.early_wrong)
            said.append(f"{counted(self.early, 'climb')} ended at a known saddle; {wrong}")
        if self.beyond or self.beyond_audits:
            wrong = _audited(self.beyond_audits, self.beyond_wrong)
            said.append(f"{counted(self.beyond, 'climb')} ended above the thermal window; {wrong}")
        return "; ".join(said)

    @property
    def told_apart(self) -> str:
        """What was converged further to be told from what lies beside it, in words."""
        if not self.twins:
            return ""
        told = f"{counted(self.twins, 'saddle')} beside known ones converged further"
        return f"{told}: {self.twins_same} the same, {self.twins - self.twins_same} others"


def _audited(audits: int, wrong: int) -> str:
    if not audits:
        return "no audit yet"
    if wrong:
        return f"{wrong} of {counted(audits, 'audit')} ended elsewhere; steps made before that rest on what was known then"
    return f"{counted(audits, 'audit')}, none ended elsewhere (at most {min(3 / audits, 1):.2g} do, 95 %)"


def shortcuts_of(searches: Iterable[SearchRecord]) -> Shortcuts:
    """Count them.

    Args:
        searches: registered ones.
    """
    records = list(searches)
    audits = [record for record in records if record.kind == AUDIT]
    reused = [record.reused for record in records if record.reused is not None]
    early = [record.early for record in records if record.early is not None]
    twins = [record.twin for record in records if record.twin is not None]
    return Shortcuts(
        images=sum(len(record.images) for record in records if record.outcome == Registered.NEW),
        images_again=sum(record.images_again for record in records),
        images_left=sum(record.images_left for record in records),
        recognised=sum(record.outcome == Registered.KNOWN for record in records),
        audits=len(audits),
        audits_wrong=sum(record.outcome != Registered.REPEAT for record in audits),
        early=early.count(Early.STOPPED),
        early_audits=early.count(Early.CONFIRMED) + early.count(Early.WRONG),
        early_wrong=early.count(Early.WRONG),
        beyond=early.count(Early.BEYOND),
        beyond_audits=early.count(Early.OUTSIDE) + early.count(Early.INSIDE),
        beyond_wrong=early.count(Early.INSIDE),
        twins=len(twins),
        twins_same=twins.count(Twin.SAME),
        shared=sum(record.kind == SHARED for record in records),
        shared_lost=sum(record.kind == SHARED and record.outcome in _NOTHING for record in records),
        carried=sum(record.kind == _CARRIED for record in records),
        carried_lost=reused.count(Reused.LOST),
        elsewhere=reused.count(Reused.CONFIRMED) + reused.count(Reused.WRONG),
        elsewhere_wrong=reused.count(Reused.WRONG),
    )
