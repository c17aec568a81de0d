"""The chemiscope data set against what its package and its viewer check, and against the run.

tests/browser/test_chemiscope.py opens one in the viewer of the package. By hand, on 2026-11-28, the package chemiscope 1.1.0
made the same data set of the same values.
"""

import gzip
import json
import math

import pytest
from click.testing import CliRunner

from mlip_kmc.cli.export import export
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.report import chemiscope

from .test_classes import run_of_three
from .test_report import small


def exported(run, folder):
    done = CliRunner().invoke(
        export, [str(run), "--output", str(folder), "--chemiscope"], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return json.loads(gzip.decompress((folder / "chemiscope.json.gz").read_bytes())), done.stderr


def test_states_come_with_the_saddles_of_their_kinds(tmp_path):
    found, _ = exported(small(tmp_path), tmp_path / "out")
    values = {name: one["values"] for name, one in found["properties"].items()}
    assert values["kind"] == ["minimum", "saddle", "saddle", "saddle", "minimum", "saddle"]
    assert values["state"] == [0, 0, 0, 0, 1, 1]
    assert values["barrier"] == pytest.approx([0, 0.8, 0.9, 2.5, 0, 0.75])
    assert values["energy"] == pytest.approx([0, 0.8, 0.9, 2.5, 0.05, 0.8])
    assert values["rate"][3] == 0.0  # beyond the thermal window
    assert found["properties"]["rate"]["units"] == "1/s"
    assert "units" not in found["properties"]["state"]


def test_it_is_what_the_viewer_accepts(tmp_path):
    found, _ = exported(small(tmp_path), tmp_path / "out")
    sizes = [one["size"] for one in found["structures"]]
    for one in found["structures"]:
        assert len(one["names"]) == len(one["x"]) == len(one["y"]) == len(one["z"]) == one["size"]
        assert len(one["cell"]) == 9
    assert len(found["environments"]) == sum(sizes)
    for one in found["properties"].values():
        assert len(one["values"]) == (len(sizes) if one["target"] == "structure" else sum(sizes))
        assert all(isinstance(value, str) or math.isfinite(value) for value in one["values"])
    colour = found["settings"]["structure"][0]["color"]
    assert colour["max"] == max(found["properties"]["displacement"]["values"]) > colour["min"] == 0
    assert "gamma" not in found["properties"]  # unknown for these


def test_states_that_are_alike_come_once(tmp_path):
    found, _ = exported(run_of_three(tmp_path), tmp_path / "out")
    assert found["properties"]["equal"]["values"] == [3.0, 1.0]


def test_what_has_no_room_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(chemiscope, "MOST_ATOMS", 150)
    found, said = exported(small(tmp_path), tmp_path / "out")
    assert len(found["structures"]) == 4
    assert "1 state had no room" in said


def test_gamma_without_an_active_set_is_an_error(tmp_path):
    done = CliRunner().invoke(export, [str(small(tmp_path)), "--gamma"])
    assert isinstance(done.exception, PotentialError)
    assert "leave out --gamma" in str(done.exception)
