"""The examples of docs/python.md, in order, in a directory that holds the files that they name."""

import re
from pathlib import Path

import pytest
import yaml

from mlip_kmc.release.package import ProductionDeployer

from .conftest import EXAMPLE, write_config

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"


def test_the_examples_run_as_they_stand(tmp_path, monkeypatch, capsys):
    write_config(tmp_path, confidence={"value": 0.7}, stop={"kmc_steps": 1})
    settings = yaml.safe_load((EXAMPLE / "release.yaml").read_text())
    settings["release"]["training_sets"] = ["adatom.xyz"]  # any file: none is read here
    (tmp_path / "release.yaml").write_text(yaml.safe_dump(settings))
    built = []  # test_release.py builds one; here the call has to fit
    monkeypatch.setattr(
        ProductionDeployer, "build", lambda self, run_dir, *, into: built.append((self.name, into))
    )
    monkeypatch.chdir(tmp_path)
    names = {}
    for text in re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE):
        exec(compile(text, PAGE.name, "exec"), names)  # noqa: S102 - our own page
    assert names["result"].kmc_steps == 1
    assert names["result"].states[0].processes
    assert names["result"].events[0].time_s > 0
    printed = capsys.readouterr().out
    assert re.search(r"^done 1 KMC steps, \d", printed, re.MULTILINE)
    assert re.search(r"^0\.\d{3} eV, .* per s, found \d+ times$", printed, re.MULTILINE)
    assert built == [("release_v1.0", Path("releases"))]
    with pytest.raises(names["MlipKmcError"]):
        names["load_config"](tmp_path / "absent.yaml")
