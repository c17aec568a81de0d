"""Leaving a superbasin: expectations against exact arithmetic, draws against the laws that they must have."""

import decimal
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from mlip_kmc.model.clock import NoStepError
from mlip_kmc.model.superbasin import samples
from mlip_kmc.model.superbasin import walk as walks
from mlip_kmc.model.superbasin.chain import (
    SUM_TOLERANCE,
    Chain,
    NoWayOutError,
    absorption,
    eliminate,
)
from mlip_kmc.model.superbasin.counts import _binomial, _failures, draw_counts
from mlip_kmc.model.superbasin.effects import Effects, powers, product
from mlip_kmc.model.superbasin.samples import Links, effect_of_walk
from mlip_kmc.model.superbasin.walk import Basin, draw

ORDERS = 40.0


def solved(chain, entry, number):
    """Mean time and probabilities of the ways out by plain Gaussian elimination, subtractions and all, in another arithmetic."""
    size = len(chain.out)
    rows = [
        [number(0)] * size for _ in range(size)
    ]  # transposed generator: the unknowns are mean times spent in each state
    for start, end in zip(*np.nonzero(chain.inside), strict=True):
        if start != end:
            rate = number(float(chain.inside[start, end]))
            rows[end][start] -= rate
            rows[start][start] += rate
    for state in range(size):
        rows[state][state] += number(float(chain.out[state]))
    right = [number(int(state == entry)) for state in range(size)]
    for pivot in range(size):
        for row in range(pivot + 1, size):
            if rows[row][pivot]:
                factor = rows[row][pivot] / rows[pivot][pivot]
                for column in range(pivot, size):
                    if rows[pivot][column]:
                        rows[row][column] -= factor * rows[pivot][column]
                right[row] -= factor * right[pivot]
    spent = [number(0)] * size
    for state in reversed(range(size)):
        rest = sum(
            (
                rows[state][other] * spent[other]
                for other in range(state + 1, size)
                if rows[state][other]
            ),
            number(0),
        )
        spent[state] = (right[state] - rest) / rows[state][state]
    return sum(spent, number(0)), [
        share * number(float(out)) for share, out in zip(spent, chain.out, strict=True)
    ]


def assert_exact(chain, entry, number):
    time, exits = solved(chain, entry, number)
    found = absorption(chain, entry=entry)
    assert abs(number(found.mean_time_s) / time - 1) < number("1e-10")
    for ours, exact in zip(found.exits.tolist(), exits, strict=True):
        if exact > number("1e-290"):
            assert abs(number(ours) / exact - 1) < number("1e-10")
        else:  # below what a double holds
            assert 0 <= ours < 1e-280
    assert abs(found.exits.sum() - 1) <= SUM_TOLERANCE


def rates(rng, *shape):
    return 10 ** rng.uniform(-ORDERS / 2, ORDERS / 2, shape)


def ladder(rng, size, *, chords=0):
    """States in a row, a few links more, some ways out and some processes that lead back to their own state."""
    inside, out = np.zeros((size, size)), np.where(rng.random(size) < 0.15, rates(rng, size), 0.0)
    steps = np.arange(size - 1)
    inside[steps, steps + 1], inside[steps + 1, steps] = rates(rng, size - 1), rates(rng, size - 1)
    for _ in range(chords):
        start, end = rng.integers(size, size=2)
        inside[start, end], inside[end, start] = rates(rng, 2)
    out[rng.integers(size)] = rates(rng)
    return Chain(inside=inside, out=out)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 10, 20, 40])
def test_ladders_against_rational_arithmetic(size):
    rng = np.random.default_rng(size)
    for _ in range(4):
        assert_exact(ladder(rng, size, chords=size // 10), int(rng.integers(size)), Fraction)


@pytest.mark.parametrize("size", [2, 4, 8, 12])
def test_full_chains_against_rational_arithmetic(size):
    rng = np.random.default_rng(100 + size)
    for _ in range(3):
        assert_exact(Chain(inside=rates(rng, size, size), out=rates(rng, size)), 0, Fraction)


@pytest.mark.parametrize(
    ("size", "chords", "digits"), [(100, 0, 800), (200, 0, 800), (200, 12, 800), (60, 3600, 200)]
)
def test_long_ladders_against_hundreds_of_digits(size, chords, digits):
    """More than 200 digits where plain elimination itself loses that many."""
    rng = np.random.default_rng(size + chords)
    with decimal.localcontext(prec=digits, Emin=-99999, Emax=99999):
        assert_exact(ladder(rng, size, chords=chords), size // 2, Decimal)


@pytest.mark.parametrize("ratio", [5e15, 1e16, 1e17, 1e25])
def test_two_states_that_exchange_far_faster_than_they_are_left(ratio):
    """eOn's own solver: 10 % too short at 5e15, 55 % at 1e16, singular at 1e17."""
    pair = Chain(inside=np.array([[0, ratio], [ratio, 0]]), out=np.array([1.0, 1.0]))
    assert absorption(pair, entry=0).mean_time_s == pytest.approx(1.0, rel=1e-12)
    assert absorption(pair, entry=0).exits == pytest.approx([0.5, 0.5], rel=1e-12)


@pytest.mark.parametrize(("states", "step_kT"), [(3, 18.0), (4, 15.0)])
def test_ladders_inside_the_default_window(states, step_kT):
    """Up from the ground by so much a step, down fast, out at the top; eOn's own solver is 38 % off, and by 3000."""
    up, down = 1e13 * np.exp(-step_kT), 1e13 * np.exp(-1.0)
    inside = np.diag(np.full(states - 1, up), 1) + np.diag(np.full(states - 1, down), -1)
    assert_exact(Chain(inside=inside, out=np.array([0.0] * (states - 1) + [up])), 0, Fraction)


def test_a_walk_that_never_leaves_is_named():
    inside = np.array([[0, 1.0, 0, 0], [1.0, 0, 1.0, 0], [0, 0, 0, 1.0], [0, 0, 1.0, 0]])
    with pytest.raises(NoWayOutError) as caught:
        absorption(Chain(inside=inside, out=np.array([1.0, 0, 0, 0])), entry=0)
    assert caught.value.states == (2, 3)
    alone = absorption(Chain(inside=inside[:2, :2], out=np.array([1.0, 0])), entry=0)
    assert alone.exits == pytest.approx([1.0, 0.0])


def test_states_out_of_reach_change_nothing():
    inside = np.array([[0, 2.0, 0], [1.0, 0, 0], [5.0, 0, 0]])
    chain = Chain(inside=inside, out=np.array([0.5, 0.25, 9.0]))
    found, alone = (
        absorption(chain, entry=0),
        absorption(Chain(inside=inside[:2, :2], out=chain.out[:2]), entry=0),
    )
    assert (found.mean_time_s, found.hops) == (alone.mean_time_s, alone.hops)
    assert found.exits.tolist() == [*alone.exits.tolist(), 0.0]
    visits = draw_counts(eliminate(chain, entry=0, kept=1), np.random.default_rng(0)).visits
    assert visits[2] == 0
    assert visits.sum() >= 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_rates_that_make_no_sense_are_refused(bad):
    with pytest.raises(ValueError, match="rates"):
        Chain(inside=np.array([[0.0, bad], [1.0, 0.0]]), out=np.ones(2))
    with pytest.raises(ValueError, match="rates"):
        Chain(inside=np.ones((2, 2)), out=np.array([1.0, bad]))


def test_probabilities_that_do_not_sum_to_one_stop_the_run(monkeypatch):
    from mlip_kmc.model.superbasin import chain as module

    pair = Chain(inside=np.ones((2, 2)), out=np.ones(2))
    for tolerance in (-1.0, np.nan):
        monkeypatch.setattr(module, "SUM_TOLERANCE", tolerance)
        with pytest.raises(ArithmeticError, match="sum to 1"):
            absorption(pair, entry=0)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("steps", [10, 300])
def test_times_beyond_what_a_number_holds_are_refused(steps):
    up = np.full(steps, 1e-40)
    chain = Chain(
        inside=np.diag(up, 1) + np.diag(np.full(steps, 1.0), -1),
        out=np.append(np.zeros(steps), 1e-40),
    )
    with pytest.raises((ArithmeticError, NoStepError), match=r"a mean time of inf s|sum to"):
        absorption(chain, entry=0)


# -- one draw: exit, time, hops


def basin_of(chain, effects=None):
    """One process for each rate."""
    start, end = np.nonzero(chain.inside)
    out = np.flatnonzero(chain.out)
    return Basin(
        states=len(chain.out),
        start=start,
        end=end,
        rate_per_s=chain.inside[start, end],
        effects=Effects.none(count=len(start), atoms=2) if effects is None else effects,
        exit_start=out,
        exit_rate_per_s=chain.out[out],
    )


MIXED = Chain(
    inside=np.array([[0.5, 3.0, 0.2], [2.0, 0.0, 4.0], [0.1, 6.0, 1.0]]),
    out=np.array([0.3, 0.02, 0.1]),
)


@pytest.fixture(scope="module", params=[1e6, 0.0], ids=["explicit", "counts"])
def draws(request):
    basin = basin_of(MIXED)
    return [
        draw(basin, entry=2, rng=np.random.default_rng([7, i]), explicit_hops=request.param)
        for i in range(2500)
    ]


def moments(chain, entry):
    """First two moments of the phase-type law of the time."""
    generator = np.diag(chain.inside.sum(axis=1) + chain.out) - chain.inside
    first = np.linalg.solve(generator, np.ones(len(chain.out)))
    return first[entry], 2 * np.linalg.solve(generator, first)[entry]


def survival(chain, entry):
    from scipy.linalg import expm

    generator = chain.inside - np.diag(chain.inside.sum(axis=1) + chain.out)
    return lambda times: np.array([expm(generator * time)[entry].sum() for time in times])


def test_times_have_their_phase_type_law(draws):
    times = np.array([leave.time_s for leave in draws])
    first, second = moments(MIXED, 2)
    assert draws[0].mean_time_s == pytest.approx(first, rel=1e-12)
    assert times.mean() == pytest.approx(
        first, abs=4 * np.sqrt(second - first**2) / np.sqrt(len(times))
    )
    edges = np.quantile(times, np.linspace(0, 1, 21)[1:-1])
    expected = -np.diff([1.0, *survival(MIXED, 2)(edges), 0.0])
    found = np.histogram(times, bins=[0, *edges, np.inf])[0]
    assert np.abs(np.cumsum(found) / len(times) - np.cumsum(expected)).max() < 1.63 / np.sqrt(
        len(times)
    )


def test_ways_out_have_their_probabilities(draws):
    found = np.bincount([leave.exit for leave in draws], minlength=3)
    assert stats.chisquare(found, absorption(MIXED, entry=2).exits * len(draws)).pvalue > 0.01


def test_the_number_of_hops_has_its_mean(draws):
    hops = np.array([leave.hops for leave in draws])
    assert (hops == np.round(hops)).all()
    assert hops.mean() == pytest.approx(
        absorption(MIXED, entry=2).hops, abs=4 * hops.std() / np.sqrt(len(hops))
    )


def test_counting_and_walking_agree_in_the_joint_law():
    """Exit, hops and time together: of walks hop by hop, and by kinetic path sampling."""

    basin = basin_of(MIXED)

    def sample(explicit_hops):
        return [
            draw(
                basin,
                entry=0,
                rng=np.random.default_rng([3, int(explicit_hops), i]),
                explicit_hops=explicit_hops,
            )
            for i in range(1200)
        ]

    walked, counted = sample(1e6), sample(0.0)
    for way in range(3):
        pair = [[leave for leave in some if leave.exit == way] for some in (walked, counted)]
        assert stats.ks_2samp(*([leave.hops for leave in some] for some in pair)).pvalue > 1e-3
        assert (
            stats.ks_2samp(*([leave.time_s / leave.hops for leave in some] for some in pair)).pvalue
            > 1e-3
        )


@pytest.mark.parametrize("explicit_hops", [1e6, 0.0])
def test_the_spread_of_a_pair_that_is_left_from_its_other_state(explicit_hops):
    """A <-> B with the exit at B, all rates equal, entered at A: sqrt(7)/3 = 0.882 of the mean, not the exponential's 1."""
    pair = basin_of(Chain(inside=np.array([[0.0, 1.0], [1.0, 0.0]]), out=np.array([0.0, 1.0])))
    times = np.array(
        [
            draw(
                pair, entry=0, rng=np.random.default_rng([1, i]), explicit_hops=explicit_hops
            ).time_s
            for i in range(2500)
        ]
    )
    assert times.mean() == pytest.approx(3.0, rel=0.07)
    assert times.std() / times.mean() == pytest.approx(np.sqrt(7) / 3, abs=0.06)


def test_the_same_stream_draws_the_same():
    one, other = (draw(basin_of(MIXED), entry=1, rng=np.random.default_rng(5)) for _ in range(2))
    assert (one.exit, one.time_s, one.hops) == (other.exit, other.time_s, other.hops)


@pytest.mark.parametrize("ratio", [1e8, 1e17, 1e25])
def test_more_hops_than_can_be_walked(ratio):
    """The time is exponential to within 1/ratio, and its mean is exact, whatever the number of hops."""
    pair = basin_of(Chain(inside=np.array([[0, ratio], [ratio, 0]]), out=np.array([1.0, 3.0])))
    leaves = [draw(pair, entry=0, rng=np.random.default_rng([9, i])) for i in range(400)]
    assert stats.kstest([leave.time_s for leave in leaves], "expon", args=(0, 0.5)).pvalue > 0.01
    assert np.mean([leave.exit for leave in leaves]) == pytest.approx(0.75, abs=0.08)
    assert np.mean([leave.hops for leave in leaves]) == pytest.approx(ratio / 2, rel=0.2)


def test_rare_and_numerous_kinds_are_counted_right():
    rng = np.random.default_rng(2)
    many = np.full(20000, 1e30)
    for yes, no, mean, spread in (
        (1e-30, 1.0, 1.0, 1.0),
        (1.0, 1e-30, 1e30, None),
        (1.0, 3.0, 2.5e29, np.sqrt(3e30) / 4),
        (1e-18, 1.0, 1e12, 1e6),
    ):
        found = _binomial(many, yes, no, rng)
        assert found.mean() == pytest.approx(mean, rel=0.04)
        if spread is not None and spread > 1e-16 * mean:
            assert found.std() == pytest.approx(spread, rel=0.05)
    rare = _binomial(many, 1.0, 1e-30, rng)
    assert (rare <= many).all()
    small = _binomial(np.full(20000, 40.0), 1.0, 3.0, rng)
    assert (small.mean(), small.var()) == (
        pytest.approx(10.0, rel=0.02),
        pytest.approx(7.5, rel=0.05),
    )
    failures = _failures(np.full(20000, 3.0), 0.75, 0.25, rng)
    assert (failures.mean(), failures.var()) == (
        pytest.approx(9.0, rel=0.03),
        pytest.approx(36.0, rel=0.06),
    )


# -- what becomes of the atoms


def random_effects(rng, count, atoms):
    return Effects(
        mapping=np.array([rng.permutation(atoms) for _ in range(count)]),
        images=rng.integers(-2, 3, (count, atoms, 3)),
    )


def test_effects_are_a_group():
    rng = np.random.default_rng(1)
    one, two, three = (random_effects(rng, 50, 6) for _ in range(3))
    left, right = one.then(two).then(three), one.then(two.then(three))
    assert np.array_equal(left.mapping, right.mapping)
    assert np.array_equal(left.images, right.images)
    assert not one.then(one.back()).changing.any()
    assert not one.back().then(one).changing.any()
    assert one.changing.all()


def test_a_long_product_is_that_of_its_members(monkeypatch):
    from mlip_kmc.model.superbasin import effects as module

    monkeypatch.setattr(module, "_CHUNK", 400)  # several chunks, of odd lengths
    rng = np.random.default_rng(2)
    members, sequence = random_effects(rng, 4, 5), rng.integers(4, size=333)
    whole = Effects.none(count=1, atoms=5)
    for which in sequence:
        whole = whole.then(members[which : which + 1])
    found = product(members, sequence)
    assert np.array_equal(found.mapping, whole.mapping)
    assert np.array_equal(found.images, whole.images)
    assert not product(members, np.array([], dtype=np.int64)).changing.any()


def test_atoms_that_nothing_changes_are_left_out_and_put_back():
    effects = Effects.none(count=2, atoms=7)
    effects.mapping[0, [2, 5]] = [5, 2]
    effects.images[1, 3, 1] = 4
    assert effects.atoms.tolist() == [2, 3, 5]
    again = effects.of(effects.atoms).among(effects.atoms, count=7)
    assert np.array_equal(again.mapping, effects.mapping)
    assert np.array_equal(again.images, effects.images)


def test_powers_have_the_mean_square_and_the_spread_that_is_stated():
    """Steps of one cell along x, to and fro: after n, a mean square of n and, over sets, a kurtosis of 3 + 6 b / K."""
    bits, count, sets = 20, 512, 300
    squares, fourths = [], []
    for number in range(sets):
        rng = np.random.default_rng([4, number])
        steps = Effects.none(count=count, atoms=1)
        steps.images[:, 0, 0] = rng.choice([-1, 1], size=count)
        x = powers(steps, np.full(count, 2.0**bits), rng).images[:, 0, 0] / 2 ** (bits / 2)
        squares.append(np.mean(x**2.0))
        fourths.append(np.mean(x**4.0))
    assert np.mean(squares) == pytest.approx(1.0, abs=4 * np.std(squares) / np.sqrt(sets))
    assert np.std(squares) < 1.3 * np.sqrt(2 * (bits + 1) / count)
    assert np.mean(fourths) == pytest.approx(3 + 6 * bits / count, abs=0.36)


def triangle(*, way_out):
    """A vacancy on three sites: a turn around them permutes two atoms, and one of its hops also crosses the cell."""
    start, end = np.array([0, 1, 1, 2, 2, 0]), np.array([1, 0, 2, 1, 0, 2])
    effects = Effects.none(count=6, atoms=4)
    effects.mapping[4, [0, 1]], effects.images[4, 0, 0] = [1, 0], 1  # 2 -> 0, seen from state 0
    effects.mapping[5, [0, 1]], effects.images[5, 1, 0] = [1, 0], -1  # its reverse
    rate = np.array([1.0, 2.0, 1.0, 1.0, 2.0, 1.0])
    return Basin(
        states=3,
        start=start,
        end=end,
        rate_per_s=rate,
        effects=effects,
        exit_start=np.array([1]),
        exit_rate_per_s=np.array([way_out]),
    )


def square(effect):
    return float((effect.images[0].astype(float) ** 2).sum())


def test_the_triangles_effects_undo_each_other():
    hops = triangle(way_out=1.0).effects
    assert not hops[4:5].then(hops[5:6]).changing.any()


@pytest.fixture
def few_samples(monkeypatch):
    """Mean squares are right for any number of samples."""
    monkeypatch.setattr(samples, "SAMPLES", 128)


def test_samples_and_walks_agree_in_what_becomes_of_the_atoms(few_samples):
    """Where both can be had: mean squares of images, and how often atoms have changed places."""
    basin = triangle(way_out=0.01)
    walked = [draw(basin, entry=0, rng=np.random.default_rng([5, i])) for i in range(700)]
    sampled = [
        draw(basin, entry=0, rng=np.random.default_rng([6, i]), explicit_hops=0.0)
        for i in range(500)
    ]
    assert all(leave.effect.mapping[0, 3] == 3 for leave in (*walked, *sampled))
    for of in (square, lambda effect: float(effect.mapping[0, 0] == 1)):
        one, other = ([of(leave.effect) for leave in some] for some in (walked, sampled))
        error = np.hypot(np.std(one) / np.sqrt(len(one)), np.std(other) / np.sqrt(len(other)))
        assert abs(np.mean(one) - np.mean(other)) < 3.5 * error


def test_images_accumulate_by_the_number_of_hops(few_samples):
    """1e10 hops: the mean square grows in proportion, and atoms have changed places in half the walks."""
    few, many = triangle(way_out=0.01), triangle(way_out=1e-10)
    squares = [
        np.mean(
            [
                square(draw(basin, entry=0, rng=np.random.default_rng([8, i])).effect)
                for i in range(count)
            ]
        )
        for basin, count in ((few, 700), (many, 150))
    ]
    hops = [absorption(basin.chain, entry=0).hops for basin in (few, many)]
    assert squares[1] / squares[0] == pytest.approx(hops[1] / hops[0], rel=0.45)


def test_without_a_loop_that_changes_atoms_no_number_of_hops_changes_them():
    pair = basin_of(Chain(inside=np.array([[0, 1e15], [1e15, 0]]), out=np.array([1.0, 3.0])))
    leave = draw(pair, entry=0, rng=np.random.default_rng(0))
    assert leave.hops > 1e9
    assert not leave.effect.changing.any()


def test_more_loops_than_images_can_be_counted_for_are_refused():
    with pytest.raises(ArithmeticError, match="more than images can be counted for"):
        draw(triangle(way_out=1e-35), entry=0, rng=np.random.default_rng(0))


def test_a_walk_of_a_million_hops_is_made_hop_by_hop(monkeypatch):
    monkeypatch.setattr(walks, "_by_counts", lambda *_: pytest.fail("not hop by hop"))
    leave = draw(triangle(way_out=1.2e-5), entry=0, rng=np.random.default_rng(11))
    assert leave.hops > 1e4


def test_a_walk_that_never_comes_to_the_kept_state_has_its_effect_too():
    basin = triangle(way_out=5.0)
    found = eliminate(basin.chain, entry=1, kept=2)
    rng = np.random.default_rng(3)
    links = Links(
        start=basin.start, end=basin.end, rate_per_s=basin.rate_per_s, effects=basin.effects
    )
    seen = [draw_counts(found, rng) for _ in range(50)]
    assert {walk.first for walk in seen} == {True, False}
    assert all(len(effect_of_walk(walk, links, found=found, rng=rng)) == 1 for walk in seen)
