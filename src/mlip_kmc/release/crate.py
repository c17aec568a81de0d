"""Metadata of a release as an RO-Crate, for archives: title, author, software, and the list of files.

Example:
    crate(facts, files=("potential.yace", "manifest.json"))

RO-Crate 1.1 (Soiland-Reyes et al., Data Science 5, 97 (2022)).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlip_kmc.release.members import CRATE, MEMBERS
from mlip_kmc.release.settings import Organization

TIME = "%Y-%m-%dT%H:%M:%SZ"
_CONFORMS = "https://w3id.org/ro/crate/1.1"
_CONTEXT = ("https://w3id.org/ro/crate/1.1/context", {"creditText": "http://schema.org/creditText"})
"""RO-Crate 1.1 has the terms that schema.org had at its time; newer terms are declared here, as its specification asks."""


@dataclass(frozen=True)
class CrateFacts:
    """The content of the crate besides its files.

    Attributes:
        title, description, version, author, licence, citation: text.
        organization: organization of the author, and publisher. Where its name is the author's, both are one entity.
        date: date of the release.
        elements: elements of the potential.
        parts: versions of the software that was used, by name.
        run: id of the run.
    """

    title: str
    description: str
    version: str
    author: str
    organization: Organization
    licence: str
    citation: str
    date: datetime
    elements: tuple[str, ...]
    parts: Mapping[str, str]
    run: str


def crate(facts: CrateFacts, *, files: Iterable[str]) -> bytes:
    """Content of `ro-crate-metadata.json`.

    Args:
        facts: facts about the release.
        files: names of all files of the release.
    """
    kept = [name for name in MEMBERS if name in set(files) and name != CRATE]
    tools = [
        {"@id": f"#part-{name}", "@type": "SoftwareApplication", "name": name, "version": version}
        for name, version in facts.parts.items()
    ]
    people = _people(facts)
    graph = [
        {
            "@id": CRATE,
            "@type": "CreativeWork",
            "conformsTo": {"@id": _CONFORMS},
            "about": {"@id": "./"},
        },
        _root(facts, kept=kept, author=people[0]["@id"], publisher=people[-1]["@id"]),
        *people,
        {
            "@id": "#licence",
            "@type": "CreativeWork",
            "name": facts.licence,
            "description": facts.licence,
        },
        *map(_file, kept),
        {
            "@id": "#run",
            "@type": "CreateAction",
            "name": f"adaptive kinetic Monte Carlo run {facts.run[:12]}",
            "instrument": _value([{"@id": tool["@id"]} for tool in tools]),
            "result": {"@id": "report.html"},
        },
        *tools,
    ]
    return (
        json.dumps({"@context": list(_CONTEXT), "@graph": graph}, indent=1, ensure_ascii=False)
        + "\n"
    ).encode()


def _root(facts: CrateFacts, *, kept: Sequence[str], author: str, publisher: str) -> dict[str, Any]:
    """The release itself; `author` and `publisher` are identifiers of entities."""
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": facts.title,
        "description": facts.description,
        "version": facts.version,
        "datePublished": f"{facts.date:{TIME}}",
        "author": {"@id": author},
        "publisher": {"@id": publisher},
        "license": {"@id": "#licence"},
        "creditText": facts.citation,
        "keywords": ["interatomic potential", "atomic cluster expansion", *facts.elements],
        "hasPart": _value([{"@id": name} for name in kept]),
        "mentions": {"@id": "#run"},
    }


def _file(name: str) -> dict[str, Any]:
    return {
        "@id": name,
        "@type": "File",
        "name": name,
        "description": MEMBERS[name].about,
        "encodingFormat": MEMBERS[name].media_type,
    }


def _people(facts: CrateFacts) -> list[dict[str, Any]]:
    """The author first, the organization last; one entity where they are the same."""
    organization = {
        "@id": "#organization",
        "@type": "Organization",
        "name": facts.organization.name,
        "url": facts.organization.url,
    }
    if facts.author == facts.organization.name:
        return [organization]
    return [
        {
            "@id": "#author",
            "@type": "Person",
            "name": facts.author,
            "affiliation": {"@id": "#organization"},
        },
        organization,
    ]


def _value(entries: list[dict[str, Any]]) -> Any:
    """In compacted JSON-LD a list of one value is written as the value."""
    return entries[0] if len(entries) == 1 else entries
