"""Tables as Parquet, the columns' types and units with them: what pyarrow, pandas, polars and DuckDB read.

Example:
    columns = [Column("barrier_eV", Kind.REAL, [0.79, None]), Column("process", Kind.WHOLE, [7, 8])]
    path.write_bytes(parquet(columns, notes={"units": '{"barrier_eV": "eV"}'}))

The smallest part of the format (Apache Parquet 2.x, parquet.thrift) that holds a flat table: one row group, a page of version 1 a
column, plain encoding, gzip; a library that writes it would be a fifth of the image for three small tables. Missing values are
nulls; a number that is not finite stays what it is. The same table gives the same bytes.
"""

import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

_MAGIC = b"PAR1"
_PLAIN, _RLE, _GZIP, _OPTIONAL = 0, 3, 2, 1
_GZIP_BITS = 31
_SHORT_LIST = 15


class Kind(Enum):
    """What a column holds; the value is Parquet's number of the type."""

    WHOLE = 2
    """Whole numbers of 64 bits."""
    REAL = 5
    """Doubles."""
    TEXT = 6
    """Words, as UTF-8."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: with its unit, as `barrier_eV`. kind: of its values.
        values: one a row; None where it is missing.
    """

    name: str
    kind: Kind
    values: Sequence[int | float | str | None]


_Typed = tuple[int, bytes]
"""A value of Thrift's compact protocol: the number of its type, and its bytes."""


def parquet(columns: Sequence[Column], *, notes: Mapping[str, str]) -> bytes:
    """The file's bytes.

    Args:
        columns: at least one, all of the same length.
        notes: key-value metadata of the file.

    Raises:
        ValueError: there is no column, or their lengths differ.
    """
    rows = {len(column.values) for column in columns}
    if len(rows) != 1:
        raise ValueError(f"columns of a table have one length, not {sorted(rows)}")
    (count,) = rows
    content, chunks, size = bytearray(_MAGIC), [], 0
    for column in columns:
        page, raw_size = _page(column)
        chunks.append(_chunk(column, at=len(content), size=len(page), raw_size=raw_size))
        content += page
        size += raw_size
    footer = _footer(columns, chunks, rows=count, size=size, notes=notes)
    return bytes(content + footer + struct.pack("<I", len(footer)) + _MAGIC)


def _page(column: Column) -> tuple[bytes, int]:
    """A page with its header, and how long both were if the content were not compressed."""
    known = np.array([value is not None for value in column.values], dtype=bool)
    bits = np.packbits(known, bitorder="little").tobytes()
    levels = _varint(len(bits) << 1 | 1) + bits  # one run of packed bits: 1 where there is a value
    values = [value for value in column.values if value is not None]
    raw = struct.pack("<I", len(levels)) + levels + _plain(column.kind, values)
    squeezer = zlib.compressobj(9, zlib.DEFLATED, _GZIP_BITS)
    packed = squeezer.compress(raw) + squeezer.flush()
    about = _struct({1: _i32(len(column.values)), 2: _i32(_PLAIN), 3: _i32(_RLE), 4: _i32(_RLE)})
    _, header = _struct({1: _i32(0), 2: _i32(len(raw)), 3: _i32(len(packed)), 5: about})
    return header + packed, len(header) + len(raw)


def _plain(kind: Kind, values: Sequence[int | float | str]) -> bytes:
    if kind is Kind.TEXT:
        words = (str(value).encode() for value in values)
        return b"".join(struct.pack("<I", len(word)) + word for word in words)
    return np.array(values, dtype="<i8" if kind is Kind.WHOLE else "<f8").tobytes()


def _chunk(column: Column, *, at: int, size: int, raw_size: int) -> _Typed:
    about = {
        1: _i32(column.kind.value),
        2: _list([_i32(_PLAIN), _i32(_RLE)]),
        3: _list([_text(column.name)]),
        4: _i32(_GZIP),
        5: _i64(len(column.values)),
        6: _i64(raw_size),
        7: _i64(size),
        9: _i64(at),
    }
    return _struct({2: _i64(at), 3: _struct(about)})


def _footer(
    columns: Sequence[Column],
    chunks: Sequence[_Typed],
    *,
    rows: int,
    size: int,
    notes: Mapping[str, str],
) -> bytes:
    root = _struct({4: _text("table"), 5: _i32(len(columns))})
    group = _struct({1: _list(chunks), 2: _i64(size), 3: _i64(rows)})
    pairs = [_struct({1: _text(key), 2: _text(value)}) for key, value in notes.items()]
    _, footer = _struct(
        {
            1: _i32(1),
            2: _list([root, *map(_element, columns)]),
            3: _i64(rows),
            4: _list([group]),
            **({5: _list(pairs)} if pairs else {}),
            6: _text("mlip-kmc"),
        }
    )
    return footer


def _element(column: Column) -> _Typed:
    fields = {1: _i32(column.kind.value), 3: _i32(_OPTIONAL), 4: _text(column.name)}
    if column.kind is Kind.TEXT:  # UTF8, in the older and in the newer way
        fields |= {6: _i32(0), 10: _struct({1: _struct({})})}
    return _struct(fields)


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:  # seven bits a byte
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def _i32(number: int) -> _Typed:
    return 5, _varint(2 * number)  # zigzag; none here is negative


def _i64(number: int) -> _Typed:
    return 6, _varint(2 * number)


def _text(words: str) -> _Typed:
    data = words.encode()
    return 8, _varint(len(data)) + data


def _list(items: Sequence[_Typed]) -> _Typed:
    kind, count = items[0][0], len(items)
    head = bytes([count << 4 | kind]) if count < _SHORT_LIST else bytes([0xF0 | kind])
    more = b"" if count < _SHORT_LIST else _varint(count)
    return 9, head + more + b"".join(data for _, data in items)


def _struct(fields: Mapping[int, _Typed]) -> _Typed:
    """Fields by their numbers, which ascend by less than sixteen."""
    return 12, b"".join(_fields(fields)) + b"\0"


def _fields(fields: Mapping[int, _Typed]) -> Iterable[bytes]:
    last = 0
    for number, (kind, data) in fields.items():
        yield bytes([number - last << 4 | kind]) + data
        last = number
