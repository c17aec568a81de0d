"""Everything that this program changes in eOn's server or takes from inside it, with the reason.

Nothing else imports eOn, except `search/eon_displacements.py`, which workers need.

    verify()                                # ProgramError where eOn is not the one that the changes were made for
    config = eon_config(run / "eon")
    states = StateList(run / "eon", config=config)

eOn has no interface for some of what a durable run needs, so classes are derived, and a few names are replaced. Each change holds
for the source that it was made for: `ADAPTED` names the functions it replaces or rests on, with the digest of their source.

Long because all changes to eOn stand in one file, with the digests of the functions that they hold for.
"""

import hashlib
import importlib
import inspect
import logging
import sys
from collections.abc import Callable, Mapping
from configparser import ConfigParser
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlip_kmc.akmc.eon_files import Entry, eon_result, search_record
from mlip_kmc.akmc.minima import Minima
from mlip_kmc.akmc.rows import Rows
from mlip_kmc.akmc.state_files import OF_THE_TABLE, SETTLED, note_in, text_of, write_note
from mlip_kmc.evaluate.client import End
from mlip_kmc.ground.constants import EON_KELVIN_PER_EV
from mlip_kmc.ground.errors import ConfigError, ProgramError
from mlip_kmc.ground.files import make_directory
from mlip_kmc.model.atom_path import wrap
from mlip_kmc.model.records import Registered, SearchRecord
from mlip_kmc.model.structure import moved_con
from mlip_kmc.model.turning import turned, turned_match
from mlip_kmc.search.outcome import FoundProcess, SearchOutcome, ToldApart
from mlip_kmc.search.quick_yaml import quick_yaml
from mlip_kmc.search.task import DISPLACED
from mlip_kmc.store.eon_tree import ORBITS

with quick_yaml():
    import eon
    from eon import (
        akmcstate,
        akmcstatelist,
        atoms,
        communicator,
        concorpus,
        fileio,
        superbasinscheme,
    )
    from eon.config import ConfigClass
    from eon.explorer import MinModeExplorer

_LOG_BYTES = 4_000_000
_SEED = "<seed>"
_BIT = 1.01
"""Over a limit of eOn's: what is farther by our arithmetic is farther by eOn's, too."""
_LOGGERS = (
    "atoms",
    "communicator",
    "displace",
    "explorer",
    "recycling",
    "state",
    "statelist",
    "superbasin",
    "superbasinscheme",
)


@dataclass(frozen=True)
class Adapted:
    """One change, and what of eOn it replaces or rests on.

    Attributes:
        reason: why it is made, and what it is.
        sources: sha256 of the source of functions, by `module:name`.
    """

    reason: str
    sources: dict[str, str]


VERSIONS = ("3.6.0",)
"""Of eOn, for which `ADAPTED` holds."""

ADAPTED = (
    Adapted(
        "searches run on our own workers; eOn's explorer asks for a communicator by its configuration object",
        sources={
            "eon.communicator:get_communicator": "ad47bba9f08e0818466aca12712af8b1a0e8365c94f9bf5ada62c250cf956b6a",
        },
    ),
    Adapted(
        "a state's info file is read once and written once a commit: eOn does either some thirty times a search",
        sources={
            "eon.fileio:ini": "088d71ee723a793f6216a4589a1c5d6a5b979eb12b35bb6a214ebbabd3864c2d",
            "eon.fileio:atomic_write": "8b1fca5e22815fddab585d05ec1f1ce8d31955f56e9ef310073c4274f2583c3e",
            "eon.state:State.__init__": "24771cfc5be94530f8b5f6402ef8c9ad290acf4abee78ddd7701c87af9da4e94",
        },
    ),
    Adapted(
        "process tables keep all digits: with eOn's five a continued run differs from one that was never stopped",
        sources={
            "eon.akmcstate:AKMCState.processtable_line": "ec48c8989a3c052d0084e1cadffe19d4e380ae6e7f0b5b5e3f45bf03da9eee1f",
            "eon.akmcstate:AKMCState.save_process_table": "4e76e2ea89749ce0f2d944d84f49ad1d87bd5caf4bb9a11a2de52d5a2f5b32ce",
            "eon.akmcstate:AKMCState.append_process_table": "cf9e603731eecd78a1005f3858853a9da0d718ffada596b87bf2037c186cf1ed",
            "eon.akmcstate:AKMCState.load_process_table": "ef1320036e06c3a07522543c5613a40fd50391cf9461cbcebdf75c199cc14b23",
        },
    ),
    Adapted(
        "every registration is noted and recorded, with our remark where we have one",
        sources={
            "eon.akmcstate:AKMCState.__init__": "4763f57e073e861e78916a594afe52e4c0833882b9ec1944515fc8593690e44f",
            "eon.akmcstate:AKMCState.append_search_result": "d3b8efc3939b2e5d17a9afe71629fa55067705276ce1b9560780c9875cc322cc",
            "eon.akmcstate:AKMCState.add_process": "37ff94892efee787a43e9321030382b8eac01f0e968b88d09db94bbecfce3528",
            "eon.akmcstate:AKMCState.register_bad_saddle": "2dc42a1c47363e66dd2dae6c6d6afca5f3ea5ee991eb28c3604c5a51e650568a",
            "eon.statelist:StateList": "7bb1606db8f0dfdb9b8221a62ba93b6c94b609bac1de4a063217a211437afea7",
            "eon.akmcstatelist:AKMCStateList": "36d8ee6558c86d61a4e2302759f6d6af2fa848967c664c7d0a2966cbfbe16f1d",
        },
    ),
    Adapted(
        "a process' own prefactors are made before it is registered, so that it is asked first whether it is new",
        sources={
            "eon.akmcstate:AKMCState.find_repeat": "0f70a30b2af1b744945f649f715447c9ed374a970927fad67cf15f5d04f86af2",
        },
    ),
    Adapted(
        "structures are read without a second copy in a database beside the run, for which eOn looks at every read; a state's "
        "minimum is read once",
        sources={
            "eon.fileio:_mirror_con_path": "78f0acfb8608e9c950cbb5ae854299808d1475255908051b8cfaac5270025d4d",
            "eon.fileio:_mirror_con_text": "c2dea507bdbb74eafb544936d76de7ba5da7d8493e4418b4f0c7c25d78b66393",
            "eon.state:State.get_reactant": "c26de2e206d4309c48be4c955a3fcb8e1381c0630de2fff79adf543273f30348",
        },
    ),
    Adapted(
        "a product is compared with those known states alone that it may be, and the table of states is read once: eOn compares "
        "it with each one of its energy, so that a KMC step takes the longer the longer the run is",
        sources={
            "eon.statelist:StateList.get_product_state": "f6108241d3a6743e71eb39c2a6bd203a88b0b209c5d3d26d5f4835c6d381519e",
            "eon.atoms:remove_net_translation": "3f8375ed8640844ca3d8466645ac22ed1d6a7f3c2af3a21dde7891735216af21",
            "eon.atoms:identical": "81d9fa97583fa412241be78662d606484970cd35f41e95712ab88458c7378a3c",
        },
    ),
    Adapted(
        "reverse processes are brought into the order of their own state's atoms: compared index by index, one "
        "that a loop of exchanges leads to is taken for another, and its rate counts twice",
        sources={
            "eon.akmcstatelist:AKMCStateList.register_process": "50a4a0d109d87d722d0cfe750e905e9b6fb5bdd8270fafb7b006a4ccee6611c3",  # noqa: E501
        },
    ),
    Adapted(
        "confidence counts orbits, and rows follow from others by symmetry",
        sources={
            "eon.akmcstate:AKMCState.get_ratetable": "d425156525ceca9cb1277c92c271eb10e3e2984c4a631329d6085409f8cc0344",
            "eon.akmcstate:AKMCState.update_lowest_barrier": "8389f1d9446de7301e295b39f1fa53b785300db703eec597ac4f9dfc407c7843",
            "eon.state:State.allocate_process_id": "99b9313c4d45615510f57e97d29895e1edba7e4f82584300fe39c06b812355a2",
        },
    ),
    Adapted(
        "confidence scheme `sampling` asks for counts of processes that were never counted",
        sources={
            "eon.akmcstate:AKMCState.inc_proc_random_count": "05abe931cae4926c4000500427643608f618ce3955783a6468b000dc5cd7bb6f",
            "eon.akmcstate:AKMCState.get_proc_random_count": "4f6a606d123d62848330ae8667b4cf896e5d6f6afcde8ee1680e513c6049fab5",
            "eon.akmcstate:AKMCState.get_confidence": "e753cab7181627b4009d10b9b31bae9bcbe73655fed2566e356cb0de83b92bce",
        },
    ),
    Adapted(
        "searches are numbered by state, and what recycling suggests follows from the number alone",
        sources={
            "eon.explorer:Explorer": "6d497d43ee6bd3b14be2c5c3ce0d6cd1d78986e6f5edb6dc49aa8e12e4393131",
            "eon.explorer:MinModeExplorer": "4c55eb43889cdbe47f1946320d159458c0228c554da2d62c54e4da172709de48",
            "eon.recycling:Recycling": "4882033db4806c52718b26b969cae21f73ba0115419adb76fe428564d982190f",
        },
    ),
    Adapted(
        "the neighbours of a reactant are computed once, not before every search",
        sources={
            "eon.geometry.neighbors:neighbor_list_vectors": "2494c703032b9f03e29cb6570aeecec836389d3aabedbdcd85e58e945768dea1",
            "eon.displace:DisplacementManager": "dfad00d4eb7dda94eaceacfe388303d123da8f50f05bc8b73c55c7d4d7ee5196",
        },
    ),
    Adapted(
        "displacements are made without eOn's bias towards voids where no atom is near, whose norm eOn divides by; and not about "
        "atoms that have left the rest, which are the least coordinated ones",
        sources={
            "eon.displace:Displace": "510608ee3bdc7b6d14c98421161d4bf8fed293850d604f426c673d6e8c1f75a7",
            "eon.displace:Leastcoordinated": "1fceca60059a410e07238085cdb90d4d7872b1a0e647ae62911df53328861e59",
        },
    ),
    Adapted(
        "displacements start near what a hop changed, where the rest is carried over",
        sources={
            "eon.displace:Random": "f1562e94ab1ed98ef76383db21501b01b8b4193178beb303cfa2b57680f3969a",
            "eon.displace:Undercoordinated": "ea0c7366292783ba53b3002fdd2af100f73c13667bf2b643eb0d4959bdfb5ca8",
        },
    ),
    Adapted(
        "free clusters are compared by our own search for a rotation, not by functions of eOn's that take mirror images for the "
        "same, and need a package that it does not ask for",
        sources={
            "eon.atoms:match": "af4784564a043d478ca997e1e2b144a123ba7b5f614a4de8895660ef1acc7cfa",
        },
    ),
    Adapted(
        "optional accelerators that are not installed are not looked for at every call",
        sources={
            "eon.geometry.neighbors:_linkcell_pairs": "f4f523e5232e9a9e0b0eda2ca5f2e86c230c6123ee6c62f30fb1503f0787631c",
            "eon.geometry.pbc:pbc": "0108d12dd55db1cbcfe736526d23447cfbbfeb0240f0cb0a272066d7535cb039",
        },
    ),
    Adapted(
        "eOn's configuration gets absolute paths, and its client one processor",
        sources={
            "eon.config:ConfigClass.init": "1a3698c4f0a29feeb3a685552f397929548cbf777100349c3592367106a3d668",
            "eon.fileio:modify_config": "3798033f670f88e04cc129a131513930f665f2b552e9dd25eee327c4493d3dde",
        },
    ),
    Adapted(
        "superbasins are made and stored by eOn, and left by our own kinetics: eOn's step solves in plain double",
        sources={
            "eon.superbasin:Superbasin": "7b763425baaf497d1e5954b5ce4c4ad0c15c7ce8e2582e95afcc4c965ff6fead",
            "eon.superbasinscheme:SuperbasinScheme": "998b9bc8b63d97f974a4159371ad2db9db2501958a9d6b36e1a6a23f7ce9aa91",
            "eon.superbasinscheme:TransitionCounting": "e46878fa84857407ed82ebb21d57f51041fa08f1abf89a1c7ac9713d63728a91",
            "eon.superbasinscheme:EnergyLevel": "bf33a74a4dbf4fdb6ec0f60e6b8a4821c8940e4872400744ea494674b7238324",
            "eon.superbasinscheme:RateThreshold": "b720f0802185de2aad23ed5f64faaf403dbac6acb74f7cc82646e4907ed7d99a",
        },
    ),
)
"""See `verify`."""


@cache
def verify() -> None:
    """Compare the installed eOn with the one that the changes were made for.

    Raises:
        ProgramError: another version, or a function with another source.
    """
    if eon.__version__ not in VERSIONS:
        raise ProgramError(
            f"eOn {eon.__version__} is installed; this mlip-kmc changes functions of eOn {', '.join(VERSIONS)}: "
            "run inside the image"
        )
    unknown = {
        name
        for change in ADAPTED
        for name, digest in change.sources.items()
        if source_digest(name) != digest
    }
    if unknown:
        raise ProgramError(
            f"eOn {eon.__version__} is not as it was released: {', '.join(sorted(unknown))} differ from what this "
            "mlip-kmc was made for; run inside the image"
        )


def source_digest(name: str) -> str | None:
    """Digest (sha256) of the source of one of eOn's functions, or of a value's `repr`; None where there is none of that name.

    Args:
        name: `module:function` or `module:class.member`.
    """
    module, _, inside = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in inside.split("."):
            found = inspect.getattr_static(found, part)
        text = (
            inspect.getsource(found)
            if inspect.isroutine(found) or inspect.isclass(found)
            else repr(found)
        )
    except (ImportError, AttributeError, OSError, TypeError):
        return None
    return hashlib.sha256(text.encode()).hexdigest()


for _name in (
    "linkcell",
    "minimage",
):  # optional accelerators that eOn asks for at every call; Python would look on the disk
    if find_spec(_name) is None:
        sys.modules[_name] = None  # type: ignore[assignment]


def _same_when_turned(one: Any, other: Any, distance_A: float) -> bool:
    """In place of eOn's `rot_match`: the same atoms at the same places, but for a rotation."""
    return turned(np.asarray(one.r), np.asarray(other.r)).farthest_A < distance_A


def _like_when_turned(
    one: Any, other: Any, distance_A: float, _cutoff_A: float
) -> dict[int, int] | None:
    """In place of eOn's `get_mappings`: like atoms at the same places, but for a rotation; which one stands where each did."""
    found = turned_match(
        np.asarray(one.r), np.asarray(other.r), list(one.names), tolerance_A=distance_A
    )
    return None if found is None else dict(enumerate(found.mapping.tolist()))


atoms.rot_match, atoms.get_mappings = _same_when_turned, _like_when_turned


def _mirror_nothing(*_: Any) -> None:
    """In place of eOn's second copies of structures."""


concorpus.mirror_con_path = concorpus.mirror_con_text = _mirror_nothing


# -- configuration, log, communicator


def eon_config(root: Path) -> Any:
    """eOn's configuration object of a run, with absolute paths: nothing depends on the current directory.

    Args:
        root: of eOn's tree, which has a `config.ini`.

    Raises:
        ConfigError: eOn refuses its options.
    """
    with quick_yaml():
        config = ConfigClass()
    try:
        config.init(str(root / "config.ini"))
    except (ValueError, SyntaxError, SystemExit) as error:
        raise ConfigError(
            f"eOn refuses its options: {error}; check the `eon` section of the configuration"
        ) from error
    config.path_root = str(root)
    for name in (
        "path_results",
        "path_states",
        "path_scratch",
        "path_jobs_in",
        "path_jobs_out",
        "path_incomplete",
        "path_pot",
        "sb_path",
    ):
        value = getattr(config, name, None)
        if value:
            setattr(config, name, str(root / Path(value).name))
    config.path_results = str(root)
    return config


def log_to(path: Path) -> None:
    """What eOn's server says goes into the run directory, not to the terminal."""
    handler = RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=2, delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)
    logging.raiseExceptions = False  # a full disk is told once, by the commit


def without_communicator(config: Any) -> None:
    """Have eOn's explorers find nothing where they look for what runs searches: `queue.SearchQueue` does."""
    communicator._comm_by_config_id[id(config)] = object()  # noqa: SLF001 - eOn has no other way in


# -- states


_NOTHING = object()


class NotingInfo(fileio.ini):  # type: ignore[misc]
    """A state's info file that tells when it is changed; read once and written once for each commit.

    eOn reads it for every value and writes it for every change, some thirty times a search. Nobody else writes it while a run
    goes on, and what counts is what is committed.
    """

    noted: Callable[[], None] = staticmethod(lambda: None)
    _unwritten = False

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._got: dict[tuple[str, str], Any] = {}

    def get(self, section: str, option: str, default: Any = "ini_no_default", **how: Any) -> Any:
        """As eOn does, from what was read before."""
        if how:  # Python asks itself
            return ConfigParser.get(self, section, option, **how)
        self._read_once()
        if (section, option) not in self._got:
            path: Any = self.filenames
            self.filenames: Any = []  # there eOn would read it again
            try:
                self._got[section, option] = super().get(section, option, _NOTHING)
            finally:
                self.filenames = path
        found = self._got[section, option]
        if found is not _NOTHING:
            return found
        if default == "ini_no_default":
            raise NameError(f"{section}: {option} is missing in {self.filenames}")
        return default

    def set(self, section: str, option: str, value: Any) -> None:
        """As eOn does; `flush` writes it."""
        self._read_once()
        if not self.has_section(section):
            self.add_section(section)
        ConfigParser.set(self, section, option, str(value))
        if type(value) in (int, float):  # as it will be parsed
            self._got[section, option] = value
        else:
            self._got.pop((section, option), None)
        self._unwritten = True
        self.noted()

    def flush(self) -> None:
        """Write what was set."""
        if self._unwritten:
            with fileio.atomic_write(self.filenames) as stream:
                self.write(stream)
            self._unwritten = False

    def remove_option(self, section: str, option: str) -> bool:
        """As Python does."""
        self._got.pop((section, option), None)
        return bool(super().remove_option(section, option))

    def _read_once(self) -> None:
        if not self.loaded:
            self._got.clear()
            self.read()


class _Counts(dict[int, int]):
    """Counts by process, zero for the others; its text is a plain dict's, as eOn writes it."""

    def __missing__(self, _: int) -> int:
        return 0


_COUNTS = "proc repeat count"
_OF_PROCESSES = ("lowest barrier", "unique_saddles", "repeats", _COUNTS)
"""What a state's info file says of its process table."""


def _lists(raw: Any) -> list[list[int]]:
    return [[int(process) for process in orbit] for orbit in raw]


def _match(one: Any, other: Any, *, config: Any, permuted: bool) -> bool:
    """Two structures are the same, by eOn's comparison with the run's settings.

    Args:
        one: eOn's structure.
        other: another.
        config: eOn's.
        permuted: like atoms may stand in each other's places, where the settings allow it.
    """
    return bool(
        atoms.match(
            one,
            other,
            config.comp_eps_r,
            config.comp_neighbor_cutoff,
            permuted,
            check_rotation=config.comp_check_rotation,
            use_identical=config.comp_use_identical,
            remove_translation=config.comp_remove_translation,
        )
    )


class SharingState(akmcstate.AKMCState):  # type: ignore[misc]
    """eOn's state with rows that follow from others by symmetry, and a confidence that counts orbits.

    Long because all that is changed of eOn's rows and counts acts on one table.
    """

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self._by_orbit = False
        self._counted: tuple[str, dict[int, int]] = ("", {})  # as text, and as numbers
        self._orbits: list[list[int]] | None = None
        self.version = 0
        self._reactant: Any = None
        self._reactant_con: str | None = None
        self._stacked: tuple[list[int], npt.NDArray[np.float64]] | None = None
        self._compared: tuple[npt.NDArray[np.float64], int, int | None] | None = None
        self._settled: dict[int, npt.NDArray[np.float64]] | None = None
        self._is_told_new = False
        super().__init__(*arguments, **keywords)

    def get_reactant(self) -> Any:
        """As eOn does, from what was read before: each saddle that is found is put in its place."""
        if self._reactant is None:
            self._reactant = super().get_reactant()
        return self._reactant.copy()

    @property
    def reactant_con(self) -> str:
        """The state's minimum as `.con` text; each search starts from it."""
        if self._reactant_con is None:
            self._reactant_con = text_of(self.reactant_path)
        return self._reactant_con

    def note(self) -> None:
        """Something in the state's folder has changed: its `version` is another one."""
        self.version += 1
        self.statelist.touched.add(f"states/{self.number}")
        self.statelist.recounted.add(self.number)

    def set_energy(self, energy: float) -> None:
        """As eOn does."""
        self.statelist.minima.forget(self.number)
        super().set_energy(energy)

    def get_proc_random_count(self) -> dict[int, int]:
        """As eOn does; scheme `sampling` asks for processes that only recycling or a reverse step has found, too.

        For a confidence each process has the count of its whole orbit.
        """
        text = self.info.get("MetaData", _COUNTS, "{}")
        if self._counted[0] != text:
            self._counted = text, super().get_proc_random_count()
        counts = _Counts(self._counted[1])
        if self._by_orbit:
            for orbit in self.orbits:
                total = sum(counts[process] for process in orbit)
                counts.update(dict.fromkeys(orbit, total) if total else {})
        return counts

    def inc_proc_random_count(self, procid: int) -> None:
        """As eOn does, which parses the counts' text anew for each search."""
        counts = dict(self.get_proc_random_count())
        counts[procid] = counts.get(procid, 0) + 1
        text = repr(counts)
        self.info.set("MetaData", _COUNTS, text)
        self._counted = text, counts

    def get_ratetable(self, superbasin: Any = None) -> list[tuple[int, float, float]]:
        """As eOn does; for a confidence one process an orbit."""
        table: list[tuple[int, float, float]] = super().get_ratetable(superbasin)
        if not self._by_orbit:
            return table
        first = {process: orbit[0] for orbit in self.orbits for process in orbit}
        return list({first.get(row[0], row[0]): row for row in reversed(table)}.values())[::-1]

    def get_confidence(self, superbasin: Any = None) -> float:
        """As eOn does, of orbits in place of processes: see `symmetry.orbits`."""
        self._by_orbit = bool(self.orbits)
        try:
            return float(super().get_confidence(superbasin))
        finally:
            self._by_orbit = False

    def register_known(self, outcome: SearchOutcome, *, index: int, superbasin: Any) -> None:
        """Count the evaluation by which the state was recognised as its first search.

        Args:
            outcome: of it.
            index: its number.
            superbasin: that holds this state, or None.
        """
        result = eon_result(outcome, index=index)
        self.set_good_saddle_count(self.get_good_saddle_count() + 1)
        self.append_search_result(result, "known", superbasin)

    @property
    def window_eV(self) -> float:  # noqa: N802 - a unit
        """How far above the lowest barrier of the state a process of its table is at most, as `add_process` says."""
        states = self.statelist
        return float(states.kT * (states.thermal_window + states.max_thermal_window))

    def register_high(self, outcome: SearchOutcome, *, index: int, superbasin: Any) -> SearchRecord:
        """Count a search whose saddle is too high, as `add_process` counts one.

        Args:
            outcome: of the search.
            index: its number among the searches of this state.
            superbasin: that holds this state, or None.
        """
        result = eon_result(outcome, index=index)
        self.set_good_saddle_count(self.get_good_saddle_count() + 1)
        entry = Entry(Registered.HIGH)
        record = search_record(outcome, entry, state=self.number, index=index)
        self.append_search_result(result, record.reason, superbasin)
        return record

    def register_repeat(
        self, outcome: SearchOutcome, process: int, *, index: int, superbasin: Any
    ) -> SearchRecord:
        """Count a search as a repeat of a process, as `add_process` counts one.

        Args:
            outcome: of the search.
            process: of the table.
            index: its number among the searches of this state.
            superbasin: that holds this state, or None.
        """
        self.load_process_table()
        result = eon_result(outcome, index=index)
        self.set_good_saddle_count(self.get_good_saddle_count() + 1)
        self.append_search_result(result, f"repeat-{process}", superbasin)
        self.procs[process]["repeats"] += 1
        self.save_process_table()
        if outcome.kind == DISPLACED:
            self.inc_proc_random_count(process)
            if process in self.get_relevant_procids(superbasin):
                self.inc_repeats()
        entry = Entry(Registered.REPEAT, process)
        return search_record(outcome, entry, state=self.number, index=index)

    def known_as(self, outcome: SearchOutcome) -> int | None:
        """The process of the table that a search has found; None where it is new, or nothing was found."""
        if outcome.found is None or self.get_energy() is None:
            return None
        return self.same_process(outcome)

    def same_process(self, outcome: SearchOutcome) -> int | None:
        """The process of the table that a search found again; None where it is new."""
        told, found = outcome.told_apart, outcome.found
        if told is not None and told.process is not None:
            return told.process
        return None if found is None else self.same_saddle(found)

    def barrier_of(self, found: FoundProcess) -> float:
        """In eV, above the state's energy; where that is not known yet, above the search's own."""
        energy = self.get_energy()
        return float(found.saddle_eV - (found.reactant_eV if energy is None else energy))

    def same_saddle(self, found: FoundProcess) -> int | None:
        """The process of the table with the same saddle, as `find_repeat` finds it, but without a text of it.

        Asked again of the same search it is not compared again, as long as nothing in the state's folder changes.
        """
        known = self._compared
        if known is None or known[0] is not found.saddle_A or known[1] != self.version:
            place, barrier = self._place_of(found), self.barrier_of(found)
            same = self.find_repeat(place, barrier)
            same = self._settled_there(place, barrier) if same is None else same
            known = self._compared = (found.saddle_A, self.version, same)
        return known[2]

    def _place_of(self, found: FoundProcess) -> Any:
        """eOn's structure of a saddle."""
        if self._reactant is None:
            self.get_reactant()
        place = self._reactant.copy()
        place.r = np.asarray(found.saddle_A, dtype=np.float64)
        return place

    def find_repeat(self, saddle: Any, barrier: float) -> int | None:
        """As eOn does, of a structure or of the text of one."""
        if self._is_told_new:
            return None
        place = fileio.loadcon(saddle) if hasattr(saddle, "read") else saddle
        near = self._near(place, self._alike(barrier), _BIT * self.config.comp_eps_r)
        for process, certain in near:
            if certain or _match(
                place, self.con_cache[process], config=self.config, permuted=False
            ):
                return int(process)
        return None

    def _alike(self, barrier: float) -> list[int]:
        """Processes with this barrier, by eOn's limit; their saddles are read."""
        self.load_process_table()
        alike = [
            process
            for process, row in self.procs.items()
            if not abs(barrier - row["barrier"]) > self.config.comp_eps_e
        ]
        for process in alike:
            if process not in self.con_cache:
                self.con_cache[process] = fileio.loadcon(self.proc_saddle_path(process))
        return alike

    def near(self, found: FoundProcess, within_A: float) -> list[int]:
        """Processes of the table with the barrier of a saddle, and a saddle so near; none where states turn.

        Args:
            found: in the frame of the state.
            within_A: the largest distance of an atom.
        """
        if self.config.comp_check_rotation or self.get_energy() is None:
            return []
        alike = self._alike(self.barrier_of(found))
        return [process for process, _ in self._near(self._place_of(found), alike, within_A)]

    def _settled_there(self, place: Any, barrier: float) -> int | None:
        """A process with this barrier whose saddle is here where it was converged further than its row."""
        alike = self._alike(barrier)
        for process, positions_A in self.settled.items():
            if process in alike:
                known = place.copy()
                known.r = positions_A
                if _match(place, known, config=self.config, permuted=False):
                    return process
        return None

    @property
    def settled(self) -> dict[int, npt.NDArray[np.float64]]:
        """(N, 3) of the saddles that were converged further when another one was found beside them, by process."""
        if self._settled is None:
            raw = note_in(Path(self.path), SETTLED, dict) or {}
            self._settled = {int(process): np.asarray(place) for process, place in raw.items()}
        return self._settled

    def settle(self, told: ToldApart) -> None:
        """Note where known saddles are, when others were told from them."""
        if news := {key: place for key, place in told.known if key not in self.settled}:
            self._settled = {**self.settled, **news}
            write_note(
                self, SETTLED, {str(key): place.tolist() for key, place in self._settled.items()}
            )

    def _near(self, place: Any, processes: list[int], within_A: float) -> list[tuple[int, bool]]:
        """Those whose saddle may be this one: no farther from it than a limit, all compared at once.

        Returns:
            each with whether it is this one for certain: nearer than eOn's limit by a bit.
        """
        config = self.config
        if config.comp_check_rotation or not processes:
            return [(process, False) for process in processes]
        if self._stacked is None or self._stacked[0] != processes:
            known = np.stack([self.con_cache[process].r for process in processes])
            self._stacked = (processes, known)
        apart = wrap(self._stacked[1] - place.r, place.box)
        if config.comp_remove_translation and not place.fixed_mask().any():
            apart -= apart.mean(axis=1, keepdims=True)
        farthest = np.sqrt((apart**2).sum(axis=2).max(axis=1))
        return [
            (process, bool(distance_A < config.comp_eps_r / _BIT))
            for process, distance_A in zip(processes, farthest, strict=True)
            if not distance_A > within_A
        ]

    @property
    def orbits(self) -> list[list[int]]:
        """Processes that are images of each other by the state's symmetry; none where nobody asked for them."""
        if self._orbits is None:
            self._orbits = note_in(Path(self.path), ORBITS, _lists) or []
        return self._orbits

    def join_orbit(self, processes: list[int]) -> None:
        """Processes are images of each other; so are those of which that was said before."""
        touching = [orbit for orbit in self.orbits if set(orbit) & set(processes)]
        whole = list(
            dict.fromkeys(process for orbit in (*touching, processes) for process in orbit)
        )
        if len(whole) < 2:
            return
        self._orbits = [orbit for orbit in self.orbits if orbit not in touching] + [whole]
        write_note(self, ORBITS, self._orbits)

    def add_row(self, *, values: Mapping[str, float], files: Mapping[str, str]) -> int:
        """Give a process that follows from another one a row of its own, where no search has to be counted; answer its number.

        Args:
            values: of the table: energies, prefactors, barrier, rate.
            files: texts of its structures, mode and results, by the names that searches leave.
        """
        process = int(self.allocate_process_id(b"mlip-kmc-symmetry", files["saddle.con"].encode()))
        self.write_row(process, files)
        names = (
            "saddle_energy",
            "prefactor",
            "product_energy",
            "product_prefactor",
            "barrier",
            "rate",
        )
        self.append_process_table(
            id=process, product=-1, repeats=0, **{name: values[name] for name in names}
        )
        self.set_unique_saddle_count(self.get_unique_saddle_count() + 1)
        self.update_lowest_barrier(values["barrier"])
        return process

    def _paths(self, process: int) -> dict[str, str]:
        return {
            "reactant.con": self.proc_reactant_path(process),
            "saddle.con": self.proc_saddle_path(process),
            "product.con": self.proc_product_path(process),
            "mode.dat": self.proc_mode_path(process),
            "results.dat": self.proc_results_path(process),
        }

    def write_row(self, process: int, files: Mapping[str, str]) -> None:
        """Write the files of a process.

        Args:
            process: of the table.
            files: texts by name, as of `add_row`.
        """
        for name, path in self._paths(process).items():
            Path(path).write_text(files[name], encoding="utf-8")
        self.con_cache.pop(process, None)
        self._stacked = None
        self.note()

    def merge_row(self, process: int, *, into: int) -> None:
        """A reverse process that was just added is one that the table has: as eOn merges those that it recognises.

        Args:
            process: that was added.
            into: the row that stays, with its count and its files, and takes the other's energies and rates.
        """
        self.load_process_table()
        added, repeats = self.procs.pop(process), self.procs[into]["repeats"]
        self.procs[into] = {**added, "repeats": repeats}
        self.save_process_table()
        for path in self._paths(process).values():
            Path(path).unlink(missing_ok=True)
        self.set_unique_saddle_count(self.get_unique_saddle_count() - 1)
        counts = super().get_proc_random_count()
        if counts.pop(process, None) is not None:
            self.info.set("MetaData", _COUNTS, repr(counts))
        self.note()

    def move_minimum(self, positions_A: Any, *, energy_eV: float) -> None:
        """Put the state's minimum where it is known to be: see `classes.py`."""
        Path(self.reactant_path).write_text(
            moved_con(self.reactant_con, positions_A),
            encoding="utf-8",
        )
        self._reactant = self._reactant_con = None
        self.set_energy(energy_eV)

    def forget_counts(self) -> None:
        """Confidence begins anew: what was found again so far counts no more."""
        self.reset_repeats()
        self.info.set("MetaData", _COUNTS, "{}")

    def add_counts(self, *, repeats: int, counts: Mapping[int, int]) -> None:
        """Searches of other runs count here, too.

        Args:
            repeats: in a row, that brought nothing new.
            counts: how often each process of this table was found.
        """
        whole = self.get_proc_random_count()
        for process, count in counts.items():
            whole[process] += count
        self.info.set("MetaData", "proc repeat count", repr(dict(whole)))
        self.info.set("MetaData", "repeats", int(self.get_repeats()) + repeats)
        self.note()

    def take_counts(self, known: "SharingState", copied: Mapping[int, int]) -> None:
        """Confidence is that of a state whose table was taken over.

        Args:
            known: that state.
            copied: the number that each of its processes has here.
        """
        counts = self.get_proc_random_count()
        for process, count in known.get_proc_random_count().items():
            if process in copied:
                counts[copied[process]] = count
        self.info.set("MetaData", _COUNTS, repr(dict(counts)))
        self.info.set("MetaData", "repeats", known.get_repeats())


class RecordingState(SharingState):
    """eOn's state, which notes that it changed and hands out a record of each search it registers.

    Its process table keeps all digits: eOn's own five make a continued run differ from one that was never stopped.
    """

    processtable_line = "%7d %24.17g %24.17g %9d %24.17g %24.17g %24.17g %24.17g %7d\n"

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        Path(self.procdata_path).mkdir(
            exist_ok=True
        )  # eOn makes it with the state; a generation knows no empty folders
        path = str(Path(self.path) / "info")
        info = self.statelist.infos.setdefault(
            path, NotingInfo(path)
        )  # one for all objects that eOn makes of a state
        info.flush()
        info.loaded, info.noted = False, self.note
        self.info = info
        self.note()

    def load_process_table(self, force: bool = False) -> None:  # noqa: FBT001, FBT002 - as eOn's
        """As eOn does; what waits to be written is written before it is read."""
        if force or self.procs is None:
            self.statelist.write_table(self.path)
        super().load_process_table(force)

    def save_process_table(self) -> None:
        """As eOn does, at the next commit: it is saved after every repeat, and nobody reads it before."""
        self.statelist.unwritten[self.path] = self
        self.note()

    def write_process_table(self) -> None:
        """Write it now."""
        super().save_process_table()

    def append_process_table(self, *arguments: Any, **keywords: Any) -> None:
        """As eOn does; the change is noted."""
        super().append_process_table(*arguments, **keywords)
        self.note()

    def is_new(self, outcome: SearchOutcome) -> bool:
        """`add_process` would give what a search found a row of its own; see there."""
        found = outcome.found
        return found is not None and self._counts(found) and self.same_process(outcome) is None

    def _counts(self, found: FoundProcess) -> bool:
        """Its barrier is low enough for a row, as `add_process` says."""
        barrier = self.barrier_of(found)
        return bool(barrier - min(self.get_lowest_barrier(), barrier) <= self.window_eV)

    def register(self, outcome: SearchOutcome, *, index: int, superbasin: Any) -> SearchRecord:
        """Register a search, as eOn does, and tell what it came to.

        Args:
            outcome: with prefactors of its own, where there are some.
            index: its number among the searches of this state.
            superbasin: that holds this state, or None.
        """
        found = outcome.found
        if found is None:
            result = eon_result(outcome, index=index)
            self.register_bad_saddle(result, store=False, superbasin=superbasin)
            entry = Entry(Registered.HALTED if outcome.end is End.HALTED else Registered.BAD)
            return search_record(outcome, entry, state=self.number, index=index)
        self.load_process_table()
        repeat = self.same_process(outcome) if self._counts(found) else None
        if outcome.told_apart is not None:
            self.settle(outcome.told_apart)
        if repeat is not None:
            if self.get_energy() is None:
                self.set_energy(found.reactant_eV)
            self.update_lowest_barrier(self.barrier_of(found))
            return self.register_repeat(outcome, repeat, index=index, superbasin=superbasin)
        result = eon_result(outcome, index=index, reactant_con=self.reactant_con)
        self._is_told_new = True  # it was compared above
        try:
            added = self.add_process(result, superbasin)
        finally:
            self._is_told_new = False
        entry = Entry(Registered.HIGH) if added is None else Entry(Registered.NEW, added)
        return search_record(outcome, entry, state=self.number, index=index)

    def renew(self, *, reactant_con: str, energy_eV: float) -> None:
        """Begin with an empty process table at another minimum: the potential is another one.

        Searches stay counted, since their numbers decide where later ones start; repeats do not.
        """
        Path(self.reactant_path).write_text(reactant_con, encoding="utf-8")
        self._reactant = self._reactant_con = None
        for path in Path(self.procdata_path).iterdir():
            path.unlink()
        for name in OF_THE_TABLE:
            (Path(self.path) / name).unlink(missing_ok=True)
        self._orbits = None
        self.procs: dict[int, dict[str, Any]] = {}
        self.con_cache.clear()
        self._stacked = self._compared = self._settled = None
        self.save_process_table()
        self.info.get("MetaData", "kT", None)  # read it before anything is removed
        for option in _OF_PROCESSES:
            self.info.remove_option("MetaData", option)
        self.set_energy(energy_eV)
        (Path(self.path) / self.config.sb_state_file).unlink(missing_ok=True)

    def append_search_result(self, result: dict[str, Any], comment: str, superbasin: Any) -> None:
        """A line as eOn's, with our own reason where it knows none; written at the next commit, since nobody reads it before."""
        of, remark = result["results"], result.get("remark") or comment
        key = "search_id" if self.config.akmc_server_side_process_search else "wuid"
        if superbasin:
            remark = f"{remark} [{superbasin.id}]"
        line = "%8d %10s %10.5f %10.5f %10d %10d %10d    %s\n" % (  # noqa: UP031 - as eOn's, of any numbers
            result[key],
            result["type"],
            of["barrier_reactant_to_product"],
            of["displacement_saddle_distance"],
            of["force_calls_saddle"],
            of["force_calls_minimization"],
            of["force_calls_prefactors"],
            remark,
        )
        self.statelist.unlisted.setdefault(self.search_result_path, []).append(line)
        self.info.set("MetaData", "searches", self.get_number_of_searches() + 1)
        self.note()


class StateList(akmcstatelist.AKMCStateList):  # type: ignore[misc]
    """eOn's states, with what changed since the last commit.

    Attributes:
        touched: paths inside eOn's tree that changed.
        recounted: numbers of states whose folder has changed since somebody emptied it.
        infos: each state's info file.
        minima: of the states that a product was compared with.
        unwritten: states whose process table is not yet on disk, by folder.
        unlisted: lines of searches that are not yet in their file, by its path.
    """

    def __init__(self, root: Path, *, config: Any) -> None:
        """States of eOn's tree at `root`; state 0 is made of its `pos.con` where there is none."""
        self.touched = {"states/0"}
        self.recounted: set[int] = set()
        self.infos: dict[str, NotingInfo] = {}
        self.minima = Minima(same_A=config.comp_eps_r, permuted=config.comp_use_identical)
        self.unwritten: dict[str, RecordingState] = {}
        self.unlisted: dict[str, list[str]] = {}
        super().__init__(
            config.main_temperature / EON_KELVIN_PER_EV,
            config.akmc_thermal_window,
            config.akmc_max_thermal_window,
            str(root / "pos.con"),
            filter_hole=config.disp_moved_only,
            config=config,
        )
        self.StateClass = RecordingState

    def write_table(self, path: str) -> None:
        """Write a state's process table if it waits for that."""
        state = self.unwritten.pop(path, None)
        if state is not None:
            state.write_process_table()

    def flush(self) -> None:
        """Write what waits to be written."""
        for path in tuple(self.unwritten):
            self.write_table(path)
        for path, lines in self.unlisted.items():
            with Path(path).open("a", encoding="utf-8") as stream:
                stream.writelines(lines)
        self.unlisted.clear()
        for info in self.infos.values():
            info.flush()

    def get_num_states(self) -> int:
        """As eOn does, from what was read before: nobody else writes the table."""
        self.load_state_table()
        return len(self.state_table)

    def get_product_state(self, state_number: int, process_id: int) -> Any:
        """As eOn does; the product is compared with those states alone that it may be."""
        state = self.get_state(state_number)
        row = state.get_process(process_id)
        if self.config.comp_check_rotation or row["product"] != -1 or not self.get_num_states():
            return super().get_product_state(state_number, process_id)
        product = state.get_process_product(process_id)
        energy_eV = row["product_energy"]
        for number in self._may_be(product, reached_from=state_number, energy_eV=energy_eV):
            if self._matches(number, product):
                self.register_process(state_number, number, process_id)
                return self.get_state(number)
        number = self.get_num_states()
        self.StateClass(
            statepath=self.state_path(number),
            statenumber=number,
            statelist=self,
            previous_state_num=state_number,
            reactant_path=state.proc_product_path(process_id),
            config=self.config,
        )
        self.register_process(state_number, number, process_id)
        self.append_state_table(energy_eV)
        return self.get_state(number)

    def _may_be(self, product: Any, *, reached_from: int, energy_eV: float) -> list[int]:
        """The states that a product of a state may be, in the order of their numbers."""
        self.know_minima()
        return self.minima.like(
            np.asarray(product.r),
            np.asarray(product.box),
            reached_from=reached_from,
            energy_eV=energy_eV,
            within_eV=self.epsilon_e,
            shifted=self.config.comp_remove_translation and not product.fixed_mask().any(),
        )

    def know_minima(self) -> None:
        """Read the minima of states that no product was compared with yet."""
        for number in range(self.get_num_states()):
            if number not in self.minima:
                state = self.get_state(number)
                place = fileio.loadcon(state.reactant_path)
                self.minima.put(number, energy_eV=state.get_energy(), positions_A=place.r)

    def _matches(self, number: int, structure: Any) -> bool:
        """A state has this minimum, by eOn's comparison of a product."""
        reactant = self.get_state(number).get_reactant()
        return _match(reactant, structure, config=self.config, permuted=True)

    def register_process(self, reactant_number: int, product_number: int, process_id: int) -> None:
        """As eOn does; the reverse process is brought into the order of its own state's atoms, and is not added twice."""
        product = self.get_state(product_number)
        product.load_process_table()
        before = set(product.procs)
        super().register_process(reactant_number, product_number, process_id)
        if self.config.comp_check_rotation:  # states are turned against each other there
            return
        for process in set(product.procs) - before:
            Rows(product).settle(process, leads_to=reactant_number)

    def same_as(self, number: int) -> int | None:
        """The lower number of a state with the same minimum, by eOn's comparison of a product; None: there is none."""
        state = self.get_state(number)
        reactant = state.get_reactant()
        for other in map(self.get_state, range(number)):
            if abs(other.get_energy() - state.get_energy()) < self.epsilon_e and self._matches(
                other.number, reactant
            ):
                return int(other.number)
        return None

    def renew_table(self) -> None:
        """Write the table of states anew, after all of them were renewed; eOn makes it at the first KMC step."""
        if count := self.get_num_states():
            self.state_table = [self.get_state(number).get_energy() for number in range(count)]
            self.save_state_table()
        self.flush()


class ExactEnergyLevel(superbasinscheme.EnergyLevel):  # type: ignore[misc]
    """eOn's scheme with levels that keep all digits: with eOn's six a continued run may merge states that another would not."""

    def write_data(self) -> None:
        """As eOn does."""
        for state, level in self.levels.items():
            (Path(state.path) / self.config.sb_state_file).write_text(
                f"{level!r}\n", encoding="ascii"
            )


def superbasin_scheme(states: StateList, *, config: Any) -> Any:
    """eOn's scheme that decides which states make a superbasin; None where superbasins are off.

    Raises:
        ConfigError: eOn has none of that name.
    """
    if not config.sb_on:
        return None
    kinds = {
        "transition_counting": (superbasinscheme.TransitionCounting, "sb_tc_ntrans"),
        "energy_level": (ExactEnergyLevel, "sb_el_energy_increment"),
        "rate": (superbasinscheme.RateThreshold, "sb_rt_rate_threshold"),
    }
    make_directory(Path(config.sb_path) / "storage")  # eOn moves merged superbasins there
    if config.sb_scheme not in kinds:
        raise ConfigError(
            f"eon.Coarse Graining.superbasin_scheme is one of {', '.join(kinds)}, not '{config.sb_scheme}'"
        )
    kind, parameter = kinds[config.sb_scheme]
    return kind(config.sb_path, states, states.kT, getattr(config, parameter), config=config)


# -- searches


class Explorer(MinModeExplorer):  # type: ignore[misc]
    """eOn's explorer without its counter of searches, and with suggestions that follow from a search's number alone."""

    def load_wuid(self) -> None:
        """Searches are numbered by state; eOn's own counter, a file that is not committed, is not used."""

    def save_wuid(self) -> None:
        """See `load_wuid`."""

    @property
    def suggests(self) -> bool:
        """Searches start at what eOn suggests from what it has found, not only at random displacements."""
        config = self.config
        return bool(
            config.recycling_on
            or config.kdb_on
            or config.disp_moved_only
            or config.displace_atom_kmc_state_script
            or config.saddle_method == "dynamics"
        )

    def suggest_from(self, index: int) -> None:
        """Have recycling suggest what search number `index` of the state is to start from, whatever was suggested before."""
        if self.config.recycling_on:
            self.recycler.ref_state.load_process_table()
            self.recycler.proc_ids = sorted(self.recycler.ref_state.procs)
            self.recycler.num_procs = len(self.recycler.proc_ids)
            self.recycler.process_number = index


def client_config(path: str, *, seed: int) -> str:
    """A search's `config.ini`; one search uses one processor, whatever the client finds (eOn's key has no schema)."""
    before, after = _client_config(path, Path(path).stat().st_mtime_ns)
    return f"{before}{seed % 2**31}{after}"


@lru_cache(maxsize=4)
def _client_config(path: str, _written_ns: int) -> tuple[str, str]:
    """What stands before and after the seed."""
    changes = [("Main", "job", "process_search"), ("Main", "random_seed", _SEED)]
    text: str = fileio.modify_config(path, changes).getvalue()
    text = text.replace("[Main]\n", "[Main]\nparallel = false\n", 1)
    before, _, after = text.partition(_SEED)
    return before, after
