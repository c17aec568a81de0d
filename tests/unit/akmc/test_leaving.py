"""Steps out of superbasins of a vacancy: atoms, times and squared displacements are those of the walk made hop by hop."""

from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import bulk

from mlip_kmc.akmc.leaving import Leaving
from mlip_kmc.ground.errors import SearchesFailedError
from mlip_kmc.model.atom_path import AtomPath, wrap
from mlip_kmc.model.kinetics import draw_step
from mlip_kmc.model.superbasin import samples
from mlip_kmc.model.superbasin.chain import NoWayOutError

CRYSTAL = bulk("Cu", "fcc", a=3.6, cubic=True) * (2, 2, 2)
SITES, CELL = np.array(CRYSTAL.positions), np.array(CRYSTAL.cell)


def neighbours(site):
    return np.flatnonzero(
        np.abs(np.linalg.norm(wrap(SITES - SITES[site], CELL), axis=1) - 3.6 / np.sqrt(2)) < 0.1
    )


TRAP = next((0, int(b), int(c)) for b in neighbours(0) for c in neighbours(0) if c in neighbours(b))
FAST = 200.0


def rate(start, end):
    return FAST if start in TRAP and end in TRAP else 1.0


class Model:
    """A vacancy in copper and nickel as eOn's states would be: each with its own order, images and frame of atoms.

    A state is a site, whatever stands elsewhere: kinds are told apart only by following atoms, so all kinds are alike here.
    """

    def __init__(self, *, anchored=False):
        self.rng, self.files, self.anchored = np.random.default_rng(0), {}, anchored
        self.states = {site: self._state(site) for site in range(len(SITES))}
        self.leaving = {hops: Leaving(explicit_hops=hops) for hops in (0.0, 1e6)}

    def _state(self, site):
        order = self.rng.permutation(np.delete(np.arange(len(SITES)), site))
        shift = 0.0 if self.anchored else self.rng.normal(0, 0.02, 3)
        here = SITES[order] + shift + self.rng.integers(-1, 2, SITES[order].shape) @ CELL
        self.files[f"{site}"] = here
        procs = {}
        for process, end in enumerate(neighbours(site)):
            again = self.rng.permutation(len(order))
            reactant = here[again]
            product = reactant.copy()
            hopper = int(np.flatnonzero(order[again] == end)[0])
            jump = wrap((SITES[site] + shift - product[hopper])[None], CELL)[0]
            product[hopper] += jump
            if not self.anchored:
                product -= jump / len(product)
            self.files[f"{site}/r{process}"], self.files[f"{site}/p{process}"] = reactant, product
            self.files[f"{site}/s{process}"] = (reactant + product) / 2
            procs[process] = {"product": int(end), "rate": rate(site, end)}
        return SimpleNamespace(
            number=site,
            procs=procs,
            load_process_table=lambda: None,
            reactant_path=f"{site}",
            proc_reactant_path=lambda process: f"{site}/r{process}",
            proc_saddle_path=lambda process: f"{site}/s{process}",
            proc_product_path=lambda process: f"{site}/p{process}",
        )

    def start(self):
        return AtomPath.start(CELL, ["Cu"] * (len(SITES) - 1), anchored=self.anchored)

    def basin(self, sites=TRAP):
        return SimpleNamespace(id=3, state_dict={site: self.states[site] for site in sites})


@pytest.fixture
def model(monkeypatch):
    return made(monkeypatch)


def made(monkeypatch, **options):
    found = Model(**options)
    monkeypatch.setattr(Leaving, "_read", lambda _, con: found.files[con])
    return found


def squares(model, path, site):
    moved = path.unwrapped(model.files[f"{site}"]) - model.files[f"{TRAP[0]}"]
    assert np.abs(moved.mean(axis=0)).max() < 1e-8 or model.anchored
    return float((moved**2).sum())


def hop_by_hop(model, rng, *, exits):
    """Hops, time, and the sum of squared displacements when the trap was left so often."""
    leaving, path, site, time, hops = model.leaving[1e6], model.start(), TRAP[0], 0.0, 0
    while exits:
        state = model.states[site]
        index, residence = draw_step([row["rate"] for row in state.procs.values()], rng)
        product = state.procs[index]["product"]
        exits -= site in TRAP and product not in TRAP
        path = leaving.follow(path, state, index, model.states[product])
        site, time, hops = product, time + residence, hops + 1
    return hops, time, squares(model, path, site)


def by_superbasin(model, rng, *, exits, explicit_hops):
    leaving, path, site, time, hops = model.leaving[explicit_hops], model.start(), TRAP[0], 0.0, 0
    while exits:
        state = model.states[site]
        if site in TRAP:
            way = leaving.draw(model.basin(), entered=state, path=path, rng=rng)
            path, state, index, residence, made = (
                way.path,
                way.left,
                way.process,
                way.time_s,
                way.hops,
            )
            exits -= 1
        else:
            index, residence = draw_step([row["rate"] for row in state.procs.values()], rng)
            made = 1
        product = state.procs[index]["product"]
        path = leaving.follow(path, state, index, model.states[product])
        site, time, hops = product, time + residence, hops + made
    return hops, time, squares(model, path, site)


@pytest.fixture(scope="module")
def walked():
    with pytest.MonkeyPatch.context() as patch:
        model = made(patch)
        return np.array(
            [hop_by_hop(model, np.random.default_rng([1, i]), exits=1) for i in range(250)]
        )


@pytest.mark.parametrize("explicit_hops", [1e6, 0.0], ids=["explicit", "samples"])
def test_squared_displacements_with_and_without_superbasins_agree(
    model, walked, monkeypatch, explicit_hops
):
    """Mean hops, time, and squared displacement of all atoms at the first exit: within their standard errors."""
    monkeypatch.setattr(samples, "SAMPLES", 256)  # mean squares are right for any number
    left = np.array(
        [
            by_superbasin(
                model, np.random.default_rng([2, i]), exits=1, explicit_hops=explicit_hops
            )
            for i in range(400)
        ]
    )
    error = np.hypot(
        walked.std(axis=0) / np.sqrt(len(walked)), left.std(axis=0) / np.sqrt(len(left))
    )
    assert walked[:, 0].mean() > 30
    assert (error < 0.12 * walked.mean(axis=0)).all()
    assert (np.abs(walked.mean(axis=0) - left.mean(axis=0)) < 3.5 * error).all()


def test_the_shortest_way_gave_other_displacements(model, walked):
    """What versions without the walk's path had: one hop inside where another state was left, none where the same."""
    shortest = (1 + 2 + 2) / 3 * (3.6 / np.sqrt(2)) ** 2
    assert walked[:, 2].mean() > 1.25 * shortest


def test_a_run_on_through_several_traps_keeps_its_atoms_in_place(model):
    hops, time, square = by_superbasin(model, np.random.default_rng(3), exits=3, explicit_hops=1e6)
    assert hops > 3
    assert time > 0
    assert square > 0


@pytest.mark.parametrize("anchored", [False, True])
def test_the_path_leads_to_the_state_that_is_left(monkeypatch, anchored):
    """Every atom stands on a site of the state that is left, whatever images and frames it went through."""
    model = made(monkeypatch, anchored=anchored)
    leaving, rng = Leaving(), np.random.default_rng(4)
    path = leaving.follow(
        model.start(), model.states[TRAP[0]], 0, model.states[int(neighbours(TRAP[0])[0])]
    )
    entered = model.states[int(neighbours(TRAP[0])[0])]
    basin = model.basin((*TRAP, entered.number))
    for _ in range(30):
        way = leaving.draw(basin, entered=entered, path=path, rng=rng)
        here = model.files[way.left.reactant_path]
        assert sorted(way.path.mapping) == list(range(len(here)))
        moved = way.path.unwrapped(here) - path.unwrapped(model.files[entered.reactant_path])
        if anchored:  # one site to another, exactly
            assert np.abs(wrap(moved, 1.8 * np.eye(3))).max() < 1e-9
        else:
            assert np.abs(moved.mean(axis=0)).max() < 1e-9


def test_the_same_stream_draws_the_same(model):
    ways = [
        Leaving().draw(
            model.basin(),
            entered=model.states[TRAP[1]],
            path=model.start(),
            rng=np.random.default_rng(9),
        )
        for _ in range(2)
    ]
    assert (
        len(
            {
                (way.left.number, way.process, way.time_s, way.hops, tuple(way.path.mapping))
                for way in ways
            }
        )
        == 1
    )


def test_no_known_way_out_is_told_with_the_way_on(model):
    for site in TRAP:
        model.states[site].procs = {
            process: row
            for process, row in model.states[site].procs.items()
            if row["product"] in TRAP
        }
    with pytest.raises(
        SearchesFailedError, match=r"no way out of superbasin 3 .*thermal_window_kT"
    ) as caught:
        Leaving().draw(
            model.basin(),
            entered=model.states[TRAP[0]],
            path=model.start(),
            rng=np.random.default_rng(0),
        )
    assert isinstance(caught.value.__cause__, NoWayOutError)


def test_a_rate_that_is_no_number_stops_the_run(model):
    model.states[TRAP[1]].procs[0]["rate"] = float("nan")
    with pytest.raises(SearchesFailedError, match=r"no step out of superbasin 3: .*finite rates"):
        Leaving().draw(
            model.basin(),
            entered=model.states[TRAP[0]],
            path=model.start(),
            rng=np.random.default_rng(0),
        )
