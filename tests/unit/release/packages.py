"""Packages for the tests: a good one made of the example's potential, signers with keys, and what can be done to both."""

import hashlib
import io
import json
import struct
import subprocess
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from mlip_kmc.release.archive import packed
from mlip_kmc.release.contents import sums_of
from mlip_kmc.release.gate import CHECKS, LIMITS
from mlip_kmc.release.manifest import ProductionManifest, schema_bytes
from mlip_kmc.release.members import CRATE, MANIFEST, MEMBERS, PARTS, SCHEMA, SUMS, TRAINING
from mlip_kmc.release.signature import NAMESPACE

LIMIT = {"energy_meV_per_atom": 5.0, "force_eV_per_A": 0.1, "reason": "a tenth of kT"}
EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "cu-vacancy"
AT = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)
IMAGE = b"#!/bin/sh\n".ljust(32, b"\0") + b"SIF_MAGIC" + b"an image"
CENTRAL, LOCAL, END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"
POTENTIAL = {
    "potential.yace": "cu.yace",
    "potential.yaml": "cu.yaml",
    "potential.asi": "cu.asi",
    "potential.record.json": "cu.record.json",
}


def check_of(name, /, **changes):
    """A check of the gate that passed, as a JSON object."""
    known = {
        "name": name,
        "about": f"what {name} compares",
        "verdict": "passed",
        "number": 0.0,
        "limit": LIMITS.get(name, 0.5),
    }
    extra = {
        "validation": {"number": 0.5, "source": "a tenth of kT"},
        "baseline": {"number": None, "limit": None, "detail": "there is no baseline"},
    }
    reference = {} if name in LIMITS else {"value": 3.5, "reference": 3.5, "source": "a paper"}
    return {**known, **extra.get(name, {}), **reference, **changes}


def checks_of(**changes):
    """The whole gate; `changes` are by name, with _ for -, what another check says, or None to leave it out."""
    found = [check_of(name, **(changes.get(name.replace("-", "_"), {}) or {})) for name in CHECKS]
    return [
        check
        for name, check in zip(CHECKS, found, strict=True)
        if changes.get(name.replace("-", "_"), {}) is not None
    ]


def first_checks(**changes):
    """As the first format has it: two checks that had no limit."""
    return checks_of(
        **{
            "image": {"number": None, "limit": None},
            "validation": {"number": 0.01, "limit": None},
            **changes,
        }
    )


def first_format(raw):
    """A manifest of the first format, from one of the present one."""
    kept = {
        key: value for key, value in raw.items() if key not in {"organization", "validation_limits"}
    }
    kept["example"] = {key: value for key, value in raw["example"].items() if key != "gamma"}
    return {**kept, "$schema": "urn:mlip-kmc:release-manifest:1", "checks": first_checks()}


def manifest_of(files, /, **changes):
    """The manifest of some files, as a JSON object."""
    entries = {
        name: {"sha256": hashlib.sha256(files[name]).hexdigest(), "bytes": len(files[name])}
        for name in MEMBERS
        if name in files and name not in {MANIFEST, SUMS}
    }
    raw = {
        "$schema": "urn:mlip-kmc:release-manifest:2",
        "name": "release_v1.0",
        "title": "ACE of copper",
        "version": "1.0.0",
        "author": "Jane Doe",
        "creation_date": "2026-11-25T12:00:00Z",
        "citation": "Doe, 2026",
        "licences": {"potential": "MIT"},
        "elements": ["Cu"],
        "cutoff_A": 5.0,
        "baseline": None,
        "minimum_distance_A": {},
        "gamma": {"select": 3.0, "halt": 15.0},
        "training_set_size": 430,
        "training_set": {
            "fingerprint": "0" * 64,
            "files": {"train.xyz": "1" * 64},
            "structures": 430,
            "atoms": 12796,
            "smallest_distance_A": {"Cu-Cu": 1.3291},
            "included": TRAINING in files,
        },
        "validation_metrics": {
            "structures": 10,
            "energy_rmse_eV_per_atom": 0.002,
            "force_rmse_eV_per_A": 0.01,
            "source": "a set",
        },
        "errors_by_group": [
            {
                "set": "validation",
                "group": group,
                "structures": 5,
                "energy_rmse_eV_per_atom": 0.002,
                "force_rmse_eV_per_A": 0.01,
            }
            for group in ("bulk", "hop")
        ],
        "validation_limits": {"all": LIMIT, "hop": {**LIMIT, "force_eV_per_A": 0.02}},
        "organization": {"name": "Example University", "url": "https://example.org"},
        "oracle": {"name": "EMT"},
        "run": {
            "id": "2" * 64,
            "temperature_K": 500.0,
            "kmc_steps": 10,
            "simulated_time_s": 1e-6,
            "states": 8,
            "searches": 100,
            "halted_searches": 0,
            "gamma_state_0": 0.6,
            "gamma_saddle": 0.7,
            "gamma_path": 2.5,
        },
        "image": {"sha256": hashlib.sha256(IMAGE).hexdigest(), "recipe": None},
        "parts": {"mlip-kmc": "0.1.0"},
        "checks": checks_of(),
        "good_for": [],
        "not_for": [],
        "example": {"atoms": 107, "energy_eV": -372.0, "gamma": 0.6},
        "files": entries,
    }
    return {**raw, **changes}


def good_files(**changes):
    """All members of a good release; `changes` are keys of its manifest."""
    files = {name: f"{name}\n".encode() for name, member in MEMBERS.items() if member.required}
    files |= {name: (EXAMPLE / source).read_bytes() for name, source in POTENTIAL.items()}
    files[SCHEMA] = schema_bytes()
    told = {
        "name": "ACE of copper",
        "version": changes.get("version", "1.0.0"),
        "datePublished": "2026-11-25T12:00:00Z",
    }
    files[CRATE] = json.dumps({"@graph": [{"@id": "./", **told}]}).encode()
    files[PARTS] = b"{}"
    return sealed(files, **changes)


def sealed(files, /, *, manifest=None, **changes):
    """The files with a manifest and sums that fit them; `manifest` is its content, whatever it is."""
    rest = {name: content for name, content in files.items() if name not in {MANIFEST, SUMS}}
    content = json.dumps(manifest_of(rest, **changes)).encode() if manifest is None else manifest
    rest[MANIFEST] = content
    return {**rest, SUMS: sums_of(rest)}


def zip_of(files, **options):
    """A release's zip."""
    return packed(files, at=options.get("at", AT))


def raw_zip(entries):
    """A zip of anything: (name, content) or (ZipInfo, content), in this order."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for given, content in entries:
            info = given if isinstance(given, zipfile.ZipInfo) else entry(given)
            archive.writestr(info, content, compress_type=info.compress_type)
    return stream.getvalue()


def entry(name, *, mode=0o100644, method=zipfile.ZIP_STORED, date=(2026, 11, 25, 12, 0, 0)):
    info = zipfile.ZipInfo(name, date)
    info.create_system, info.external_attr, info.compress_type = 3, mode << 16, method
    return info


def with_entry(files, given, content=b"x"):
    """The good members, and one more."""
    return raw_zip([*((name, files[name]) for name in MEMBERS if name in files), (given, content)])


def renamed(files, old, new):
    """One member under another name."""
    return raw_zip(
        [(new if name == old else name, files[name]) for name in MEMBERS if name in files]
    )


def header(data, mark, *, which=0):
    """Where the `which`-th header with this mark is; searching for marks would find those in the .asi, which is a zip, too."""
    end = len(data) - 22
    if mark == END:
        return end
    at = struct.unpack_from("<I", data, end + 16)[0]
    for _ in range(which):
        at += 46 + struct.unpack_from("<H", data, at + 28)[0]
    return at if mark == CENTRAL else struct.unpack_from("<I", data, at + 42)[0]


def patched(data, mark, offset, value, *, which=0, kind="<H"):
    """A field of the `which`-th header with this mark set to another value."""
    changed = bytearray(data)
    struct.pack_into(kind, changed, header(data, mark, which=which) + offset, value)
    return bytes(changed)


def inserted(data, at, more):
    return data[:at] + more + data[at:]


def flipped(data, at):
    """One bit changed."""
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


@dataclass
class Signers:
    """Keys by name, in a directory, and files of allowed signers."""

    folder: Path
    made: dict = field(default_factory=dict)

    def key(self, name):
        path = self.folder / name
        if not path.exists():
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)],
                check=True,
            )
        return path

    def line(self, name, options=f'namespaces="{NAMESPACE}"'):
        return f"{name}@example.org {options} {' '.join((self.key(name).with_suffix('.pub')).read_text().split()[:2])}\n"

    def signature(self, data, *, name="jane", namespace=NAMESPACE):
        known = (hashlib.sha256(data).hexdigest(), name, namespace)
        if known not in self.made:
            message = self.folder / "message"
            message.write_bytes(data)
            message.with_suffix(".sig").unlink(missing_ok=True)
            subprocess.run(
                [
                    "ssh-keygen",
                    "-q",
                    "-Y",
                    "sign",
                    "-f",
                    str(self.key(name)),
                    "-n",
                    namespace,
                    str(message),
                ],
                check=True,
                capture_output=True,
            )
            self.made[known] = message.with_suffix(".sig").read_bytes()
        return self.made[known]


def good_manifest():
    return ProductionManifest.from_json(good_files()[MANIFEST])
