"""A lane for commands that really run."""

import shutil

import pytest
from tests.faults.lane import Lane


def pytest_collection_modifyitems(items):
    """Without the programs these tests say so loudly: they fail, they are not skipped."""
    if items and not shutil.which("eonclient"):
        pytest.exit(
            "tests/security needs eonclient: run them in the image, with `just test`", returncode=3
        )


@pytest.fixture(scope="session")
def lane():
    found = Lane("--impatient")
    yield found
    found.close()
