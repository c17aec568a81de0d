"""One KMC step on its way from what is known to the journal: drawn, timed, written as an event; refused where it has no time.

departure, clock = timed_departure(place, path=path, rng=rng, numbers=numbers, temperature_K=300.0)
event = event_of(departure, clock, path=path, numbers=numbers, temperature_K=300.0, epoch=0)
"""

import math

import numpy as np

from mlip_kmc.akmc.ports import Departure, Place
from mlip_kmc.ground.errors import SearchesFailedError
from mlip_kmc.model.atom_path import AtomPath
from mlip_kmc.model.clock import Clock, NoStepError, StepFault
from mlip_kmc.model.records import Event, RunNumbers

_ADVICE = {
    StepFault.TOO_SLOW: "nothing happens at this temperature in a time that can be counted; raise temperature_K, with which the "
    "same directory goes on",
    StepFault.TOO_FAST: "such rates are no thermally activated processes: look at the barriers and prefactors in "
    "results/processes.csv, and lower prefactor.constant_per_s in a new --dir, or temperature_K here",
    StepFault.STANDS: "an earlier version made a step without a time; make the run again in a new --dir",
    StepFault.RATES: "look at the barriers and prefactors in results/processes.csv",
}


def timed_departure(
    place: Place,
    *,
    path: AtomPath,
    rng: np.random.Generator,
    numbers: RunNumbers,
    temperature_K: float,
) -> tuple[Departure, Clock]:
    """Draw a step, and tell the simulated time after it.

    Args:
        place: where the run is.
        path: where every atom is.
        rng: of the step.
        numbers: of the run, before the step.
        temperature_K: of the rates.

    Raises:
        SearchesFailedError: no way out is known, or the step's time is not a positive finite number that changes the clock.
    """
    where = f"no KMC step out of state {numbers.state} at temperature_K = {temperature_K:g}"
    try:
        departure = place.depart(path, rng)
    except NoStepError as error:
        raise SearchesFailedError(f"{where}: {error}", advice=_ADVICE[error.fault]) from error
    try:
        return departure, _later(numbers.clock, departure)
    except NoStepError as error:
        rate = f"process {departure.process} has a rate of {departure.rate_per_s:.6g} 1/s"
        raise SearchesFailedError(
            f"{where}: {error}; {rate}", advice=_ADVICE[error.fault]
        ) from error


def _later(clock: Clock, departure: Departure) -> Clock:
    if not departure.rate_per_s < math.inf:  # one over a mean time may be
        raise NoStepError(StepFault.TOO_FAST, f"{departure.time_s:.6g} s were drawn")
    return clock.after(departure.time_s)


def event_of(
    departure: Departure,
    clock: Clock,
    *,
    path: AtomPath,
    numbers: RunNumbers,
    temperature_K: float,
    epoch: int,
) -> Event:
    """The journal's record of a step.

    Args:
        departure: see there.
        clock: after the step.
        path: where every atom was before it.
        numbers: of the run, before it.
        temperature_K: of the rates.
        epoch: the present one.
    """
    mapping, images = path.changes_to(departure.path)
    return Event(
        step=numbers.steps,
        reactant=departure.left,
        process=departure.process,
        product=departure.product,
        step_time_s=departure.time_s,
        time_s=clock.time_s,
        time_rest_s=clock.rest_s,
        barrier=departure.barrier_eV,
        rate=departure.rate_per_s,
        energy=departure.energy_eV,
        mapping=mapping,
        images=images,
        drift_A=departure.path.drift,
        superbasin=departure.superbasin,
        temperature_K=temperature_K,
        hops=departure.hops,
        epoch=epoch,
        ambiguous=departure.path.ambiguous,
        turn=tuple(departure.path.turn.ravel().tolist()) if departure.path.turns else (),
    )
