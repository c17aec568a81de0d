"""Outcomes of searches, drawn by hypothesis; and a look at two of them that compares every number."""

from dataclasses import fields, is_dataclass

import numpy as np
from ase import Atoms
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mlip_kmc.evaluate.client import End
from mlip_kmc.model.frames import KeptFrame, Kind, Stage, to_text
from mlip_kmc.model.records import Rated
from mlip_kmc.search.outcome import (
    Beyond,
    ForceCalls,
    FoundProcess,
    Graded,
    KnownSaddle,
    SearchOutcome,
    Termination,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False)
COUNT = st.integers(0, 10**9)
SIZE = 3


def places(elements=FINITE):
    return arrays(np.float64, (SIZE, 3), elements=elements)


@st.composite
def frames(draw):
    atoms = Atoms(
        "CuAlCu", positions=draw(places()), cell=[[3, 0, 0], [1, 4, 0], [1, 1, 5]], pbc=True
    )
    return KeptFrame(
        atoms=atoms,
        gammas=draw(st.none() | arrays(np.float64, SIZE, elements=FINITE)),
        search=f"{draw(COUNT)}_{draw(COUNT)}",
        state=draw(COUNT),
        stage=draw(st.sampled_from(Stage)),
        step=draw(COUNT),
        kind=draw(st.sampled_from(Kind)),
        potential="0" * 64,
    )


FOUND = st.builds(
    FoundProcess,
    **dict.fromkeys(
        ("reactant_eV", "saddle_eV", "product_eV", "forward_per_s", "back_per_s"), FINITE
    ),
    **dict.fromkeys(("reactant_A", "saddle_A", "product_A", "mode"), places()),
    provenance=st.dictionaries(st.text(max_size=5), FINITE | st.text(max_size=5), max_size=3),
)
GRADED = st.builds(
    Graded,
    **dict.fromkeys(
        ("gamma_path", "gamma_reactant", "gamma_saddle", "gamma_product"), st.none() | FINITE
    ),
    halt=st.text(max_size=9),
    frames=st.lists(frames(), max_size=2).map(tuple),
)
RATED = st.builds(
    Rated,
    forward_per_s=FINITE,
    back_per_s=FINITE,
    kind=st.sampled_from(("harmonic", "constant")),
    reason=st.text(max_size=9),
    atoms=COUNT,
    of_atoms=COUNT,
    force_calls=COUNT,
)


KNOWN = st.builds(
    KnownSaddle,
    index=COUNT,
    distance_A=FINITE,
    audited=st.booleans(),
    confirmed=st.none() | st.booleans(),
)

BEYOND = st.builds(Beyond, audited=st.booleans(), confirmed=st.none() | st.booleans())


@st.composite
def outcomes(draw):
    termination = draw(st.none() | st.sampled_from(Termination))
    return SearchOutcome(
        name=f"{draw(COUNT)}_{draw(COUNT)}",
        kind=draw(st.sampled_from(("random", "recycling"))),
        end=draw(st.sampled_from(End)),
        message=draw(st.text(max_size=20)),
        seconds=draw(FINITE),
        termination=termination,
        barrier_eV=draw(FINITE),
        saddle_distance_A=draw(FINITE),
        force_calls=ForceCalls(draw(COUNT), draw(COUNT), draw(COUNT)),
        found=draw(FOUND) if termination is Termination.GOOD else None,
        graded=draw(GRADED),
        rated=draw(st.none() | RATED),
        known=draw(st.none() | KNOWN),
        beyond=draw(st.none() | BEYOND),
    )


def bits(value):
    """All of a value, so that two that are equal agree in every bit (-0.0 is not 0.0)."""
    if isinstance(value, np.ndarray):
        return (value.shape, str(value.dtype), value.tobytes())
    if isinstance(value, KeptFrame):
        return to_text(value)
    if is_dataclass(value):
        return {entry.name: bits(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, tuple | list):
        return [bits(entry) for entry in value]
    return repr(value)
