"""What a release needs before anything is computed, its time, its sums."""

import hashlib
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from mlip_kmc.ground.errors import ReleaseError
from mlip_kmc.model.records import Start
from mlip_kmc.release import members
from mlip_kmc.release.contents import check_sizes, sums_of
from mlip_kmc.release.evaluated_sets import together
from mlip_kmc.release.members import MANIFEST, SUMS
from mlip_kmc.release.package import ProductionDeployer
from mlip_kmc.release.settings import ReleaseSettings
from mlip_kmc.release.statement import date_of
from mlip_kmc.release.training import LabelledSet, SetErrors

from .packages import good_files
from .test_settings import LEAST


@pytest.fixture
def whole(tmp_path):
    (tmp_path / "train.xyz").write_text("")
    organization = {"name": "Example University", "url": "https://example.org"}
    return {
        **LEAST,
        "organization": organization,
        "version": "1.0",
        "author": "Jane Doe",
        "training_sets": [tmp_path / "train.xyz"],
    }


@pytest.mark.parametrize(
    ("without", "said"),
    [
        ("version", "set release.version, or give it to `mlip-kmc release build --version`"),
        ("author", "set release.author, or give it to"),
        ("organization", "set release.organization, as"),
        ("training_sets", "set release.training_sets, or give it to"),
    ],
)
def test_what_it_needs(whole, without, said):
    del whole[without]
    with pytest.raises(ReleaseError, match=said):
        ProductionDeployer(ReleaseSettings.model_validate(whole))


def test_an_unknown_check_is_not_allowed_before_anything_is_computed(whole):
    with pytest.raises(ReleaseError, match="there is no check 'c55'"):
        ProductionDeployer(ReleaseSettings.model_validate({**whole, "allow": {"c55": "typing"}}))


def start(number, time_s, kmc_step):
    return Start(
        number=number,
        time_s=time_s,
        host="n1",
        pid=1,
        version="0.1.0",
        workers=2,
        temperature_K=500.0,
        kmc_step=kmc_step,
    )


def test_the_time_is_never_the_clocks(whole, monkeypatch):
    starts = [
        start(1, 1.7e9, 0),
        start(2, 1.75e9 + 0.9, 4),
        start(3, 1.8e9, 10),
    ]  # the third found the run done already
    subject = SimpleNamespace(view=SimpleNamespace(starts=starts, events=range(10)))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    found = date_of(subject, ReleaseSettings.model_validate(whole))
    assert found == datetime.fromtimestamp(1.75e9, UTC)
    dated = ReleaseSettings.model_validate({**whole, "date": "2026-01-02"})
    assert date_of(subject, dated) == datetime(2026, 1, 2, tzinfo=UTC)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000001")
    assert date_of(subject, dated) == datetime.fromtimestamp(1700000001, UTC)


def test_a_run_without_a_step_has_no_time(whole, monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    subject = SimpleNamespace(view=SimpleNamespace(starts=[start(1, 1.7e9, 0)], events=()))
    with pytest.raises(ReleaseError, match=r"set SOURCE_DATE_EPOCH, or release.date"):
        date_of(subject, ReleaseSettings.model_validate(whole))


def test_what_is_released_stays(whole, tmp_path):
    (tmp_path / "run" / "release").mkdir(parents=True)
    package = tmp_path / "run" / "release" / "release_v1.0.zip"
    package.write_bytes(b"as it was given away")
    assert (
        ProductionDeployer(ReleaseSettings.model_validate(whole)).finalize(tmp_path / "run")
        == package
    )
    assert package.read_bytes() == b"as it was given away"


def test_sums_are_those_of_sha256sum():
    files = good_files()
    lines = sums_of(files).decode().splitlines()
    assert len(lines) == len(files) - 1
    assert f"{hashlib.sha256(files[MANIFEST]).hexdigest()}  {MANIFEST}" in lines
    assert not any(line.endswith(SUMS) for line in lines)


def test_what_could_not_be_verified_is_not_written():
    check_sizes(good_files())
    with pytest.raises(ReleaseError, match=r"manifest.json would have 1000001 bytes"):
        check_sizes({members.MANIFEST: b" " * 1_000_001})


def test_errors_of_groupstogether():
    def labelled(group, atoms):
        return SimpleNamespace(group=group, atoms=range(atoms))

    whole = LabelledSet(structures=(labelled("a", 2), labelled("a", 2), labelled("b", 4)), files={})
    errors = {
        "a": SetErrors(structures=2, energy_eV_per_atom=0.3, force_eV_per_A=1.0),
        "b": SetErrors(structures=1, energy_eV_per_atom=0.0, force_eV_per_A=3.0),
    }
    found = together(errors, whole)
    assert found.structures == 3
    assert found.energy_eV_per_atom == pytest.approx(
        0.245
    )  # sqrt(2/3) 0.3: energies count by structure
    assert found.force_eV_per_A == pytest.approx(2.24)  # sqrt((4 + 36) / 8): forces by atom
