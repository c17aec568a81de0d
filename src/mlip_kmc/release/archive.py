"""The zip of a release: written in one way only, and read with distrust.

    data = packed({"manifest.json": b"{}", ...}, at=datetime(2026, 11, 25, tzinfo=UTC))
    unpacked(data)["manifest.json"]            # refuses whatever `packed` would not have written

Stored, not compressed, without paths, extra fields, comments or anything between members (PKWARE's APPNOTE, 4.3). What is read
is compared, field by field, with what would have been written, and in the end byte by byte.
"""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from mlip_kmc.release.members import MEMBERS

_LOCAL, _CENTRAL, _END = (
    struct.Struct("<4s5H3I2H"),
    struct.Struct("<4s4B4H3I5H2I"),
    struct.Struct("<4s4H2IH"),
)
_LOCAL_MARK, _CENTRAL_MARK, _END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_MODE = stat.S_IFREG | 0o644
_STORED = 0
_UNIX = 3
_LONGEST_NAME = 64
_LONGEST_COMMENT = 65_535


class ArchiveError(Exception):
    """Why a package is not one that `packed` wrote: one line."""


@dataclass(frozen=True)
class _Entry:
    """A line of the central directory."""

    name: str
    crc: int
    size: int
    offset: int
    raw_name: bytes
    moment: tuple[int, int]


def packed(files: Mapping[str, bytes], *, at: datetime) -> bytes:
    """The zip's bytes: the same files and time give the same ones.

    Args:
        files: content by name.
        at: the time that all members get, in UTC; a zip counts in steps of 2 s.
    """
    stream = io.BytesIO()
    moment = at.astimezone(UTC)
    with zipfile.ZipFile(stream, "w", compression=zipfile.ZIP_STORED, allowZip64=False) as archive:
        for name in MEMBERS:
            if name in files:
                entry = zipfile.ZipInfo(
                    name,
                    (
                        moment.year,
                        moment.month,
                        moment.day,
                        moment.hour,
                        moment.minute,
                        moment.second,
                    ),
                )
                entry.create_system, entry.external_attr = _UNIX, _MODE << 16
                archive.writestr(entry, files[name])
    return stream.getvalue()


def unpacked(data: bytes) -> dict[str, bytes]:
    """The content of each member, by name, after everything about the archive was looked at.

    Raises:
        ArchiveError: it is not as `packed` would have written it.
    """
    start, count = _end_of(data)
    entries = list(_entries(data, start, count))
    files: dict[str, bytes] = {}
    position = 0
    for entry in entries:
        if entry.offset != position:
            raise ArchiveError(
                f"{entry.name} begins at byte {entry.offset}, where the members before it end at {position}"
            )
        begin = _check_local(data, entry, limit=start)
        position = begin + entry.size
        if position > start:
            raise ArchiveError(f"{entry.name} reaches beyond the members' part of the archive")
        files[entry.name] = data[begin:position]
        if zlib.crc32(files[entry.name]) != entry.crc:
            raise ArchiveError(
                f"the content of {entry.name} has another checksum than the archive says"
            )
    if position != start:
        raise ArchiveError(
            f"{start - position} bytes between the last member and the archive's directory belong to nothing"
        )
    _check_rebuilt(data, files, entries)
    return files


def _end_of(data: bytes) -> tuple[int, int]:
    """Where the central directory starts, and how many members it has."""
    if not data.startswith(_LOCAL_MARK):
        raise ArchiveError(
            "it does not begin with a member: data was put before the archive, or it is no zip"
        )
    if len(data) < _END.size or not data[-_END.size :].startswith(_END_MARK):
        raise ArchiveError(
            "it has a zip comment, which a release has not"
            if _has_comment(data)
            else "it does not end with a zip's end record: data was put after the archive, or it was cut off"
        )
    _, disk, start_disk, here, total, size, start, comment = _END.unpack(data[-_END.size :])
    if comment or disk or start_disk or here != total:
        raise ArchiveError("its end record has a comment, or tells of several parts")
    if total > len(MEMBERS):
        raise ArchiveError(f"it has {total} members, more than a release can have")
    if start + size + _END.size != len(data):
        raise ArchiveError(
            "its directory is not where its end record says: data was put before, into or after the archive"
        )
    return start, total


def _has_comment(data: bytes) -> bool:
    """Is all that follows the last end record the comment that this record tells of?"""
    at = data.rfind(_END_MARK, max(0, len(data) - _END.size - _LONGEST_COMMENT))
    if at < 0 or at + _END.size > len(data):
        return False
    length: int = _END.unpack(data[at : at + _END.size])[-1]
    return at + _END.size + length == len(data)


def written_at(data: bytes) -> datetime:
    """The time that the members of an archive have which `unpacked` took: UTC, in whole steps of 2 s."""
    clock, day = _LOCAL.unpack(data[: _LOCAL.size])[4:6]
    return _moment(clock, day)


def _entries(data: bytes, position: int, count: int) -> Iterator[_Entry]:
    """The central directory's entries, each one looked at."""
    seen: set[str] = set()
    for _ in range(count):
        end = position + _CENTRAL.size
        if end > len(data) - _END.size or data[position : position + 4] != _CENTRAL_MARK:
            raise ArchiveError("its directory is damaged")
        (
            _,
            made,
            system,
            needed,
            _,
            flags,
            method,
            clock,
            day,
            crc,
            packed_size,
            size,
            name_length,
            extra,
            comment,
            disk,
            internal,
            external,
            offset,
        ) = _CENTRAL.unpack(data[position:end])
        raw = data[end : end + name_length]
        name = _checked_name(raw, seen)
        _check_kind(name, system=system, external=external, flags=flags, method=method)
        if extra or comment or disk or internal or made != 20 or needed != 20:
            raise ArchiveError(
                f"{name} has an extra field, a comment or attributes that a release has not"
            )
        if packed_size != size or size > MEMBERS[name].most_bytes:
            raise ArchiveError(
                f"{name} claims {size} bytes in {packed_size}; it may have {MEMBERS[name].most_bytes}, stored as "
                "they are"
            )
        seen.add(name)
        yield _Entry(
            name=name, crc=crc, size=size, offset=offset, raw_name=raw, moment=(clock, day)
        )
        position = end + name_length
    if position != len(data) - _END.size:
        raise ArchiveError("its directory holds more than its members")


def _checked_name(raw: bytes, seen: set[str]) -> str:
    shown = ascii(raw[:_LONGEST_NAME].decode("utf-8", "backslashreplace"))
    if not raw.isascii():
        raise ArchiveError(f"the name {shown} is not of ASCII letters")
    name = raw.decode("ascii")
    if name.startswith(("/", "\\")) or name[1:2] == ":":
        raise ArchiveError(f"the name {shown} is absolute")
    if ".." in name.replace("\\", "/").split("/"):
        raise ArchiveError(f"the name {shown} leads out of the directory")
    if "/" in name or "\\" in name:
        raise ArchiveError(f"the name {shown} is a path")
    if name in seen:
        raise ArchiveError(f"the name {shown} is there twice")
    if name not in MEMBERS:
        raise ArchiveError(f"the name {shown} is none of a release's")
    return name


def _check_kind(name: str, *, system: int, external: int, flags: int, method: int) -> None:
    mode = external >> 16
    if stat.S_ISLNK(mode):
        raise ArchiveError(f"{name} is a symbolic link")
    if system != _UNIX or external != _MODE << 16:
        raise ArchiveError(f"{name} is no plain file of mode 644")
    if flags & 1:
        raise ArchiveError(f"{name} is encrypted")
    if flags:
        raise ArchiveError(f"{name} has flags ({flags:#x}) that a release has not")
    if method != _STORED:
        raise ArchiveError(f"{name} is compressed (method {method}), which may hide its true size")


def _check_local(data: bytes, entry: _Entry, *, limit: int) -> int:
    """Compare a member's own header with the directory's; answer where its content begins."""
    end = entry.offset + _LOCAL.size
    if end > limit or data[entry.offset : entry.offset + 4] != _LOCAL_MARK:
        raise ArchiveError(f"{entry.name} has no header where the directory says")
    _, needed, flags, method, clock, day, crc, packed_size, size, name_length, extra = (
        _LOCAL.unpack(data[entry.offset : end])
    )
    name = data[end : end + name_length]
    found = (name, needed, flags, method, (clock, day), crc, packed_size, size, extra)
    if found != (
        entry.raw_name,
        20,
        0,
        _STORED,
        entry.moment,
        entry.crc,
        entry.size,
        entry.size,
        0,
    ):
        raise ArchiveError(f"{entry.name} has a header that differs from the archive's directory")
    return end + int(name_length)


def _check_rebuilt(data: bytes, files: Mapping[str, bytes], entries: list[_Entry]) -> None:
    """What is left, the order and the times, and whatever was forgotten above: the archive must be what we would write."""
    names = [entry.name for entry in entries]
    if names != [name for name in MEMBERS if name in files]:
        raise ArchiveError("its members are not in the order of a release")
    if len({entry.moment for entry in entries}) > 1:
        raise ArchiveError("its members are of different times")
    if not entries or packed(files, at=_moment(*entries[0].moment)) != data:
        raise ArchiveError("it is not, byte by byte, what a release of this content would be")


def _moment(clock: int, day: int) -> datetime:
    try:
        return datetime(
            (day >> 9) + 1980,
            day >> 5 & 15,
            day & 31,
            clock >> 11,
            clock >> 5 & 63,
            (clock & 31) * 2,
            tzinfo=UTC,
        )
    except ValueError as error:
        raise ArchiveError("its members have a time that does not exist") from error
