"""A fit that a kill left whole is taken up only if it is of the same inputs."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import bulk

from mlip_kmc.campaign.fitting import AceFitter
from mlip_kmc.config import load_campaign
from mlip_kmc.learning.refit.report import SUFFIX
from mlip_kmc.model.labelled import LabelledStructure

PRESENT = SimpleNamespace(digest="0" * 64)
LABEL = LabelledStructure.whole(
    "one", bulk("Cu", cubic=True), energy_eV=-1.0, forces_eV_per_A=np.zeros((4, 3))
)


@pytest.fixture
def fitter(tmp_path):
    (tmp_path / "akmc.yaml").write_text("x: 1\n")

    def made(refit="{}"):
        path = tmp_path / "campaign.yaml"
        path.write_text(f"explore: akmc.yaml\noracle: {{ase: 'a:B'}}\nrefit: {refit}\n")
        return AceFitter(load_campaign(path), first=PRESENT, select=3.0)

    return made


@pytest.mark.parametrize(
    ("refit", "change", "stays"),
    [
        ("{}", {}, True),
        ("{label_weight: 5}", {}, False),
        ("{}", {"present": SimpleNamespace(digest="1" * 64)}, False),
        ("{}", {"labels": [replace(LABEL, energy_eV=-2.0)]}, False),
        ("{}", {"larger": 1}, False),
    ],
)
def test_another_fit_is_forgotten(tmp_path, fitter, refit, change, stays):
    def forget(one, *, present=PRESENT, labels=(LABEL,), larger=0):
        one._forget_another(present, labels, tmp_path, name="cu", larger=larger)

    forget(fitter())
    ended = tmp_path / f"cu{SUFFIX}"
    ended.write_text("{}")
    forget(fitter(refit), **change)
    assert ended.exists() == stays
