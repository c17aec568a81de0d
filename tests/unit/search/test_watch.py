"""What LAMMPS writes beside a search is read whole, in order, and decides the same whenever it is looked at."""

import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st

from mlip_kmc.config import GammaSection
from mlip_kmc.model.frames import Kind, Stage
from mlip_kmc.model.structure import to_con
from mlip_kmc.potential.side_channel import (
    GRADES,
    HALT_FRAMES,
    Grade,
    commands,
    parse_dump,
    parse_grades,
)
from mlip_kmc.search.watch import Watch, Watched

THRESHOLDS = GammaSection(select=3.0, halt=15.0, every=10)


@pytest.fixture
def seen(tmp_path):
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True)
    (tmp_path / "pos.con").write_text(to_con(atoms))
    watch = Watch(
        thresholds=THRESHOLDS,
        basis=tmp_path / "cu.yaml",
        active_set=tmp_path / "cu.asi",
        digest="0" * 64,
        max_energy_eV=20.0,
    )
    return Watched(watch, tmp_path, search="3_17")


def line(step, gamma, energy_eV=-10.0):
    return f"{step} {gamma!r} {energy_eV!r}\n"


def dump(step, gammas, shift=0.0):
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True)
    atoms.wrap()
    rows = "".join(
        f"{index + 1} {x + shift!r} {y!r} {z!r} {gamma!r}\n"
        for index, ((x, y, z), gamma) in enumerate(
            zip(atoms.positions.tolist(), gammas, strict=True)
        )
    )
    return (
        f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{len(atoms)}\nITEM: BOX BOUNDS pp pp pp\n0 3.6\n0 3.6\n0 3.6\n"
        f"ITEM: ATOMS id x y z f_mk_gamma\n{rows}"
    )


def append(seen, name, text):
    with (seen.directory / name).open("a") as stream:
        stream.write(text)


def test_nothing_is_crossed_before_anything_is_written(seen):
    assert not seen.crossed()
    found = seen.judge({})
    assert (found.gamma_path, found.halt, found.frames) == (None, "", ())


def test_a_crossing_is_seen_once_its_line_and_its_frame_are_whole(seen):
    """Whoever ended the client between the two lost the frame: LAMMPS writes the grade first."""
    append(seen, GRADES, "#\n" + line(0, 0.6) + line(10, 14.9) + "20 15.0 -9")
    assert not seen.crossed()
    append(seen, GRADES, ".5\n")
    assert not seen.crossed()
    whole = dump(20, [15.0, 1.0, 1.0, 1.0])
    append(seen, HALT_FRAMES, whole[:-9])
    assert not seen.crossed()
    append(seen, HALT_FRAMES, whole[-9:])
    assert seen.crossed()


def test_a_crossing_without_a_frame_is_seen_at_the_next_grade(seen):
    append(seen, GRADES, line(0, 0.6) + line(10, 17.0))
    assert not seen.crossed()
    append(seen, GRADES, line(0, 0.5))  # of another instance
    assert seen.crossed()


def test_not_a_number_is_beyond(seen):
    append(seen, GRADES, line(0, 0.6) + "10 nan -9.0\n" + line(20, 0.6))
    assert seen.crossed()
    assert seen.judge({}).halt == "gamma nan at force call 10"


def test_the_first_crossing_counts_also_when_nobody_looked_in_time(seen):
    append(
        seen,
        GRADES,
        line(0, 0.6) + line(10, 4.0) + line(20, 17.0) + line(30, 900.0) + line(40, 2.0),
    )
    append(seen, "select.10.dump", dump(10, [4.0, 1.0, 1.0, 1.0]))
    append(seen, "select.50.dump", dump(50, [3.5, 1.0, 1.0, 1.0]))  # after the crossing
    append(seen, HALT_FRAMES, dump(20, [17.0, 1.0, 1.0, 1.0]) + dump(30, [900.0, 1.0, 1.0, 1.0]))
    found = seen.judge({})
    assert (found.halt, found.gamma_path) == ("gamma 17 at force call 20", 17.0)
    halts = found.frames
    assert [(halt.step, halt.kind, halt.stage, halt.gamma) for halt in halts] == [
        (10, Kind.CANDIDATE, Stage.SEARCH, 4.0),
        (20, Kind.HALT, Stage.SEARCH, 17.0),
    ]
    assert {(halt.search, halt.state, halt.potential) for halt in halts} == {("3_17", 3, "0" * 64)}


def test_what_came_after_the_end_by_another_reason_does_not_count(seen):
    """Atoms were too near at call 15; that the search came as far as the crossing is chance."""
    append(seen, GRADES, line(0, 0.6) + line(10, 4.0) + line(20, 17.0))
    for until, halt, path in (
        (15, "", 4.0),
        (20, "gamma 17 at force call 20", 17.0),
        (None, "gamma 17 at force call 20", 17.0),
    ):
        found = seen.judge({}, until=until)
        assert (found.halt, found.gamma_path) == (halt, path)


def test_a_frame_that_lammps_wrapped_is_put_back(seen):
    append(seen, GRADES, line(0, 0.6) + line(10, 20.0))
    append(seen, HALT_FRAMES, dump(10, [20.0, 1.0, 1.0, 1.0], shift=3.5))
    halt = seen.judge({}).frames[0]
    start = bulk("Cu", "fcc", a=3.6, cubic=True)
    assert halt.atoms.positions[:, 0] == pytest.approx(start.positions[:, 0] - 0.1)


def test_far_above_the_start_is_evidence(seen):
    append(seen, GRADES, line(0, 0.6, -10.0) + line(10, 20.0, 10.1))
    append(seen, HALT_FRAMES, dump(10, [20.0, 1.0, 1.0, 1.0]))
    assert seen.judge({}).frames[0].kind is Kind.EVIDENCE


def test_without_a_crossing_the_largest_is_remembered(seen):
    append(seen, GRADES, line(0, 0.6) + line(10, 4.0) + line(20, 5.0))
    append(seen, "select.10.dump", dump(10, [4.0, 1.0, 1.0, 1.0]))
    append(seen, "select.20.dump", dump(20, [1.0, 5.0, 1.0, 1.0]))
    found = seen.judge({})
    assert (found.halt, found.gamma_path) == ("", 5.0)
    assert [frame.gamma for frame in found.frames] == [5.0]


def test_several_instances_append_to_one_file():
    text = "#\n" + line(0, 0.5) + "#\n" + line(0, 0.7) + line(10, 0.9) + line(10, 16.0)
    assert [grade.gamma for grade in parse_grades(text)] == [0.5, 0.7, 0.9, 16.0]


def test_a_torn_frame_is_left_out():
    whole = dump(10, [1.0, 2.0, 3.0, 4.0])
    for end in range(len(whole)):
        frames = list(parse_dump(whole + whole[:end]))
        assert len(frames) == 1
    assert np.array_equal(next(parse_dump(whole)).gammas, [1.0, 2.0, 3.0, 4.0])


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.floats(0, 1e9), st.floats(-1e6, 1e6))),
    st.integers(0, 200),
)
def test_grades_come_back_as_they_were_written(values, cut):
    text = "".join(f"{step} {gamma:.17g} {energy:.17g}\n" for step, gamma, energy in values)
    assert list(parse_grades(text)) == [Grade(*value) for value in values]
    torn = text[: len(text) - min(cut, len(text))]
    assert list(parse_grades(torn)) == [Grade(*value) for value in values[: torn.count("\n")]]


def test_commands_hold_numbers_only():
    lines = commands(GammaSection(select=2.5, halt=1e1, every=7))
    assert lines[0] == "fix mk_gamma all pair 7 pace/extrapolation gamma 1"
    assert any("(c_mk_largest < 2.5) || (c_mk_largest >= 10.0)" in text for text in lines)
    with pytest.raises(ValueError, match="could not convert"):
        commands(GammaSection.model_construct(select="3\nshell rm", halt=15.0, every=10))
