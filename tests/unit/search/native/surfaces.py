"""Analytic landscapes with known saddles, as callbacks of forces."""

import numpy as np

from mlip_kmc.search.native.landscape import Landscape
from mlip_kmc.search.native.springs import SpringMetric
from mlip_kmc.search.native.walker import Ground

CELL = np.diag([40.0, 40.0, 40.0])
_MB = np.array(
    [
        (-200.0, -1.0, 0.0, -10.0, 1.0, 0.0),
        (-100.0, -1.0, 0.0, -10.0, 0.0, 0.5),
        (-170.0, -6.5, 11.0, -6.5, -0.5, 1.5),
        (15.0, 0.7, 0.6, 0.7, -1.0, 1.0),
    ]
)
MB_SCALE = 0.01
WELL = 20.0
"""eV/A^2, of the other atoms: stiffer than the valley, which is what a climb follows then."""
MB_LENGTH_A = 2.5
MB_MINIMUM, MB_SADDLE, MB_OTHER = (
    MB_LENGTH_A * np.array(place)
    for place in ((-0.5582, 1.4417), (-0.8220, 0.6243), (-0.0500, 0.4667))
)
MB_SADDLE_EV, MB_MINIMUM_EV = -40.6648 * MB_SCALE, -146.6995 * MB_SCALE
"""Mueller and Brown, Theor. Chim. Acta 53, 75 (1979), whose energies count in 0.01 eV here, and lengths in 2.5 A."""


def mueller_brown(positions):
    """The first atom's x and y on their surface; all else in a harmonic well."""
    x, y = positions[0, :2] / MB_LENGTH_A
    energy, forces = 0.0, np.zeros_like(positions)
    for a, p, q, r, x0, y0 in _MB:
        dx, dy = x - x0, y - y0
        term = MB_SCALE * a * np.exp(p * dx * dx + q * dx * dy + r * dy * dy)
        energy += term
        forces[0, 0] -= term * (2 * p * dx + q * dy) / MB_LENGTH_A
        forces[0, 1] -= term * (q * dx + 2 * r * dy) / MB_LENGTH_A
    rest = positions - well(len(positions))
    rest[0, :2] = 0.0
    return energy + 0.5 * WELL * float((rest**2).sum()), forces - WELL * rest


def well(count):
    """(N, 3) where the other atoms rest: far apart."""
    places = np.zeros((count, 3))
    places[:, 2] = 5.0 * np.arange(count)
    return places


def lennard_jones(positions):
    """A cluster, in units of its well depth and length: 4 (r^-12 - r^-6)."""
    vectors = positions[:, None] - positions[None]
    squares = (vectors**2).sum(axis=-1) + np.eye(len(positions)) * 1e9
    sixth = squares**-3
    energy = 0.5 * float((4.0 * (sixth**2 - sixth)).sum())
    pull = 24.0 * (2.0 * sixth**2 - sixth) / squares
    return energy, (pull[:, :, None] * vectors).sum(axis=1)


def ground_of(forces, positions, *, free=None, turns=False):
    """A ground of these forces, in the metric of the structure's springs."""
    positions = np.asarray(positions, dtype=float)
    moving = np.arange(len(positions)) if free is None else np.asarray(free)
    landscape = Landscape(forces, frame_A=positions, free=moving)
    metric = SpringMetric.of(positions, cell=CELL, free=moving)
    return Ground.of(landscape, metric, turns=turns)


def numeric_hessian(ground, place, step=1e-4):
    """(3 n, 3 n) by central differences of gradients."""
    columns = []
    for direction in np.eye(len(place)):
        ahead = ground.landscape.point(place + step * direction).gradient
        behind = ground.landscape.point(place - step * direction).gradient
        columns.append((ahead - behind) / (2 * step))
    found = np.column_stack(columns)
    return 0.5 * (found + found.T)
