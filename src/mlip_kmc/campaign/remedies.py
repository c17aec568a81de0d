"""What to try after a generation that is not accepted: more labels first, then larger bases, from small to large.

remedies(verdict, larger_bases=("larger.yaml",), tried=(), labels_left=12)
# (Remedy(kind=RemedyKind.MORE_LABELS, ...), Remedy(kind=RemedyKind.LARGER_BASIS, basis="larger.yaml", ...))
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from mlip_kmc.campaign.acceptance import Refusal, Verdict


class RemedyKind(StrEnum):
    """What is tried."""

    MORE_LABELS = "more-labels"
    LARGER_BASIS = "larger-basis"


@dataclass(frozen=True)
class Remedy:
    """One thing to try.

    Attributes:
        kind: what.
        why: in words.
        basis: a larger basis; empty for other kinds.
    """

    kind: RemedyKind
    why: str
    basis: str = ""


def remedies(
    verdict: Verdict,
    *,
    larger_bases: Sequence[str],
    tried: Sequence[str] = (),
    labels_left: int,
) -> tuple[Remedy, ...]:
    """What to try, the first first; nothing where the verdict accepts, or nothing is left.

    A basis that cannot hold what the labels say shows in the errors on the test set; more labels do not mend that, but they are
    tried first while gamma still reaches the threshold, as they are the cheaper answer to it. Barriers that the fit knows and
    does not have right are for a larger basis alone.

    Args:
        verdict: on the last candidate.
        larger_bases: of the configuration.
        tried: those of them that were fitted, or are the present one.
        labels_left: how many labels may still be made and are of use.
    """
    if verdict.accepted:
        return ()
    kinds = {reason.refusal for reason in verdict.reasons}
    found = []
    if labels_left > 0 and kinds != {Refusal.BARRIERS}:
        restless = bool(kinds & {Refusal.NOT_CALMER, Refusal.NOT_CALM})
        why = (
            "gamma is high still where the run halted"
            if restless
            else "labels of other structures hold the fit where it became worse"
        )
        found.append(Remedy(RemedyKind.MORE_LABELS, why))
    rest = larger_bases
    for index, basis in enumerate(larger_bases):
        if basis in tried:
            rest = larger_bases[index + 1 :]
    found += [
        Remedy(RemedyKind.LARGER_BASIS, "the present basis cannot be fitted well enough", basis)
        for basis in rest
    ]
    return tuple(found)
