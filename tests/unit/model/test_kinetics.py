"""Steps drawn from given rate tables follow the laws they should; no force is computed here."""

import numpy as np
import pytest
from scipy import stats

from mlip_kmc.model.kinetics import draw_step, search_seed, step_generator

DRAWS = 10_000
RATES = [3.0e9, 1.0e9, 5.0e8, 5.0e8, 1.0e6]


@pytest.fixture(scope="module")
def draws():
    """One draw a KMC step, each from the step's own stream, as in a run."""
    return [draw_step(RATES, step_generator(seed=7, step=step)) for step in range(DRAWS)]


def test_residence_times_are_exponential_with_mean_one_over_the_sum_of_rates(draws):
    times = np.array([time for _, time in draws])
    result = stats.kstest(times, "expon", args=(0, 1 / sum(RATES)))
    assert result.pvalue > 0.01
    assert abs(times.mean() * sum(RATES) - 1) < 4 / np.sqrt(DRAWS)


def test_branches_follow_their_rates(draws):
    counts = np.bincount([index for index, _ in draws], minlength=len(RATES))
    expected = DRAWS * np.array(RATES) / sum(RATES)
    merged = slice(3, None)  # the rarest branch alone has too few draws for chi-square
    found = stats.chisquare(
        [*counts[:3], counts[merged].sum()], [*expected[:3], expected[merged].sum()]
    )
    assert found.pvalue > 0.01


def test_branch_and_time_are_independent(draws):
    first = [time for index, time in draws if index == 0]
    others = [time for index, time in draws if index != 0]
    assert stats.ks_2samp(first, others).pvalue > 0.01


def test_consecutive_steps_are_uncorrelated(draws):
    times = np.array([time for _, time in draws])
    assert abs(np.corrcoef(times[:-1], times[1:])[0, 1]) < 4 / np.sqrt(DRAWS)


def test_mean_squared_displacement_of_the_twelve_hop_walk():
    """A vacancy in fcc: 12 equal hops of length d, so <R^2> = n d^2 after n hops, in t = n / (12 rate)."""
    hops = np.array([v for v in np.ndindex(3, 3, 3) if sum((i - 1) ** 2 for i in v) == 2]) - 1.0
    rate, walks, steps = 1e8, 1000, 100
    squares, times = [], []
    for walk in range(walks):
        rng = step_generator(seed=walk, step=0)
        drawn = [draw_step([rate] * 12, rng) for _ in range(steps)]
        squares.append(float((hops[[index for index, _ in drawn]].sum(axis=0) ** 2).sum()))
        times.append(sum(time for _, time in drawn))
    length_squared = 2.0
    assert np.mean(squares) == pytest.approx(
        steps * length_squared, rel=4 * np.sqrt(2 / 3) / np.sqrt(walks)
    )
    diffusion = np.mean(squares) / (6 * np.mean(times))
    assert diffusion == pytest.approx(12 * rate * length_squared / 6, rel=0.12)


def test_a_process_without_rate_is_never_drawn():
    rng = np.random.default_rng(0)
    assert {draw_step([0.0, 1.0, 0.0], rng)[0] for _ in range(1000)} == {1}


def test_streams_are_reproducible_and_distinct():
    seeds = {
        search_seed(seed=1, state=state, index=index) for state in range(50) for index in range(50)
    }
    assert len(seeds) == 2500
    assert search_seed(seed=1, state=3, index=4) == search_seed(seed=1, state=3, index=4)
    assert search_seed(seed=2, state=3, index=4) != search_seed(seed=1, state=3, index=4)
    assert step_generator(seed=1, step=5).random() == step_generator(seed=1, step=5).random()
