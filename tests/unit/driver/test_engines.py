"""What an engine answers follows from the structure alone, not from what was evaluated before."""

from pathlib import Path

import numpy as np

from mlip_kmc.driver.standalone.basics import Structure
from mlip_kmc.driver.standalone.engines import AseEngine, PyaceEngine
from mlip_kmc.evaluate.egg_box import EggBox

EXAMPLE = Path(__file__).parents[3] / "examples" / "cu-vacancy"
CELL = [25.0, 0.0, 0.0, 0.0, 7.5, 0.0, 0.0, 0.0, 12.0]


def at(place):
    return Structure(CELL, [29], list(place))


def engine():
    return AseEngine(EggBox(barrier_a_eV=0.30, barrier_b_eV=0.31), {})


def test_a_structure_that_is_next_to_the_last_one_is_evaluated():
    """ASE takes two structures for one where no atom is more than 1e-15 A away, which is several last digits near zero."""
    place = np.array([0.31, 0.17, 4.9])
    beside = place + np.array([4e-16, 2e-16, 0.0])
    assert (beside != place).any()
    one = engine()
    one(at(place))
    again = one(at(beside))
    fresh = engine()(at(beside))
    assert list(again.forces) == list(fresh.forces)
    assert list(again.forces) != list(engine()(at(place)).forces)


def test_python_ace_evaluates_it_too(monkeypatch):
    pyace, calls = PyaceEngine({"potential": str(EXAMPLE / "cu.yace")}), []
    evaluate = pyace._plain.calculate

    def counted(*arguments, **keys):
        calls.append(1)
        evaluate(*arguments, **keys)

    monkeypatch.setattr(pyace._plain, "calculate", counted)
    place = np.array([0.31, 0.17, 4.9])
    pyace(at(place))
    pyace(at(place + np.array([4e-16, 2e-16, 0.0])))
    assert len(calls) == 2
