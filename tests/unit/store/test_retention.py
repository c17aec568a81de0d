"""What only helps to look into failures takes a bounded part of the disk."""

import os

from mlip_kmc.store.retention import prune


def entry(folder, name, *, size, age_s):
    (folder / name).mkdir(parents=True)
    (folder / name / "file").write_bytes(b"x" * size)
    os.utime(folder / name, (1e9 - age_s, 1e9 - age_s))


def test_the_oldest_go_until_the_rest_fits(tmp_path):
    for number in range(5):
        entry(tmp_path, f"0_{number}", size=400_000, age_s=10 - number)
    assert prune(tmp_path, limit_MB=1.0) == ["0_0", "0_1", "0_2"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0_3", "0_4"]
    assert prune(tmp_path, limit_MB=1.0) == []


def test_nothing_may_stay(tmp_path):
    entry(tmp_path, "0_1", size=10, age_s=1)
    (tmp_path / "note.txt").write_text("a file")
    assert sorted(prune(tmp_path, limit_MB=0.0)) == ["0_1", "note.txt"]
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_empty(tmp_path):
    assert prune(tmp_path / "none", limit_MB=0.0) == []
