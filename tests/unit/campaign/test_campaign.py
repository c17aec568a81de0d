"""The campaign's steps: what leads to what, what is durable before the next begins, how it ends; kills anywhere in between."""

import json
import os
import shutil
import signal

import numpy as np
import pytest
from click.testing import CliRunner

from mlip_kmc.campaign.exploring import AkmcExplorer
from mlip_kmc.campaign.generation import APPROVED, ENDING, Generation
from mlip_kmc.campaign.history import history_of
from mlip_kmc.campaign.parts import Wanted
from mlip_kmc.campaign.state import FILE, CampaignState, Step, Wait
from mlip_kmc.cli.campaign_table import table_of
from mlip_kmc.cli.main import cli
from mlip_kmc.ground import files
from mlip_kmc.ground.errors import (
    EXIT_DONE,
    EXIT_HALTED,
    EXIT_MORE_TO_DO,
    ConfigError,
    PotentialError,
    RunInUseError,
    RunStateError,
    UnknownStartError,
)
from mlip_kmc.model.frames import Kind, write_kept_frame
from mlip_kmc.model.labelled import LabelledStructure
from mlip_kmc.model.records import Status
from mlip_kmc.store.claim import Claim

from .invented import (
    KNOWN,
    Disagreeing,
    Explorer,
    Fitter,
    Labeller,
    campaign_in,
    found_processes,
    frame,
    unknown,
)

_WITHOUT = {FILE, "lock"}
"""They hold times, or nothing."""


def saved(folder):
    return CampaignState.read(folder / "campaign" / FILE)


def tree_of(folder):
    """Every file of a campaign by name, with its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted((folder / "campaign").rglob("*"))
        if path.is_file() and path.name not in _WITHOUT and "claim" not in path.name
    }


def test_two_halts_lead_to_two_better_potentials_and_the_target(tmp_path):
    explorer, fitter = Explorer(tmp_path / "campaign" / "run"), Fitter()
    ending = campaign_in(tmp_path, explorer=explorer, fitter=fitter).run()
    assert ending.exit_code == EXIT_DONE
    assert "done: gen-002 reached the target (as the test wants it), " in ending.line
    assert explorer.explored == [0, 1, 2]
    assert explorer.refreshed == ["gen-001", "gen-002"]
    assert [name for name, *_ in fitter.asked] == ["cu-gen-001", "cu-gen-002"]
    assert [entry.labels for entry in history_of(tmp_path / "campaign")] == [
        asked[2] for asked in fitter.asked
    ] + [0]
    outcome = json.loads((tmp_path / "campaign" / "outcome.json").read_text())
    assert outcome["best"] == "gen-002"
    assert (tmp_path / "campaign" / outcome["potential"]).is_file()
    assert table_of(tmp_path / "campaign").splitlines()[-1].split()[:2] == ["2", "20"]


def test_the_target_may_be_steps_in_a_row_under_one_potential(tmp_path):
    explorer = Explorer(tmp_path / "campaign" / "run")
    assert campaign_in(tmp_path, text="calm_steps: 20", explorer=explorer).run().exit_code == 0
    # the invented run was at step 0, 1 and 20 when each generation ended
    assert explorer.wanted_steps == [20, 20, 21]


def test_a_start_that_is_not_known_is_a_halt(tmp_path):
    """Minimising explodes, say: the run never begins under the first potential, and cannot be carried over to the second."""
    where = tmp_path / "campaign" / "run"

    class Unknown(Explorer):
        def _explored(self, config):
            found = super()._explored(config)
            if self.explored == [0]:
                raise UnknownStartError("gamma 4711 in the given structure")
            return found

        def refresh(self, config):
            if not self.refreshed:
                super().refresh(config)
                write_kept_frame(where / "halts", frame(unknown(77), step=3, search="start"))
                raise UnknownStartError("gamma 42 in the given structure")
            return super().refresh(config)

    explorer = Unknown(where)
    assert campaign_in(tmp_path, explorer=explorer).run().exit_code == EXIT_DONE
    assert explorer.explored == [0, 2]
    assert explorer.refreshed == ["gen-001", "gen-002"]
    first, *_ = history_of(tmp_path / "campaign")
    assert (first.status, first.kmc_steps, first.searches) == ("halted", 0, {})
    assert "gamma 4711" in first.reason


def test_a_run_that_has_not_begun_needs_no_refresh(tmp_path):
    assert "has not begun" in AkmcExplorer(run_dir=tmp_path / "run").refresh(None)


def test_a_pause_of_its_run_is_its_own(tmp_path):
    explorer = Explorer(tmp_path / "campaign" / "run", halts=0, last=Status.MORE_TO_DO)
    ending = campaign_in(tmp_path, explorer=explorer).run()
    assert (ending.exit_code, ending.line) == (
        EXIT_MORE_TO_DO,
        "more to do: as the test wants it",
    )
    assert saved(tmp_path).step is Step.EXPLORE


def test_labels_that_take_days_end_the_process_and_are_collected_later(tmp_path):
    late = Labeller(late=1)
    ending = campaign_in(tmp_path, labeller=late).run()
    assert ending.exit_code == EXIT_MORE_TO_DO
    assert "to come, in" in ending.line
    assert saved(tmp_path).step is Step.LABEL
    assert campaign_in(tmp_path, labeller=late).run().exit_code == EXIT_DONE


def test_labels_wait_for_approval_each_time(tmp_path):
    text = "approve: true\nlabels: {cost_per_label: 3 core hours}"
    ending = campaign_in(tmp_path, text=text).run()
    assert ending.exit_code == EXIT_MORE_TO_DO
    assert "(3 core hours each) for gen-000 wait for approval" in ending.line
    ending = campaign_in(tmp_path, text=text, approved=True).run()
    assert "for gen-001 wait for approval" in ending.line
    assert campaign_in(tmp_path, text=text, approved=True).run().exit_code == EXIT_DONE


def test_each_step_alone_leads_to_the_same_files(tmp_path):
    """`--until`: one step after the other, as in one go."""
    (tmp_path / "whole").mkdir()
    assert campaign_in(tmp_path / "whole").run().exit_code == EXIT_DONE
    (tmp_path / "steps").mkdir()
    explorer = Explorer(tmp_path / "steps" / "campaign" / "run")
    seen = []
    for _ in range(2):
        for step in ("explore", "select", "label", "refit", "refresh"):
            ending = campaign_in(tmp_path / "steps", explorer=explorer, until=Step(step)).run()
            assert ending.exit_code == EXIT_MORE_TO_DO
            assert f"stopped after the step {step}; next is" in ending.line
            seen.append((saved(tmp_path / "steps").step, saved(tmp_path / "steps").generation))
    one = [Step.SELECT, Step.LABEL, Step.REFIT, Step.REFRESH, Step.EXPLORE]
    assert seen == [
        *zip(one, (0, 0, 0, 1, 1), strict=True),
        *zip(one, (1, 1, 1, 2, 2), strict=True),
    ]
    last = campaign_in(tmp_path / "steps", explorer=explorer, until=Step.SELECT).run()
    assert last.exit_code == EXIT_DONE
    trees = [tree_of(tmp_path / name) for name in ("steps", "whole")]
    for tree in trees:
        del tree[f"campaign/{ENDING}"]  # it names its own folder
    assert trees[0] == trees[1]


def test_an_approval_lasts_until_its_labels_have_come_and_no_longer(tmp_path):
    text, late = "approve: true\nlabels: {where: slurm}", Labeller(late=2)
    assert campaign_in(tmp_path, text=text, labeller=late).run().waits is Wait.APPROVAL
    ending = campaign_in(tmp_path, text=text, labeller=late, approved=True).run()
    assert ending.waits is Wait.LABELS
    assert campaign_in(tmp_path, text=text, labeller=late).run().waits is Wait.LABELS
    ending = campaign_in(tmp_path, text=text, labeller=late).run()
    assert (ending.waits, saved(tmp_path).generation) == (Wait.APPROVAL, 1)


def test_what_nobody_has_looked_at_is_not_approved(tmp_path, caplog):
    """A command with --approve that is repeated, or comes first: only what waited when it began is approved."""
    text = "approve: true"
    ending = campaign_in(tmp_path, text=text, approved=True).run()
    assert (ending.waits, saved(tmp_path).generation) == (Wait.APPROVAL, 0)
    assert "no labels wait for approval: --approve changes nothing" in caplog.text
    # killed when the approval was noted, and repeated: the labels after these wait
    (tmp_path / "campaign/gen-000/labels" / APPROVED).write_text("{}")
    ending = campaign_in(tmp_path, text=text, approved=True).run()
    assert (ending.waits, saved(tmp_path).generation) == (Wait.APPROVAL, 1)


def test_labels_of_another_oracle_are_not_fitted_with_these(tmp_path):
    """Before anything is spent, or approved: what was labelled in another generation stays as it is."""
    text = "approve: true"
    campaign_in(tmp_path, text=text).run()
    campaign_in(
        tmp_path, text=text, approved=True
    ).run()  # labels of gen-000; those of gen-001 wait

    class Other(Labeller):
        def other_oracle(self, folder):
            assert folder.name == "labels"
            assert folder.parent.name == "gen-000"
            return ("kwargs.xc", "zero_eV")

    with pytest.raises(
        ConfigError, match=r"gen-000/labels \(kwargs.xc, zero_eV differ\): .* never mixed"
    ):
        campaign_in(tmp_path, text=text, labeller=Other(), approved=True).run()
    assert saved(tmp_path).step is Step.LABEL
    assert not (tmp_path / "campaign/gen-001/labels" / APPROVED).exists()
    ending = campaign_in(tmp_path, text=text, approved=True).run()
    assert ending.exit_code == EXIT_DONE


@pytest.mark.parametrize(
    ("text", "options", "waits"),
    [
        ("labels: {where: slurm}", {"labeller": Labeller(late=1)}, Wait.LABELS),
        ("", {"labeller": Labeller(late=1)}, Wait.NOTHING),  # a stop ended those that run here
        ("approve: true", {}, Wait.APPROVAL),
        ("", {"until": Step.SELECT}, Wait.NOTHING),
    ],
)
def test_what_it_waits_for_is_told_to_a_job(tmp_path, text, options, waits):
    """`mlip-kmc status --work`: work done, what it waits for, jobs with the scheduler."""
    ending = campaign_in(tmp_path, text=text, **options).run()
    assert (ending.exit_code, ending.waits) == (EXIT_MORE_TO_DO, waits)
    where = tmp_path / "campaign"
    assert CampaignState.read(where / FILE).waits is waits

    def told():
        return CliRunner().invoke(cli, ["status", str(where), "--work"]).output.split()

    work, said = told()
    assert said == waits
    for name, job in (("0_1", {"progress": "with the scheduler", "job": "4711"}),
                      ("0_2", {"progress": "done", "job": ""}),
                      ("0_3", {"progress": "with the scheduler", "job": "1; rm"})):  # fmt: skip
        folder = where / f"gen-000/labels/{name}"
        folder.mkdir(parents=True)
        (folder / "state.json").write_text(json.dumps(job))
    assert told() == [str(int(work) + 4), said, "4711"]
    for name in ("0_1", "0_2", "0_3"):
        shutil.rmtree(where / f"gen-000/labels/{name}")
    if waits is not Wait.APPROVAL:
        campaign_in(tmp_path, text=text).run()
        assert CampaignState.read(where / FILE).waits is Wait.NOTHING


def test_the_least_known_atom_is_cut_out_first():
    gammas = np.array([2.0, 40.0, np.nan, 7.0])
    atoms = KNOWN.copy()
    assert Wanted.of("a", atoms, gammas, threshold=3.0).offending == (2, 1, 3)
    assert Wanted.of("a", atoms, np.array([1.0, 1.5, 0.2, 1.0]), threshold=3.0).offending == (1,)


@pytest.mark.parametrize(
    ("text", "options", "said", "lacks"),
    [
        ("budget: {generations: 1}", {}, "1 generation did not suffice", "budget.generations"),
        ("budget: {labels: 1}", {}, "all 1 label are spent", "budget.labels"),
        ("", {"fitter": Fitter(refuse=["it is worse"])}, "refused: it is worse", "larger_bases"),
        ("", {"labeller": Labeller(bad=["0_0-1", "0_0-2"])}, "not one of", "an oracle"),
        ("budget: {wall_time_h: 1.0e-9}", {}, "hours are over", "budget.wall_time_h"),
    ],
)
def test_it_ends_without_convergence_in_one_line(tmp_path, text, options, said, lacks):
    ending = campaign_in(tmp_path, text=text, **options).run()
    assert ending.exit_code == EXIT_HALTED
    assert ending.line.startswith(f"the campaign in {tmp_path / 'campaign'} does not converge: ")
    assert said in ending.line
    assert lacks in ending.line.partition("the same command goes on with ")[2]
    assert "\n" not in ending.line


def test_generations_that_get_nowhere_end_it(tmp_path):
    where = tmp_path / "campaign" / "run"

    class Stuck(Explorer):
        def explore(self, config):
            from dataclasses import replace

            return replace(super().explore(config), kmc_steps=3, searches={"new": 7})

    ending = campaign_in(tmp_path, explorer=Stuck(where, halts=9)).run()
    assert "3 generations in a row did not get beyond" in ending.line
    assert len(history_of(tmp_path / "campaign")) == 4


def test_evidence_and_what_is_known_is_not_labelled(tmp_path):
    frames = [frame(unknown(4), kind=Kind.EVIDENCE), frame(KNOWN, step=7, kind=Kind.CANDIDATE)]
    explorer = Explorer(tmp_path / "campaign" / "run", frames=lambda _: frames)
    ending = campaign_in(tmp_path, explorer=explorer).run()
    assert ending.exit_code == EXIT_HALTED
    assert "can be labelled with profit (1 low, 1 evidence)" in ending.line


def test_a_frame_without_a_label_is_not_asked_for_again(tmp_path):
    def frames(number):
        return [
            frame(unknown(seed + number), step=seed, search=f"{number}_0") for seed in (1, 5, 9)
        ]

    explorer, fitter = Explorer(tmp_path / "campaign" / "run", frames=frames), Fitter()
    labeller = Labeller(bad=["0_0-1", "0_0-5"])
    campaign_in(tmp_path, labeller=labeller, fitter=fitter, explorer=explorer).run()
    first, second = (
        json.loads((tmp_path / f"campaign/gen-00{number}/selection/selection.json").read_text())
        for number in (0, 1)
    )
    bad = {entry["name"] for entry in first["frames"] if entry["order"]} & labeller.bad
    assert bad
    assert not bad & {entry["name"] for entry in second["frames"]}
    _, labels, halted, _ = fitter.asked[0]
    assert labels == halted == first["selected"] - len(bad)


def test_a_refused_refit_leads_to_more_labels_then_to_a_larger_basis(tmp_path):
    fitter = Fitter(refuse=["not calm"], more_labels=True)
    assert (
        campaign_in(tmp_path, text="budget: {labels_at_once: 1}", fitter=fitter).run().exit_code
        == 0
    )
    assert (tmp_path / "campaign/gen-000/labels-1/labels.xyz").is_file()
    verdict = json.loads((tmp_path / "campaign/gen-000/candidates/0/verdict.json").read_text())
    assert verdict["reasons"] == ["not calm"]
    other = tmp_path / "other"
    other.mkdir()
    fitter = Fitter(refuse=["too small"], ladder=2)
    assert campaign_in(other, fitter=fitter).run().exit_code == 0
    assert [larger for *_, larger in fitter.asked] == [0, 1, 0]


def test_one_process_at_a_time(tmp_path):
    campaign = campaign_in(tmp_path)
    (tmp_path / "campaign").mkdir()
    other = Claim(tmp_path / "campaign")
    other.take()
    try:
        with pytest.raises(RunInUseError, match="is in use by process"):
            campaign.run()
    finally:
        other.release()
    assert campaign.run().exit_code == EXIT_DONE


@pytest.mark.parametrize("text", ["{", '{"format": 2}', '{"format": 1, "step": "label"}', "[]"])
def test_a_damaged_state_is_refused(tmp_path, text):
    (tmp_path / "campaign").mkdir()
    (tmp_path / "campaign" / FILE).write_text(text)
    with pytest.raises(RunStateError):
        campaign_in(tmp_path).run()


def test_without_gamma_there_is_no_campaign(tmp_path, monkeypatch):
    from mlip_kmc.campaign import potentials

    monkeypatch.setattr(potentials, "ace_of", lambda _: None)
    with pytest.raises(PotentialError, match="needs the potential's gamma"):
        campaign_in(tmp_path).run()


@pytest.mark.parametrize("what", ["potential", "training"])
def test_what_generations_are_measured_against_stays(tmp_path, monkeypatch, what):
    """Another potential in the run's configuration is another campaign's generation 0, and so is another training set."""
    campaign_in(tmp_path, until=Step.EXPLORE).run()
    fitter = Fitter()
    if what == "training":
        one = LabelledStructure.whole(
            "a", KNOWN, energy_eV=-1.0, forces_eV_per_A=np.zeros((len(KNOWN), 3))
        )
        monkeypatch.setattr(fitter, "training", lambda: (one,))
    else:
        path = tmp_path / "campaign/gen-000/generation.json"
        facts = json.loads(path.read_text())
        facts["digests"]["yace"] = "0" * 64
        path.write_text(json.dumps(facts))
    named = {"potential": r"the potential \(.*cu.yace\)", "training": "training.data"}[what]
    with pytest.raises(ConfigError, match=rf"^{named}: not what the campaign in .* began with"):
        campaign_in(tmp_path, fitter=fitter).run()
    assert saved(tmp_path).step is Step.SELECT


# -- kills


def campaign_of(folder):
    """A halt, the target with barriers that the oracle does not confirm, and the target with such that it does."""
    explorer = Explorer(folder / "campaign" / "run", halts=1)
    explorer.found = found_processes()
    return campaign_in(folder, explorer=explorer, labeller=Disagreeing(until=2))


def killed_at(folder, call):
    """Run a campaign that is killed before its fsync number `call`; answer whether it was."""
    child = os.fork()
    if not child:
        count, real = [0], os.fsync

        def fsync(descriptor):
            count[0] += 1
            if count[0] == call:
                os.kill(os.getpid(), signal.SIGKILL)
            real(descriptor)

        files.os.fsync = fsync
        os._exit(campaign_of(folder).run().exit_code)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == EXIT_DONE
    return os.WIFSIGNALED(status)


def test_after_kills_generations_are_the_same_byte_for_byte(tmp_path):
    whole = tmp_path / "whole"
    whole.mkdir()
    assert campaign_of(whole).run().exit_code == EXIT_DONE
    wanted = {
        name: data.replace(str(whole).encode(), b"HERE") for name, data in tree_of(whole).items()
    }
    assert Generation(whole / "campaign", 2).made
    calls = _fsyncs(tmp_path)
    for call in np.random.default_rng(16).choice(calls, size=25, replace=False) + 1:
        folder = tmp_path / str(call)
        folder.mkdir()
        assert killed_at(folder, call)
        assert campaign_of(folder).run().exit_code == EXIT_DONE
        found = {
            name: data.replace(str(folder).encode(), b"HERE")
            for name, data in tree_of(folder).items()
        }
        assert found == wanted


def test_kill_after_kill_it_ends_the_same(tmp_path):
    whole = tmp_path / "whole"
    whole.mkdir()
    campaign_of(whole).run()
    wanted = {name: data.replace(str(whole).encode(), b"") for name, data in tree_of(whole).items()}
    kills, campaigns, chance = 0, 0, np.random.default_rng(7)
    while kills < 25:
        folder = tmp_path / f"{campaigns}"
        folder.mkdir()
        campaigns += 1
        while kills < 25 and killed_at(folder, int(chance.integers(1, 13))):
            kills += 1
        assert campaign_of(folder).run().exit_code == EXIT_DONE
        found = tree_of(folder).items()
        assert {name: data.replace(str(folder).encode(), b"") for name, data in found} == wanted
    assert campaigns < kills / 3, "most campaigns are killed more than three times"


def _fsyncs(tmp_path):
    """How many a whole campaign makes."""
    folder = tmp_path / "counted"
    folder.mkdir()
    count, real = [0], os.fsync

    def fsync(descriptor):
        count[0] += 1
        real(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        campaign_of(folder).run()
    return count[0]
