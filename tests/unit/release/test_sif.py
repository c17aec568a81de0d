"""What an image's file says of itself: its recipe, where it has one; damaged files say nothing."""

import json
import struct

import pytest

from mlip_kmc.release.sif import is_sif, recipe_of

RECIPE = "a" * 64


def sif(content, *, kind=0x4006, used=True, mark=b"SIF_MAGIC\0", at=128, size=None, count=2):
    """A file of two descriptors, as of SIF's specification: a partition, and this content."""
    data_at = at + 2 * 585
    header = b"#!/bin/sh\n".ljust(32, b"\0") + mark + b"01\0" + b"02\0" + b"\0" * 16
    header += struct.pack("<8q", 1, 1, 0, count, at, 2 * 585, data_at, len(content))
    descriptors = [
        struct.pack("<i?IIIqq", 0x4004, True, 1, 0, 0, data_at, 3),
        struct.pack(
            "<i?IIIqq", kind, used, 2, 0, 0, data_at, len(content) if size is None else size
        ),
    ]
    return (
        header.ljust(128, b"\0") + b"".join(row.ljust(585, b"\0") for row in descriptors) + content
    )


def labels(**found):
    return json.dumps({"data": {"attributes": {"labels": found}}}).encode()


def read(tmp_path, data):
    path = tmp_path / "image.sif"
    path.write_bytes(data)
    return recipe_of(path)


def test_the_recipe_of_an_image(tmp_path):
    assert read(tmp_path, sif(labels(**{"mlip-kmc.recipe": RECIPE, "other": "x"}))) == RECIPE
    with (tmp_path / "image.sif").open("rb") as stream:
        assert is_sif(stream)


@pytest.mark.parametrize(
    "data",
    [
        sif(labels(other="x")),
        sif(labels(**{"mlip-kmc.recipe": 5})),
        sif(b"{"),
        sif(b"[" * 100_000),
        sif(b"[]"),
        sif(labels(**{"mlip-kmc.recipe": RECIPE}), used=False),
        sif(labels(**{"mlip-kmc.recipe": RECIPE}), kind=0x4007),
        sif(labels(**{"mlip-kmc.recipe": RECIPE}), size=-5),
        sif(labels(**{"mlip-kmc.recipe": RECIPE}), size=2**62),
        sif(labels(**{"mlip-kmc.recipe": RECIPE}), count=0),
        sif(labels(**{"mlip-kmc.recipe": RECIPE}), mark=b"another\0\0\0"),
        sif(labels(**{"mlip-kmc.recipe": RECIPE}))[:700],
        b"",
        b"#!/bin/sh\n".ljust(32, b"\0") + b"SIF_MAGIC" + b"an image",
    ],
)
def test_files_that_tell_none(tmp_path, data):
    assert read(tmp_path, data) is None


def test_noise_is_no_image(tmp_path):
    (tmp_path / "noise").write_bytes(b"noise")
    with (tmp_path / "noise").open("rb") as stream:
        assert not is_sif(stream)
