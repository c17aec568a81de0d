"""Barriers at the target: which are confirmed, how they compare, and what a campaign does where one is not the oracle's."""

import json
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from mlip_kmc.campaign import confirmation
from mlip_kmc.campaign.barriers import Compared, carrying, compare, moved_most, wanted_of
from mlip_kmc.campaign.exploring import AkmcExplorer
from mlip_kmc.campaign.generation import Generation
from mlip_kmc.campaign.history import history_of, labels_spent
from mlip_kmc.campaign.parts import FoundProcess
from mlip_kmc.campaign.report import read_campaign, render
from mlip_kmc.campaign.state import FILE, CampaignState, Step, Wait
from mlip_kmc.config.campaign import ConfirmSection
from mlip_kmc.ground.errors import EXIT_DONE, EXIT_HALTED, EXIT_MORE_TO_DO
from mlip_kmc.model.labelled import LabelledStructure, read_labelled

from ..synthetic import State, commit, event, search
from .invented import Disagreeing, Explorer, Fitter, campaign_in, found_processes

LIMITS = ConfirmSection()


def process(state=0, number=0, *, barrier_eV=0.5, reaction_eV=0.0, rate_per_s=1.0):
    minimum = Atoms(
        "Cu4", positions=np.diag([0.0, 3, 6])[[0, 1, 2, 0]] + [[0, 0, i] for i in range(4)]
    )
    minimum.set_cell([20, 20, 20])
    saddle = minimum.copy()
    saddle.positions[2] += [0.0, 0.0, 1.0]
    saddle.positions[1] += [0.6, 0.0, 0.0]
    saddle.positions[0] += [0.0, 0.2, 0.0]
    return FoundProcess(state, number, minimum, saddle, barrier_eV, reaction_eV, rate_per_s)


# -- which


def test_equal_numbers_are_one_kind_and_the_largest_share_comes_first():
    found = [
        process(0, 4, barrier_eV=0.7, rate_per_s=10.0),
        process(0, 1, barrier_eV=0.5, rate_per_s=45.0),
        process(0, 2, barrier_eV=0.5015, rate_per_s=45.0),
        process(1, 0, barrier_eV=0.5, reaction_eV=0.1, rate_per_s=7.0),
    ]
    kinds = carrying(found, rate_share=1.0, at_most=6)
    assert [(kind.process.name, kind.count) for kind in kinds] == [
        ("1_0", 1),
        ("0_1", 2),
        ("0_4", 1),
    ]
    assert [kind.rate_share for kind in kinds] == pytest.approx([0.5, 0.45, 0.05])
    assert [k.process.name for k in carrying(found, rate_share=0.9, at_most=6)] == ["1_0", "0_1"]
    assert [k.process.name for k in carrying(found, rate_share=1.0, at_most=1)] == ["1_0"]
    assert carrying([], rate_share=0.99, at_most=6) == ()


def test_of_a_state_one_minimum_is_labelled_and_none_where_structures_are_cut_down():
    kinds = carrying(
        [process(0, 1, rate_per_s=3.0), process(0, 2, barrier_eV=0.6)], rate_share=1.0, at_most=6
    )
    wanted, minima = wanted_of(kinds, prefix="g007-", whole_up_to_atoms=4)
    assert [one.name for one in wanted] == ["g007-0-minimum", "g007-0_1-saddle", "g007-0_2-saddle"]
    assert set(minima.values()) == {"g007-0-minimum"}
    wanted, minima = wanted_of(kinds, prefix="g007-", whole_up_to_atoms=3)
    assert [one.name for one in wanted] == ["g007-0_1-saddle", "g007-0_2-saddle"]
    assert minima == {}
    assert wanted[0].offending == moved_most(process()) == (2, 1)


def test_processes_are_those_of_the_present_potential_in_states_that_were_left(tmp_path):
    found = search(0, outcome="new", process=1, barrier=0.5)
    run = commit(
        tmp_path / "run",
        states=[State(processes=[(1, 0.5, 1, 0), (2, 0.6, 1, 0)]), State(processes=[(3, 0.5, 0, 0)])],
        events=[event(0, time_s=1e-6, product=0, process=1)],
        searches=[found],
        later=(
            {
                "events": [event(1, time_s=2e-6, product=0, process=2)],
                "searches": [
                    search(1, outcome="new", process=2, barrier=0.6),
                    replace(search(2, outcome="new", process=3, barrier=0.5), state=1),
                ],
            },
        ),
    )  # fmt: skip
    (only,) = AkmcExplorer(run_dir=run).processes()
    assert (only.name, only.barrier_eV, only.reaction_eV) == ("0_2", 0.6, 0.0)
    assert len(only.minimum) == len(only.saddle) == 31
    assert moved_most(only) == (0,)


# -- how


class Shifted(Calculator):
    """Energy `factor` times the first coordinate of the third atom; its force has an error."""

    implemented_properties = ("energy", "forces")

    def __init__(self, factor, force=0.0):
        super().__init__()
        self.factor, self.force = factor, force

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        forces = np.zeros((len(atoms), 3))
        forces[1, 2] = self.force
        self.results = {"energy": self.factor * atoms.positions[2, 2], "forces": forces}


def labelled(name, atoms, *, factor=0.5, **changes):
    made = LabelledStructure.whole(
        name, atoms, energy_eV=factor * atoms.positions[2, 2], forces_eV_per_A=np.zeros((4, 3))
    )
    return replace(made, **changes)


def compared(factor, force=0.0, **changes):
    one = process()
    saddle = labelled("s", one.saddle, minimum="m", **changes)
    minimum = None if changes.get("energy_eV", 0) is None else labelled("m", one.minimum)
    return compare("0_0", saddle=saddle, minimum=minimum, calculator=Shifted(factor, force))


def test_errors_are_those_in_the_same_two_structures():
    found = compared(0.51, 0.3)
    assert found.oracle_eV == pytest.approx(0.5)
    assert found.error_eV == pytest.approx(0.010)
    assert found.force_error_eV_per_A == pytest.approx(0.3)
    assert found.faults(LIMITS) == (
        "a force at the saddle of 0_0 is 0.3 eV/A off the oracle's, allowed 0.2",
    )
    (fault,) = compared(0.48).faults(LIMITS)
    assert fault == "the barrier of 0_0 is -20 meV off the oracle's, allowed 15"
    assert compared(0.49, 0.1).faults(LIMITS) == ()


def test_of_a_box_the_forces_of_its_core_alone_are_compared():
    weights = np.array([1.0, 0.0, 1.0, 1.0])
    found = compared(0.9, 0.3, energy_eV=None, energy_weight=0.0, force_weights=weights)
    assert (found.error_eV, found.force_error_eV_per_A) == (None, 0.0)
    assert found.known(energies=False)
    assert not found.known(energies=True)
    assert compared(0.9, 0.3, energy_eV=None, energy_weight=0.0).faults(LIMITS)


def test_what_is_no_number_is_not_within_limits():
    assert len(compared(float("nan"), float("nan")).faults(LIMITS)) == 2
    assert Compared("0_0", float("nan"), 0.5, 0.0).faults(LIMITS)


# -- in a campaign


def explorer_of(folder, *, halts=0):
    explorer = Explorer(folder / "campaign" / "run", halts=halts)
    explorer.found = found_processes()
    return explorer


def test_what_the_oracle_confirms_is_told(tmp_path):
    explorer, fitter = explorer_of(tmp_path), Fitter()
    ending = campaign_in(tmp_path, explorer=explorer, fitter=fitter).run()
    assert ending.exit_code == EXIT_DONE
    assert ", 3 labels, the oracle confirms 2 of 2 barriers within " in ending.line
    assert fitter.asked == []
    outcome = json.loads((tmp_path / "campaign/outcome.json").read_text())
    rows = outcome["confirmed"]["processes"]
    assert [row["name"] for row in rows] == ["0_3", "0_5"]
    assert all(row["confirmed"] and abs(row["error_eV"]) < 0.015 for row in rows)
    saddle = read_labelled(tmp_path / "campaign/gen-000/labels-confirmation/labels.xyz")[1]
    assert (saddle.name, saddle.minimum) == ("g000-0_3-saddle", "g000-0-minimum")


def test_what_it_does_not_confirm_is_fitted_and_confirmed_again(tmp_path):
    explorer, fitter = explorer_of(tmp_path, halts=1), Fitter()
    labeller = Disagreeing(until=2)
    ending = campaign_in(tmp_path, explorer=explorer, fitter=fitter, labeller=labeller).run()
    assert ending.exit_code == EXIT_DONE
    assert "done: gen-002 reached the target" in ending.line
    assert fitter.barriers[0] == ()
    assert fitter.barriers[1] == ("g001-0-minimum", "g001-0_3-saddle", "g001-0_5-saddle")
    # the halt's labels, and those that did not confirm the barriers
    _, labels, halted, _ = fitter.asked[1]
    assert (labels, halted) == (fitter.asked[0][1] + 3, 0)
    # the run had made its 20 steps: one more is made, so that there are processes of the new potential
    assert explorer.wanted_steps[-1] == 21
    where = tmp_path / "campaign"
    assert labels_spent(where) == labels + 3
    assert [entry.labels for entry in history_of(where)] == [labels - 3, 3, 3]
    facts = Generation(where, 1).confirmed()
    assert not facts["agrees"]
    assert facts["processes"][0]["error_eV"] == pytest.approx(-0.1, abs=0.015)
    assert Generation(where, 2).confirmed()["agrees"]
    report = read_campaign(where)
    assert [(row.generation, row.confirmed) for row in report.confirmed] == [
        (1, False), (1, False), (2, True), (2, True)]  # fmt: skip
    assert [one.kind for one in report.labels[-6:]] == ["confirmation"] * 6
    page = render(report)
    assert "Barriers beside the oracle" in page
    assert "meV off the oracle" in page
    assert json.loads(report.as_json())["confirmed"][3]["oracle_eV"] == pytest.approx(
        report.confirmed[3].oracle_eV
    )


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("budget: {generations: 1}", {}, "1 generation did not suffice: the barrier of 0_3 is "),
        ("budget: {labels: 4}", {}, "the 1 label that may still be made do not suffice"),
        ("budget: {labels: 3}", {}, "all 3 labels are spent, and no barrier of gen-001 is confirmed"),
        ("", {"fitter": Fitter(refuse=["still off"], more_labels=True)}, "is refused: still off"),
    ],
)  # fmt: skip
def test_barriers_that_stay_wrong_end_it(tmp_path, text, options, said):
    options = {"labeller": Disagreeing(until=9), "explorer": explorer_of(tmp_path), **options}
    ending = campaign_in(tmp_path, text=text, **options).run()
    assert ending.exit_code == EXIT_HALTED
    assert said in ending.line


def test_a_label_that_is_missing_confirms_nothing(tmp_path):
    labeller = Disagreeing(until=0, bad=["g000-0_3-saddle"])
    ending = campaign_in(tmp_path, labeller=labeller, explorer=explorer_of(tmp_path)).run()
    assert "the oracle confirms 1 of 2 barriers" in ending.line
    missing = Generation(tmp_path / "campaign", 0).confirmed()["processes"][0]
    assert (missing["confirmed"], missing["faults"]) == (False, [])
    assert "no: a label is missing" in render(read_campaign(tmp_path / "campaign"))


def test_a_potential_without_a_number_is_not_confirmed(tmp_path, monkeypatch):
    nothing = Shifted(float("nan"), float("nan"))
    monkeypatch.setattr(confirmation, "whole_calculator", lambda _: nothing)
    text = "budget: {generations: 1}"
    ending = campaign_in(tmp_path, text=text, explorer=explorer_of(tmp_path)).run()
    assert "1 generation did not suffice: the barrier of 0_3 is nan meV off" in ending.line
    facts = Generation(tmp_path / "campaign", 0).confirmed()
    assert not facts["agrees"]
    assert [row["confirmed"] for row in facts["processes"]] == [False, False]


def test_labels_wait_for_approval_and_for_the_scheduler(tmp_path):
    text = "approve: true\nlabels: {where: slurm}"
    late = Disagreeing(until=0, late=1)

    def go(**options):
        explorer = explorer_of(tmp_path)
        return campaign_in(tmp_path, text=text, labeller=late, explorer=explorer, **options).run()

    ending = go()
    assert (ending.exit_code, ending.waits) == (EXIT_MORE_TO_DO, Wait.APPROVAL)
    assert "3 labels for gen-000 wait for approval, of " in ending.line
    assert CampaignState.read(tmp_path / "campaign" / FILE).step is Step.CONFIRM
    assert go(approved=True).waits is Wait.LABELS
    assert go().exit_code == EXIT_DONE


def test_none_is_wanted_or_there_is_none(tmp_path):
    explorer = explorer_of(tmp_path)
    ending = campaign_in(tmp_path, text="confirm: {processes: 0}", explorer=explorer).run()
    assert ", 0 labels; its potential" in ending.line
    assert not (tmp_path / "campaign/gen-000/confirmation").exists()
