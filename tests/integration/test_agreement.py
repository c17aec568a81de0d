"""All files of a potential in use are one potential, at every start: a B-basis with one coefficient changed is refused."""

import re
import shutil

import numpy as np
import pytest
import yaml
from ase.io import read

from mlip_kmc.driver import standalone as driver
from mlip_kmc.evaluate.agreement import check_files
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.potential import AcePotential

from .conftest import EXAMPLE, example_settings, mlip_kmc, text_of

SAID = r"not of one potential: on the structure cu\.yaml by .* gives -?\d+\.\d{6} eV and cu\.yace by .* -?\d+\.\d{6} eV"


def changed(folder, factor):
    """The example's files, the first coefficient of a many-body function times a factor; no record that would tell."""
    for suffix in ("yace", "asi"):
        shutil.copy(EXAMPLE / f"cu.{suffix}", folder / f"cu.{suffix}")
    text = (EXAMPLE / "cu.yaml").read_text()
    first = re.search(r"nr: \[1, 1\], nl: \[0, 0\], c: \[([^]]*)\]", text)
    (folder / "cu.yaml").write_text(
        text[: first.start(1)] + repr(float(first[1]) * factor) + text[first.end(1) :]
    )
    return folder / "cu.yace"


@pytest.fixture(scope="module")
def altered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("altered")
    changed(folder, 1.05)
    settings = example_settings()
    settings["structure"] = str(EXAMPLE / "vacancy.xyz")
    (folder / "akmc.yaml").write_text(yaml.safe_dump(settings))
    (folder / "campaign.yaml").write_text(
        "explore: akmc.yaml\noracle: {ase: 'ase.calculators.emt:EMT'}\n"
    )
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ("run", "akmc.yaml", "--dir", "run"),
        ("search", "akmc.yaml", "-n", "2", "--dir", "search"),
        ("campaign", "campaign.yaml", "--dir", "campaign"),
    ],
)
def test_a_changed_basis_starts_nothing(altered, words):
    done = mlip_kmc(*words, cwd=altered)
    assert done.returncode == 4, done.stdout + done.stderr
    assert re.search(SAID, done.stderr)
    assert "Traceback" not in done.stderr
    assert not list(altered.glob("*/generations/*.json"))


def test_check_fails_on_it(altered):
    done = mlip_kmc("check", "akmc.yaml", "--searches", "0", cwd=altered)
    assert done.returncode == 4
    said = " ".join(done.stdout.split())
    assert re.search(rf"files +FAIL +.*{SAID}|FAIL +files +.*{SAID}", said), said


@pytest.mark.parametrize("engine", ["lammps", "pyace"])
def test_a_server_answers_nothing_from_it(altered, engine):
    options = {
        "potential": str(altered / "cu.yace"),
        "basis": str(altered / "cu.yaml"),
        "active-set": str(altered / "cu.asi"),
        "engine": engine,
    }
    with pytest.raises(
        driver.DriverError, match=r"B-basis gives -?\d+\.\d+ eV where the potential gives"
    ) as refused:
        driver.Evaluator(options).evaluate(
            driver.parse(text_of(read(EXAMPLE / "vacancy.xyz")).encode())
        )
    assert refused.value.code == driver.UNUSABLE


def test_what_the_perfect_structure_hides_the_rattled_one_shows(tmp_path):
    """A change in the sixth digit of one coefficient: below the limit it may pass, a little above it may not."""
    atoms = read(EXAMPLE / "vacancy.xyz")
    check_files(AcePotential.read(changed(tmp_path, 1.0)), atoms)
    with pytest.raises(PotentialError, match="not of one potential"):
        check_files(AcePotential.read(changed(tmp_path, 1.0 + 1e-3)), atoms)
    assert np.isfinite(atoms.positions).all()
