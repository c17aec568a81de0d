"""The example's potential comes out of its recipe the same, byte for byte, record included."""

import subprocess
import sys

from .conftest import EXAMPLE

FILES = ("cu.yace", "cu.yaml", "cu.asi", "cu.record.json", "vacancy.xyz")


def test_the_recipe_makes_the_same_files(tmp_path):
    done = subprocess.run(
        [sys.executable, str(EXAMPLE / "make_potential.py"), "--output", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    assert [
        name for name in FILES if (tmp_path / name).read_bytes() != (EXAMPLE / name).read_bytes()
    ] == []
