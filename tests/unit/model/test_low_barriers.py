"""Barriers below a few kT, or below their own error."""

import math

import pytest

from mlip_kmc.model.low_barriers import FEW_KT, MEANING, Barrier, low_barriers

KT = 0.025


def test_low_ones_are_counted_and_told():
    found = low_barriers([Barrier(0.05), Barrier(0.5), Barrier(0.0749)], kT_eV=KT)
    assert (found.count, found.unsure, found.of, found.lowest_eV) == (2, 0, 3, 0.05)
    assert found.limit_eV == FEW_KT * KT
    assert found.counted == "2 of 3 barriers below 3 kT (0.075 eV), the lowest 0.05 eV"
    assert found.said == f"{found.counted}: {MEANING}"


@pytest.mark.parametrize("barriers", [[], [Barrier(0.5)], [Barrier(0.5, 0.1)]])
def test_nothing_is_said_where_none_is_low(barriers):
    assert low_barriers(barriers, kT_eV=KT).said == ""


def test_a_barrier_below_its_own_error_is_told_at_any_temperature():
    found = low_barriers([Barrier(1e-5, 2e-5), Barrier(0.5, math.nan)], kT_eV=None)
    assert (found.count, found.unsure) == (0, 2)
    assert found.said.startswith("2 of 2 barriers below the own error: ")


def test_what_is_no_number_is_low():
    assert low_barriers([Barrier(math.nan)], kT_eV=KT).count == 1
