"""The film of a trajectory, the scenes of the viewer, and the figure of hops."""

import json

import numpy as np
from ase.build import bulk

from mlip_kmc.report.figures import is_flat, path
from mlip_kmc.report.film import MOST_ATOMS, MOST_FRAMES, film_of
from mlip_kmc.report.scenes import scenes_of
from mlip_kmc.report.viewer import Viewer, digest, policy
from mlip_kmc.store.view import RunView

from ..synthetic import State, commit, copper, event


def steps(count):
    """Atom 3 goes on by a cell vector at each step."""
    return [
        event(
            k,
            time_s=1e-6 * (k + 1),
            before_s=1e-6 * k,
            reactant=0,
            product=0,
            images={"3": (k + 1, 0, 0)},
        )
        for k in range(count)
    ]


def film(tmp_path, count, atoms=None):
    run = commit(tmp_path / "run", states=[State(), State()], events=steps(count), atoms=atoms)
    with RunView.read(run) as view:
        return film_of(view.states, view.events), is_flat(view.events, view.states)


def test_atoms_are_followed_unwrapped_and_hops_are_told(tmp_path):
    found, _ = film(tmp_path, 3)
    scene, start = found.scene, copper().positions[3]
    assert [frame["step"] for frame in scene["frames"]] == [0, 1, 2, 3]
    assert [hop.step for hop in found.hops] == [1, 2, 3]
    along = np.array([7.2, 0.0, 0.0])
    for k, hop in enumerate(found.hops):
        np.testing.assert_allclose(hop.start_A, start + k * along, atol=0.02)
        np.testing.assert_allclose(hop.end_A, start + (k + 1) * along, atol=0.02)
    figure = path(found)
    assert figure.caption[0].count("n = 3 hops") == 1
    assert path(None) is None


def test_a_long_film_and_a_large_system_are_bounded(tmp_path):
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True) * (7, 7, 7)
    found, _ = film(tmp_path, 2 * MOST_FRAMES + 7, atoms)
    scene = found.scene
    assert len(scene["frames"]) <= MOST_FRAMES + 1
    assert scene["frames"][-1]["step"] == 2 * MOST_FRAMES + 7
    assert scene["stride"] == 3
    assert 0 < len(scene["species"]) <= MOST_ATOMS
    assert scene["left_out"] == len(atoms) - len(scene["species"])
    assert {hop.species for hop in found.hops} == {"Cu"}


def test_equal_energies_are_flat_and_one_state_is_not(tmp_path):
    run = commit(
        tmp_path / "run",
        states=[State(energy=-10.0), State(energy=-9.9995), State(energy=-9.5)],
        events=[event(0, time_s=1e-6), event(1, time_s=2e-6, reactant=1, product=2)],
    )
    with RunView.read(run) as view:
        assert is_flat(view.events[:1], view.states)
        assert not is_flat(view.events, view.states)
        assert not is_flat((), view.states)


def test_scenes_cannot_end_their_element(tmp_path):
    found, _ = film(tmp_path, 1)
    found.scene["title"] = "</script><script>"
    text = scenes_of((), film=found)
    assert "<" not in text
    assert json.loads(text)["film"]["title"] == "</script><script>"


def test_the_policy_names_what_may_run():
    viewer = Viewer.of("library()", scenes="{}")
    said = policy("p {}", viewer)
    assert f"script-src {digest('library()')} {digest(viewer.own)}" in said
    assert "unsafe" not in said
    assert "script-src" not in policy("p {}", None)
