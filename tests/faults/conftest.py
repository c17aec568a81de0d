"""Two lanes, a folder in memory, and the run that nothing disturbs."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from .lane import Lane, outcome, write_config


def pytest_collection_modifyitems(items):
    """Without the programs these tests say so loudly: they fail, they are not skipped."""
    if items and not (shutil.which("eonclient") and shutil.which("strace")):
        pytest.exit(
            "tests/faults needs eonclient and strace: run them in the image, with `just test`",
            returncode=3,
        )


@pytest.fixture(scope="session")
def lanes():
    found = [Lane("--impatient"), Lane("--impatient")]
    yield found
    for lane in found:
        lane.close()


@pytest.fixture
def memory(tmp_path):
    """A folder in memory where there is one: a kill needs no real disk, and hundreds of runs are quick there."""
    if not os.access("/dev/shm", os.W_OK):  # noqa: S108
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """The configuration of the small run."""
    return write_config(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def undisturbed(lanes, small):
    """What the small run comes to when nothing goes wrong."""
    done = lanes[0].run(small, small.parent / "undisturbed")
    assert done.returncode == 0, done
    found = outcome(small.parent / "undisturbed")
    assert len(found["events"]) == 2
    return found
