"""The report of a campaign: what its files say, in words and numbers; the page whole, quiet and escaped."""

import base64
import csv
import io
import json
import re
import shutil
from dataclasses import replace

import pytest
from click.testing import CliRunner

from mlip_kmc.campaign.generation import ENDING, Generation
from mlip_kmc.campaign.history import history_of
from mlip_kmc.campaign.report import is_campaign, read_campaign
from mlip_kmc.campaign.report.account import ORACLE
from mlip_kmc.campaign.state import FILE, CampaignState, Step
from mlip_kmc.cli.report import report
from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.model.frames import Kind, Stage, potential_digest
from mlip_kmc.model.records import RefreshedState, Stale

from ..report.test_report import check
from ..synthetic import State, commit, event, search
from .invented import EXAMPLE, KNOWN, Explorer, Fitter, Labeller, campaign_in, frame, unknown

EVIL = "<script>alert(1)</script>"


def page_of(where):
    done = CliRunner().invoke(
        report, [str(where), "--output", f"{where}.html"], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return (where.parent / f"{where.name}.html").read_text()


def numbers_of(where):
    done = CliRunner().invoke(report, [str(where), "--json"], catch_exceptions=False)
    return json.loads(done.output)


class Judging(Fitter):
    """Its verdicts have errors and gammas, as the real one's."""

    def fit(self, present, **asked):
        judged = super().fit(present, **asked)
        number = int(asked["name"][-1])
        facts = {
            "test_errors_before": {
                "energy_rmse_eV_per_atom": 0.008 / number,
                "force_rmse_eV_per_A": 0.2 / number,
            },
            "test_errors": {
                "energy_rmse_eV_per_atom": 0.008 / (number + 1),
                "force_rmse_eV_per_A": 0.2 / (number + 1),
            },
            "largest_gamma_before": 120.0,
            "largest_gamma": 1.5,
            "checks": {"forces": "passed", "symmetry": "passed"},
        }
        return replace(judged, facts={**judged.facts, **facts})


OWN = potential_digest(basis=EXAMPLE / "cu.yaml", active_set=EXAMPLE / "cu.asi")


def frames(number):
    """One halt at a saddle, one on the way of a search, one to be left alone, one of another potential."""
    seeds = (10 * number + 1, 10 * number + 2)
    halts = [frame(unknown(seed), step=seed, search=f"{number}_0") for seed in seeds]
    known = frame(KNOWN, step=3, kind=Kind.CANDIDATE, search=f"{number}_1")
    return [
        replace(halts[0], stage=Stage.SADDLE, potential=OWN),
        replace(halts[1], potential=OWN),
        replace(known, potential=OWN),
        frame(unknown(99), step=4, kind=Kind.EVIDENCE, search=f"{number}_2"),
    ]


BAD = ["0_0-1", "0_0-5"]


def three(number):
    """Halts of three kinds of structures; labels of some fail."""
    return [frame(unknown(seed + number), step=seed, search=f"{number}_0") for seed in (1, 5, 9)]


def with_run(where):
    """A run under it whose three epochs are the three generations."""
    digests = [Generation(where, number).facts()["digests"]["yace"] for number in range(3)]

    def inputs(number):
        return {"potential_file": f"gen-{number}.yace", "potential_sha256": digests[number]}

    def refreshed(epoch):
        return RefreshedState(0, epoch, -10.0, -11.0, 0.01, None, 7, 1)

    def refresh(index, *, was, before, process, barrier, epoch, outcome="new"):
        found = search(index, outcome=outcome, process=process, barrier=barrier, kind="refresh")
        return replace(found, stale=Stale(was, epoch, before, 1e13, 0), force_calls=20)

    return commit(
        where / "run",
        states=[State(processes=[(31, 0.71, -1, 0)])],
        events=[event(0, time_s=1e-6, process=11, product=0)],
        searches=[search(0, outcome="new", process=11, barrier=0.9)],
        potential_note={"inputs": inputs(0)},
        later=(
            {
                "inputs": inputs(1),
                "refreshes": [refreshed(1)],
                "searches": [
                    refresh(1, was=11, before=0.9, process=21, barrier=0.75, epoch=0),
                    refresh(2, was=12, before=0.8, process=None, barrier=0, epoch=0, outcome="bad"),
                    search(3, process=21),
                ],
            },
            {
                "inputs": inputs(2),
                "refreshes": [refreshed(2)],
                "searches": [refresh(4, was=21, before=0.75, process=31, barrier=0.71, epoch=1)],
            },
        ),
    )


def finished(folder):
    """A campaign that reached its target, with a run and the oracle's barriers; answers its directory."""
    explorer = Explorer(folder / "campaign" / "run", frames=frames)
    assert campaign_in(folder, explorer=explorer, fitter=Judging()).run().exit_code == 0
    where = folder / "campaign"
    with_run(where)
    (where / ORACLE).write_text(
        json.dumps({"format": 1, "oracle_barriers_eV": {f"hop {EVIL}": 0.7}})
    )
    return where


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return finished(tmp_path_factory.mktemp("done"))


def test_the_page_of_a_campaign_is_whole_and_quiet(done):
    text = page_of(done)
    page = check(text)
    assert "<script" not in text
    for said in (
        "Converged: gen-002 reached the target, 20 KMC steps, after 2 refits and ",
        "gen-002/potential/cu-gen-002.yace",
        "test errors 2.67 meV/atom, 66.7 meV/Å",
        "it was 120",
        "2 of 2 physical checks passed",
        "What the labels bought: errors on the test set",
        "What the labels bought: the largest γ",
        "How barriers moved",
        "barriers moved by −40.0 to −40.0 meV",
        "Where searches halted",
        "What each label was for",
        "saddle: 2",
        "done: 4 atoms",
        f"hop {EVIL}",
    ):
        assert said in page.text, said
    assert text == page_of(done)


def test_the_learning_curve_can_be_taken_out(done):
    page = check(page_of(done))
    link = next(link for link in page.links if link.get("download") == "learning_curve.csv")
    data = base64.b64decode(link["href"].partition("base64,")[2]).decode()
    rows = list(csv.DictReader(io.StringIO(data)))
    summaries = history_of(done)
    assert [row["labels_spent"] for row in rows] == [
        "0",
        str(summaries[0].labels),
        str(summaries[0].labels + summaries[1].labels),
    ]
    assert [float(row["energy_rmse_eV_per_atom"]) for row in rows] == pytest.approx(
        [0.008, 0.004, 0.008 / 3]
    )


def test_json_says_the_same(done):
    found = numbers_of(done)
    assert (found["format"], found["campaign"]["converged"], found["campaign"]["best"]) == (
        1,
        True,
        "gen-002",
    )
    assert found["campaign"]["ended"]["exit_code"] == 0
    assert found["run"]["generations"] == ["gen-000", "gen-001", "gen-002"]
    moves = [(move["epoch"], move["fate"]) for move in found["run"]["refreshes"]["processes"]]
    assert moves == [(1, "kept"), (1, "vanished"), (2, "kept")]
    told = [
        (one["generation"], one["stages"], one["candidates"], one["evidence"])
        for one in found["halts"]
    ]
    assert told == [  # the invented generations are one potential under three names
        (0, {"saddle": 2, "search": 2}, 2, 0),
        (None, {}, 0, 2),
    ]
    first = json.loads((done / "gen-000/selection/selection.json").read_text())
    names = [label["name"] for label in found["labels"] if label["generation"] == 0]
    assert names == [entry["name"] for entry in first["frames"] if entry["order"]]
    assert {label["progress"] for label in found["labels"]} == {"done"}
    assert {one["verdict"] for one in found["not_selected"]} >= {"low", "evidence"}
    assert found["cost"]["labels"] == len(found["labels"]) == found["cost"]["labels_of_use"]
    assert list(found["oracle_barriers_eV"].values()) == [0.7]


def test_cost_by_generation(done):
    page = page_of(done).partition("Wall time of")[0]
    rows = re.findall(r"<tr[^>]*><td[^>]*>(gen-\d+|All)</td>(.*?)</tr>", page)
    costs = {name: re.findall(r"<td>([^<]*)</td>", cells)[:5] for name, cells in rows}
    assert costs["gen-000"] == ["1", "100", "0", "0", "0"]
    assert costs["gen-001"] == ["1", "100", "2", "40", "7"]
    assert costs["All"] == ["2", "200", "3", "60", "14"]


def test_cost_by_step(done, tmp_path):
    """Wall time of each step of each generation, over all starts."""
    done = shutil.copytree(done, tmp_path / "copy")
    state = CampaignState.read(done / FILE)
    assert {name: list(steps) for name, steps in state.by_step_s.items()} == {
        0: ["explore", "select", "label", "refit"],
        1: ["refresh", "explore", "select", "label", "refit"],
        2: ["refresh", "explore", "confirm", "finalize"],
    }
    assert "Wall time of" in page_of(done)
    times = {0: {"explore": 60.0, "refit": 3.4}, 1: {"explore": 7260.0}}
    replace(state, by_step_s=times).with_time(2.0, generation=0, step=Step.REFIT).write(done / FILE)
    assert numbers_of(done)["cost"]["by_step"] == [
        {"generation": 0, "step": "explore", "wall_s": 60.0},
        {"generation": 0, "step": "refit", "wall_s": 5.4},
        {"generation": 1, "step": "explore", "wall_s": 7260.0},
    ]
    table = page_of(done).partition("Wall time of")[2]
    rows = dict(re.findall(r"<tr[^>]*><td[^>]*>(gen-\d+|All)</td>(.*?)</tr>", table))
    cells = {name: re.findall(r"<td>([^<]*)</td>", row) for name, row in rows.items()}
    assert cells["gen-000"] == ["60.0 s", "", "", "5.4 s", "", "", "", "65.4 s"]
    assert cells["All"] == ["2.0 h", "", "", "5.4 s", "", "", "", "2.0 h"]
    raw = json.loads((done / FILE).read_text())
    del raw["by_step_s"]  # of an earlier version
    (done / FILE).write_text(json.dumps(raw))
    assert "Wall time of" not in page_of(done)
    assert numbers_of(done)["cost"]["by_step"] == []


def test_why_it_does_not_converge(tmp_path):
    fitter = Fitter(refuse=[f"it is worse {EVIL}"])
    explorer = Explorer(tmp_path / "campaign" / "run", frames=three)
    campaign_in(tmp_path, fitter=fitter, labeller=Labeller(bad=BAD), explorer=explorer).run()
    text = page_of(tmp_path / "campaign")
    page = check(text)
    assert "<script" not in text
    assert f"Does not converge: the refit of gen-000 is refused: it is worse {EVIL}." in page.text
    assert "Refits that were refused" in page.text
    assert "exit code 100" in page.text
    found = numbers_of(tmp_path / "campaign")
    assert found["campaign"]["converged"] is False
    assert [one["accepted"] for one in found["refits"]] == [False]
    assert "failed" in {label["progress"] for label in found["labels"]}


def test_a_failed_label_says_why_as_its_desk_wrote_it(tmp_path):
    where = tmp_path / "campaign"
    explorer = Explorer(where / "run", frames=three)
    campaign_in(tmp_path, labeller=Labeller(bad=BAD), explorer=explorer).run()
    name = next(one.name for one in read_campaign(where).labels if one.name in BAD)
    folder = Generation(where, 0).labels(0) / name
    folder.mkdir(parents=True)
    state = {"progress": "failed", "kind": "not-converged", "message": f"the SCF {EVIL} did not"}
    (folder / "state.json").write_text(json.dumps(state))
    label = next(one for one in numbers_of(where)["labels"] if one["name"] == name)
    assert (label["progress"], label["fault"]) == ("failed", "not-converged")
    page = check(page_of(where))
    assert f"failed (not-converged: the SCF {EVIL} did not)" in page.text
    (folder / "state.json").write_text("{")  # torn: it has no label still
    assert "failed" in {one["progress"] for one in numbers_of(where)["labels"]}


def test_one_that_waits_for_labels(tmp_path):
    campaign_in(tmp_path, labeller=Labeller(late=1)).run()
    where = tmp_path / "campaign"
    found = numbers_of(where)
    assert found["campaign"]["headline"].startswith("Paused: generation 0 is at the step label")
    assert {label["progress"] for label in found["labels"]} == {"waiting"}
    check(page_of(where))
    (where / ENDING).unlink()  # as while it runs, or after a kill
    assert read_campaign(where).headline.startswith("Not finished: generation 0 is at the step")


def test_the_next_start_takes_the_ending_away(tmp_path):
    campaign_in(tmp_path, text="budget: {labels: 1}").run()
    path = tmp_path / "campaign" / ENDING
    assert json.loads(path.read_text())["exit_code"] == 100
    seen = []

    class Looking(Explorer):
        def explore(self, config):
            seen.append(path.exists())
            return super().explore(config)

        def refresh(self, config):
            seen.append(path.exists())
            return super().refresh(config)

    explorer = Looking(tmp_path / "campaign" / "run")
    assert campaign_in(tmp_path, explorer=explorer).run().exit_code == 0
    assert seen
    assert not any(seen)
    assert json.loads(path.read_text())["exit_code"] == 0


def test_one_that_has_hardly_begun(tmp_path):
    campaign = campaign_in(tmp_path)
    campaign.stop.set()
    campaign.run()
    where = tmp_path / "campaign"
    assert not (where / "campaign.json").exists()
    assert is_campaign(where)
    page = check(page_of(where))
    assert "generation 0 is at the step explore, 0 labels so far" in page.text
    assert numbers_of(where)["run"] is None


def test_what_is_damaged_is_one_line(done, tmp_path):
    where = tmp_path / "copy"
    shutil.copytree(done, where)
    for generation in (where / "run" / "generations").iterdir():
        generation.write_bytes(b"torn")
    assert "is damaged" in read_campaign(where).no_run
    check(page_of(where))
    (where / ORACLE).write_text('{"format": 1, "oracle_barriers_eV": {"hop": "high"}}')
    with pytest.raises(RunStateError, match="a barrier in eV by name"):
        read_campaign(where)
