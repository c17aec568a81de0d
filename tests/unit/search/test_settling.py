"""Low barriers are converged further: when, how far, and what comes of a place that is no saddle."""

import configparser
import math
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.constraints import FixAtoms

from mlip_kmc.evaluate.client import ClientDone, ClientJob, End
from mlip_kmc.model.rates import Spectrum
from mlip_kmc.model.records import HaltKind
from mlip_kmc.model.structure import to_con
from mlip_kmc.search import settling as module
from mlip_kmc.search.hessian import HessianOutcome, HessianTask
from mlip_kmc.search.outcome import ForceCalls, FoundProcess, Graded, SearchOutcome, Termination
from mlip_kmc.search.settling import LEAST_FORCE_EV_PER_A, LOW_SLOPE, Settling
from mlip_kmc.search.task import SearchTask

FORCE = 0.01
INI = "[Optimizer]\nconverged_force = 0.001\n\n[Saddle Search]\nconverged_force = 0.01\n"
SETTLING = Settling(files={"config.ini": "hessian"}, converged_force_eV_per_A=FORCE)
MASS = 63.546


def atoms():
    found = Atoms("CuCu", [[0, 0, 5], [2, 2, 8]], cell=[7.5, 7.5, 12], pbc=True)
    found.set_constraint(FixAtoms([1]))
    return found


def process(barrier, back=None, distance=1.0):
    start = atoms().positions
    saddle, product = start.copy(), start.copy()
    saddle[0, 0] += distance
    product[0, 0] += 2 * distance
    mode = np.array([[1.0, 0, 0], [0, 0, 0]])
    end = barrier - (barrier if back is None else back)
    return FoundProcess(0.0, barrier, end, 1e13, 1e13, start, saddle, product, mode)


def good(found, **more):
    return SearchOutcome(
        "0_3", "random", End.FINISHED, termination=Termination.GOOD, found=found,
        barrier_eV=found.saddle_eV, force_calls=ForceCalls(10, 20, 0), **more,
    )  # fmt: skip


def ended(termination, **more):
    return SearchOutcome("0_3", "random", End.FINISHED, termination=termination, **more)


def spectrum(soft, negative=1):
    """Of one atom: softest curvature in eV/A^2."""
    weighted = soft / MASS
    return Spectrum(3, negative, -weighted, weighted, 0.03, 0.0, 0, 0.0)


@pytest.mark.parametrize(("outcome", "wanted"), [
    (good(process(0.3)), False),
    (good(process(LOW_SLOPE * FORCE * 1.001)), False),
    (good(process(LOW_SLOPE * FORCE * 0.999)), True),
    (good(process(0.3, back=0.002)), True),
    (good(process(math.nan)), True),
    (good(process(-0.1)), True),
    (ended(Termination.NOT_CONNECTED, barrier_eV=0.002, saddle_distance_A=0.9, led_back=True), True),
    (ended(Termination.NOT_CONNECTED, barrier_eV=0.5, saddle_distance_A=0.9, led_back=True), False),
    (ended(Termination.NOT_CONNECTED, barrier_eV=0.002, saddle_distance_A=0.9), False),
    (ended(Termination.NO_NEGATIVE_MODE, barrier_eV=0.002, saddle_distance_A=0.9), True),
    (ended(Termination.HIGH_ENERGY, barrier_eV=0.0, saddle_distance_A=0.9), False),
])  # fmt: skip
def test_only_low_barriers_are_looked_at_again(outcome, wanted):
    assert SETTLING.wanted(outcome) is wanted


def test_the_limit_is_that_of_one_percent_of_a_sinusoidal_barrier():
    """E at a distance d has the curvature pi^2 E / 2 d^2; the force leaves F^2 / 2k."""
    distance = 1.3
    barrier = LOW_SLOPE * FORCE * distance
    curvature = math.pi**2 * barrier / (2 * distance**2)
    assert FORCE**2 / (2 * curvature) == pytest.approx(0.01 * barrier)


class Client:
    """In the place of eOn's: it notes the forces that it is asked for, and ends as it is told."""

    def __init__(self, outcomes, spectra):
        self.outcomes, self.spectra, self.jobs = list(outcomes), list(spectra), []

    def search(self, job, *, reader, tag=""):
        assert tag == "0_3.7"
        self.jobs.append(job)
        outcome = self.outcomes.pop(0)
        return ClientDone(outcome.end, outcome.message, outcome, 2.0)

    def hessian(self, task):
        found = self.spectra.pop(0)
        if isinstance(found, HessianOutcome):
            return found
        return HessianOutcome(task.name, End.FINISHED, seconds=1.0, spectrum=found, force_calls=6)

    @property
    def forces(self):
        found = []
        for job in self.jobs:
            parser = configparser.ConfigParser()
            parser.read_string(job.files["config.ini"])
            found.append(float(parser["Saddle Search"]["converged_force"]))
            assert float(parser["Optimizer"]["converged_force"]) == min(found[-1], 1e-3)
        return found


def settled(first):
    job = ClientJob(
        "0_3", {"pos.con": to_con(atoms()), "config.ini": INI, "direction.dat": "as it began"}, {}, 60.0
    )  # fmt: skip
    return SETTLING.settle(SearchTask(job, settling=SETTLING), first, tag="0_3.7")


def client_of(monkeypatch, outcomes, spectra):
    client = Client(outcomes, spectra)
    monkeypatch.setattr(module, "run_job", client.search)

    def run(task, *, tag=""):
        assert tag == "0_3.7"
        return client.hessian(task)

    monkeypatch.setattr(HessianTask, "run", run)
    return client


def test_it_goes_on_from_its_own_saddle_until_force_and_curvature_say_enough(monkeypatch):
    client = client_of(
        monkeypatch, [good(process(0.0019)), good(process(0.0020))], [spectrum(1e-4), spectrum(1e-3)]
    )  # fmt: skip
    first = good(process(0.0013, distance=0.6))
    done = settled(replace(first, seconds=5.0, saddle_distance_A=0.9))
    assert client.forces == pytest.approx([1e-4, 0.02 * 1e-4])
    assert "as it began" not in client.jobs[0].files["direction.dat"]
    assert "0.6" in client.jobs[0].files["displacement.con"]
    assert done.found.saddle_eV == 0.0020
    assert done.barrier_error_eV == pytest.approx((0.02 * 1e-4) ** 2 / 1e-3)
    assert done.force_calls == ForceCalls(10 * 3 + 6 * 2, 20 * 3, 0)
    assert done.seconds == 5 + 2 * 2 + 2 * 1
    assert done.saddle_distance_A == 0.9


def test_what_led_back_starts_again_from_its_start(monkeypatch):
    client = client_of(monkeypatch, [good(process(0.002))], [spectrum(0.01)])
    done = settled(ended(Termination.NOT_CONNECTED, led_back=True))
    assert client.jobs[0].files["direction.dat"] == "as it began"
    assert done.termination is Termination.GOOD


def test_it_ends_where_forces_have_no_more_digits_and_the_error_is_told(monkeypatch):
    client = client_of(monkeypatch, [good(process(1e-5))] * 3, [spectrum(1e-12)] * 3)
    done = settled(good(process(1e-5)))
    assert client.forces == pytest.approx([1e-4, LEAST_FORCE_EV_PER_A])
    assert done.barrier_error_eV > done.barrier_eV


@pytest.mark.parametrize("negative", [0, 2])
def test_a_place_without_exactly_one_negative_mode_is_no_process(monkeypatch, negative):
    client_of(monkeypatch, [good(process(0.002))], [spectrum(0.01, negative=negative)])
    done = settled(good(process(0.002)))
    assert (done.found, done.barrier_error_eV) == (None, None)
    assert done.reason == f"no first-order saddle: {negative} negative modes"


def test_a_mode_of_uncertain_sign_does_not_decide(monkeypatch):
    """Softer than the Hessian's own error: it may be a free rotation. The error of the barrier tells of it."""
    client_of(monkeypatch, [good(process(0.002))] * 2, [spectrum(1e-9, negative=2)] * 2)
    done = settled(good(process(0.002)))
    assert done.termination is Termination.GOOD
    assert done.barrier_error_eV > 0.01 * done.barrier_eV


def test_what_becomes_of_the_search_is_what_became_of_its_convergence(monkeypatch):
    client_of(monkeypatch, [ended(Termination.NOT_CONNECTED)], [])
    done = settled(good(process(0.002)))
    assert done.reason == "Not Connected"
    assert done.force_calls == ForceCalls(10, 20, 0)


@pytest.mark.parametrize("end", [End.CRASHED, End.TIMED_OUT, End.CANCELLED])
def test_a_client_or_a_hessian_that_dies_makes_the_whole_search_run_again(monkeypatch, end):
    dead = SearchOutcome("0_3", "random", end, message="gone")
    client_of(monkeypatch, [dead], [])
    done = settled(good(process(0.002)))
    assert (done.end, done.termination, done.found) == (end, None, None)
    hessian = HessianOutcome("0_3.settled", end, "gone")
    client_of(monkeypatch, [good(process(0.002))], [hessian])
    done = settled(good(process(0.002)))
    assert (done.end, done.message, done.termination, done.found) == (end, "gone", None, None)


def test_forces_that_cannot_be_evaluated_beside_the_saddle_make_no_process(monkeypatch):
    client_of(monkeypatch, [good(process(0.002))], [HessianOutcome("0_3.settled", End.FINISHED)])
    assert settled(good(process(0.002))).termination is Termination.POTENTIAL_FAILED
    client_of(monkeypatch, [good(process(0.002))], [replace(spectrum(0.01), finite=False)])
    assert settled(good(process(0.002))).termination is Termination.POTENTIAL_FAILED


def test_gamma_of_both_counts_and_a_halt_is_one(monkeypatch):
    halted = SearchOutcome(
        "0_3", "random", End.HALTED, message="gamma 17", termination=Termination.HALTED,
        graded=Graded(gamma_path=17.0, halt="gamma 17", halt_kind=HaltKind.EXTRAPOLATION),
    )  # fmt: skip
    client_of(monkeypatch, [halted], [])
    done = settled(good(process(0.002), graded=Graded(gamma_path=2.0, gamma_saddle=1.0)))
    assert done.end is End.HALTED
    assert (done.graded.gamma_path, done.graded.gamma_saddle) == (17.0, None)
    seen = Graded(gamma_path=1.0, gamma_saddle=0.5)
    client_of(monkeypatch, [good(process(0.002), graded=seen)], [spectrum(0.01)])
    done = settled(good(process(0.002), graded=Graded(gamma_path=2.0, gamma_saddle=1.0)))
    assert (done.graded.gamma_path, done.graded.gamma_saddle) == (2.0, 0.5)
