"""Frames of halts: durable, exact, and tolerant of what else lies in their directory."""

import dataclasses

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st

from mlip_kmc.ground.errors import StructureError
from mlip_kmc.model.frames import (
    KeptFrame,
    Kind,
    Stage,
    from_text,
    potential_digest,
    read_kept_frames,
    to_text,
    write_kept_frame,
)


def halt(**changes):
    atoms = bulk("Cu", cubic=True)
    atoms.positions += np.random.default_rng(1).normal(0, 0.1, (4, 3))
    given = {
        "atoms": atoms,
        "gammas": np.array([1.0, 17.25, 0.1, 1 / 3]),
        "search": "0_17",
        "state": 0,
        "stage": Stage.SEARCH,
        "step": 240,
        "kind": Kind.HALT,
        "potential": "ab" * 32,
    }
    return KeptFrame(**{**given, **changes})


def same(first, second):
    assert first.atoms == second.atoms
    assert (first.gammas is None) == (second.gammas is None)
    assert first.gammas is None or first.gammas.tolist() == second.gammas.tolist()
    rest = [
        field.name
        for field in dataclasses.fields(KeptFrame)
        if field.name not in ("atoms", "gammas")
    ]
    assert [getattr(first, name) for name in rest] == [getattr(second, name) for name in rest]
    return True


def test_a_frame_comes_back_digit_by_digit(tmp_path):
    path = write_kept_frame(tmp_path / "halts", halt())
    assert path.name == "0_17-240.xyz"
    (found,), warnings = read_kept_frames(tmp_path / "halts")
    assert same(found, halt())
    assert found.search == "0_17"
    assert found.gamma == 17.25
    assert warnings == ()
    before = path.read_bytes()
    write_kept_frame(tmp_path / "halts", halt())
    assert path.read_bytes() == before


def test_others_can_read_it(tmp_path):
    found = ase.io.read(write_kept_frame(tmp_path, halt()))
    np.testing.assert_allclose(found.positions, halt().atoms.positions, atol=0)
    assert found.arrays["gamma"].tolist() == halt().gammas.tolist()
    assert found.info["kind"] == "halt"


def test_what_others_write_can_be_read(tmp_path):
    """ASE keeps eight decimals and quotes."""
    atoms = halt().atoms.copy()
    atoms.arrays["gamma"] = halt().gammas
    atoms.arrays["forces"] = np.zeros((4, 3))
    atoms.info.update(
        format=1,
        search="0_17",
        state=0,
        stage="search",
        step=240,
        gamma=17.25,
        kind="halt",
        potential="ab" * 32,
    )
    ase.io.write(tmp_path / "0_17-240.xyz", atoms, format="extxyz")
    (found,), warnings = read_kept_frames(tmp_path)
    assert warnings == ()
    assert found.search == "0_17"
    np.testing.assert_allclose(found.atoms.positions, atoms.positions, atol=1e-8)


def test_unknown_gamma_is_not_zero(tmp_path):
    path = write_kept_frame(tmp_path, halt(gammas=None, kind=Kind.EVIDENCE))
    assert "gamma" not in path.read_text()
    (found,), _ = read_kept_frames(tmp_path)
    assert found.gammas is None
    assert found.gamma is None


def test_torn_and_foreign_files_are_named_and_left_out(tmp_path):
    whole = write_kept_frame(tmp_path, halt()).read_bytes()
    for name, content in {
        "torn-1.xyz": whole[:-20],
        "torn-2.xyz": whole[:100],
        "empty.xyz": b"",
        "binary.xyz": b"\xff\xfe\0",
        "notes.txt": b"hello",
        "other-3.xyz": whole,
        "plain.xyz": b"1\n\nCu 0 0 0\n",
        "unknown.xyz": whole.replace(b"format=1", b"format=2"),
        "kind.xyz": whole.replace(b"kind=halt", b"kind=what"),
        "nan.xyz": whole.replace(b"17.25\n", b"nan\n"),
    }.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.xyz").mkdir()
    (tmp_path / ".0_18-1.xyz.ab.tmp").write_bytes(whole[:50])
    (tmp_path / "dangling.xyz").symlink_to(tmp_path / "nowhere")
    halts, warnings = read_kept_frames(tmp_path)
    assert [found.name for found in halts] == ["0_17-240"]
    assert len(warnings) == 12
    assert all("is left out: " in line for line in warnings)


@given(cut=st.integers(0, 10_000))
def test_no_torn_frame_is_taken_for_a_whole_one(cut):
    text = to_text(halt())
    part = text[: cut % len(text)]
    with pytest.raises(StructureError):
        from_text(part)


def test_a_missing_directory_holds_none(tmp_path):
    assert read_kept_frames(tmp_path / "none") == ((), ())


def test_they_come_in_the_order_of_searches_and_steps(tmp_path):
    for search, step in (
        ("0_10", 5),
        ("0_2", 30),
        ("0_2", 4),
        ("10_0", 1),
        ("point", 1),
        ("2_0", 1),
    ):
        write_kept_frame(tmp_path, halt(search=search, step=step))
    assert [found.name for found in read_kept_frames(tmp_path)[0]] == [
        "0_2-4",
        "0_2-30",
        "0_10-5",
        "2_0-1",
        "10_0-1",
        "point-1",
    ]


@pytest.mark.parametrize("search", ["x" * 200, "a.b", "a-b", "a+b", "x" * 65])
def test_file_names_are_bounded_and_do_not_collide(tmp_path, search):
    path = write_kept_frame(tmp_path, halt(search=search, step=10**18 - 1))
    assert len(path.name) <= 64 + 1 + 18 + 4
    assert write_kept_frame(tmp_path, halt(search="a_b", step=10**18 - 1)) != path
    assert {found.search for found in read_kept_frames(tmp_path)[0]} == {search, "a_b"}


@pytest.mark.parametrize(
    "changes",
    [
        {"search": ""},
        {"search": "../x"},
        {"search": "a b"},
        {"search": "x" * 201},
        {"step": -1},
        {"state": -1},
        {"potential": "none"},
        {"gammas": np.ones(3)},
        {"gammas": np.array([1, 2, np.nan, 1])},
        {"atoms": Atoms()},
    ],
)
def test_what_would_not_read_back_is_refused(tmp_path, changes):
    with pytest.raises(StructureError):
        write_kept_frame(tmp_path, halt(**changes))
    assert list(tmp_path.iterdir()) == []


def test_the_digest_is_of_basis_and_active_set(tmp_path):
    for name, content in {"a": b"1", "b": b"2"}.items():
        (tmp_path / name).write_bytes(content)
    first = potential_digest(basis=tmp_path / "a", active_set=tmp_path / "b")
    assert len(first) == 64
    assert first != potential_digest(basis=tmp_path / "b", active_set=tmp_path / "a")
