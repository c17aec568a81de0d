"""The zip: what is written comes out the same and is read back; whatever else is refused, without an error of another kind."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlip_kmc.release.archive import ArchiveError, packed, unpacked
from mlip_kmc.release.members import MEMBERS

from .packages import AT, good_files, zip_of

FILES = {name: content[:400] for name, content in good_files().items()}
ZIP = zip_of(FILES)


def test_what_is_packed_is_unpacked():
    assert unpacked(ZIP) == FILES
    assert packed(dict(reversed(FILES.items())), at=AT) == ZIP, "the order of a dict does not count"
    assert packed(FILES, at=AT.astimezone(timezone(timedelta(hours=9)))) == ZIP, (
        "nor does the time zone"
    )
    assert packed(FILES, at=AT + timedelta(seconds=2)) != ZIP


@given(
    st.dictionaries(st.sampled_from(sorted(MEMBERS)), st.binary(max_size=300), min_size=1),
    st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2107, 12, 31)),  # noqa: DTZ001 - UTC follows
)
@settings(max_examples=100, deadline=None)
def test_any_files_and_any_time(files, moment):
    assert unpacked(packed(files, at=moment.replace(tzinfo=UTC))) == files


@given(st.integers(0, len(ZIP) - 1), st.integers(1, 255))
@settings(max_examples=400, deadline=None)
def test_no_changed_byte_is_overlooked(at, change):
    changed = bytearray(ZIP)
    changed[at] ^= change
    with pytest.raises(ArchiveError):
        unpacked(bytes(changed))


@given(st.integers(0, len(ZIP)), st.integers(0, len(ZIP)), st.binary(max_size=40))
@settings(max_examples=300, deadline=None)
def test_no_cut_and_no_splice_is_overlooked(begin, end, more):
    changed = ZIP[:begin] + more + ZIP[end:]
    if changed != ZIP:
        with pytest.raises(ArchiveError):
            unpacked(changed)


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_noise_is_no_archive(data):
    with pytest.raises(ArchiveError):
        unpacked(data)
    with pytest.raises(ArchiveError):
        unpacked(b"PK\x03\x04" + data + ZIP[-22:])
