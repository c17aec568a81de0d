"""A potential that has not seen hops, and candidates along hops: which labels it takes, and how many random choice takes."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
import yaml

from mlip_kmc.campaign.state import CampaignState, Step
from mlip_kmc.evaluate.gamma import Extrapolation
from mlip_kmc.learning.frame_selection import FrameVerdict, read_selection, select_frames
from mlip_kmc.learning.selection import USUAL, _Active, _replayed, choose
from mlip_kmc.model.frames import KeptFrame, Kind, Stage, read_kept_frames, write_kept_frame
from mlip_kmc.potential import AcePotential
from mlip_kmc.potential.whereabouts import note_whereabouts, noted_potential

from .conftest import EXAMPLE, example_settings, mlip_kmc
from .learning_material import hop_frames, poor_potential, search_frames

CAMPAIGN = "explore: akmc.yaml\noracle: {ase: 'ase.calculators.emt:EMT'}\n"


@pytest.fixture(scope="module")
def poor(tmp_path_factory):
    return poor_potential(tmp_path_factory.mktemp("poor"))


@pytest.fixture(scope="module")
def grade(poor):
    return Extrapolation.of(poor)


def left_by_chance(projections, grade, rng):
    """The largest gamma after 0, 1, 2, ... structures in a random order."""
    order = rng.permutation(len(projections)).tolist()
    before, _, chosen = _replayed(_Active(projections, grade.inverses), order)
    return [before.max(), *(entry.largest_left for entry in chosen)]


def test_fewer_labels_than_random_choice(grade, record_property):
    """The same drop of the largest gamma: from what it is to below the threshold."""
    lines = [
        "",
        "62 candidates as searches from a vacancy meet them; labels until the largest gamma is under 3:",
        "               largest gamma                    labels                 largest gamma after as many",
        " seed       before     after    chosen   random (mean, least of 5)     random labels (mean of 5)",
    ]
    ours, chance = [], []
    for seed in range(5):
        projections = [grade.projections_of(atoms) for atoms in search_frames(seed)]
        choice = choose(projections, inverses=grade.inverses)
        assert choice.complete
        left = [
            left_by_chance(projections, grade, np.random.default_rng([seed, number]))
            for number in range(5)
        ]
        counts = [
            next(count for count, gamma in enumerate(gammas) if gamma < USUAL.select)
            for gammas in left
        ]
        ours.append(len(choice.chosen))
        chance.append(counts)
        lines.append(
            f"{seed:5}{choice.gammas_before.max():13.1f}{choice.gammas_after.max():10.2f}{ours[-1]:10}"
            f"{np.mean(counts):13.1f}{min(counts):7}{np.mean([gammas[ours[-1]] for gammas in left]):31.1f}"
        )
    print("\n".join(lines))
    record_property("labels", {"chosen": ours, "random": chance})
    assert all(mine < min(counts) for mine, counts in zip(ours, chance, strict=True))


def halts_of(grade, seed=0):
    """Candidates as searches leave them: above select; the first above halt; and what is no candidate."""
    halts = []
    for number, atoms in enumerate(hop_frames(seed)):
        gammas = grade.gamma_of(atoms)
        kind = Kind.HALT if gammas.max() > 15 else Kind.CANDIDATE
        halts.append(
            KeptFrame(
                atoms=atoms,
                gammas=gammas,
                search=f"0_{number // 7}",
                state=0,
                stage=Stage.SEARCH,
                step=10 * (number % 7),
                kind=kind,
                potential=grade.digest,
            )
        )
    return halts


@pytest.fixture
def run(tmp_path, grade):
    """A run's directory with halts of all sorts in it."""
    halts = halts_of(grade)
    for halt in halts:
        write_kept_frame(tmp_path / "run" / "halts", halt)
    worst = max(halts, key=lambda halt: halt.gamma)
    rng = np.random.default_rng(0)
    copy = worst.atoms[rng.permutation(len(worst.atoms))]
    copy.positions += [1.0, 2.0, 3.0]
    copy.wrap()
    write_kept_frame(
        tmp_path / "run" / "halts",
        KeptFrame(
            atoms=copy,
            gammas=None,
            search="1_0",
            state=1,
            stage=Stage.SADDLE,
            step=5,
            kind=Kind.HALT,
            potential="0" * 64,
        ),
    )
    crushed = worst.atoms.copy()
    crushed.positions[1] = crushed.positions[2] + 0.3
    write_kept_frame(
        tmp_path / "run" / "halts",
        KeptFrame(
            atoms=crushed,
            gammas=None,
            search="1_1",
            state=1,
            stage=Stage.SEARCH,
            step=9,
            kind=Kind.EVIDENCE,
            potential=grade.digest,
        ),
    )
    foreign = worst.atoms.copy()
    foreign.set_chemical_symbols(["Al"] * len(foreign))
    write_kept_frame(
        tmp_path / "run" / "halts",
        KeptFrame(
            atoms=foreign,
            gammas=None,
            search="1_2",
            state=1,
            stage=Stage.SEARCH,
            step=9,
            kind=Kind.CANDIDATE,
            potential=grade.digest,
        ),
    )
    (tmp_path / "run" / "halts" / "torn-1.xyz").write_text("107\nLattice=")
    return tmp_path / "run"


def test_every_frame_gets_a_verdict_and_a_reason(run, grade):
    halts, warnings = read_kept_frames(run / "halts")
    assert len(warnings) == 1
    selection = select_frames(halts, grade=grade, warnings=warnings)
    verdicts = {decision.name: decision for decision in selection.decisions}
    assert len(verdicts) == len(selection.decisions) == len(halts)
    assert all(decision.reason for decision in selection.decisions)
    assert verdicts["1_0-5"].verdict is FrameVerdict.DUPLICATE
    assert verdicts["1_1-9"].verdict is FrameVerdict.EVIDENCE
    assert verdicts["1_2-9"].verdict is FrameVerdict.UNUSABLE
    assert selection.counts()["selected"] == len(selection.frames) >= 1
    first = selection.decisions[0]
    assert (first.order, first.verdict) == (1, FrameVerdict.SELECTED)
    assert first.gamma_then == first.gamma_before > USUAL.select
    for decision in selection.decisions:
        if decision.verdict is FrameVerdict.LOW:
            assert decision.gamma_before < USUAL.select
        if decision.verdict is FrameVerdict.COVERED:
            assert decision.gamma_before >= USUAL.select > decision.gamma_after


def test_gammas_of_another_potential_are_computed_anew(run, grade):
    """What the files say of gamma does not count, whoever wrote it."""
    halts, _ = read_kept_frames(run / "halts")
    lies = tuple(
        KeptFrame(
            **{**halt.__dict__, "gammas": np.full(len(halt.atoms), 1e-3), "potential": "1" * 64}
        )
        for halt in halts
    )
    true, false = (select_frames(frames, grade=grade) for frames in (halts, lies))
    assert [decision.gamma_before for decision in true.decisions] == [
        decision.gamma_before for decision in false.decisions
    ]
    assert [frame.name for frame in true.frames] == [frame.name for frame in false.frames]
    assert false.decisions[0].gamma_in_file == 1e-3


def test_a_potential_that_has_learned_them_needs_none(run):
    halts, _ = read_kept_frames(run / "halts")
    selection = select_frames(halts, grade=Extrapolation.of(AcePotential.read(EXAMPLE / "cu.yace")))
    assert selection.frames == ()
    assert selection.complete
    assert set(selection.counts()) == {"low", "duplicate", "evidence", "unusable"}


def test_the_command(run, poor, grade):
    done = mlip_kmc("select", run, "--potential", poor.yace, cwd=run.parent)
    print("\n" + done.stdout)
    assert done.returncode == 0, done.stderr
    assert all(len(line) <= 80 for line in done.stdout.splitlines() if str(run) not in line)
    assert "written: " in done.stdout
    assert "2 duplicate, 1 evidence, 1 unusable" in done.stdout
    assert f"warning: {run}/halts/torn-1.xyz is left out: it is torn" in done.stdout
    report = read_selection(run / "selection")
    assert report["potential"] == grade.digest
    assert report["selected"] == sum(frame["verdict"] == "selected" for frame in report["frames"])
    from ase.io import read

    frames = read(run / "selection" / "selected.xyz", ":")
    assert len(frames) == report["selected"]
    for frame, decision in zip(frames, report["frames"], strict=False):
        assert frame.info["frame"] == f"halt_{decision['name']}"
        assert frame.arrays["gamma"].max() == pytest.approx(decision["gamma_before"], rel=1e-5)


def test_the_same_bytes_again_with_any_number_of_threads(run, poor):
    digests = set()
    for threads in ("1", "2", "2"):
        done = subprocess.run(
            [sys.executable, "-m", "mlip_kmc", "select", str(run), "--potential", str(poor.yace)],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            env={
                **os.environ,
                "OMP_NUM_THREADS": threads,
                "OPENBLAS_NUM_THREADS": threads,
                "PYTHONHASHSEED": threads,
            },
        )
        assert done.returncode == 0, done.stderr
        digests.add(
            tuple(
                hashlib.sha256((run / "selection" / name).read_bytes()).hexdigest()
                for name in ("selected.xyz", "selection.json")
            )
        )
    assert len(digests) == 1


def test_a_torn_selection_is_none(run, poor):
    assert read_selection(run / "selection") is None
    assert (
        mlip_kmc("select", run, "--potential", poor.yace, "--most", 1, cwd=run.parent).returncode
        == 0
    )
    assert read_selection(run / "selection")["selected"] == 1
    path = run / "selection" / "selected.xyz"
    path.write_bytes(path.read_bytes()[:-10])
    assert read_selection(run / "selection") is None


def test_the_run_s_own_potential_is_found_where_it_was_noted(run, poor):
    note_whereabouts(run, poor)
    done = mlip_kmc("select", run, "--all", cwd=run.parent)
    assert done.returncode == 0, done.stderr
    assert "  1_1-9: evidence: atoms too near, or too high an energy: no label helps" in done.stdout
    assert read_selection(run / "selection")["files_sha256"]["active_set"] == poor.active_set_digest


def test_no_potential_or_no_gamma_is_said_plainly(run, poor, tmp_path):
    done = mlip_kmc("select", run, cwd=run.parent)
    assert done.returncode == 2
    assert "which potential?" in done.stderr
    (tmp_path / "alone.yace").write_bytes(poor.yace.read_bytes())
    done = mlip_kmc("select", run, "--potential", tmp_path / "alone.yace", cwd=run.parent)
    assert done.returncode == 4
    assert "gamma is unknown" in done.stderr
    done = mlip_kmc("select", tmp_path / "none", "--potential", poor.yace, cwd=run.parent)
    assert done.returncode == 6


def test_the_campaign_goes_on_from_its_halt(tmp_path, run, poor):
    """As a kill after the halt left it: `campaign.json` is at the step select."""
    directory = tmp_path / "campaign"
    directory.mkdir()
    CampaignState(step=Step.SELECT).write(directory / "campaign.json")
    run.rename(directory / "run")
    settings = example_settings()
    settings["structure"], settings["potential"]["ace"] = (
        str(EXAMPLE / "vacancy.xyz"),
        str(poor.yace),
    )
    (tmp_path / "akmc.yaml").write_text(yaml.safe_dump(settings))
    (tmp_path / "campaign.yaml").write_text(f"{CAMPAIGN}approve: true\n")
    for _ in range(2):  # the same command again
        done = mlip_kmc("campaign", "campaign.yaml", "--dir", "campaign", cwd=tmp_path)
        assert done.returncode == 75, done.stderr
        assert "1 label for gen-000 wait for approval, of campaign/gen-000/selection" in done.stdout
    done = mlip_kmc("select", directory, "--potential", poor.yace, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (6, "")
    assert "campaign/run" in done.stderr


def test_a_campaign_explores_with_the_run_itself(tmp_path):
    """Three seconds of the example: nothing halts, and the same command would go on."""
    settings = example_settings()
    settings["structure"], settings["potential"]["ace"] = (
        str(EXAMPLE / "vacancy.xyz"),
        str(EXAMPLE / "cu.yace"),
    )
    settings["stop"] = {"wall_time_min": 0.05}
    (tmp_path / "akmc.yaml").write_text(yaml.safe_dump(settings))
    (tmp_path / "campaign.yaml").write_text(CAMPAIGN)
    done = mlip_kmc("campaign", "campaign.yaml", "--dir", "campaign", "--quiet", cwd=tmp_path)
    assert done.returncode == 75, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("more to do: ")
    assert CampaignState.read(tmp_path / "campaign" / "campaign.json").step is Step.EXPLORE
    noted = noted_potential(tmp_path / "campaign" / "run")
    assert noted.digests == AcePotential.read(EXAMPLE / "cu.yace").digests
    assert mlip_kmc("status", "campaign/run", cwd=tmp_path).returncode == 0
    done = mlip_kmc("select", "campaign/run", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "no structure needs a label\n")
