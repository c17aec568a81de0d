"""Work ahead of need in an invented run: the same trajectory as without, whatever ends when, and what is lost is counted."""

import json
import random

import pytest

from .invented import World

STEPS = 12


def plain(world):
    """What decides a trajectory of what came of a run."""
    searches = [json.loads(line) for line in world.searches]
    return world.events[:STEPS], [
        (one["state"], one["index"], one["outcome"], one["process"])
        for one in searches
        if one["state"] != world.server.numbers.state
    ]


def run(seed, *, disturbed=0, **how):
    """To a number of steps; searches end in any order, and the process dies now and then."""
    world, chance = World(seed, **how), random.Random(seed)  # noqa: S311
    while world.server.numbers.steps < STEPS:
        world.tick()
        for _ in range(chance.randint(0, 3)):
            world.finish(chance.randrange(100), crash=chance.random() < 0.02)
        if disturbed and chance.random() < 0.02:
            world.kill()
    found = plain(world), world.server.numbers
    world.close()
    return found


@pytest.mark.parametrize("slots", [1, 3, 40])
def test_the_trajectory_is_the_same_with_and_without(slots):
    used = 0
    for seed in range(4):
        without, _ = run(seed, slots=slots)
        found, numbers = run(seed, slots=slots, ahead=0.5)
        assert found == without
        used += numbers.ahead_used
    assert slots < 40 or used > 10


@pytest.mark.parametrize("seed", range(4))
def test_kills_change_nothing(seed):
    assert run(seed, slots=20, ahead=0.5, disturbed=True)[0] == run(seed, slots=2)[0]


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_the_share_of_what_nobody_asks_for_is_bounded(share):
    """Beyond it nothing is begun; what had begun by then may be as many as there are slots."""
    for seed in range(4):
        (_, searches), numbers = run(seed, slots=40, ahead=share)
        assert numbers.ahead_unused <= share * (len(searches) + numbers.ahead_unused) + 40


def test_what_was_begun_is_said_in_words():
    _, numbers = run(1, slots=40, ahead=0.5)
    begun = numbers.ahead_used + numbers.ahead_unused
    assert numbers.ahead.startswith(
        f"{begun} tasks begun ahead of need; {numbers.ahead_unused} were"
    )
    assert run(1)[1].ahead == ""
