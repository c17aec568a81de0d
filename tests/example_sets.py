"""The sets that the example's potential was fitted to and tested on, which only its recipe has."""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "examples" / "cu-vacancy" / "make_potential.py"
MADE_OF = (RECIPE, ROOT / "containers" / "requirements.lock")


def example_sets(*python: str | Path) -> Path:
    """A folder with `train.xyz` and `test.xyz`, for reading only: made once for all tests, as it takes ten seconds and more.

    Args:
        python: the command that is Python in the image, from the repository's folder.
    """
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in MADE_OF)).hexdigest()[:16]
    folder = ROOT / f".test-sets-{digest}"
    if not folder.exists():
        new = Path(tempfile.mkdtemp(prefix=".release-test-", dir=ROOT))
        words = [*map(str, python), str(RECIPE.relative_to(ROOT)), "--sets", str(new / "sets")]
        done = subprocess.run(
            words, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        try:
            (new / "sets").rename(folder)
        except OSError:
            if not folder.exists():  # else other tests have been as quick
                raise
        finally:
            shutil.rmtree(new)
    return folder
