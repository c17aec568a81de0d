"""release.yaml: what it may say, and the one line that answers what it may not."""

from datetime import UTC, datetime

import pytest
import yaml

from mlip_kmc.ground.errors import ConfigError
from mlip_kmc.release.settings import load_settings, settings_schema, with_overrides

from .packages import EXAMPLE

LEAST = {
    "oracle": {"name": "VASP 6.4, PBE"},
    "licences": {"potential": "CC-BY-4.0"},
    "citation": "Doe, 2026",
}


def load(tmp_path, **changes):
    path = tmp_path / "release.yaml"
    path.write_text(yaml.safe_dump({"release": {**LEAST, **changes}}))
    return load_settings(path)


def test_the_least_and_the_examples(tmp_path):
    assert load(tmp_path).quiet_steps == 10
    example = load_settings(EXAMPLE / "release.yaml")
    assert example.version == "1.0.0"
    assert {example.references.C11_GPa.value, example.references.barrier_eV.value} == {172.6, 0.792}


@pytest.mark.parametrize(
    ("given", "version"),
    [
        ("1.0", "1.0.0"),
        (1.0, "1.0.0"),
        (2, "2.0.0"),
        ("1.2.3", "1.2.3"),
        ("1.0.0-rc.1", "1.0.0-rc.1"),
    ],
)
def test_versions(tmp_path, given, version):
    assert load(tmp_path, version=given).version == version


@pytest.mark.parametrize(
    ("given", "date"),
    [
        ("2026-11-25", datetime(2026, 11, 25, tzinfo=UTC)),
        ("2026-11-25T12:30:00Z", datetime(2026, 11, 25, 12, 30, tzinfo=UTC)),
        ("2026-11-25T12:30:00+02:00", datetime(2026, 11, 25, 10, 30, tzinfo=UTC)),
    ],
)
def test_dates(tmp_path, given, date):
    assert load(tmp_path, date=given).date == date


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": "one"}, "'release.version'"),
        ({"version": "1.0.0+build"}, "'release.version'"),
        ({"version": "01.0.0"}, "'release.version'"),
        ({"version": "1.0.0/../../x"}, "'release.version'"),
        ({"author": "Jane\nDoe"}, "one line of printable text"),
        ({"author": " "}, "one line"),
        ({"autor": "Jane"}, "unknown key 'release.autor'; did you mean 'author'"),
        ({"date": "yesterday"}, "must be a date"),
        ({"date": "1970-01-01"}, "years 1980 to 2107"),
        ({"validation_set": "nothing.xyz"}, "there is no file"),
        ({"training_sets": ["nothing.xyz"]}, "there is no file"),
        ({"image": "nothing.sif"}, "there is no file"),
        ({"quiet_steps": 0}, "at least 1"),
        ({"references": {"C11_GPa": {"value": 1, "tolerance": 1}}}, "source' is missing"),
        ({"references": {"C11_GPa": {"value": 1, "tolerance": 0, "source": "x"}}}, "more than 0"),
        ({"references": {"C11": {"value": 1, "tolerance": 1, "source": "x"}}}, "C11"),
        (
            {"references": {"crystal": {"formula": "Cu; rm", "lattice": "fcc", "a_A": 3.6}}},
            "formula",
        ),
        ({"references": {"crystal": {"formula": "Cu", "lattice": "hcp", "a_A": 3.6}}}, "lattice"),
    ],
)
def test_what_it_may_not_say(tmp_path, changes, said):
    with pytest.raises(ConfigError) as error:
        load(tmp_path, **changes)
    assert said in str(error.value)
    assert "release.yaml: " in str(error.value)


def test_what_is_missing(tmp_path):
    (tmp_path / "release.yaml").write_text("release: {}\n")
    with pytest.raises(ConfigError) as error:
        load_settings(tmp_path / "release.yaml")
    assert [line.split(": ")[1] for line in str(error.value).splitlines()] == [
        f"'release.{key}' is missing; add it" for key in LEAST
    ]


def test_paths_start_at_the_file_and_the_command_line_goes_before(tmp_path):
    (tmp_path / "train.xyz").write_text("")
    (tmp_path / "other.xyz").write_text("")
    settings = load(
        tmp_path, training_sets=["train.xyz"], author="Jane", allow={"image": "no image"}
    )
    assert settings.training_sets == ((tmp_path / "train.xyz").resolve(),)
    found = with_overrides(
        settings,
        version="2.0",
        author=None,
        training_sets=(tmp_path / "other.xyz",),
        allow={"c44": "none"},
    )
    assert (found.version, found.author, found.training_sets) == (
        "2.0.0",
        "Jane",
        (tmp_path / "other.xyz",),
    )
    assert found.allow == {"image": "no image", "c44": "none"}


@pytest.mark.parametrize(
    "given", [{"version": "x"}, {"author": "a\nb"}, {"allow": {"c44": "a\nb"}}]
)
def test_the_command_line_is_checked_too(tmp_path, given):
    with pytest.raises(ConfigError, match="the release's "):
        with_overrides(load(tmp_path), **given)


def test_the_schema_names_every_key():
    assert set(settings_schema()["$defs"]["ReleaseSettings"]["properties"]) >= {
        "version",
        "author",
        "references",
        "allow",
    }
