"""The sign of life: how many searches can run, by machine or by configuration."""

import json

import pytest

from mlip_kmc.store.pulse import FILE, Pulse


@pytest.mark.parametrize(
    ("nodes", "workers"), [(None, 4), ({}, 0), ({"n1": 2, "n2": 3}, 5)], ids=["none", "left", "two"]
)
def test_a_beat_says_who_works(tmp_path, nodes, workers):
    with Pulse(tmp_path, workers=4) as pulse:
        pulse.beat("searching", nodes=nodes, busy=1, waiting=2)
        said = json.loads((tmp_path / FILE).read_text())
    assert (said["workers"], said["nodes"]) == (workers, nodes or {})
    assert (said["phase"], said["busy"], said["waiting"]) == ("searching", 1, 2)
    assert not (tmp_path / FILE).exists()
