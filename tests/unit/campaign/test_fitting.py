"""A fit that a kill left whole is taken up only if it is of the same inputs."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import bulk

from mlip_kmc.campaign import fitting
from mlip_kmc.campaign.fitting import AceFitter
from mlip_kmc.config import load_campaign
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.learning.refit.report import SUFFIX
from mlip_kmc.model.labelled import LabelledStructure, write_labelled

from .invented import EXAMPLE, KNOWN

PRESENT = SimpleNamespace(digest="0" * 64)
LABEL = LabelledStructure.whole(
    "one", bulk("Cu", cubic=True), energy_eV=-1.0, forces_eV_per_A=np.zeros((4, 3))
)


@pytest.fixture
def fitter(tmp_path):
    (tmp_path / "akmc.yaml").write_text("x: 1\n")

    def made(refit="{}", start=KNOWN, more=""):
        path = tmp_path / "campaign.yaml"
        path.write_text(f"explore: akmc.yaml\noracle: {{ase: 'a:B'}}\nrefit: {refit}\n{more}")
        return AceFitter(load_campaign(path), first=PRESENT, select=3.0, start=start)

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


def test_another_structure_to_begin_with_is_another_fit(tmp_path, fitter):
    ended = tmp_path / f"cu{SUFFIX}"
    for start, stays in ((KNOWN, False), (KNOWN, True), (KNOWN.repeat(2), False)):
        fitter(start=start)._forget_another(PRESENT, [LABEL], tmp_path, name="cu", larger=0)
        assert ended.exists() == stays
        ended.write_text("{}")


def test_anchors_are_of_what_the_run_begins_with_where_no_training_set_is_known(tmp_path, fitter):
    """Beside the labels; not of a structure that would be cut down itself."""
    found = fitter()._anchors_from([LABEL])
    assert found == [KNOWN, LABEL.atoms]
    assert fitter(more="cutout: {whole_up_to_atoms: 3}\n")._anchors_from([LABEL]) == []
    for name in ("train.xyz", "test.xyz"):
        write_labelled(tmp_path / name, [LABEL])
    known = "training: {data: train.xyz, test: test.xyz}\n"
    assert fitter(more=known)._anchors_from([LABEL]) == []


def test_the_fit_is_given_them(tmp_path, fitter, monkeypatch):
    given = []

    def stop(*_, anchors_from, **__):
        given.extend(anchors_from)
        raise PotentialError("enough")

    monkeypatch.setattr(fitting, "refit", stop)
    with pytest.raises(PotentialError, match="enough"):
        fitter().fit(PRESENT, labels=[LABEL], halted=[], folder=tmp_path, name="cu", larger=0)
    assert given == [KNOWN, LABEL.atoms]


def test_a_basis_that_was_taken_is_no_larger_one_any_more(fitter):
    """The example's basis of 35 functions, first beside a smaller one, then as the present one."""
    one = fitter(refit=f"{{larger_bases: ['{EXAMPLE / 'cu.yaml'}']}}")
    smaller, taken = (
        SimpleNamespace(basis_functions={"Cu": count}, functions={}) for count in (34, 35)
    )
    assert one._ladder(smaller) == (str(EXAMPLE / "cu.yaml"),)
    assert one._ladder(taken) == ()
