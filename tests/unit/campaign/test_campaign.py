"""The campaign's steps: what leads to what, what is durable before the next begins, and where it stops today."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from mlip_kmc.campaign.loop import STATE, Campaign, CampaignState, ExplorationMethod, Step
from mlip_kmc.config import load_config
from mlip_kmc.ground.errors import (
    EXIT_DONE,
    EXIT_HALTED,
    EXIT_MORE_TO_DO,
    PotentialError,
    ReleaseError,
    RunStateError,
)
from mlip_kmc.learning.active_set_maker import make_active_set, write_active_set
from mlip_kmc.learning.frame_selection import read_selection
from mlip_kmc.model.frames import KeptFrame, Kind, Stage, write_kept_frame
from mlip_kmc.model.records import EonResult, Minimised, Status
from mlip_kmc.store.claim import Claim

EXAMPLE = Path(__file__).parents[3] / "examples" / "cu-vacancy"
KNOWN = bulk("Cu", "fcc", a=3.59, cubic=True)


def unknown(seed):
    """Four atoms that the example's potential has not seen anything like."""
    atoms = KNOWN.copy()
    atoms.positions += np.random.default_rng(seed).normal(0, 0.6, atoms.positions.shape)
    return atoms


def frame(atoms, *, step=0, kind=Kind.HALT):
    return KeptFrame(
        atoms=atoms,
        gammas=None,
        search="0_3",
        state=0,
        stage=Stage.SEARCH,
        step=step,
        kind=kind,
        potential="0" * 64,
    )


def result(status, reason="as the test wants it"):
    minimised = Minimised(**dict.fromkeys(Minimised.__dataclass_fields__, 0))
    given = {"status": status, "reason": reason, "minimised": minimised}
    return EonResult(**{name: given.get(name, ()) for name in EonResult.__dataclass_fields__})


class Explorer:
    """Comes back with the results that it is given, one after the other, and leaves frames in the run's `halts`."""

    def __init__(self, *results, frames=()):
        self.results, self.frames, self.calls = list(results), frames, 0

    def __call__(self, run_dir):
        self.calls += 1
        for halt in self.frames:
            write_kept_frame(run_dir / "halts", halt)
        return self.results.pop(0)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "akmc.yaml"
    path.write_text(
        (EXAMPLE / "akmc.yaml")
        .read_text()
        .replace("vacancy.xyz", str(EXAMPLE / "vacancy.xyz"))
        .replace("cu.yace", str(EXAMPLE / "cu.yace"))
    )
    return load_config(path)


@pytest.fixture
def campaign(tmp_path, config):
    def made(explorer, **options):
        return Campaign(
            config,
            directory=tmp_path / "campaign",
            explorers={ExplorationMethod.AKMC: explorer},
            **options,
        )

    return made


def saved(tmp_path):
    return CampaignState.read(tmp_path / "campaign" / STATE)


@pytest.mark.parametrize(
    ("status", "code"), [(Status.DONE, EXIT_DONE), (Status.MORE_TO_DO, EXIT_MORE_TO_DO)]
)
def test_without_a_halt_it_comes_back_as_its_run_did(tmp_path, campaign, status, code):
    explorer = Explorer(result(status), result(Status.DONE))
    ending = campaign(explorer).run()
    assert (ending.exit_code, ending.selection) == (code, None)
    assert ending.result.status is status
    assert ending.line == f"{status}: as the test wants it"
    assert saved(tmp_path) == CampaignState()
    assert campaign(explorer).run().exit_code == EXIT_DONE
    assert explorer.calls == 2


def test_a_halt_leads_to_a_selection_and_the_campaign_says_where_it_stops(
    tmp_path, campaign, caplog
):
    explorer = Explorer(
        result(Status.HALTED), frames=[frame(unknown(4)), frame(KNOWN, step=7, kind=Kind.CANDIDATE)]
    )
    caplog.set_level("INFO", logger="mlip_kmc.campaign")
    ending = campaign(explorer).run()
    assert ending.exit_code == EXIT_HALTED
    assert ending.line.startswith("stops here today: 1 structure waits for labels in ")
    assert ending.line.endswith(
        "selection/selected.xyz; labels, refit and refresh are done by hand"
    )
    assert [record.getMessage() for record in caplog.records] == [
        "round 1: explore",
        "halted: as the test wants it",
        "round 1: select",
        "round 1: label",
    ]
    report = read_selection(tmp_path / "campaign" / "run" / "selection")
    assert report["counts"] == {"selected": 1, "low": 1}
    assert saved(tmp_path) == CampaignState(step=Step.LABEL, potential=report["potential"])


def test_the_same_command_again_says_the_same_and_explores_no_more(tmp_path, campaign):
    explorer = Explorer(result(Status.HALTED), frames=[frame(unknown(4))])
    first = campaign(explorer).run()
    written = {
        path: path.read_bytes() for path in (tmp_path / "campaign").rglob("*") if path.is_file()
    }
    assert campaign(explorer).run().line == first.line
    assert explorer.calls == 1
    assert {
        path: path.read_bytes() for path in (tmp_path / "campaign").rglob("*") if path.is_file()
    } == written


@pytest.mark.parametrize(
    "spoil", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-5])]
)
@pytest.mark.parametrize("name", ["selected.xyz", "selection.json"])
def test_a_torn_selection_is_made_again(tmp_path, campaign, name, spoil):
    explorer = Explorer(result(Status.HALTED), frames=[frame(unknown(4))])
    first = campaign(explorer).run()
    path = tmp_path / "campaign" / "run" / "selection" / name
    whole = path.read_bytes()
    spoil(path)
    assert campaign(explorer).run().line == first.line
    assert path.read_bytes() == whole


def test_other_thresholds_select_anew(tmp_path, campaign):
    frames = [frame(unknown(seed), step=seed) for seed in range(6)]
    explorer = Explorer(result(Status.HALTED), frames=frames)
    counts = []
    for most in (1, 2, None):
        campaign(explorer, most=most).run()
        counts.append(read_selection(tmp_path / "campaign" / "run" / "selection")["selected"])
    assert counts[:2] == [1, 2]
    assert counts[2] >= 2
    assert explorer.calls == 1


def test_a_kill_after_any_durable_write_loses_nothing(tmp_path, campaign, monkeypatch):
    """Cut off before each of its writes in turn, and run again: the same end."""
    import mlip_kmc.campaign.loop
    import mlip_kmc.learning.frame_selection
    from mlip_kmc.ground.files import write_durably

    class Killed(BaseException):
        pass

    def writing(left):
        def write(path, data, **options):
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            write_durably(path, data, **options)

        for module in (mlip_kmc.campaign.loop, mlip_kmc.learning.frame_selection):
            monkeypatch.setattr(module, "write_durably", write)

    explorer = Explorer(*[result(Status.HALTED)] * 9, frames=[frame(unknown(4))])
    kills = 0
    for writes in range(9):  # explored; selected.xyz and selection.json; selected
        writing([writes])
        try:
            ending = campaign(explorer).run()
            break
        except Killed:
            kills += 1
    assert kills == 3  # each life gets further, because what was written stays
    assert ending.line.startswith("stops here today: 1 structure waits")
    assert saved(tmp_path).step is Step.LABEL


def test_nothing_to_label_is_said_with_its_reasons(tmp_path, campaign):
    explorer = Explorer(
        result(Status.HALTED), frames=[frame(KNOWN), frame(unknown(2), step=4, kind=Kind.EVIDENCE)]
    )
    ending = campaign(explorer).run()
    assert ending.exit_code == EXIT_HALTED
    assert "no structure in" in ending.line
    assert "(1 low, 1 evidence)" in ending.line
    assert saved(tmp_path).step is Step.SELECT


def test_a_refitted_potential_is_told_that_refresh_is_not_there_yet(tmp_path):
    """At first with an active set that knows one crystal only, and was completed; then with the true one."""
    for name in ("cu.yace", "cu.yaml"):
        shutil.copy(EXAMPLE / name, tmp_path)
    write_active_set(
        tmp_path / "cu.asi",
        make_active_set(EXAMPLE / "cu.yaml", [bulk("Cu", a=3.6, cubic=True)], complete=True),
    )
    path = tmp_path / "akmc.yaml"
    path.write_text(
        (EXAMPLE / "akmc.yaml").read_text().replace("vacancy.xyz", str(EXAMPLE / "vacancy.xyz"))
    )
    explorer = Explorer(result(Status.HALTED), frames=[frame(KNOWN)])
    explorers = {ExplorationMethod.AKMC: explorer}
    assert (
        "1 structure waits"
        in Campaign(load_config(path), directory=tmp_path / "campaign", explorers=explorers)
        .run()
        .line
    )
    shutil.copy(EXAMPLE / "cu.asi", tmp_path / "cu.asi")
    ending = Campaign(load_config(path), directory=tmp_path / "campaign", explorers=explorers).run()
    assert ending.exit_code == EXIT_HALTED
    assert explorer.calls == 1
    assert "the new potential knows all structures that were halted on" in ending.line
    assert "(refresh) is not possible yet" in ending.line


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        CampaignState().to_json().replace("explore", "refit"),
        '{"format": 1}',
        '{"format": 1, "step": "dance", "round": 0, "method": "akmc", "potential": ""}',
    ],
)
def test_a_damaged_state_is_one_line(tmp_path, campaign, content):
    (tmp_path / "campaign").mkdir()
    (tmp_path / "campaign" / STATE).write_text(content)
    with pytest.raises(RunStateError, match=r"campaign\.json is damaged .* remove it") as caught:
        campaign(Explorer()).run()
    assert "\n" not in str(caught.value)


def test_a_newer_state_is_left_alone(tmp_path):
    (tmp_path / STATE).write_text(json.dumps({"format": 2}))
    with pytest.raises(RunStateError, match="newer version"):
        CampaignState.read(tmp_path / STATE)


def test_one_process_a_campaign(tmp_path, campaign):
    (tmp_path / "campaign").mkdir()
    other = Claim(tmp_path / "campaign")
    other.take()
    try:
        with pytest.raises(RunStateError, match=r"the campaign directory .* is in use by process"):
            campaign(Explorer(result(Status.DONE))).run()
    finally:
        other.release()
    campaign(Explorer(result(Status.DONE))).run()


def test_a_potential_without_gamma_is_refused_before_anything_is_explored(tmp_path):
    (tmp_path / "alone.yace").write_bytes((EXAMPLE / "cu.yace").read_bytes())
    path = tmp_path / "akmc.yaml"
    path.write_text(
        (EXAMPLE / "akmc.yaml")
        .read_text()
        .replace("vacancy.xyz", str(EXAMPLE / "vacancy.xyz"))
        .replace("cu.yace", "alone.yace")
    )
    explorer = Explorer(result(Status.DONE))
    with pytest.raises(PotentialError, match="a campaign needs the potential's gamma"):
        Campaign(
            load_config(path),
            directory=tmp_path / "campaign",
            explorers={ExplorationMethod.AKMC: explorer},
        ).run()
    assert explorer.calls == 0


class Deployer:
    """Writes down what it was asked to release; refuses as often as it is told to."""

    def __init__(self, *, refusals=0):
        self.refusals, self.runs = refusals, []

    def finalize(self, run_dir):
        self.runs.append(run_dir)
        if len(self.runs) <= self.refusals:
            raise ReleaseError("no release: cutoff failed")
        return run_dir / "release" / "release_v1.0.zip"


def test_the_target_reached_the_release_is_the_last_step(tmp_path, campaign):
    explorer, deployer = Explorer(result(Status.DONE)), Deployer()
    ending = campaign(explorer, deployer=deployer).run()
    assert ending.exit_code == EXIT_DONE
    assert "release_v1.0.zip" in ending.line
    assert "ssh-keygen -Y sign" in ending.line
    assert deployer.runs == [tmp_path / "campaign" / "run"]
    assert saved(tmp_path).step is Step.FINALIZE
    again = campaign(
        explorer, deployer=deployer
    ).run()  # the explorer has no second result: it is not asked
    assert (again.line, explorer.calls) == (ending.line, 1)


def test_a_refused_release_is_tried_again_without_exploring(tmp_path, campaign):
    explorer, deployer = Explorer(result(Status.DONE)), Deployer(refusals=1)
    with pytest.raises(ReleaseError, match="cutoff failed"):
        campaign(explorer, deployer=deployer).run()
    assert saved(tmp_path).step is Step.FINALIZE
    assert campaign(explorer, deployer=deployer).run().exit_code == EXIT_DONE
    assert explorer.calls == 1


def test_without_the_settings_of_a_release_it_explores_on(tmp_path, campaign):
    explorer = Explorer(result(Status.DONE), result(Status.MORE_TO_DO))
    campaign(explorer, deployer=Deployer()).run()
    assert campaign(explorer).run().exit_code == EXIT_MORE_TO_DO
    assert explorer.calls == 2


def test_a_paused_exploration_is_not_released(campaign):
    deployer = Deployer()
    assert (
        campaign(Explorer(result(Status.MORE_TO_DO)), deployer=deployer).run().exit_code
        == EXIT_MORE_TO_DO
    )
    assert deployer.runs == []
