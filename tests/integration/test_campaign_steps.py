"""A campaign's steps by themselves, on the example: labels by the real oracle, a real fit and its verdict."""

import json
import shutil

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from mlip_kmc.cli.main import cli
from mlip_kmc.ground.errors import PotentialError, StructureError
from mlip_kmc.model.labelled import read_labelled
from mlip_kmc.model.structure import extended_xyz

from .conftest import EXAMPLE

HOPS = slice(16, 19)
"""Of the example's test set."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The example's campaign, and three of its test structures without their labels."""
    made = tmp_path_factory.mktemp("steps")
    for path in (EXAMPLE.parent / "cu-campaign").glob("*.*"):
        shutil.copyfile(path, made / path.name)
    hops = read_labelled(made / "test.xyz")[HOPS]
    assert all("hop" in one.name for one in hops)
    (made / "hops.xyz").write_text("".join(extended_xyz(one.atoms) for one in hops))
    return made


def called(*words):
    return CliRunner().invoke(cli, [str(word) for word in words])


def changed(folder, name, **sections):
    """The campaign's configuration with other sections, beside it."""
    settings = yaml.safe_load((folder / "campaign.yaml").read_text())
    (folder / name).write_text(yaml.safe_dump(settings | sections))
    return folder / name


@pytest.fixture(scope="module")
def labelled(folder):
    done = called(
        "label", folder / "campaign.yaml", folder / "hops.xyz", "--output", folder / "labelled.xyz"
    )
    assert done.exit_code == 0, done.output
    assert "labelled.xyz, 3 labels of 3" in done.output
    return folder / "labelled.xyz"


def test_the_oracle_says_what_the_test_set_says(folder, labelled):
    found, known = read_labelled(labelled), read_labelled(folder / "test.xyz")[HOPS]
    for one, other in zip(found, known, strict=True):
        assert one.energy_eV == pytest.approx(other.energy_eV, abs=1e-7)  # ten digits
        assert np.abs(one.forces_eV_per_A - other.forces_eV_per_A).max() < 1e-8
        assert (one.force_weights == 1).all()
        assert one.oracle


def test_labels_that_are_there_are_not_made_again(folder, labelled):
    before = labelled.read_bytes()
    work = labelled.with_suffix(".work")
    states = {path: path.stat().st_mtime_ns for path in work.rglob("label.xyz")}
    assert len(states) == 3
    broken = changed(
        folder, "campaign.yaml", labels={"at_a_time": 1}
    )  # how they are made is no matter
    assert called("label", broken, folder / "hops.xyz", "--output", labelled).exit_code == 0
    assert labelled.read_bytes() == before
    assert {path: path.stat().st_mtime_ns for path in work.rglob("label.xyz")} == states


def test_structures_that_cannot_be_cut_out_are_named(folder):
    small = changed(folder, "small.yaml", cutout={"whole_up_to_atoms": 8, "most_atoms": 10})
    done = called("label", small, folder / "hops.xyz", "--output", folder / "none.xyz")
    assert isinstance(done.exception, PotentialError)
    assert "not one of 3 structures has a label" in str(done.exception)
    assert done.output.count("is not labelled: ") == 3
    assert not (folder / "none.xyz").exists()
    done = called("label", small, folder / "no.xyz", "--output", folder / "none.xyz")
    assert isinstance(done.exception, StructureError)


def test_a_fit_alone_its_verdict_and_what_makes_it_again(folder, labelled):
    words = ("refit", folder / "campaign.yaml", labelled, "--output", folder / "refitted")
    done = called(*words)
    assert done.exit_code == 0, done.output
    assert "fitted to: 40 training, 3 label" in done.output
    verdict = json.loads((folder / "refitted/verdict.json").read_text())
    assert verdict["accepted"]
    assert verdict["largest_gamma_before"] > 1000
    assert verdict["largest_gamma"] < 3
    errors = [verdict[key]["force_rmse_eV_per_A"] for key in ("test_errors_before", "test_errors")]
    assert errors[1] < errors[0] / 2
    fit = folder / "refitted/bulk-refit.fit.json"
    before = fit.stat().st_mtime_ns
    strict = changed(folder, "strict.yaml", accept={"force_rmse_eV_per_A": 1e-6})
    refused = called("refit", strict, *words[2:])  # the fit is there; the verdict is another
    assert isinstance(refused.exception, PotentialError)
    assert "is refused: the error of forces on the test set is" in str(refused.exception)
    assert fit.stat().st_mtime_ns == before
    fewer = folder / "fewer.xyz"
    fewer.write_text("".join(labelled.read_text().splitlines(keepends=True)[:33]))
    done = called("refit", words[1], fewer, *words[3:])
    assert "fitted to: 40 training, 1 label" in done.output
    assert fit.stat().st_mtime_ns != before


def test_labels_of_two_oracles_are_not_fitted(folder, labelled):
    mixed = folder / "mixed.xyz"
    (of,) = {one.oracle for one in read_labelled(labelled)}
    mixed.write_text(labelled.read_text().replace(of, 64 * "0", 1))
    done = called("refit", folder / "campaign.yaml", mixed, "--output", folder / "mixed")
    assert isinstance(done.exception, StructureError)
    assert "the labels are of 2 oracles: energies of two are never mixed" in str(done.exception)
    assert not (folder / "mixed").exists()
