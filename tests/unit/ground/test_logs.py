"""What other programs write for people, by the words of their pinned versions."""

import pytest

from mlip_kmc.ground.programs.logs import (
    cannot_start,
    evaluation_error,
    evaluation_timed_out,
    lammps_error,
    loop_times_s,
)

HALTED = b"[ext_pot] calling\npace_driver: halt: gamma 15.2 of atom 0 (from 0) reaches 5\nclient: failed\n"


@pytest.mark.parametrize(("log", "tail", "expected"), [
    (b"worker died during force eval", "ERROR: Unrecognized pair style", "ERROR: Unrecognized pair style"),
    (b"x\nworker died during force eval: signal 9\n", "", "worker died during force eval"),
    (b"pace_driver: the potential is gone\n", "", "pace_driver: the potential is gone"),
    (b"max iterations reached\n", "ERROR: of no worker", None),
    (b"", "", None),
])  # fmt: skip
def test_a_failed_evaluation_and_its_reason(log, tail, expected):
    assert evaluation_error(log, tail=tail) == expected


def test_a_worker_that_does_not_answer():
    assert evaluation_timed_out(b"... worker force eval timed out after 90 s\n")
    assert not evaluation_timed_out(HALTED)


def test_lammps_errors_and_loop_times():
    text = "Loop time of 0.5 on 1 procs for 10 steps with 4 atoms\n  ERROR on proc 0: lost atoms\nERROR: 2\n"
    assert lammps_error(text) == "ERROR on proc 0: lost atoms"
    assert lammps_error("Total wall time: 0:00:00") is None
    assert loop_times_s(text * 2) == [0.05, 0.05]


def test_the_guard_is_told_from_the_program_that_it_starts():
    line = "setpriv: failed to execute /x/eonclient: Exec format error"
    assert cannot_start(f"{line}\n", guard="/usr/bin/setpriv") == line
    assert cannot_start("eonclient: cannot open pos.con\n", guard="/usr/bin/setpriv") is None
    assert cannot_start("", guard="/usr/bin/setpriv") is None
