"""The disconnectivity graph against trees that are known."""

import math
from dataclasses import replace

import pytest

from mlip_kmc.report.figures.rates import log_rate, rates
from mlip_kmc.report.kinds import Kind
from mlip_kmc.report.landscape import tree
from mlip_kmc.report.numbers import ProcessNumbers

from ..synthetic import State, commit
from .test_compare import PROCESSES, walk
from .test_report import check, page_of


def shape(node):
    return node.state if node.state is not None else (node.level, *map(shape, node.children))


def test_states_join_at_the_best_path():
    """0-1 at 0.8; 2 over 1 at 1.1, though its direct saddle to 0 is at 1.5; 3 stands alone."""
    energies = {0: 0.0, 1: 0.1, 2: 0.3, 3: 0.2}
    saddles = [(0, 1, 0.8), (1, 0, 0.9), (0, 2, 1.5), (1, 2, 1.1), (2, 9, 0.5)]
    assert list(map(shape, tree(energies, saddles))) == [(1.1, (0.8, 0, 1), 2), 3]


def test_equal_saddles_are_one_node():
    energies = dict.fromkeys(range(4), 0.0)
    saddles = [(0, 1, 0.7), (0, 2, 0.7002), (3, 2, 0.6999)]
    (root,) = tree(energies, saddles)
    assert [leaf.state for leaf in root.children] == [0, 1, 2, 3]


@pytest.mark.parametrize("level", [float("nan"), float("inf")])
def test_what_is_no_number_joins_nothing(level):
    assert len(tree({0: 0.0, 1: 0.0}, [(0, 1, level)])) == 2


def test_a_saddle_is_never_below_its_states():
    (root,) = tree({0: 0.0, 1: 0.5}, [(0, 1, 0.4)])
    assert root.level == 0.5


def test_the_page_has_it_where_saddles_join_states(tmp_path):
    states = [State(processes=[(11, 0.8, 1, 0)]), State(energy=-9.9, processes=[(12, 0.7, 0, 0)])]
    text = page_of(commit(tmp_path / "run", states=states), tmp_path)
    check(text)
    assert "Disconnectivity graph of 2 states, joined at energies up to 0.800 eV" in text
    alone = page_of(commit(tmp_path / "alone", states=[State(processes=PROCESSES)]), tmp_path)
    assert "Disconnectivity graph" not in alone


def a_kind(count):
    row = ProcessNumbers(
        0, 1, 1, None, 0.8, 0.8, 1e13, 1.0, 0.5, in_rate_table=True, repeats=0, used=0
    )
    return Kind((row,) * count, symmetric=True)


def bad_kind(prefactor_per_s):
    return Kind((replace(a_kind(1).lead, prefactor_per_s=prefactor_per_s),), symmetric=False)


def test_a_rate_is_that_of_all_processes_of_the_kind():
    """12 x 1e13/s x exp(-0.8 eV/kT) at 500 K, kT = 500/11604.5 eV."""
    wanted = math.log10(12e13) - 0.8 * 11604.5 / 500 / math.log(10)
    assert log_rate(a_kind(12), 500.0) == pytest.approx(wanted)


def test_rates_are_dashed_above_the_temperature_that_was_searched():
    figure = rates([a_kind(12)], state=3, temperature_K=500.0, window_kT=20.0)
    (_, wide), _ = figure.drawings
    assert wide.count('class="line dashed s1"') == wide.count('class="line s1"') == 1
    assert "dashed above 500 K" in wide
    assert figure.legend == (("s1", "12 × 0.800 eV"),)
    assert (
        rates(
            [bad_kind(math.inf), bad_kind(math.nan)], state=3, temperature_K=500.0, window_kT=20.0
        )
        is None
    )
    assert rates([], state=3, temperature_K=500.0, window_kT=20.0) is None
    assert rates([a_kind(1)], state=3, temperature_K=None, window_kT=20.0) is None


def test_a_run_at_two_temperatures_has_an_effective_barrier(tmp_path):
    text = page_of(walk(tmp_path / "run", seed=1, then_K=600.0), tmp_path)
    check(text)
    assert 'id="arrhenius"' in text


def test_one_run_at_one_temperature_has_no_effective_barrier(tmp_path):
    assert 'id="arrhenius"' not in page_of(walk(tmp_path / "run", seed=1, steps=60), tmp_path)
