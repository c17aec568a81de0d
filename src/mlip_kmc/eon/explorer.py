"""eOn's explorer with a random stream of its own for every search, and its state with a record of every registration.

    explorer = OrderedExplorer(states, previous, state, superbasin=None, config=eon_config, seed=1, spool=spool)
    explorer.register_result()
    explorer.make_jobs()

Search number k of state s has the name `s_k`; its displacement and seed follow from the run's seed, s and k. So a search
that was in flight at a stop is made again, the same, and the number of workers changes nothing.
"""

import io as text_io
import json
import math
import sys
from collections.abc import Callable
from configparser import ConfigParser
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from eon import akmcstate, atoms, displace, fileio
from eon.explorer import MinModeExplorer, results_mapping

from mlip_kmc.eon.communicator import OrderedCommunicator, search_of
from mlip_kmc.errors import RunStateError, SearchesFailedError
from mlip_kmc.files import sealed, unsealed, write_durably
from mlip_kmc.kinetics import search_seed
from mlip_kmc.records import SearchRecord

for _name in ("linkcell", "minimage"):  # eOn asks for them at every call, and Python looks for them on the disk
    if find_spec(_name) is None:
        sys.modules[_name] = None  # type: ignore[assignment]


class NotingInfo(fileio.ini):  # type: ignore[misc]
    """A state's info file that tells when it is changed; read once and written once for each commit.

    eOn reads it for every value and writes it for every change, some thirty times a search. Nobody else writes it while a run
    goes on, and what counts is what is committed.
    """

    noted: Callable[[], None] = staticmethod(lambda: None)
    _unwritten = False

    def get(self, *arguments: Any, **keywords: Any) -> Any:
        """As eOn does, from what was read before."""
        self._read_once()
        path: Any = self.filenames
        self.filenames: Any = []  # there eOn would read it again
        try:
            return super().get(*arguments, **keywords)
        finally:
            self.filenames = path

    def set(self, section: str, option: str, value: Any) -> None:
        """As eOn does; `flush` writes it."""
        self._read_once()
        if not self.has_section(section):
            self.add_section(section)
        ConfigParser.set(self, section, option, str(value))
        self._unwritten = True
        self.noted()

    def flush(self) -> None:
        """Write what was set."""
        if self._unwritten:
            with fileio.atomic_write(self.filenames) as stream:
                self.write(stream)
            self._unwritten = False

    def _read_once(self) -> None:
        if not self.loaded:
            self.read()


class _Counts(dict[int, int]):
    """Counts by process, zero for the others; its text is a plain dict's, as eOn writes it."""

    def __missing__(self, _: int) -> int:
        return 0


class RecordingState(akmcstate.AKMCState):  # type: ignore[misc]
    """eOn's state, which notes that it changed and hands out a record of each search it registers.

    Its process table keeps all digits: eOn's own five make a continued run differ from one that was never stopped.
    """

    processtable_line = "%7d %24.17g %24.17g %9d %24.17g %24.17g %24.17g %24.17g %7d\n"

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        Path(self.procdata_path).mkdir(exist_ok=True)  # eOn makes it with the state; a generation knows no empty folders
        path = str(Path(self.path) / "info")
        info = self.statelist.infos.setdefault(path, NotingInfo(path))  # one for all objects that eOn makes of a state
        info.flush()
        info.loaded, info.noted = False, self._note
        self.info = info
        self._note()

    def _note(self) -> None:
        self.statelist.touched.add(f"states/{self.number}")

    def save_process_table(self) -> None:
        """As eOn does; the change is noted."""
        super().save_process_table()
        self._note()

    def get_proc_random_count(self) -> dict[int, int]:
        """As eOn does; scheme `sampling` asks for processes that only recycling or a reverse step has found, too."""
        return _Counts(super().get_proc_random_count())

    def append_process_table(self, *arguments: Any, **keywords: Any) -> None:
        """As eOn does; the change is noted."""
        super().append_process_table(*arguments, **keywords)
        self._note()

    def is_new(self, found: dict[str, Any]) -> bool:
        """`add_process` would give what a search found a row of its own; see there."""
        results = results_mapping(found)
        if results["termination_reason"] != 0:
            return False
        energy = self.get_energy()
        barrier = results["potential_energy_saddle"] - (results["potential_energy_reactant"] if energy is None else energy)
        window = self.statelist.kT * (self.statelist.thermal_window + self.statelist.max_thermal_window)
        within = barrier - min(self.get_lowest_barrier(), barrier) <= window
        return bool(within and self.find_repeat(found["saddle.con"], barrier) is None)

    def append_search_result(self, result: dict[str, Any], comment: str, superbasin: Any) -> None:
        """As eOn does, with our own remark where there is one, and a record."""
        if result.get("remark"):
            comment = result["remark"]
        super().append_search_result(result, comment, superbasin)
        self._note()
        if result["type"] != "reverse":
            record = _record(self.number, result, comment)
            self.statelist.records.append(record)
            self.statelist.frames[f"{record.state}_{record.index}"] = result["graded"].frames


def _record(state: int, result: dict[str, Any], comment: str) -> SearchRecord:
    word, _, process = comment.split(" [", maxsplit=1)[0].partition("-")
    numbers = result["results"]
    good = process.isdigit() and word in ("good", "repeat")
    outcome = {"good": "new", "repeat": "repeat"}[word] if good else "high" if comment.startswith("barrier >") else "bad"
    graded = result["graded"]
    if graded.halt:
        outcome = "halted"
    calls = sum(int(numbers[f"force_calls_{part}"]) for part in ("saddle", "minimization", "prefactors"))
    return SearchRecord(
        state=state, index=result["wuid"], outcome=outcome, reason="" if good else comment,
        process=int(process) if good else None,
        barrier=None if outcome in ("bad", "halted") else float(numbers["barrier_reactant_to_product"]), force_calls=calls,
        seconds=round(float(result.get("seconds", 0.0)), 3), kind=result["type"], gamma_reactant=graded.gamma_reactant,
        gamma_saddle=graded.gamma_saddle, gamma_product=graded.gamma_product, gamma_path=graded.gamma_path,
        rated=result.get("rated") if outcome == "new" else None,
    )


class Neighbours:
    """Within a block, `eon.atoms.neighbor_list_vectors` remembers its answers by structure, which nobody changes meanwhile.

    eOn asks for those of the same reactant, all of its atoms, before every search.
    """

    def __init__(self, plain: Callable[..., Any]) -> None:
        """`plain` is eOn's own."""
        self._plain = plain
        self._found: dict[tuple[int, float, bool], tuple[Any, Any]] = {}

    def _vectors(self, structure: Any, cutoff: float, brute: bool = False) -> Any:  # noqa: FBT001, FBT002 - as eOn's
        key = (id(structure), cutoff, brute)
        if key not in self._found:
            self._found[key] = (structure, self._plain(structure, cutoff, brute))  # with it: its id stays its own
        return self._found[key][1]

    def __enter__(self) -> None:
        atoms.neighbor_list_vectors = self._vectors

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        atoms.neighbor_list_vectors = self._plain


class OrderedExplorer(MinModeExplorer):  # type: ignore[misc]
    """Makes and registers the searches of one state (or of a superbasin's least known state)."""

    def __init__(
        self, states: Any, previous_state: Any, state: Any, *, superbasin: Any, config: Any, seed: int, spool: Path,
    ) -> None:
        """Read the state.

        Args:
            states: eOn's list.
            previous_state: where the run came from, for recycling.
            state: to be searched.
            superbasin: that holds it, or None.
            config: eOn's.
            seed: the run's.
            spool: where searches that cannot be made again (recycled saddles) are kept until they are registered.
        """
        self._seed = seed
        self._spool = spool
        self._neighbours = Neighbours(atoms.neighbor_list_vectors)
        super().__init__(states, previous_state, state, superbasin, config=config)
        self.comm: OrderedCommunicator

    def load_wuid(self) -> None:
        """Searches are numbered by state; eOn's own counter is not used."""

    def save_wuid(self) -> None:
        """See `load_wuid`."""

    @property
    def confidence(self) -> float:
        """Of the state, or of the superbasin."""
        return float(self.superbasin.get_confidence() if self.superbasin else self.state.get_confidence())

    @property
    def confident(self) -> bool:
        """It is time for a KMC step."""
        return bool(self.confidence >= self.config.akmc_confidence)

    @property
    def registered(self) -> int:
        """How many searches of the state are registered."""
        return int(self.state.get_total_saddle_count())

    @property
    def still_needed(self) -> int:
        """How many more searches the state will probably take, if they bring nothing new.

        eOn's scheme `old` has the confidence 1 - 1 / r with r repeats in a row. With n processes and s good searches, scheme
        `new` has the confidence C that solves 1 - C = exp(-C s / n): it takes n ln(1 / (1 - C)) / C of them, and `sampling` about
        as many. Bad searches come on top, as many as so far.
        """
        wanted = float(self.config.akmc_confidence)
        good = int(self.state.get_good_saddle_count())
        if self.config.akmc_confidence_scheme == "old":
            missing = 1 / (1 - wanted) - int(self.state.get_repeats())
        else:
            missing = -max(int(self.state.get_unique_saddle_count()), 1) * math.log1p(-wanted) / wanted - good
        return math.ceil(max(missing, 1.0) * (self.registered + 2) / (good + 1))

    def make_jobs(self, at_most: int | None = None, *, ahead: int) -> None:
        """Submit searches.

        Args:
            at_most: so many of the state in all.
            ahead: until so many are not registered.
        """
        wanted = ahead - self.comm.get_queue_size()
        here = [name for name in self.comm.pending if search_of(name)[0] == self.state.number]
        following = self.registered + len(here)
        end = following + max(wanted, 0)
        self.submit([f"{self.state.number}_{index}" for index in range(following, end if at_most is None else min(end, at_most))])

    def submit(self, names: list[str]) -> None:
        """Submit searches by name."""
        if names:
            reactant = text_io.StringIO(Path(self.state.reactant_path).read_text(encoding="utf-8"))
            self.comm.submit_jobs([self._search(name) for name in names], {"pos.con": (reactant, 0o644)})

    def _search(self, name: str) -> dict[str, Any]:
        kept = self._spool / f"{name}.job"
        if kept.is_file():
            text = unsealed(kept.read_bytes())
            if text is None:
                raise RunStateError(f"{kept}, which search {name} starts from, is damaged; restore it from a backup, or remove "
                                    "it: the search then starts anew, as good, but perhaps elsewhere")
            body = json.loads(text)
            return {"id": name, "type": body.pop("type"), **{key: text_io.StringIO(text) for key, text in body.items()}}
        number, index = search_of(name)
        seed = search_seed(seed=self._seed, state=number, index=index)
        np.random.seed(seed)  # noqa: NPY002 - eOn draws from numpy's global stream
        if self.config.recycling_on:  # the suggestion follows from the search's number, not from what was made before
            self.recycler.ref_state.load_process_table()
            self.recycler.proc_ids = sorted(self.recycler.ref_state.procs)
            self.recycler.num_procs = len(self.recycler.proc_ids)
            self.recycler.process_number = index
        try:
            with self._neighbours:
                displacement, mode, kind = self.generate_displacement()
        except displace.DisplaceError as error:
            raise SearchesFailedError(
                f"no search can start: {error}; change search.displace or search.max_coordination"
            ) from error
        changes = [("Main", "job", "process_search"), ("Main", "random_seed", str(seed % 2**31))]
        search: dict[str, Any] = {"id": name, "type": kind, "config.ini": _client_config(self.config.config_path, changes)}
        if displacement:
            search["displacement.con"], search["direction.dat"] = text_io.StringIO(), text_io.StringIO()
            fileio.savecon(search["displacement.con"], displacement)
            fileio.save_mode(search["direction.dat"], mode, getattr(self.reactant, "free", None))
        if kind != "random":
            self.states.touched.add(f"states/{self.state.number}")
            body = {key: value.getvalue() for key, value in search.items() if key not in ("id", "type")}
            write_durably(kept, sealed(json.dumps({"type": kind, **body}).encode()))
        return search

    def register_result(self) -> str | None:
        """Register the result whose turn it is; answer its name, or None where there is none."""
        turn = self.comm.turn
        if turn is not None and self.comm.rates and self._wanted(turn) and not self._rated(turn):
            return None
        for result in self.comm.get_results(None, self._wanted):
            name: str = result["name"]
            number, index = search_of(name)
            state = self._state_of(number)
            result["wuid"], result["results"] = index, results_mapping(result)
            if result["results"]["termination_reason"] == 0:
                state.add_process(result, self.superbasin)
            else:
                state.register_bad_saddle(result, False, superbasin=self.superbasin)  # noqa: FBT003
            return name
        return None

    def _state_of(self, number: int) -> Any:
        return self.superbasin.state_dict[number] if self.superbasin else self.state

    def _rated(self, name: str) -> bool:
        """What a search found may be registered: it is nothing new, or its prefactors are there."""
        found = self.comm.look(name)
        return not self._state_of(search_of(name)[0]).is_new(found) or self.comm.rated(name, found)

    def _wanted(self, name: str) -> bool:
        number, _ = search_of(name)
        return number in self.superbasin.state_dict if self.superbasin else number == self.state.number


def _client_config(path: str, changes: list[tuple[str, str, str]]) -> text_io.StringIO:
    """A search's `config.ini`; one search uses one processor, whatever the client finds."""
    text: str = fileio.modify_config(path, changes).getvalue()
    return text_io.StringIO(text.replace("[Main]\n", "[Main]\nparallel = false\n", 1))
