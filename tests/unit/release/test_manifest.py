"""The manifest: its name, its bytes, its schema."""

import hashlib
import json

import pytest

from mlip_kmc.ground.errors import ReleaseError
from mlip_kmc.release.gate import CHECKS
from mlip_kmc.release.manifest import (
    FirstManifest,
    ProductionManifest,
    _without_words,
    manifest_schema,
    named_version,
    read_manifest,
    release_name,
    same_schema,
    schema_bytes,
)
from mlip_kmc.release.members import MANIFEST

from .packages import first_format, good_files, good_manifest, manifest_of


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("1.0.0", "release_v1.0"),
        ("1.0.1", "release_v1.0.1"),
        ("10.20.0", "release_v10.20"),
        ("0.0.0", "release_v0.0"),
        ("2.0.0-rc.1", "release_v2.0-rc.1"),
        ("2.0.10-rc.1.0", "release_v2.0.10-rc.1.0"),
    ],
)
def test_the_name_follows_from_the_version(tmp_path, version, name):
    assert release_name(version) == name
    assert f"release_v{named_version(tmp_path / f'{name}.zip')}" == name


def test_no_two_versions_have_one_name():
    versions = [
        f"{a}.{b}.{c}{pre}"
        for a in range(3)
        for b in range(3)
        for c in range(3)
        for pre in ("", "-0", "-rc.0")
    ]
    assert len({release_name(version) for version in versions}) == len(versions)


def test_the_same_manifest_gives_the_same_bytes():
    manifest = good_manifest()
    assert ProductionManifest.from_json(manifest.to_json()) == manifest
    assert ProductionManifest.from_json(manifest.to_json()).to_json() == manifest.to_json()
    assert json.loads(manifest.to_json())["creation_date"] == "2026-11-25T12:00:00Z"


def test_the_schema_is_of_the_manifest():
    schema, raw = manifest_schema(), json.loads(good_manifest().to_json())
    assert schema["$id"] == raw["$schema"] == "urn:mlip-kmc:release-manifest:2"
    assert set(schema["properties"]) == set(raw)
    assert set(schema["required"]) <= set(raw)
    assert schema["additionalProperties"] is False
    for name in ("run", "training_set", "image", "gamma", "example"):
        section = schema["$defs"][schema["properties"][name]["$ref"].rpartition("/")[2]]
        assert set(section["properties"]) == set(raw[name])


def test_the_schema_holds_the_set_of_checks():
    checks = manifest_schema()["properties"]["checks"]
    named = [entry["contains"]["properties"]["name"]["const"] for entry in checks["allOf"]]
    assert tuple(named) == CHECKS
    assert checks["minItems"] == checks["maxItems"] == len(CHECKS)


def test_the_first_formats_schema_is_the_one_that_was_shipped():
    """Its digest without words, of what releases of the first format hold."""
    bare = json.dumps(_without_words(manifest_schema(FirstManifest)), sort_keys=True).encode()
    assert (
        hashlib.sha256(bare).hexdigest()
        == "53eeb4af0537242a8c0e85b6a834d761d5148c93614ce4c18d76e90a91126c81"
    )
    assert same_schema(schema_bytes(FirstManifest), FirstManifest)
    assert not same_schema(schema_bytes(FirstManifest))


def test_both_formats_are_read_as_what_they_are():
    raw = manifest_of(good_files())
    assert isinstance(read_manifest(json.dumps(raw).encode()), ProductionManifest)
    first = read_manifest(json.dumps(first_format(raw)).encode())
    assert isinstance(first, FirstManifest)
    assert read_manifest(first.to_json()) == first
    for strange in (
        {**raw, "$schema": "urn:mlip-kmc:release-manifest:3"},
        {**raw, "$schema": 2},
        {},
    ):
        with pytest.raises(
            ReleaseError, match="does not know; it knows urn:mlip-kmc:release-manifest:1, urn"
        ):
            read_manifest(json.dumps(strange).encode())


def test_only_the_words_of_a_schema_may_differ():
    reworded = json.loads(schema_bytes())
    reworded["properties"]["cutoff_A"]["description"] = "in better words"
    assert same_schema(json.dumps(reworded).encode())
    for key, value in (("exclusiveMinimum", -1), ("title", 5), ("pattern", "x")):
        changed = json.loads(schema_bytes())
        changed["properties"]["cutoff_A"][key] = value
        assert not same_schema(json.dumps(changed).encode())
    assert not same_schema(b"{")


def test_it_is_frozen_and_says_what_is_wrong():
    with pytest.raises(Exception, match="frozen"):
        good_manifest().version = "2.0.0"
    with pytest.raises(ReleaseError, match="'cutoff_A': must be more than 0"):
        ProductionManifest.from_json(good_files(cutoff_A=-1.0)[MANIFEST])
