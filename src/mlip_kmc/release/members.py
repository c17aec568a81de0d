"""The names that a release may hold, in the order in which it holds them: a closed list, so that a name is never a path.

Example:
    MEMBERS["potential.yace"].required         # True
"""

from dataclasses import dataclass

MANIFEST, SCHEMA, SUMS = "manifest.json", "manifest.schema.json", "SHA256SUMS"
YACE, BASIS, ACTIVE_SET, RECORD = (
    "potential.yace",
    "potential.yaml",
    "potential.asi",
    "potential.record.json",
)
CARD, REPORT, TRAINING = "model_card.html", "report.html", "training_set.xyz"
IN_POTENTIAL, IN_EXAMPLE, DATA, STRUCTURE = (
    "in.potential",
    "in.example",
    "example.data",
    "example.xyz",
)
ASE_EXAMPLE, BASELINE, SHORT_RANGE = "ase_example.py", "ase_baseline.py", "short_range.py"
EON_CONFIG, EON_LAMMPS, EON_STRUCTURE = "config.ini", "in.lammps", "pos.con"
PARTS, CRATE = "parts.cdx.json", "ro-crate-metadata.json"

_MB = 1_000_000


@dataclass(frozen=True)
class Member:
    """What is known of a file before a release is opened.

    Attributes:
        about: what it is, for people.
        media_type: of its content.
        most_bytes: a larger one is refused.
        required: every release has it.
    """

    about: str
    media_type: str
    most_bytes: int
    required: bool = True


MEMBERS = {
    MANIFEST: Member(
        "what this release is: versions, checks, errors, digests", "application/json", _MB
    ),
    SCHEMA: Member("the JSON Schema of the manifest", "application/schema+json", _MB),
    CARD: Member(
        "the model card: what the potential is good for, and where it is not", "text/html", _MB
    ),
    REPORT: Member("the report of the run and of the release's checks", "text/html", 50 * _MB),
    YACE: Member(
        "the potential, for LAMMPS pair_style pace and python-ace", "text/plain", 500 * _MB
    ),
    BASIS: Member(
        "its B-basis, for the extrapolation grade and for further fits", "text/plain", 500 * _MB
    ),
    ACTIVE_SET: Member(
        "its active set, for the extrapolation grade", "application/octet-stream", 500 * _MB
    ),
    RECORD: Member(
        "the record that keeps the three together", "application/json", _MB, required=False
    ),
    IN_POTENTIAL: Member("LAMMPS commands that set the potential: include it", "text/plain", _MB),
    IN_EXAMPLE: Member("a LAMMPS input that evaluates the example", "text/plain", _MB),
    DATA: Member("the example for LAMMPS", "text/plain", 50 * _MB),
    STRUCTURE: Member("the example, extended XYZ", "text/plain", 50 * _MB),
    ASE_EXAMPLE: Member("five lines of ASE that evaluate the example", "text/x-python", _MB),
    BASELINE: Member("the baseline as an ASE calculator", "text/x-python", _MB, required=False),
    SHORT_RANGE: Member("the baseline's formulae", "text/x-python", _MB, required=False),
    EON_CONFIG: Member("an eOn configuration that minimises the example", "text/plain", _MB),
    EON_LAMMPS: Member("the potential for eOn's LAMMPS", "text/plain", _MB),
    EON_STRUCTURE: Member("the example for eOn", "text/plain", 50 * _MB),
    TRAINING: Member(
        "the training set, extended XYZ with energies and forces",
        "text/plain",
        1000 * _MB,
        required=False,
    ),
    PARTS: Member("the parts of the image, CycloneDX", "application/vnd.cyclonedx+json", 5 * _MB),
    CRATE: Member("this release for archives, RO-Crate", "application/ld+json", _MB),
    SUMS: Member("the sha256 of every other file, for sha256sum", "text/plain", _MB),
}
"""In the order of the zip."""
MOST_BYTES = 2000 * _MB
"""Of a whole package."""
