"""The examples' potentials come out of their recipes the same, byte for byte, records and sets included."""

import subprocess
import sys

import pytest

from .conftest import EXAMPLE

MADE = {
    "cu-vacancy/make_potential.py": ("cu.yace", "cu.yaml", "cu.asi", "cu.record.json", "vacancy.xyz"),
    "cu-campaign/make_campaign.py": (
        *("bulk.yace", "bulk.yaml", "bulk.asi", "bulk.record.json"),
        *("train.xyz", "test.xyz", "vacancy.xyz"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("recipe", MADE)
def test_the_recipe_makes_the_same_files(tmp_path, recipe):
    path, files = EXAMPLE.parent / recipe, MADE[recipe]
    done = subprocess.run(
        [sys.executable, str(path), "--output", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(made.name for made in tmp_path.iterdir()) == sorted(files)
    assert [
        name
        for name in files
        if (tmp_path / name).read_bytes() != (path.parent / name).read_bytes()
    ] == []
