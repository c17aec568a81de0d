"""A folder in which runs of one potential tell each other what they know of the states that they explored.

    pool = Pool(Path("shared"), facts=facts, run=7)
    pool.publish(known)                     # a `Known`: durable, and whole for whoever reads it meanwhile
    pool.others(near_eV=-350.2)             # what other runs know of states of this energy

Runs of another potential, temperature or setting write into another folder of `shared`, named after a digest of what decides. A
run is told from others by its seed: runs of one seed make the same searches, and take nothing from each other. Each writes two
files a state, a small one (energy, counts) and a large one (the table, where it has changed). A file that is torn, damaged or
foreign is left alone, with one warning.
"""

import hashlib
import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from mlip_kmc.ground.errors import MlipKmcError, StorageError
from mlip_kmc.ground.files import make_directory, read_at_most, sealed, unsealed, write_durably
from mlip_kmc.ground.wording import shown
from mlip_kmc.model.records import identity_of
from mlip_kmc.model.structure import Array, from_con

_log = logging.getLogger(__name__)

ENERGY_TOLERANCE_EV = 2e-3
"""Energies of equal minima differ by this at most, as each was relaxed on its own."""
_ITS_OWN = ("seed", "structure")
"""Of a run's facts: what tells a replica from another one."""
_HEAD = re.compile(r"^(\d{1,19})-(\d{1,9})\.json$")
_MOST_BYTES = 500_000_000


@dataclass(frozen=True)
class KnownSaddle:
    """One process of a table.

    Attributes:
        process: its number in that run.
        barrier_eV: above its state.
        saddle_A, mode: (N, 3) displacements from the state's minimum, and the direction there.
    """

    process: int
    barrier_eV: float
    saddle_A: Array
    mode: Array


@dataclass(frozen=True)
class Table:
    """The minimum of a state as `.con` text, its processes, and which of them are images of each other."""

    reactant_con: str
    saddles: tuple[KnownSaddle, ...]
    orbits: tuple[tuple[int, ...], ...]

    def to_bytes(self) -> bytes:
        """Sealed JSON, exact for floats."""
        body = {
            "reactant_con": self.reactant_con,
            "saddles": [
                [one.process, one.barrier_eV, one.saddle_A.tolist(), one.mode.tolist()]
                for one in self.saddles
            ],
            "orbits": self.orbits,
        }
        return sealed(json.dumps(body, allow_nan=False).encode())

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """As `to_bytes` made it.

        Raises:
            ValueError: it is something else.
        """
        raw = _body(data)
        con = str(raw["reactant_con"])
        shape = (len(from_con(con)), 3)
        saddles = tuple(
            KnownSaddle(int(process), float(barrier), _array(saddle, shape), _array(mode, shape))
            for process, barrier, saddle, mode in raw["saddles"]
        )
        if not all(np.isfinite(one.barrier_eV) for one in saddles):
            raise ValueError("a barrier is no finite number")
        return cls(con, saddles, tuple(tuple(map(int, orbit)) for orbit in raw["orbits"]))


@dataclass(frozen=True)
class Known:
    """What a run knows of a state that it explored.

    Attributes:
        run: its seed. state: the state's number there.
        energy_eV: of the minimum.
        repeats: searches in a row that the run itself made there and that brought nothing new.
        counts: how often its own searches found each process.
        table: see `Table`.
    """

    run: int
    state: int
    energy_eV: float
    repeats: int
    counts: Mapping[int, int]
    table: Table


@dataclass(frozen=True)
class _Head:
    """The small file of a state: all of `Known` but the table, and the name of the file that has that."""

    energy_eV: float
    repeats: int
    counts: Mapping[int, int]
    table: str

    @classmethod
    def from_bytes(cls, data: bytes, *, identity: str) -> Self:
        raw = _body(data)
        if raw["identity"] != identity:
            raise ValueError("it is of another potential or other settings")
        counts = {int(process): int(count) for process, count in raw["counts"].items()}
        found = cls(float(raw["energy_eV"]), int(raw["repeats"]), counts, str(raw["table"]))
        if not (np.isfinite(found.energy_eV) and min([found.repeats, *counts.values()]) >= 0):
            raise ValueError("an energy is not finite, or a count is negative")
        if not re.fullmatch(r"[0-9a-f]{64}", found.table):
            raise ValueError("it names no table")
        return found


class Pool:
    """What one run reads and writes there."""

    def __init__(self, folder: Path, *, facts: Mapping[str, Any], run: int) -> None:
        """Nothing is touched yet.

        Args:
            folder: that the runs have in common.
            facts: what decides a trajectory, the temperature included.
            run: this run's seed.
        """
        deciding = {key: value for key, value in facts.items() if key not in _ITS_OWN}
        self._identity, self.run = identity_of(deciding), run
        self.folder = folder / self._identity[:32]
        self._heads: dict[str, tuple[tuple[int, int, int], _Head | None]] = {}
        self._tables: dict[tuple[int, int], tuple[str, Table]] = {}
        self._written: dict[int, str] = {}
        self._packed: tuple[Table, bytes, str] | None = None
        self._told: set[str] = set()

    def publish(self, known: Known) -> bool:
        """Write what this run knows of a state; False, and a warning, where that is not possible now."""
        table, digest = self._packed_of(known.table)
        head = {
            "identity": self._identity,
            "energy_eV": known.energy_eV,
            "repeats": known.repeats,
            "counts": dict(known.counts),
            "table": digest,
        }
        try:
            make_directory(self.folder)
            if self._written.get(known.state) != digest:
                write_durably(self._table_file(self.run, known.state, digest), table)
            write_durably(self.folder / f"{self.run}-{known.state}.json", _sealed_json(head))
        except (StorageError, OSError) as error:
            self._warn(str(self.folder), f"{error}; what this run knows is not shared meanwhile")
            return False
        if self._written.get(known.state) != digest:
            self._written[known.state] = digest
            for path in self.folder.glob(f"{self.run}-{known.state}-*.table"):
                if path.name != self._table_file(self.run, known.state, digest).name:
                    path.unlink(missing_ok=True)
        return True

    def _packed_of(self, table: Table) -> tuple[bytes, str]:
        """Its bytes and their digest, made once as long as the same table is published."""
        if self._packed is None or self._packed[0] is not table:
            data = table.to_bytes()
            self._packed = (table, data, hashlib.sha256(data).hexdigest())
        return self._packed[1:]

    def _table_file(self, run: int, state: int, digest: str) -> Path:
        return self.folder / f"{run}-{state}-{digest[:32]}.table"

    def others(self, *, near_eV: float) -> Sequence[Known]:
        """What other runs know of states whose energy is this one, in the order of runs and states."""
        found = []
        for run, state, head in sorted(self._changed_heads(), key=lambda entry: entry[:2]):
            if run == self.run or not abs(head.energy_eV - near_eV) <= ENERGY_TOLERANCE_EV:
                continue
            table = self._table(run, state, head.table)
            if table is not None:
                known = Known(run, state, head.energy_eV, head.repeats, head.counts, table)
                found.append(known)
        return found

    def _changed_heads(self) -> Iterator[tuple[int, int, _Head]]:
        """Run, state and small file of each state; those that changed are read again."""
        try:
            entries = list(self.folder.iterdir())
        except OSError:
            return  # nobody has written there yet, or it is away for a while
        for path in entries:
            named = _HEAD.match(path.name)
            if named is None:
                continue
            head = self._head(path)
            if head is not None:
                yield int(named[1]), int(named[2]), head

    def _head(self, path: Path) -> _Head | None:
        try:
            now = path.stat()
        except OSError:
            return None
        stamp = (now.st_mtime_ns, now.st_size, now.st_ino)
        before = self._heads.get(path.name)
        if before is None or before[0] != stamp:
            data = self._read(path)
            head = None
            if data is not None:
                head = self._parsed(path, lambda: _Head.from_bytes(data, identity=self._identity))
            self._heads[path.name] = (stamp, head)
        return self._heads[path.name][1]

    def _table(self, run: int, state: int, digest: str) -> Table | None:
        known = self._tables.get((run, state))
        if known is not None and known[0] == digest:
            return known[1]
        path = self._table_file(run, state, digest)
        data = self._read(path)
        if data is None:
            return None

        def parsed() -> Table:
            if hashlib.sha256(data).hexdigest() != digest:
                raise ValueError("it is torn or altered")
            return Table.from_bytes(data)

        table: Table | None = self._parsed(path, parsed)
        if table is not None:
            self._tables[run, state] = (digest, table)
        return table

    def _read(self, path: Path) -> bytes | None:
        """What is in a file; None where it was replaced meanwhile, or cannot be read."""
        try:
            return read_at_most(path, _MOST_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._warn(path.name, f"{path}: {error.strerror or error}; it is left alone")
            return None

    def _parsed(self, path: Path, parse: Any) -> Any:
        try:
            return parse()
        except (ValueError, KeyError, TypeError, AttributeError, MlipKmcError) as error:
            self._warn(
                path.name,
                f"{path} is not used: {shown(str(error))}; if no run writes it, remove it",
            )
            return None

    def _warn(self, what: str, words: str) -> None:
        """Once for each file."""
        if what not in self._told:
            self._told.add(what)
            _log.warning("symmetry.share: %s", words)


def _sealed_json(body: Any) -> bytes:
    return sealed(json.dumps(body, allow_nan=False).encode())


def _body(data: bytes) -> dict[str, Any]:
    text = unsealed(data)
    if text is None:
        raise ValueError("it is torn or altered")
    raw = json.loads(text)
    if not isinstance(raw, dict):
        raise ValueError("it is something else")  # noqa: TRY004 - of the file, not of our code
    return raw


def _array(values: Any, shape: tuple[int, int]) -> Array:
    found = np.asarray(values, dtype=np.float64)
    if found.shape != shape or not np.isfinite(found).all():
        raise ValueError("a structure has other atoms, or a number that is not finite")
    return found
