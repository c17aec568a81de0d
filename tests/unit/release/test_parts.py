"""The list of the image's parts, and the crate: minimal, whole, and the same every time."""

import json
from datetime import UTC, datetime

from mlip_kmc.release.crate import CrateFacts, crate
from mlip_kmc.release.manifest import Image
from mlip_kmc.release.members import CRATE, MEMBERS
from mlip_kmc.release.parts_list import ImageParts, parts_list

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
PARTS = ImageParts(programs={"eOn": "3.6.0", "LAMMPS": "4Feb2025"}, packages={"ase": "3.29.0", "Jinja2": "3.1.6"},
                   recipe="a" * 64)


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
    assert {part.get("purl") for part in found["components"]} >= {"pkg:pypi/ase@3.29.0", "pkg:pypi/jinja2@3.1.6"}
    known = {part["bom-ref"] for part in found["components"]} | {"image"}
    assert {entry["ref"] for entry in found["dependencies"]} <= known


def test_the_parts_of_this_image():
    here = ImageParts.here()
    assert {"ase", "numpy", "python-ace"} <= set(here.packages)
    assert "pytest" not in here.packages, "what the tests bring along is no part of it"
    assert next(iter(here.told())) == "mlip-kmc"


def test_the_crate():
    facts = CrateFacts(title="ACE of copper", description="a test", version="1.0.0", author="Jane Doe", licence="MIT",
                       citation="Doe, 2026", date=AT, elements=("Cu",), parts={"LAMMPS": "4Feb2025"}, run="c" * 64)
    names = [name for name, member in MEMBERS.items() if member.required]
    found = json.loads(crate(facts, files=names))
    graph = {entity["@id"]: entity for entity in found["@graph"]}
    assert len(graph) == len(found["@graph"]), "every entity once"
    assert graph[CRATE]["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert graph[CRATE]["about"] == {"@id": "./"}
    root = graph["./"]
    assert {entry["@id"] for entry in root["hasPart"]} == set(names) - {CRATE}
    assert all(entry["@id"] in graph for entry in root["hasPart"])
    assert graph[root["author"]["@id"]]["name"] == "Jane Doe"
    assert graph[root["license"]["@id"]]["name"] == "MIT"
    assert root["datePublished"] == "2026-11-25T12:00:00Z"
    assert all(entry["@id"] in graph for entry in graph["#run"]["instrument"])
