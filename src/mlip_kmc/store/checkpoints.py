"""Durable state of a run: generations, each written whole before it counts.

Example:
    with RunDirectory(path) as directory:              # locked
        store = Checkpoints(directory)
        saved = store.restore(identity)                # the newest whole generation, or None; the live tree follows it
        if not store.epochs:
            store.begin_epoch(facts, inputs=inputs)
        store.append("events", event.to_json())
        store.commit(state, touched=["states/0"])      # durable when it returns

Layout of a run directory:

    generations/00000042.json   manifest: epochs, digests of the folders, lengths and digests of the journals, the run's numbers,
                                and contents of files that change with nearly every generation
    objects/ab/cdef...          by sha256: contents of the others, and listings of folders (name -> sha256)
    journal/events.jsonl ...    append-only records; a manifest says how much of each counts
    eon/                        the live tree that eOn reads and writes; after a kill it is made anew from a manifest
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.ground.files import create_durably, fsync_directory, make_directory, storage_errors
from mlip_kmc.model.records import Epoch
from mlip_kmc.store.committed_tree import CommittedTree
from mlip_kmc.store.contents import Contents
from mlip_kmc.store.journals import JOURNALS, Journal, committed
from mlip_kmc.store.live_tree import LiveTree
from mlip_kmc.store.manifest import Manifest, number_of, numbers_in, path_of
from mlip_kmc.store.run_directory import RunDirectory
from mlip_kmc.store.whole import NotWholeError

KEPT = 3


@dataclass
class Saved:
    """A generation's own numbers.

    Attributes:
        number: of the generation.
        state: what the run committed: any JSON values.
        damage: what was found damaged on the way to it, and what was done, one line each.
    """

    number: int
    state: dict[str, Any]
    damage: tuple[str, ...] = ()


class Checkpoints:
    """Generations of one run directory; `root` is the live tree below it, `epochs` those of the run up to now."""

    def __init__(self, directory: RunDirectory, *, root: str = "eon") -> None:
        """Make the folders."""
        self._base = directory.path
        self._claim = directory.claim
        self.root = self._base / root
        if (
            not (self._base / "generations").exists()
            and self.root.is_dir()
            and any(self.root.iterdir())
        ):
            raise RunStateError(
                f"{self.root} is there already and no part of a run; choose another --dir"
            )
        self._generations = make_directory(self._base / "generations")
        self._live = LiveTree(self.root)
        self._contents = Contents(make_directory(self._base / "objects"), live=self._live)
        self._journal = make_directory(self._base / "journal")
        make_directory(self.root)
        self._journals = {name: Journal(self._journal, name) for name in JOURNALS}
        self._tree = CommittedTree(self._live, self._contents)
        self._number = 0
        self.epochs: tuple[Epoch, ...] = ()

    # -- reading

    def restore(
        self,
        identity: str | None,
        *,
        difference: Callable[[Mapping[str, Any]], str] = lambda _: (
            "physics, structure or potential differ"
        ),
        allowed: Callable[[Mapping[str, Any]], bool] = lambda _: False,
    ) -> Saved | None:
        """Make the live tree and the journals those of the newest whole generation.

        Args:
            identity: digest of what decides the run; a generation whose last epoch has another is refused. None: whatever it is.
            difference: says how that epoch's facts differ from what is wanted now.
            allowed: may a run whose last epoch has those other facts go on? The caller begins another epoch then.

        Returns:
            the generation, or None where nothing was ever committed.

        Raises:
            RunStateError: generations exist but none is whole, or they belong to another configuration or version.
        """
        reasons: list[str] = []
        for number in numbers_in(self._generations):
            try:
                manifest = Manifest.read(path_of(self._generations, number))
                facts = manifest.epochs[-1].facts
                if identity not in (None, manifest.identity) and not allowed(facts):
                    raise RunStateError(
                        f"the run directory {self._base} belongs to another configuration "
                        f"({difference(facts)}); choose another --dir, or run it with its own "
                        "configuration"
                    )
                files = self._whole(manifest)
            except NotWholeError as error:
                reasons.append(f"generation {number} is damaged: {error}")
                continue
            damage = [
                f"{reason}; generation {number} is taken, and what came after it is made again"
                for reason in reasons
            ]
            damage += self._tree.restore(manifest.folders, files, manifest.texts)
            for name, journal in self._journals.items():
                end = manifest.journals.get(name)  # older versions had fewer
                journal.cut(end.length if end else 0)
            self._number, self.epochs = number, manifest.epochs
            return Saved(number=number, state=manifest.state, damage=(*damage, *self._sweep()))
        if reasons:
            raise RunStateError(
                f"no generation in {self._generations} is whole ({'; '.join(reasons)}); restore it from a backup"
            )
        self._begin_anew()
        return None

    def _begin_anew(self) -> None:
        """Nothing was ever committed: what a kill left before the first generation goes.

        That one says only that the run starts: records of anything else are of generations that were lost.
        """
        for name, journal in self._journals.items():
            if name != "starts" and journal.has_bytes:
                raise RunStateError(
                    f"the generations of {self._base} are gone, but {journal.path} has records; restore "
                    f"{self._generations} from a backup, or choose another --dir"
                )
        self._live.clear(keep=())
        for journal in self._journals.values():
            journal.cut(0)
        self.epochs = ()
        self._sweep()

    def _whole(self, manifest: Manifest) -> dict[str, str]:
        """Every file of a generation with its digest, after a look at all that it consists of."""
        files = self._contents.files(manifest.folders, manifest.texts)
        for name, digest in files.items():
            self._contents.find(name, digest, manifest.texts)
        for name, end in manifest.journals.items():
            committed(self._journal, name, end)
        return files

    def _sweep(self) -> list[str]:
        """Remove contents and temporary files that no generation names (left by kills); answer what was wrong with older ones."""
        used: set[str] = set()
        dropped = []
        with storage_errors(self._generations):
            for path in sorted(self._generations.iterdir()):
                number = number_of(path.name)
                if number is None or not self._number - KEPT < number <= self._number:
                    path.unlink(missing_ok=True)
                    continue
                try:
                    manifest = Manifest.read(path)
                    files = self._contents.files(manifest.folders, manifest.texts)
                    used.update(manifest.folders.values(), files.values())
                except NotWholeError as error:
                    dropped.append(
                        f"generation {number} is damaged: {error}; it is not needed, and removed"
                    )
                    path.unlink(missing_ok=True)
            self._contents.sweep(used=used)
            fsync_directory(self._generations)
        return dropped

    # -- writing

    def begin_epoch(self, facts: Mapping[str, Any], *, inputs: Mapping[str, str]) -> Epoch:
        """From the next commit on, the run is made with these.

        Args:
            facts: everything that decides the trajectory, by dotted key.
            inputs: names and digests of its files.

        Returns:
            the epoch, whose number the records made in it carry.
        """
        epoch = Epoch.of(
            facts,
            inputs=inputs,
            number=len(self.epochs),
            first_step=self._journals["events"].count,
            first_search=self._journals["searches"].count,
        )
        self.epochs = (*self.epochs, epoch)
        return epoch

    def append(self, name: str, line: str) -> None:
        """Add a record to a journal; it counts from the next commit on."""
        self._journals[name].append(line)

    def records(self, name: str) -> list[str]:
        """The committed records of a journal."""
        return self._journals[name].records()

    def commit(self, state: dict[str, Any], *, touched: Iterable[str]) -> int:
        """Write a generation; when this returns, a power cut cannot take it away.

        Args:
            state: the run's own numbers, JSON values.
            touched: files or folders below the live root that may have changed since the last commit.

        Returns:
            the generation's number.

        Raises:
            StorageError: it could not be written; the last generation still holds.
            RunStateError: another process took the run directory over, or a number is not finite.
        """
        if self._claim is not None:
            self._claim.check()
        if not self.epochs:
            raise ValueError("a generation belongs to an epoch, and none was begun")
        number = self._number + 1
        change = self._tree.changed(touched)
        manifest = Manifest(
            number=number,
            epochs=self.epochs,
            state=state,
            journals={name: journal.flush() for name, journal in self._journals.items()},
            folders=change.listings,
            texts=change.texts,
        )
        create_durably(path_of(self._generations, number), manifest.to_bytes())
        self._number = number
        self._tree.accept(change)
        path_of(self._generations, number - KEPT).unlink(missing_ok=True)
        self._contents.supersede(change.replaced, by=number)
        self._contents.retire(before=number - KEPT + 1, used=self._tree.used)
        return number
