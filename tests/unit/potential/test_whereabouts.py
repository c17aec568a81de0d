"""Where a run's potential lies, noted beside the run."""

import json
import shutil
from pathlib import Path

import pytest

from mlip_kmc.ground.errors import PotentialError, RunStateError
from mlip_kmc.potential import AcePotential, BuiltinPotential
from mlip_kmc.potential.whereabouts import NOTE, note_whereabouts, noted_potential

EXAMPLE = Path(__file__).parents[3] / "examples" / "cu-vacancy"


def test_a_noted_potential_is_found_again(tmp_path):
    potential = AcePotential.read(EXAMPLE / "cu.yace")
    note_whereabouts(tmp_path, potential)
    assert noted_potential(tmp_path) == potential
    before = (tmp_path / NOTE).stat().st_mtime_ns
    note_whereabouts(tmp_path, potential)
    assert (tmp_path / NOTE).stat().st_mtime_ns == before


def test_one_without_gamma_too(tmp_path):
    shutil.copy(EXAMPLE / "cu.yace", tmp_path / "alone.yace")
    note_whereabouts(tmp_path, AcePotential.read(tmp_path / "alone.yace"))
    assert noted_potential(tmp_path).basis is None


def test_built_in_ones_and_runs_without_a_note_have_none(tmp_path):
    note_whereabouts(tmp_path, BuiltinPotential.named("eam_al"))
    assert list(tmp_path.iterdir()) == []
    assert noted_potential(tmp_path) is None


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"ace": 3, "basis": null, "active_set": null}', '{"ace": null}']
)
def test_a_damaged_note_is_one_line(tmp_path, content):
    (tmp_path / NOTE).write_text(content)
    with pytest.raises(RunStateError, match=r"is damaged .* remove it"):
        noted_potential(tmp_path)


def test_files_that_are_gone_are_named(tmp_path):
    (tmp_path / NOTE).write_text(
        json.dumps({"ace": str(tmp_path / "gone.yace"), "basis": None, "active_set": None})
    )
    with pytest.raises(PotentialError, match=r"gone\.yace"):
        noted_potential(tmp_path)
