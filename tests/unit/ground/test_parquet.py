"""The Parquet files, by a reader of the format as parquet.thrift and Thrift's compact protocol give it.

By hand, on 2026-11-28, the same files were read by pyarrow, DuckDB, Polars and fastparquet: all types, nulls, notes, no rows.
"""

import math
import struct
import zlib

import pytest

from mlip_kmc.ground.parquet import Column, Kind, parquet


class Thrift:
    """Reads structs as dictionaries by the numbers of their fields."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def varint(self):
        number, shift = 0, 0
        while True:
            part = self.byte()
            number |= (part & 0x7F) << shift
            shift += 7
            if part < 0x80:
                return number

    def value(self, kind):
        if kind in (5, 6):
            number = self.varint()
            return (number >> 1) ^ -(number & 1)
        if kind == 8:
            size = self.varint()
            self.at += size
            return self.data[self.at - size : self.at].decode()
        if kind == 9:
            head = self.byte()
            size = head >> 4 if head >> 4 < 15 else self.varint()
            return [self.value(head & 0xF) for _ in range(size)]
        assert kind == 12
        return self.struct()

    def struct(self):
        found, number = {}, 0
        while (head := self.byte()) != 0:
            number += head >> 4
            found[number] = self.value(head & 0xF)
        return found


def read(data):
    """(rows, {name: values}, notes) of a file of flat columns."""
    assert data[:4] == data[-4:] == b"PAR1"
    (size,) = struct.unpack("<I", data[-8:-4])
    footer = Thrift(data, len(data) - 8 - size)
    about = footer.struct()
    assert footer.at == len(data) - 8
    root, *elements = about[2]
    (group,) = about[4]
    assert root[5] == len(elements) == len(group[1])
    columns = {
        element[4]: column(data, chunk[3])
        for element, chunk in zip(elements, group[1], strict=True)
    }
    return about[3], columns, {pair[1]: pair[2] for pair in about.get(5, [])}


def column(data, meta):
    reader = Thrift(data, meta[9])
    header = reader.struct()
    assert reader.at + header[3] == meta[9] + meta[7]
    raw = zlib.decompress(data[reader.at : reader.at + header[3]], 31)
    assert len(raw) == header[2]
    (size,) = struct.unpack("<I", raw[:4])
    levels = Thrift(raw, 4)
    groups = levels.varint()
    assert groups & 1
    bits = raw[levels.at : 4 + size]
    assert len(bits) == groups >> 1
    known = [bits[row // 8] >> row % 8 & 1 for row in range(meta[5])]
    values = plain(raw[4 + size :], meta[1], sum(known))
    return [next(values) if one else None for one in known]


def plain(raw, kind, count):
    if kind == 6:
        at = 0
        for _ in range(count):
            (size,) = struct.unpack_from("<I", raw, at)
            yield raw[at + 4 : at + 4 + size].decode()
            at += 4 + size
        assert at == len(raw)
    else:
        yield from struct.unpack(f"<{count}{'q' if kind == 2 else 'd'}", raw)


def test_a_table_comes_back():
    columns = [
        Column("barrier_eV", Kind.REAL, [0.1 * row if row % 3 else None for row in range(100)]),
        Column("process", Kind.WHOLE, [2**62 + row for row in range(100)]),
        Column("kind", Kind.TEXT, [f"hä'{row}" if row % 2 else None for row in range(100)]),
        Column("unknown", Kind.REAL, [None] * 100),
        *(Column(f"more_{place}", Kind.WHOLE, [-place] * 100) for place in range(20)),
    ]
    data = parquet(columns, notes={"units": '{"barrier_eV": "eV"}', "of": "a run"})
    rows, found, notes = read(data)
    assert rows == 100
    assert found == {one.name: one.values for one in columns}
    assert notes == {"units": '{"barrier_eV": "eV"}', "of": "a run"}
    assert parquet(columns, notes=notes) == data


def test_numbers_that_are_not_finite_stay_what_they_are():
    data = parquet([Column("x", Kind.REAL, [math.nan, math.inf, None])], notes={})
    (nan, infinite, missing) = read(data)[1]["x"]
    assert math.isnan(nan)
    assert infinite == math.inf
    assert missing is None


def test_a_table_without_rows_has_its_columns():
    data = parquet([Column("x", Kind.REAL, []), Column("name", Kind.TEXT, [])], notes={})
    assert read(data) == (0, {"x": [], "name": []}, {})


def test_columns_have_one_length():
    with pytest.raises(ValueError, match=r"one length, not \[1, 2\]"):
        parquet([Column("x", Kind.REAL, [1.0]), Column("y", Kind.REAL, [1.0, 2.0])], notes={})
