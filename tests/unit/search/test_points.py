"""Evaluations in place of searches: what they say of a structure, and what they must say."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import bulk
from ase.constraints import FixAtoms

from mlip_kmc.evaluate.by_eon import Evaluation
from mlip_kmc.evaluate.client import ClientJob, End
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.model.structure import to_con
from mlip_kmc.search import points
from mlip_kmc.search.outcome import Termination
from mlip_kmc.search.points import Expected, Point, PointsTask, RecognitionTask

ENERGY_EV = -13.0


@pytest.fixture
def client(monkeypatch):
    """A client that answers at once: its end, and forces of four atoms, the first of them fixed."""
    answers = SimpleNamespace(
        end=End.FINISHED, energy_eV=ENERGY_EV, forces=[9.0, 0.02, 0.0, 0.0], asked=[]
    )

    def run_job(job, *, reader, tag):
        answers.asked.append((job.name, tag, sorted(job.files)))
        return SimpleNamespace(
            end=answers.end, message="why", seconds=0.5, found={"min.con": "a text"}
        )

    def evaluation_of(con, *, atoms):
        if answers.energy_eV is None:
            raise PotentialError("no numbers")
        assert (con, atoms) == ("a text", 4)
        forces = np.zeros((4, 3))
        forces[:, 1] = answers.forces
        return Evaluation(answers.energy_eV, forces)

    monkeypatch.setattr(points, "run_job", run_job)
    monkeypatch.setattr(points, "evaluation_of", evaluation_of)
    return answers


def task(count=2):
    atoms = bulk("Cu", cubic=True)
    atoms.set_constraint(FixAtoms(indices=[0]))
    job = ClientJob(
        name="1_0", files={"config.ini": "x"}, links={}, time_limit_s=1.0, evidence=Path("/e")
    )
    return PointsTask(job, structures=(to_con(atoms),) * count, atoms=4)


def test_the_force_is_that_of_the_atoms_that_are_free(client):
    found = task().run(tag="t")
    assert found.points == (Point(ENERGY_EV, 0.02),) * 2
    assert (found.end, found.seconds) == (End.FINISHED, 1.0)
    assert client.asked == [("1_0", "t", ["config.ini", "pos.con"])] * 2


def test_what_cannot_be_evaluated_ends_it(client):
    client.energy_eV = None
    found = task().run()
    assert (found.end, found.message, found.points) == (End.EVALUATION_ERROR, "no numbers", ())
    client.end = End.CRASHED
    assert task().run().end is End.CRASHED


@pytest.mark.parametrize(
    ("energy_eV", "force", "fault"),
    [
        (ENERGY_EV, 0.05, ""),
        (ENERGY_EV + 0.0009, 0.0, ""),
        (ENERGY_EV + 0.0011, 0.0, "meV"),
        (ENERGY_EV, 0.051, "a force of 0.051 eV/A is left"),
        (float("nan"), 0.0, "meV"),
        (ENERGY_EV, float("nan"), "a force of nan"),
    ],
)
def test_what_is_expected(energy_eV, force, fault):
    said = Expected(ENERGY_EV, 1e-3, 0.05).fault(Point(energy_eV, force))
    assert (fault in said) if fault else said == ""


def recognition():
    one = task(1)
    return RecognitionTask(one, Expected(ENERGY_EV, 1e-3, 0.05), one.structures[0])


def test_a_state_is_what_it_looks_like_or_not(client):
    found = recognition().run(tag="t")
    assert (found.termination, found.reason, found.force_calls.total) == (
        Termination.RECOGNISED,
        "",
        1,
    )
    client.forces = [0.0, 0.2, 0.0, 0.0]
    found = recognition().run()
    assert found.termination is Termination.NOT_RECOGNISED
    assert found.reason == "not the state that it looks like: a force of 0.2 eV/A is left"
    client.end = End.HALTED  # atoms too near: that is no known minimum
    assert recognition().run().termination is Termination.NOT_RECOGNISED


def test_a_worker_that_fails_tells_nothing(client):
    client.end = End.TIMED_OUT
    found = recognition().run()
    assert (found.end, found.termination) == (End.TIMED_OUT, None)
