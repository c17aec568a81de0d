"""Kinds of processes, vacancies, profiles, and what the first screen says."""

import json
import re

import numpy as np
import pytest
from ase.build import bulk, fcc100
from click.testing import CliRunner

from mlip_kmc.cli.report import report
from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.model.records import StateRecord
from mlip_kmc.report.kinds import by_use, kinds_of
from mlip_kmc.report.numbers import ProcessNumbers, StateNumbers
from mlip_kmc.report.pictures import profile
from mlip_kmc.report.result import chance_of_new
from mlip_kmc.report.vacancies import vacancies_near

from ..synthetic import State, commit, event, search


def row(rank, barrier, *, used=0, prefactor=1e13, reverse=None):
    return ProcessNumbers(
        state=0,
        process=100 + rank,
        rank=rank,
        product=None,
        barrier_eV=barrier,
        reverse_barrier_eV=barrier if reverse is None else reverse,
        prefactor_per_s=prefactor,
        rate_per_s=1.0,
        share=0.1,
        in_rate_table=True,
        repeats=1,
        used=used,
    )


def state(*rows):
    return StateNumbers(
        state=0,
        energy_eV=-1.0,
        visits=1,
        first_step=0,
        residence_s=0.0,
        lowest_barrier_eV=rows[0].barrier_eV,
        rate_per_s=1.0,
        searches=1,
        outcomes={},
        force_calls=1,
        seconds=1.0,
        confidence=0.5,
        processes=rows,
    )


def told(kinds):
    return [([one.rank for one in kind.rows], kind.symmetric) for kind in kinds]


def test_orbits_are_kinds_and_others_go_by_their_numbers():
    rows = [row(1, 0.5), row(2, 0.5001), row(3, 0.501), row(4, 0.83), row(5, 0.9), row(6, 0.9015)]
    kinds = kinds_of(state(*rows), orbits=[(101, 103), (105,)])
    assert told(kinds) == [([1, 3], True), ([2], False), ([4], False), ([5], True), ([6], False)]
    assert [kind.said for kind in kinds[:2]] == ["equal by symmetry", ""]
    plain = kinds_of(state(*rows))
    assert told(plain) == [([1, 2, 3], False), ([4], False), ([5, 6], False)]
    assert plain[0].said == "equal numbers, symmetry not shown"
    assert (plain[0].rate_per_s, plain[0].repeats) == (3.0, 3)


@pytest.mark.parametrize("other", [
    row(2, 0.503),
    row(2, 0.5, reverse=0.6),
    row(2, 0.5, prefactor=1.2e13),
    row(2, float("nan")),
], ids=["barrier", "back", "prefactor", "nan"])  # fmt: skip
def test_numbers_that_differ_are_kinds_of_their_own(other):
    assert len(kinds_of(state(row(1, 0.5), other))) == 2


def test_the_same_numbers_of_other_species_are_another_kind():
    kinds = kinds_of(
        state(row(1, 0.5), row(2, 0.5)), moved=lambda one: "Cu" if one.rank == 1 else "Zn"
    )
    assert len(kinds) == 2


def test_a_chain_of_small_differences_does_not_join_what_is_apart():
    rows = [row(k, 0.5 + 0.0015 * k) for k in range(1, 7)]
    assert all(
        kind.rows[-1].barrier_eV - kind.rows[0].barrier_eV <= 0.002
        for kind in kinds_of(state(*rows))
    )


def test_the_kind_that_was_used_comes_first_and_shows_what_was_used():
    kinds = kinds_of(state(row(1, 0.5), row(2, 0.8), row(3, 0.8, used=2)))
    assert [kind.lead.rank for kind in by_use(kinds)] == [3, 1]


def test_orbits_of_a_run_reach_the_page_and_damaged_ones_are_refused(tmp_path):
    rows = [(11, 0.8, 1, 3), (12, 0.8, -1, 0), (13, 0.8, -1, 0), (14, 0.9, -1, 0)]
    run = commit(
        tmp_path / "run",
        states=[State(processes=rows, notes={"orbits.json": "[[11, 13]]"}), State()],
        events=[event(0, time_s=1e-6, process=11)],
        searches=[search(0, outcome="new", process=11)],
    )
    done = CliRunner().invoke(
        report, [str(run), "--output", str(tmp_path / "a.html")], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    text = (tmp_path / "a.html").read_text()
    assert re.findall(r">(\d ?[=≈]?)</td><td>0\.[89]000</td>", text) == ["2 =", "1", "1"]
    assert len(re.findall(r'<figure id="process-0-\d"', text)) == 3
    torn = commit(
        tmp_path / "torn", states=[State(processes=rows, notes={"orbits.json": "[[11, "})]
    )
    done = CliRunner().invoke(report, [str(torn)])
    assert isinstance(done.exception, RunStateError)
    assert "orbits.json is damaged" in str(done.exception)


@pytest.mark.parametrize("missing", [[0], [0, 1], [5, 60]], ids=["one", "two", "apart"])
def test_vacancies_are_where_atoms_were_taken_from(missing):
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True) * (3, 3, 3)
    gone = atoms.positions[missing].copy()
    cell = np.asarray(atoms.cell.array)
    del atoms[missing]
    rng = np.random.default_rng(1)
    places = atoms.positions + rng.normal(scale=0.04, size=atoms.positions.shape)
    found = vacancies_near(gone[0], positions=places, cell=cell, reach_A=14.0)
    off = found[:, None, :] - gone[None, :, :]
    off -= np.round(off @ np.linalg.inv(cell)) @ cell
    near = np.linalg.norm(off, axis=2) < 0.4
    assert near.any(axis=1).all()
    assert near.any(axis=0).all()


def test_a_whole_crystal_and_a_surface_have_none():
    whole = bulk("W", "bcc", a=3.16, cubic=True) * (4, 4, 4)
    cell = np.asarray(whole.cell.array)
    assert len(vacancies_near(np.zeros(3), positions=whole.positions, cell=cell)) == 0
    slab = fcc100("Al", (5, 5, 4), a=4.05, vacuum=8.0)
    found = vacancies_near(
        slab.positions[-1], positions=slab.positions, cell=np.asarray(slab.cell.array)
    )
    assert len(found) == 0


@pytest.mark.parametrize("numbers", [(0.8, 0.8), (0.1, 1.9), (1.9, 0.1), (0.0, 0.0)])
def test_a_profile_stays_in_its_frame_and_says_the_energies(numbers):
    up, down = numbers
    drawn = profile(barrier_eV=up, reverse_barrier_eV=down, highest_eV=2.0, alternative="x")
    heights = [float(y) for y in re.findall(r'class="level" d="M[\d.]+,([\d.-]+)H', drawn)]
    assert len(heights) == 3
    assert all(0 < height < 78 for height in heights)
    assert f">{up:.3f}<" in drawn
    assert "\u22120.000" not in drawn


def record(*, orbits=()):
    return StateRecord(
        number=0, energy=-1.0, good=0, bad=0, structure=None, processes=(), orbits=orbits
    )


def test_the_chance_of_something_new_is_the_share_of_what_was_seen_once():
    found = [search(k, outcome="repeat", process=one) for k, one in enumerate([1, 1, 2, 3, 3, 3])]
    bad = [search(k, outcome="bad", reason="x") for k in range(6, 10)]
    chance = chance_of_new(record(), [*found, *bad])
    assert (chance.once, chance.searches, chance.estimate) == (1, 10, 0.1)
    assert chance.said == "about 10.0 %"
    joined = chance_of_new(record(orbits=((2, 3),)), [*found, *bad])
    assert (joined.once, joined.said) == (0, "below 30.0 %")
    assert chance_of_new(record(), [search(0, state=1)]) is None


def test_the_first_screen_is_made_of_the_records(tmp_path):
    run = commit(
        tmp_path / "run",
        states=[State(processes=[(11, 0.8, 1, 3), (12, 0.8005, -1, 0)]), State()],
        events=[event(0, time_s=1e-6, process=11)],
        searches=[
            search(0, outcome="new", process=11),
            *(search(k, outcome="bad", reason="x") for k in (1, 2)),
        ],
    )
    CliRunner().invoke(
        report, [str(run), "--output", str(tmp_path / "a.html")], catch_exceptions=False
    )
    text = (tmp_path / "a.html").read_text()
    top = text[text.index('class="result"') : text.index('id="settings"')]
    for said in (
        "1 µs",
        "1 KMC step; a value asks for 100",
        "0.800 eV",
        "2 processes, equal numbers, symmetry not shown",
        "assumed, not computed",
        "about 33.3 %",
        "no extrapolation grade",
        "Failed: 2 of 3 searches came to nothing",
    ):
        assert said in top, said
    assert json.loads(CliRunner().invoke(report, [str(run), "--json"]).output)["format"] == 2
