"""What is tried after a generation that is not accepted, and in which order."""

import pytest

from mlip_kmc.campaign.acceptance import Reason, Refusal, Verdict
from mlip_kmc.campaign.remedies import RemedyKind, remedies

BASES = ("a.yaml", "b.yaml", "c.yaml")


def verdict(*refusals):
    return Verdict(
        reasons=tuple(Reason(refusal, "so") for refusal in refusals),
        errors_before=None,
        errors_after=None,
        gamma_before=None,
        gamma_after=None,
        checks=(),
    )


@pytest.mark.parametrize(
    ("refusals", "tried", "labels_left", "wanted"),
    [
        ((), (), 5, []),
        ((Refusal.NOT_CALM,), (), 5, ["more-labels", *BASES]),
        ((Refusal.FORCES,), (), 0, [*BASES]),
        ((Refusal.ENERGIES, Refusal.PHYSICS), ("a.yaml",), 1, ["more-labels", "b.yaml", "c.yaml"]),
        ((Refusal.FORCES,), ("a.yaml", "b.yaml"), 0, ["c.yaml"]),
        ((Refusal.FORCES,), ("c.yaml",), 0, []),  # never back to a smaller one
        ((Refusal.NOT_CALMER,), BASES, 0, []),
    ],
)
def test_labels_first_then_bases_from_small_to_large(refusals, tried, labels_left, wanted):
    found = remedies(verdict(*refusals), larger_bases=BASES, tried=tried, labels_left=labels_left)
    assert [one.basis or str(one.kind) for one in found] == wanted
    assert all(one.why for one in found)
    assert all((one.kind is RemedyKind.LARGER_BASIS) == bool(one.basis) for one in found)
