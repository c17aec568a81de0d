"""Bad packages, each refused at its own step with its own reason; and the good one, which is not.

A case answers what is laid before `verify`. Unless it says otherwise, a trusted key signed it: only then do later steps matter.
"""

import base64
import hashlib
import io
import json
import os
import re
import sys
import tracemalloc
import zipfile
from dataclasses import dataclass

import numpy as np
import pytest

from mlip_kmc.release import verification
from mlip_kmc.release.manifest import FirstManifest, schema_bytes
from mlip_kmc.release.members import (
    BASELINE,
    CRATE,
    MANIFEST,
    MEMBERS,
    PARTS,
    SCHEMA,
    SUMS,
    TRAINING,
)
from mlip_kmc.release.verification import STEPS, Policy, VerificationError, verify

from .packages import (
    CENTRAL,
    END,
    IMAGE,
    LOCAL,
    Signers,
    check_of,
    checks_of,
    entry,
    first_checks,
    first_format,
    flipped,
    good_files,
    header,
    inserted,
    manifest_of,
    patched,
    raw_zip,
    renamed,
    sealed,
    with_entry,
    zip_of,
)

GOOD = good_files()
ZIP = zip_of(GOOD)
ONE_ZERO = "release_v1.0.zip"
IN_ORDER = [name for name in MEMBERS if name in GOOD]
REQUIRED = [name for name, member in MEMBERS.items() if member.required]


@dataclass
class Case:
    """What is laid out: the zip, what was signed (the zip where None), by whom, for what, and what the verifier trusts."""

    name: str
    step: str
    reason: str
    data: bytes | None = ZIP
    signed: bytes | None = None
    signature: bytes | None = None
    unsigned: bool = False
    by: str = "jane"
    namespace: str = "mlip-kmc-release"
    trusted: str | None = 'namespaces="mlip-kmc-release"'
    file_name: str = ONE_ZERO
    image: bytes | None = None


def lookalike(name, old, new):
    return name.replace(old, new, 1)


def swapped_sums():
    lines = GOOD[SUMS].decode().splitlines()
    (first, _, one), (second, _, other) = (line.partition("  ") for line in lines[4:6])
    lines[4:6] = [f"{second}  {one}", f"{first}  {other}"]
    return zip_of({**GOOD, SUMS: ("\n".join(lines) + "\n").encode()})


def with_sums(change):
    return zip_of({**GOOD, SUMS: change(GOOD[SUMS].decode()).encode()})


def with_manifest(**changes):
    return zip_of(sealed(GOOD, **changes))


def with_text(old, new):
    """Another text of the manifest, as a program would not write it."""
    text = GOOD[MANIFEST].decode()
    assert old in text
    return zip_of(sealed(GOOD, manifest=text.replace(old, new, 1).encode()))


def with_member(name, old, new):
    """Another content of a file, of which all digests are told."""
    assert old in GOOD[name]
    return zip_of(sealed({**GOOD, name: GOOD[name].replace(old, new)}))


def with_checks(**changes):
    return with_manifest(checks=checks_of(**changes))


def first(**changes):
    """A release of the first format, schema and all."""
    files = {**GOOD, SCHEMA: schema_bytes(FirstManifest)}
    raw = {
        **first_format(
            manifest_of({key: value for key, value in files.items() if key not in {MANIFEST, SUMS}})
        ),
        **changes,
    }
    return zip_of(sealed(files, manifest=json.dumps(raw).encode()))


def swapped_digests():
    raw = manifest_of(GOOD)
    files = raw["files"]
    files["potential.yace"], files["potential.yaml"] = (
        files["potential.yaml"],
        files["potential.yace"],
    )
    return with_manifest(files=files)


def without(name):
    return zip_of(sealed({key: content for key, content in GOOD.items() if key != name}))


def unlisted():
    files = manifest_of(GOOD)["files"]
    del files["report.html"]
    return with_manifest(files=files)


def altered_namespace(keys):
    """A signature for something else, relabelled as one for a release."""
    text = keys.signature(ZIP, namespace="another-purpose-").decode()
    head, *body, tail = text.strip().split("\n")
    blob = base64.b64decode("".join(body)).replace(b"another-purpose-", b"mlip-kmc-release")
    return "\n".join([head, base64.b64encode(blob).decode(), tail, ""]).encode()


def every(data, *, day):
    """All members of one day, whatever it is."""
    for which in range(len(GOOD)):
        data = patched(patched(data, CENTRAL, 14, day, which=which), LOCAL, 12, day, which=which)
    return data


OTHER_ZIP = zip_of(good_files(version="1.1.0", name="release_v1.1"))
CYRILLIC_A, FULLWIDTH_M = "\N{CYRILLIC SMALL LETTER A}", "\N{FULLWIDTH LATIN SMALL LETTER M}"


def twice(keys, first='namespaces="git"', second='namespaces="mlip-kmc-release"'):
    """One key on two lines, under two names."""
    return keys.line("jane", first).replace("jane@", "for.git@") + keys.line("jane", second)


def at_package():
    yield Case("no-zip", "package", "there is no file", data=None)
    yield Case("no-signature", "package", "there is no file .*sig", unsigned=True)
    yield Case("huge-signature", "package", "larger than 20000 bytes", signature=b"x" * 20_001)
    for name in ("release.zip", "potential_v1.0.zip", "release_v1.0.tar", "release_v1.0.zip.exe"):
        yield Case(f"named-{name}", "package", "not named as a release is", file_name=name)


def at_signature():
    for name in GOOD:
        where = (
            header(ZIP, LOCAL, which=list(IN_ORDER).index(name))
            + 30
            + len(name)
            + len(GOOD[name]) // 2
        )
        yield Case(
            f"flipped-bit-in-{name}",
            "signature",
            "other bytes",
            data=flipped(ZIP, where),
            signed=ZIP,
        )
    yield Case(
        "flipped-bit-in-the-directory",
        "signature",
        "other bytes",
        signed=ZIP,
        data=flipped(ZIP, header(ZIP, CENTRAL) + 12),
    )
    yield Case(
        "member-added-unsigned",
        "signature",
        "other bytes",
        data=with_entry(GOOD, "evil.sh"),
        signed=ZIP,
    )
    yield Case(
        "member-removed-unsigned",
        "signature",
        "other bytes",
        data=without("report.html"),
        signed=ZIP,
    )
    yield Case(
        "prepended-unsigned", "signature", "other bytes", data=b"#!/bin/sh\n" + ZIP, signed=ZIP
    )
    yield Case("appended-unsigned", "signature", "other bytes", data=ZIP + b"x", signed=ZIP)
    yield Case("signature-of-another-release", "signature", "other bytes", signed=OTHER_ZIP)
    yield Case("another-key", "signature", "none of those in", by="mallory")
    yield Case("another-namespace", "signature", "for the namespace 'file'", namespace="file")
    yield Case("git-namespace", "signature", "for the namespace 'git'", namespace="git")
    yield Case("relabelled-namespace", "signature", "other bytes", signature=b"relabelled")
    yield Case(
        "expired-signer",
        "signature",
        "not valid now.*expired",
        trusted='namespaces="mlip-kmc-release",valid-before="20200101"',
    )
    yield Case(
        "signer-of-the-future", "signature", "not valid now", trusted='valid-after="20900101"'
    )
    yield Case(
        "signer-for-something-else",
        "signature",
        "may not sign releases",
        trusted='namespaces="git"',
    )
    yield Case(
        "no-signers-file",
        "signature",
        "there is no file .*; a file of allowed signers",
        trusted=None,
    )
    yield Case("empty-signers-file", "signature", "none of those in", trusted="")
    yield Case("garbage-signers-file", "signature", "none of those in", trusted="garbage\n")
    yield Case("empty-signature", "signature", "no whole SSH signature", signature=b"")
    yield Case(
        "garbage-signature", "signature", "no whole SSH signature", signature=b"\xff\xfe garbage"
    )
    yield Case("torn-signature", "signature", "no whole SSH signature", signature=b"torn")
    yield Case(
        "pgp-signature",
        "signature",
        "no whole SSH signature",
        signature=b"-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n",
    )
    yield Case(
        "hollow-signature",
        "signature",
        "no whole SSH signature",
        signature=b"-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQ==\n-----END SSH SIGNATURE-----\n",
    )


def at_archive():
    last, bomb = SUMS, zipfile.ZIP_DEFLATED
    size = len(GOOD[MANIFEST])
    for name, data, reason in (
        ("prepended", b"MZ" + ZIP, "put before the archive"),
        ("appended", ZIP + b"\0", "put after the archive"),
        ("second-archive-appended", ZIP + OTHER_ZIP, "directory is not where"),
        (
            "inserted-before-the-directory",
            inserted(ZIP, header(ZIP, CENTRAL), b"hidden"),
            "directory is not where",
        ),
        (
            "gap-before-the-directory",
            patched(
                inserted(ZIP, header(ZIP, CENTRAL), b"hidden"),
                END,
                16,
                header(ZIP, CENTRAL) + 6,
                kind="<I",
            ),
            "6 bytes .* belong to nothing",
        ),
        ("cut-off", ZIP[:-30], "cut off"),
        ("no-zip-at-all", b"not a zip", "no zip"),
        ("empty-zip", END + b"\0" * 18, "no zip"),
        ("comment", patched(ZIP, END, 20, 5) + b"hello", "has a zip comment"),
        ("comment-length", patched(ZIP, END, 20, 1), "has a comment"),
        ("several-disks", patched(ZIP, END, 4, 1), "several parts"),
        ("member-too-many-counted", patched(patched(ZIP, END, 8, 20), END, 10, 20), "damaged"),
        (
            "a-thousand-members",
            patched(patched(ZIP, END, 8, 1000), END, 10, 1000),
            "more than a release can have",
        ),
        ("absolute", renamed(GOOD, last, "/etc/passwd"), "absolute"),
        ("absolute-windows", renamed(GOOD, last, "C:evil"), "absolute"),
        ("absolute-backslash", renamed(GOOD, last, "\\evil"), "absolute"),
        ("dot-dot", renamed(GOOD, last, "../../evil"), "leads out"),
        ("dot-dot-within", renamed(GOOD, last, "a/../../evil"), "leads out"),
        ("dot-dot-backslash", renamed(GOOD, last, "..\\evil"), "leads out"),
        ("in-a-folder", renamed(GOOD, last, "sub/SHA256SUMS"), "is a path"),
        ("a-folder", with_entry(GOOD, entry("sub/", mode=0o040755), b""), "is a path"),
        ("added", with_entry(GOOD, "evil.sh"), "none of a release's"),
        ("hidden", with_entry(GOOD, ".bashrc"), "none of a release's"),
        ("renamed", renamed(GOOD, last, "SHA512SUMS"), "none of a release's"),
        ("other-case", renamed(GOOD, MANIFEST, "Manifest.json"), "none of a release's"),
        ("trailing-space", renamed(GOOD, MANIFEST, "manifest.json "), "none of a release's"),
        ("empty-name", renamed(GOOD, MANIFEST, ""), "none of a release's"),
        ("nul-in-name", ZIP.replace(b"config.ini", b"config\0ini"), "none of a release's"),
        (
            "lookalike-cyrillic",
            renamed(GOOD, MANIFEST, lookalike(MANIFEST, "a", CYRILLIC_A)),
            "not of ASCII",
        ),
        (
            "lookalike-fullwidth",
            renamed(GOOD, MANIFEST, lookalike(MANIFEST, "m", FULLWIDTH_M)),
            "not of ASCII",
        ),
        (
            "lookalike-beside",
            with_entry(GOOD, lookalike(MANIFEST, "a", CYRILLIC_A)),
            "not of ASCII",
        ),
        (
            "right-to-left",
            with_entry(GOOD, "report\N{RIGHT-TO-LEFT OVERRIDE}lmth.sh"),
            "not of ASCII",
        ),
        ("twice", with_entry(GOOD, MANIFEST, GOOD[MANIFEST]), "there twice"),
        ("twice-another-content", with_entry(GOOD, "potential.yace", b"other"), "there twice"),
        (
            "symlink",
            raw_zip(
                [
                    (entry(name, mode=0o120777 if name == last else 0o100644), content)
                    for name, content in GOOD.items()
                ]
            ),
            "symbolic link",
        ),
        (
            "device",
            raw_zip(
                [
                    (entry(name, mode=0o060644 if name == last else 0o100644), content)
                    for name, content in GOOD.items()
                ]
            ),
            "no plain file",
        ),
        (
            "setuid",
            raw_zip(
                [
                    (entry(name, mode=0o104755 if name == last else 0o100644), content)
                    for name, content in GOOD.items()
                ]
            ),
            "no plain file",
        ),
        (
            "zip-bomb",
            raw_zip(
                [
                    (
                        entry(name, method=bomb),
                        b"\0" * 5_000_000 if name == "report.html" else content,
                    )
                    for name, content in GOOD.items()
                ]
            ),
            "is compressed",
        ),
        (
            "bzip2",
            raw_zip([(entry(name, method=zipfile.ZIP_BZIP2), GOOD[name]) for name in GOOD]),
            "is compressed",
        ),
        (
            "claims-four-gigabytes",
            patched(
                patched(ZIP, CENTRAL, 20, 2**32 - 2, kind="<I"), CENTRAL, 24, 2**32 - 2, kind="<I"
            ),
            "claims 4294967294 bytes",
        ),
        ("sizes-differ", patched(ZIP, CENTRAL, 24, size * 2, kind="<I"), "claims"),
        (
            "larger-than-allowed",
            zip_of({**GOOD, MANIFEST: b" " * 1_000_001}),
            "claims 1000001 bytes",
        ),
        (
            "overlapping-members",
            patched(ZIP, CENTRAL, 42, 0, which=1, kind="<I"),
            "begins at byte 0",
        ),
        (
            "local-size-differs",
            patched(ZIP, LOCAL, 22, size - 1, kind="<I"),
            "differs from the archive's directory",
        ),
        (
            "local-name-differs",
            patched(ZIP, LOCAL, 30, ord("M"), kind="<B"),
            "differs from the archive's directory",
        ),
        ("local-method-differs", patched(ZIP, LOCAL, 8, 8), "differs from the archive's directory"),
        ("local-flags-differ", patched(ZIP, LOCAL, 6, 8), "differs from the archive's directory"),
        ("no-local-header", patched(ZIP, LOCAL, 0, 0, which=1, kind="<I"), "no header where"),
        (
            "wrong-checksum",
            flipped(ZIP, ZIP.index(GOOD["potential.yace"][:60]) + 50),
            "another checksum",
        ),
        ("encrypted", patched(ZIP, CENTRAL, 8, 1), "encrypted"),
        ("data-descriptor", patched(ZIP, CENTRAL, 8, 8), "has flags"),
        ("utf8-flag", patched(ZIP, CENTRAL, 8, 0x800), "has flags"),
        ("from-dos", patched(ZIP, CENTRAL, 5, 0, kind="<B"), "no plain file"),
        ("internal-attributes", patched(ZIP, CENTRAL, 36, 1), "attributes that a release has not"),
        ("newer-zip-version", patched(ZIP, CENTRAL, 6, 45), "attributes that a release has not"),
        (
            "other-order",
            raw_zip([(name, GOOD[name]) for name in reversed(MEMBERS) if name in GOOD]),
            "not in the order",
        ),
        (
            "different-times",
            raw_zip(
                [
                    (entry(name, date=(2026, 11, 25, 12, index, 0)), GOOD[name])
                    for index, name in enumerate(name for name in MEMBERS if name in GOOD)
                ]
            ),
            "different times",
        ),
        ("no-such-time", every(ZIP, day=0), "time that does not exist"),
    ):
        yield Case(name, "archive", reason, data=data)


def at_members():
    for name in REQUIRED:
        files = {key: content for key, content in GOOD.items() if key != name}
        yield Case(f"missing-{name}", "members", f"{name} is missing", data=zip_of(files))
    yield Case(
        "half-a-baseline",
        "members",
        "come together",
        data=zip_of(sealed({**GOOD, BASELINE: b"import os\n"})),
    )


def at_digests():
    for name in GOOD:
        if name != SUMS:
            yield Case(
                f"changed-{name}",
                "digests",
                f"{name} has another digest",
                data=zip_of({**GOOD, name: GOOD[name] + b" "}),
            )
    yield Case("swapped-sums", "digests", "another digest", data=swapped_sums())
    yield Case(
        "line-missing",
        "digests",
        "not listed",
        data=with_sums(lambda text: "".join(text.splitlines(keepends=True)[1:])),
    )
    yield Case(
        "line-too-many",
        "digests",
        "is listed, and missing",
        data=with_sums(lambda text: f"{text}{'0' * 64}  evil.sh\n"),
    )
    yield Case("line-twice", "digests", "one twice", data=with_sums(lambda text: text + text))
    yield Case(
        "line-of-nothing",
        "digests",
        "none of sha256sum",
        data=with_sums(lambda text: text + "nonsense\n"),
    )
    yield Case("empty-sums", "digests", "not listed", data=with_sums(lambda _: ""))


def at_manifest():
    schema = zip_of(sealed({**GOOD, SCHEMA: GOOD[SCHEMA].replace(b'"cutoff_A"', b'"cutoff_nm"')}))
    training = zip_of(
        sealed(
            {**GOOD, TRAINING: b"1\n\nCu 0 0 0\n"},
            training_set={**manifest_of(GOOD)["training_set"], "included": False},
        )
    )
    for name, data, reason in (
        (
            "version-of-another",
            OTHER_ZIP,
            "of version 1.1.0, but the package is named as version 1.0",
        ),
        ("named-otherwise-within", with_manifest(name="release_v2.0"), "not that of version"),
        (
            "unknown-schema",
            with_manifest(**{"$schema": "urn:mlip-kmc:release-manifest:99"}),
            "does not know",
        ),
        ("no-schema", with_manifest(**{"$schema": None}), "does not know"),
        ("another-schema-shipped", schema, "is another schema"),
        ("not-json", zip_of(sealed(GOOD, manifest=b"{")), "cannot be read: it is not JSON"),
        ("not-utf8", zip_of(sealed(GOOD, manifest=b'{"a": "\xff"}')), "not JSON"),
        ("a-list", zip_of(sealed(GOOD, manifest=b"[]")), "no object of keys"),
        ("nested-deeply", zip_of(sealed(GOOD, manifest=b"[" * 200_000)), "not JSON"),
        ("unknown-key", with_manifest(surprise=1), "unknown key 'surprise'"),
        ("no-semver", with_manifest(version="1.0"), "version"),
        ("not-a-number", with_manifest(cutoff_A="five"), "cutoff_A"),
        ("infinite", with_manifest(cutoff_A=float("inf")), "Infinity is no number of JSON"),
        (
            "beyond-doubles",
            with_text('"cutoff_A": 5.0', '"cutoff_A": 5e999'),
            "is too large",
        ),
        ("naive-date", with_manifest(creation_date="2026-11-25T12:00:00"), "creation_date"),
        ("line-break-in-author", with_manifest(author="Jane\nDoe"), "author"),
        ("sizes-of-the-set-differ", with_manifest(training_set_size=1), "differ"),
        ("no-elements", with_manifest(elements=[]), "elements"),
        ("digests-swapped", swapped_digests(), "potential.yace is not the file"),
        ("file-not-told-of", unlisted(), "other files than there are: report.html"),
        ("set-hidden", training, "says of training_set.xyz"),
        (
            "baseline-hidden",
            with_manifest(baseline={"Cu-Cu": {"kind": "zbl", "inner_A": 0.8, "outer_A": 1.2}}),
            "says of the baseline",
        ),
        ("number-as-text", with_text('"cutoff_A": 5.0', '"cutoff_A": "5.0"'), "cutoff_A"),
        (
            "count-as-text",
            with_text('"training_set_size": 430', '"training_set_size": "430"'),
            "training_set_size",
        ),
        (
            "count-with-a-point",
            with_text('"training_set_size": 430', '"training_set_size": 430.0'),
            "training_set_size",
        ),
        ("truth-as-number", with_text('"included": false', '"included": 0'), "included"),
        ("number-as-truth", with_text('"kmc_steps": 10', '"kmc_steps": true'), "kmc_steps"),
        (
            "date-as-number",
            with_text('"creation_date": "2026-11-25T12:00:00Z"', '"creation_date": 1795608000'),
            "creation_date",
        ),
        (
            "date-in-another-zone",
            with_manifest(creation_date="2026-11-25T13:00:00+01:00"),
            "creation_date",
        ),
        (
            "not-a-number-written-out",
            with_text('"cutoff_A": 5.0', '"cutoff_A": NaN'),
            "NaN is no number of JSON",
        ),
        (
            "key-twice",
            with_text('"cutoff_A": 5.0', '"cutoff_A": 4.0, "cutoff_A": 5.0'),
            "key 'cutoff_A' is there twice",
        ),
        (
            "key-twice-within",
            with_text('"value": 3.5', '"value": 9.9, "value": 3.5'),
            "key 'value' is there twice",
        ),
        (
            "key-twice-escaped",
            with_text('"cutoff_A": 5.0', r'"cutoff\u005fA": 4.0, "cutoff_A": 5.0'),
            "is there twice",
        ),
        ("check-removed", with_checks(c44=None), "its gate lacks c44"),
        (
            "check-replaced",
            with_manifest(
                checks=[
                    check if check["name"] != "c44" else check_of("c12") for check in checks_of()
                ]
            ),
            "its gate lacks c44",
        ),
        (
            "checks-in-another-order",
            with_manifest(checks=list(reversed(checks_of()))),
            "in their order",
        ),
        ("check-of-ours-alone", with_checks(c44={"name": "c55"}), "its gate lacks c44"),
        (
            "passed-beyond-its-limit",
            with_checks(forces={"number": 5.0}),
            "forces passed, but its number is 5 and its limit",
        ),
        ("passed-without-a-number", with_checks(forces={"number": None}), "but its number is none"),
        (
            "failed-within-its-limit",
            with_checks(cutoff={"verdict": "failed", "because": "x"}),
            "check cutoff failed, but",
        ),
        (
            "limit-widened",
            with_checks(forces={"number": 5.0, "limit": 10.0}),
            "has the limit 10, a release has 0.001",
        ),
        (
            "limit-left-out",
            with_checks(paths={"limit": None}),
            "check paths passed, and tells no limit",
        ),
        (
            "reference-that-is-elsewhere",
            with_checks(c11={"value": 9.0, "reference": 3.5, "number": 0.1}),
            "tells of 0.1 between",
        ),
        (
            "reference-left-out",
            with_checks(c11={"reference": None, "value": None}),
            "c11 tells no reference",
        ),
        (
            "failed-and-not-allowed",
            with_checks(forces={"number": 5.0, "verdict": "failed"}),
            "not allowed not to pass",
        ),
        (
            "passed-and-allowed",
            with_checks(forces={"because": "why not"}),
            "is passed, and was allowed",
        ),
        (
            "not-tested-with-a-number",
            with_checks(barrier={"verdict": "not tested", "because": "x"}),
            "tested, and has a number",
        ),
        (
            "not-tested-and-not-allowed",
            with_checks(barrier={"verdict": "not tested", "number": None, "value": None}),
            "barrier is not tested, and was not allowed",
        ),
        (
            "validation-better-than-its-errors",
            with_checks(validation={"number": 0.1}),
            "tells of 0.1 of its limit, .* of 0.5",
        ),
        (
            "validation-without-its-limits",
            with_manifest(validation_limits={}),
            "there is no limit of bulk",
        ),
        (
            "validation-without-errors",
            with_manifest(validation_metrics=None, errors_by_group=[]),
            "there are no errors",
        ),
        (
            "image-passed-unknown",
            with_manifest(image={"sha256": None, "recipe": None}),
            "image's digest is not known",
        ),
        (
            "no-baseline-and-one",
            with_checks(
                baseline={"number": 0.0, "limit": 1e-3, "verdict": "failed", "because": "x"}
            ),
            "check baseline failed, but",
        ),
        (
            "thresholds-crossed",
            with_manifest(gamma={"select": 20.0, "halt": 15.0}),
            "is not less than gamma.halt",
        ),
        (
            "later-than-its-archive",
            with_manifest(creation_date="2026-11-25T12:00:02Z"),
            "a release has one time",
        ),
        (
            "years-later-than-its-archive",
            with_manifest(creation_date="2031-01-01T00:00:00Z"),
            "a release has one time",
        ),
        (
            "earlier-than-its-archive",
            with_manifest(creation_date="2026-11-25T11:59:59Z"),
            "a release has one time",
        ),
        (
            "gamma-left-out",
            with_manifest(example={"atoms": 107, "energy_eV": -372.0}),
            "example.gamma",
        ),
        (
            "crate-of-another-version",
            with_member(CRATE, b'"version": "1.0.0"', b'"version": "1.0.1"'),
            "another version than",
        ),
        (
            "crate-with-a-key-twice",
            with_member(CRATE, b'"name":', b'"name": "x", "name":'),
            "the key 'name' is there twice",
        ),
        ("crate-of-nothing", with_member(CRATE, b'"./"', b'"x"'), "does not tell of one release"),
        (
            "parts-that-are-no-json",
            with_member(PARTS, b"{}", b"{"),
            "parts.cdx.json cannot be read",
        ),
        (
            "no-organization",
            with_text(
                '"organization": {"name": "Example University", "url": "https://example.org"}, ', ""
            ),
            "organization",
        ),
        (
            "first-format-with-a-new-key",
            first(organization={"name": "x", "url": "https://x.org"}),
            "unknown key 'organization'",
        ),
        (
            "first-format-with-a-check-less",
            first(checks=first_checks(c44=None)),
            "its gate lacks c44",
        ),
        (
            "first-format-validation-of-another-error",
            first(checks=first_checks(validation={"number": 0.001, "limit": None})),
            "validation passed, and tells no limit",
        ),
    ):
        yield Case(name, "manifest", reason, data=data)


def at_potential():
    yace, yaml = GOOD["potential.yace"], GOOD["potential.yaml"]
    for name, files, reason in (
        ("torn-yace", {"potential.yace": yace[:2000]}, "truncated"),
        ("another-yace", {"potential.yace": yace.replace(b"rcut: 5", b"rcut: 6")}, "cutoff"),
        ("basis-in-place-of-yace", {"potential.yace": yaml}, "not a .yace"),
        ("asi-is-pickled", {"potential.asi": b"\x80\x04\x95evil"}, "active set"),
        ("yace-that-the-record-does-not-know", {"potential.yace": yace + b"\n"}, "the record"),
    ):
        yield Case(name, "potential", reason, data=zip_of(sealed({**GOOD, **files})))
    yield Case(
        "elements-of-another",
        "potential",
        "the manifest of Cu, Ni",
        data=with_manifest(elements=["Cu", "Ni"]),
    )
    yield Case("cutoff-of-another", "potential", "with 6 A", data=with_manifest(cutoff_A=6.0))


def at_image():
    yield Case("another-image", "image", "the release was made in", image=IMAGE + b"!")
    unknown = {"verdict": "not tested", "number": None, "limit": None, "because": "lost"}
    yield Case(
        "unknown-image",
        "image",
        "does not know the image's digest",
        image=IMAGE,
        data=with_manifest(image={"sha256": None, "recipe": None}, checks=checks_of(image=unknown)),
    )


CASES = [
    *at_package(),
    *at_signature(),
    *at_archive(),
    *at_members(),
    *at_digests(),
    *at_manifest(),
    *at_potential(),
    *at_image(),
]


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return Signers(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def written():
    """Every file that is opened for writing while the list is not None."""
    found = {"files": None}

    def hook(event, arguments):
        if found["files"] is not None and event == "open" and isinstance(arguments[0], str | bytes):
            mode, flags = arguments[1], arguments[2]
            if (isinstance(mode, str) and set(mode) & set("wax+")) or (
                isinstance(flags, int) and flags & 0o103
            ):
                found["files"].append(str(arguments[0]))

    sys.addaudithook(hook)
    return found


def lay_out(case, folder, keys):
    """The files that a recipient has, and the policy."""
    package = folder / case.file_name
    if case.data is not None:
        package.write_bytes(case.data)
    if not case.unsigned:
        signed = case.data if case.signed is None else case.signed
        signature = case.signature
        if signature == b"relabelled":
            signature = altered_namespace(keys)
        elif signature == b"torn":
            signature = keys.signature(ZIP)[:150]
        elif signature is None:
            signature = keys.signature(signed or b"", name=case.by, namespace=case.namespace)
        (folder / f"{case.file_name}.sig").write_bytes(signature)
    if case.trusted is not None:
        text = keys.line("jane", case.trusted) if "=" in case.trusted else case.trusted
        (folder / "allowed_signers").write_text(text)
    image = None
    if case.image is not None:
        image = folder / "image.sif"
        image.write_bytes(case.image)
    return package, Policy(signers=folder / "allowed_signers", image=image)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.step}-{case.name}")
def test_a_bad_package_is_refused_at_its_step(case, tmp_path, monkeypatch, written, keys):
    scratch, recipient = tmp_path / "scratch", tmp_path / "recipient"
    scratch.mkdir()
    recipient.mkdir()
    monkeypatch.setenv("MLIP_KMC_SCRATCH", str(scratch))
    opened = []
    unpacked = verification.unpacked
    monkeypatch.setattr(
        verification, "unpacked", lambda data: opened.append(len(data)) or unpacked(data)
    )
    package, policy = lay_out(case, recipient, keys)
    before = {path: path.read_bytes() for path in recipient.iterdir()}
    written["files"], steps = [], []
    try:
        with pytest.raises(VerificationError, match=case.reason) as refusal:
            verify(package, policy=policy, on_step=lambda number, *_: steps.append(number))
    finally:
        files, written["files"] = written["files"], None
    assert refusal.value.name == case.step
    assert refusal.value.step == STEPS.index(case.step) + 1
    assert steps == [number for number in range(1, refusal.value.step) if number < 8 or case.image]
    assert bool(opened) == (refusal.value.step > 2), (
        "the zip may be looked at after its signature, and then must be"
    )
    assert str(refusal.value).startswith(f"refused at step {refusal.value.step} ({case.step}): ")
    assert "\n" not in str(refusal.value)
    outside = [name for name in files if not name.startswith((str(scratch), "/dev/", "/proc/"))]
    assert outside == [], "nothing is written but in private scratch"
    assert list(scratch.iterdir()) == [], "nothing stays"
    assert {path: path.read_bytes() for path in recipient.iterdir()} == before


def test_there_are_at_least_sixty_of_them_and_no_two_are_the_same():
    assert len(CASES) >= 60
    assert len({(case.step, case.name) for case in CASES}) == len(CASES)
    assert {case.step for case in CASES} == set(STEPS) - {"try"}
    bodies = [
        (
            hashlib.sha256(case.data or b"").hexdigest(),
            case.signature,
            case.signed,
            case.unsigned,
            case.by,
            case.namespace,
            case.trusted,
            case.file_name,
            case.image,
        )
        for case in CASES
    ]
    assert len(set(bodies)) == len(bodies)


def test_the_good_one_holds_and_is_unpacked_where_it_should(tmp_path, keys):
    package, policy = lay_out(Case("good", "", "", image=IMAGE), tmp_path, keys)
    steps = []
    verified = verify(
        package,
        policy=policy,
        on_step=lambda number, name, said: steps.append((number, name, said)),
    )
    assert [(number, name) for number, name, _ in steps] == [
        (number, name) for number, name in enumerate(STEPS[:8], start=1)
    ]
    assert verified.signer.principal == "jane@example.org"
    assert verified.signer.key.startswith("SHA256:")
    assert verified.manifest.version == "1.0.0"
    verified.unpack(tmp_path / "there")
    assert {path.name: path.read_bytes() for path in (tmp_path / "there").iterdir()} == GOOD
    with pytest.raises(VerificationError.__mro__[1], match="not empty"):
        verified.unpack(tmp_path / "there")


def test_a_release_of_the_first_format_is_verified_and_named_as_such(tmp_path, keys):
    """What it did not test, and what was wrong then, is said; it is genuine all the same."""
    package, policy = lay_out(Case("first", "", "", data=first()), tmp_path, keys)
    verified = verify(package, policy=policy)
    assert isinstance(verified.manifest, FirstManifest)
    said = "\n".join(verified.notes)
    assert "its check validation passed whatever they were" in said
    assert "superbasins" in said
    assert "harmonic prefactors" in said
    package, policy = lay_out(Case("good", "", ""), tmp_path, keys)
    assert verify(package, policy=policy).notes == ()


@pytest.mark.parametrize(
    ("first_options", "second_options"),
    [
        ('namespaces="git"', 'namespaces="mlip-kmc-release"'),
        ('namespaces="mlip-kmc-release",valid-before="20200101Z"', ""),
        ('valid-after="20900101Z"', 'namespaces="file,mlip-kmc-release"'),
    ],
)
def test_every_line_of_a_key_is_tried(tmp_path, keys, first_options, second_options):
    package, policy = lay_out(Case("good", "", ""), tmp_path, keys)
    policy.signers.write_text(
        "# who may\n\n" + keys.line("bob") + twice(keys, first_options, second_options)
    )
    assert verify(package, policy=policy).signer.principal == "jane@example.org"


def test_a_key_that_no_line_permits_is_refused_with_every_reason(tmp_path, keys):
    package, policy = lay_out(Case("good", "", ""), tmp_path, keys)
    policy.signers.write_text(twice(keys, second='valid-before="20200101Z"'))
    with pytest.raises(VerificationError) as refusal:
        verify(package, policy=policy)
    assert re.search(
        r"for\.git@example\.org may not sign releases by line 1 of .*; line 2 of .* is not valid now: key has "
        "expired",
        str(refusal.value),
    )


def test_what_is_no_file_is_named_as_what_it_is(tmp_path, keys):
    package, policy = lay_out(Case("good", "", ""), tmp_path, keys)
    package.unlink()
    package.mkdir()
    with pytest.raises(VerificationError, match=r"release_v1\.0\.zip is a directory, not a file"):
        verify(package, policy=policy)
    package.rmdir()
    os.mkfifo(package)
    with pytest.raises(VerificationError, match=r"release_v1\.0\.zip is a FIFO, not a file"):
        verify(package, policy=policy)


@pytest.mark.parametrize("name", ["release_v1.0.zip", "release_v1.0.zip.sig", "allowed_signers"])
def test_nothing_of_a_file_beyond_its_size_is_read(tmp_path, keys, name):
    package, policy = lay_out(Case("good", "", ""), tmp_path, keys)
    os.truncate(tmp_path / name, 5_000_000_000)  # sparse: nothing is on the disk
    tracemalloc.start()
    try:
        with pytest.raises(VerificationError, match="larger than"):
            verify(package, policy=policy)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_a_refused_potential_is_not_to_be_blessed_by_who_got_it(tmp_path, keys):
    data = zip_of(sealed({**GOOD, "potential.yace": GOOD["potential.yace"] + b"\n"}))
    package, policy = lay_out(Case("tampered", "", "", data=data), tmp_path, keys)
    with pytest.raises(VerificationError) as refusal:
        verify(package, policy=policy)
    said = str(refusal.value)
    assert "potential.yace is sha256" in said
    assert said.endswith("; have the signer release it anew")
    assert not any(
        word in said for word in ("--force", "potential record", "mlip-kmc-verify-", str(tmp_path))
    )


def blind():
    """The example's active set, of which one direction sees nothing, as a pseudo-inverse leaves it."""
    with np.load(io.BytesIO(GOOD["potential.asi"])) as archive:
        inverse = archive["Cu"]
    left, values, right = np.linalg.svd(inverse)
    values[-1] = 0.0
    stream = io.BytesIO()
    np.savez(stream, Cu=np.ascontiguousarray((left * values) @ right))
    return stream.getvalue()


def test_a_blind_active_set_is_named(tmp_path, keys):
    files = {
        **{name: content for name, content in GOOD.items() if name != "potential.record.json"},
        "potential.asi": blind(),
    }
    package, policy = lay_out(Case("blind", "", "", data=zip_of(sealed(files))), tmp_path, keys)
    with pytest.raises(
        VerificationError,
        match=r"refused at step 7 \(potential\): .*rank-deficient in Cu \(34 independent "
        r"environments for 35 functions\)",
    ):
        verify(package, policy=policy)


def test_a_link_is_no_directory_to_unpack_into(tmp_path, keys):
    package, policy = lay_out(Case("good", "", ""), tmp_path, keys)
    verified = verify(package, policy=policy)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Exception, match="not empty"):
        verified.unpack(tmp_path / "link")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_the_good_manifest_is_what_the_table_changes():
    assert json.loads(GOOD[MANIFEST]) == manifest_of(GOOD)
