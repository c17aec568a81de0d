"""The list of the image's parts, and the crate: minimal, whole, and the same every time."""

import json
from dataclasses import replace
from datetime import UTC, datetime

from mlip_kmc.release.crate import CrateFacts, crate
from mlip_kmc.release.manifest import Image
from mlip_kmc.release.members import CRATE, MEMBERS
from mlip_kmc.release.parts_list import ImageParts, parts_list
from mlip_kmc.release.settings import Organization

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
PARTS = ImageParts(
    programs={"eOn": "3.6.0", "LAMMPS": "4Feb2025"},
    packages={"ase": "3.29.0", "Jinja2": "3.1.6"},
    recipe="a" * 64,
)
FACTS = CrateFacts(
    title="ACE of copper",
    description="a test",
    version="1.0.0",
    author="Jane Doe",
    licence="MIT",
    citation="Doe, 2026",
    date=AT,
    elements=("Cu",),
    parts={"LAMMPS": "4Feb2025"},
    run="c" * 64,
    organization=Organization(name="Example University", url="https://example.org"),
)


def test_the_list_of_parts():
    made = parts_list(PARTS, image=Image(sha256="b" * 64, recipe="a" * 64), at=AT)
    assert made == parts_list(PARTS, image=Image(sha256="b" * 64, recipe="a" * 64), at=AT)
    found = json.loads(made)
    assert (found["bomFormat"], found["specVersion"], found["version"]) == ("CycloneDX", "1.6", 1)
    assert "serialNumber" not in found
    assert found["metadata"]["timestamp"].startswith("2026-11-25T12:00:00")
    assert found["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": "b" * 64}]
    versions = {part["name"]: part["version"] for part in found["components"]}
    assert (versions["eOn"], versions["LAMMPS"], versions["ase"]) == ("3.6.0", "4Feb2025", "3.29.0")
    assert {part.get("purl") for part in found["components"]} >= {
        "pkg:pypi/ase@3.29.0",
        "pkg:pypi/jinja2@3.1.6",
    }
    known = {part["bom-ref"] for part in found["components"]} | {"image"}
    assert {entry["ref"] for entry in found["dependencies"]} <= known


def test_the_parts_of_this_image():
    here = ImageParts.here()
    assert {"ase", "numpy", "python-ace"} <= set(here.packages)
    assert "pytest" not in here.packages, "what the tests bring along is no part of it"
    assert next(iter(here.told())) == "mlip-kmc"


def test_the_crate():
    names = [name for name, member in MEMBERS.items() if member.required]
    found = json.loads(crate(FACTS, files=names))
    graph = {entity["@id"]: entity for entity in found["@graph"]}
    assert len(graph) == len(found["@graph"]), "every entity once"
    assert graph[CRATE]["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert graph[CRATE]["about"] == {"@id": "./"}
    root = graph["./"]
    assert {entry["@id"] for entry in root["hasPart"]} == set(names) - {CRATE}
    assert all(entry["@id"] in graph for entry in root["hasPart"])
    author, publisher = graph[root["author"]["@id"]], graph[root["publisher"]["@id"]]
    assert (author["@type"], author["name"]) == ("Person", "Jane Doe")
    assert author["affiliation"] == {"@id": publisher["@id"]}
    assert (publisher["@type"], publisher["name"], publisher["url"]) == (
        "Organization",
        "Example University",
        "https://example.org",
    )
    assert (root["creditText"], found["@context"][1]["creditText"]) == (
        "Doe, 2026",
        "http://schema.org/creditText",
    )
    assert graph[root["license"]["@id"]]["name"] == "MIT"
    assert root["datePublished"] == "2026-11-25T12:00:00Z"
    assert graph["#run"]["instrument"]["@id"] in graph, "a single value stands alone"
    assert not any(
        isinstance(value, list) and len(value) == 1
        for entity in found["@graph"]
        for value in entity.values()
    )


def test_an_author_that_is_an_organization_is_one_entity():
    found = json.loads(crate(replace(FACTS, author="Example University"), files=["report.html"]))
    people = [entity for entity in found["@graph"] if entity["@type"] in {"Person", "Organization"}]
    assert [entity["@type"] for entity in people] == ["Organization"]
