"""The reason of a failure for other programs: exit code and reason file, so that nobody reads the words."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from mlip_kmc.ground import errors
from mlip_kmc.ground.errors import MlipKmcError, PotentialError, RunInUseError, StorageError
from mlip_kmc.store.claim import Claim

SLURM = Path(__file__).parents[3] / "slurm"


def command(*arguments, cwd, **environment):
    return subprocess.run(
        [sys.executable, "-m", "mlip_kmc", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_message_is_made_of_its_parts_and_never_taken_apart():
    error = PotentialError("no energy", kept=Path("run/evidence/point"), advice="check the fit")
    assert str(error) == "no energy; the job is kept at run/evidence/point; check the fit"
    assert str(PotentialError("all in one; do this")) == "all in one; do this"
    there = pickle.loads(pickle.dumps(error))  # noqa: S301 - as it comes from a worker
    assert (str(there), there.fault, there.kept) == (str(error), "no energy", error.kept)
    full = StorageError("the disk is full", advice="make room")
    full.full = True
    assert pickle.loads(pickle.dumps(full)).full  # noqa: S301


def test_each_exit_code_is_of_one_family():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind: kind.exit_code for kind in kinds if issubclass(kind, MlipKmcError)}
    assert codes.pop(RunInUseError) == 10
    assert codes.pop(errors.UnknownStartError) == codes[errors.ExtrapolationError]
    assert len(set(codes.values())) == len(codes)
    assert 10 not in codes.values()


def test_a_directory_in_use_is_an_error_of_its_own(tmp_path):
    first = Claim(tmp_path)
    first.take()
    with pytest.raises(RunInUseError):
        Claim(tmp_path).take()
    first.release()


def test_the_reason_file_has_the_message_on_one_line(tmp_path):
    reason = tmp_path / "reason"
    done = command("status", "nowhere", cwd=tmp_path, MLIP_KMC_REASON_FILE=str(reason))
    assert done.returncode == 6
    assert done.stderr == f"mlip-kmc: {reason.read_text()}"
    assert reason.read_text().count("\n") == 1
    done = command(
        "status", "nowhere", cwd=tmp_path, MLIP_KMC_REASON_FILE=str(tmp_path / "a" / "b")
    )
    assert done.returncode == 6, "a reason that cannot be written changes nothing"
    reason.unlink()
    assert command("--version", cwd=tmp_path, MLIP_KMC_REASON_FILE=str(reason)).returncode == 0
    assert not reason.exists()


@pytest.mark.parametrize(("files", "told"), [
    ({"reason": "the run directory is damaged\n", "stderr.log": "mlip-kmc: other\n"}, "the run directory is damaged"),
    ({"stderr.log": "mlip-kmc: words\nFATAL:   could not open image\nnoise\n"}, "FATAL:   could not open image"),
    ({"stderr.log": "Traceback\nMemoryError: no more\n"}, "MemoryError: no more"),
    ({"reason": "", "stderr.log": "nothing of use\n"}, ""),
    ({}, ""),
])  # fmt: skip
def test_a_job_reads_the_reason_file_and_else_the_errors_of_other_programs(tmp_path, files, told):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    script = f'. {SLURM}/lib.sh; reason "$1"/reason "$1"/stderr.log'
    done = subprocess.run(
        ["bash", "-uc", script, "test", str(tmp_path)],
        env={**os.environ, "SLURM_JOB_ID": "7"},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert (done.stdout.strip(), done.stderr) == (told, "")
