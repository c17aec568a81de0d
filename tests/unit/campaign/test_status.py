"""`mlip-kmc status` of a campaign: how it stands, who works in it, and the status of its run."""

import json
import os
import time

import pytest
from click.testing import CliRunner

from mlip_kmc.campaign.generation import ENDING
from mlip_kmc.cli.status import status
from mlip_kmc.store.claim import DEAD_AFTER_S, Claim, working_in

from .invented import Explorer, campaign_in
from .test_report import Judging, frames, with_run


def told(where, *options):
    found = CliRunner().invoke(status, [str(where), *options], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return " ".join(found.output.split())


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """One that reached its target, with a run."""
    folder = tmp_path_factory.mktemp("status")
    explorer = Explorer(folder / "campaign" / "run", frames=frames)
    assert campaign_in(folder, explorer=explorer, fitter=Judging()).run().exit_code == 0
    with_run(folder / "campaign")
    return folder / "campaign"


def test_of_one_that_is_done(done):
    text = told(done)
    assert "condition done: gen-002 reached the target" in text
    assert "(exit code 0)" in text
    assert "labels 3 labels asked for, 3 of use" in text
    assert "generation KMC steps searches labels of use" in text
    assert f"run {done / 'run'}" in text.replace("\n", "")
    assert "confidence" in text
    facts = json.loads(told(done, "--json"))
    assert (facts["campaign"]["best"], facts["campaign"]["step"]) == ("gen-002", "finalize")
    assert facts["working"] is None
    assert facts["run"]["kmc_steps"] == json.loads(told(done / "run", "--json"))["kmc_steps"]


def test_of_one_that_goes_on_and_of_one_that_was_killed(tmp_path):
    campaign_in(tmp_path, text="approve: true").run()
    where = tmp_path / "campaign"
    text = told(where)
    assert "wait for approval" in text
    assert "(exit code 75)" in text
    assert "confidence" not in text, "no run is there yet"
    claim = Claim(where)
    claim.take()
    try:
        assert f"condition running in process {os.getpid()} on " in told(where)
        assert "generation 0, step label" in told(where)
        assert json.loads(told(where, "--json"))["working"]["pid"] == os.getpid()
        assert working_in(where, now_s=time.time() + 2 * DEAD_AFTER_S) is None
    finally:
        claim.release()
    assert working_in(where, now_s=time.time()) is None
    (where / ENDING).unlink()
    assert "stopped at generation 0, step label; `mlip-kmc campaign` continues it" in told(where)
