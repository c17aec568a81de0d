"""Orbits and classes in real runs: the same rates for a fraction of the searches, whoever works and whatever is killed."""

import numpy as np
import pytest
from ase.io import read

from mlip_kmc.model.records import SearchRecord, read_lines, shortcuts_of
from mlip_kmc.store.eon_tree import read_states

from .conftest import KILLS, killed_often, outcome, to_its_end, write_config

STEPS = 8
SYMMETRY = {"orbits": True, "classes": True, "audit_share": 0.5}


def run(folder, **changes):
    return to_its_end(write_config(folder, **changes))


def changes(**more):
    return {
        "symmetry": SYMMETRY,
        "stop": {"kmc_steps": STEPS},
        "confidence": {"value": 0.9},
        **more,
    }


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return run(tmp_path_factory.mktemp("shared"), **changes(workers=1))


def searches_of(folder):
    return read_lines(folder / "journal" / "searches.jsonl", SearchRecord)


def test_states_behind_hops_have_the_table_of_the_first(shared):
    """An adatom on Al(100): every site is like every other."""
    states = read_states(shared / "eon", searches_of(shared))
    explored = [state for state in states if state.processes and state.good]
    assert len(explored) > 3
    first = sorted(process.barrier for process in states[0].processes)
    for state in explored:
        assert sorted(process.barrier for process in state.processes) == pytest.approx(
            first, abs=1e-3
        )
        lowest = [p for p in state.processes if p.barrier < first[0] + 1e-3]
        assert len(lowest) % 4 == 0  # 4mm: a hop along the surface has four images
        assert all(process.epoch == 0 for process in state.processes if process.product is None)
    kinds = [record.kind for record in searches_of(shared)]
    assert kinds.count("class") == len(explored) - 1
    audits = [record for record in searches_of(shared) if record.kind == "audit"]
    assert audits
    assert {record.outcome for record in audits} == {"repeat"}


def test_each_process_leads_where_it_says(shared):
    """Displacements of a recognised state are images of what was found: the products' energies are the states' own."""
    states = {state.number: state for state in read_states(shared / "eon")}
    linked = [
        (process, states[process.product])
        for state in states.values()
        for process in state.processes
        if process.product is not None
    ]
    assert len(linked) > STEPS
    for process, product in linked:
        assert process.product_energy == pytest.approx(product.energy, abs=2e-3)
        assert process.product != process.state


def test_the_same_rates_as_by_searches_alone(shared, adatom_run):
    """The hops that a hundred searches find of state 0 are those that its orbits say."""
    found = read_states(adatom_run / "eon")[0].processes
    known = read_states(shared / "eon")[0].processes
    low = min(process.barrier for process in known)

    def hops(
        processes,
    ):  # 2 meV above them is a rare process of many atoms, of which neither has all
        return [p for p in processes if p.barrier < low + 1e-3]

    assert len(hops(found)) == len(hops(known)) == 4
    total = sum(p.rate for p in hops(known))
    assert sum(p.rate for p in hops(found)) == pytest.approx(total, rel=0.02)


@pytest.mark.parametrize("workers", [2, 8])
def test_the_number_of_workers_changes_nothing(shared, tmp_path, workers):
    assert outcome(run(tmp_path, **changes(workers=workers))) == outcome(shared)


def test_kills_change_nothing(shared, tmp_path):
    config = write_config(tmp_path, **changes(workers=2))
    killed_often(config, tmp_path / "run", kills=KILLS)
    assert outcome(tmp_path / "run") == outcome(shared)


def test_far_fewer_searches(shared):
    records = searches_of(shared)
    searched = [record for record in records if record.kind == "random"]
    states = {record.state for record in records}
    assert len(states) > 3
    assert {record.state for record in searched} == {0}
    assert (
        np.sum([record.force_calls for record in records if record.kind == "class"])
        == len(states) - 1
    )


def test_an_almost_symmetric_site_is_found_out(tmp_path):
    """A held atom below the adatom is 0.03 A aside: within the tolerance all is symmetric, and hops differ by 1.4 meV."""
    write_config(tmp_path)
    slab = read(tmp_path / "adatom.xyz")
    held = slab.constraints[0].index
    below = min(held, key=lambda atom: slab.get_distance(atom, len(slab) - 1, mic=True))
    slab.positions[below] += [0.03, 0.0, 0.0]
    slab.write(tmp_path / "adatom.xyz")
    search = {"converged_force_eV_per_A": 0.002}
    made = run(
        tmp_path,
        symmetry=SYMMETRY,
        search=search,
        confidence={"value": 0.5},
        stop={"kmc_steps": 1},
    )
    told = shortcuts_of(searches_of(made))
    assert told.images_again > 0
    assert told.images_left > 0
    records = {record.process: record for record in searches_of(made) if record.state == 0}
    processes = read_states(made / "eon")[0].processes
    low = sorted(p.barrier for p in processes)[:4]
    assert low[1] - low[0] < 1e-4  # along x; so is the image that was converged again
    assert low[2] - low[0] == pytest.approx(1.4e-3, abs=3e-4)  # along y
    own = [p for p in processes if p.process in records]
    for image in processes:
        assert min(abs(image.barrier - p.barrier) for p in own) < 1e-3
