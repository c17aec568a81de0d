"""SIGKILLs of the whole process tree at random moments, recovery included, each followed by a start: nothing changes.

`just kills` takes 200 of them.
"""

import random
import time

from .lane import EVERY, kill_tree, outcome

KILLS = 200 if EVERY else 16


def test_random_kills_change_nothing(lanes, small, undisturbed, memory):
    chance = random.Random(11)  # noqa: S311
    lane, kills, runs = lanes[0], 0, 0
    while kills < KILLS:
        run, done = memory / f"{runs}", False
        runs += 1
        while not done:
            pid = lane.start(small, run)
            if kills < KILLS:
                # as many between 3 and 30 ms as between 0.3 and 3 s: most of the former come while a start recovers the run
                time.sleep(10 ** chance.uniform(-2.5, 0.3))
                kill_tree(pid)
            ended = lane.wait()
            assert ended.returncode in (0, -9), ended
            assert "warning: " not in ended.stdout
            assert not ended.stderr
            done = ended.returncode == 0
            kills += not done
        assert outcome(run) == undisturbed, f"after kill {kills}, in run {runs}"
    print(f"\n{kills} kills in {runs} runs, 0 violations")
