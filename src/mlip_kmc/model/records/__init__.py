"""Typed records of a run: what was searched, found, and done. Everything between modules is one of these.

Energies in eV, lengths in A, times in s, rates in 1/s.
"""

from mlip_kmc.model.records.epoch import Epoch, identity_of, potential_epochs
from mlip_kmc.model.records.event import Event, made, unsound, unsound_steps
from mlip_kmc.model.records.halt import HaltKind
from mlip_kmc.model.records.json_line import read_lines
from mlip_kmc.model.records.progress import Live, Progress, RunNumbers
from mlip_kmc.model.records.refresh import (
    Fate,
    RefreshedProcess,
    RefreshedState,
    refreshed_processes,
)
from mlip_kmc.model.records.regions import Regions, regions_of
from mlip_kmc.model.records.result import EonResult, Status
from mlip_kmc.model.records.search import (
    OUTCOMES,
    Early,
    Grown,
    Rated,
    Registered,
    Reused,
    SearchRecord,
    Stale,
    Twin,
    prefactor_reasons,
    reasons_of,
)
from mlip_kmc.model.records.shortcuts import AUDIT, SHARED, Shortcuts, shortcuts_of
from mlip_kmc.model.records.start import Minimised, Start
from mlip_kmc.model.records.state import Process, StateRecord

__all__ = [
    "AUDIT",
    "OUTCOMES",
    "SHARED",
    "Early",
    "EonResult",
    "Epoch",
    "Event",
    "Fate",
    "Grown",
    "HaltKind",
    "Live",
    "Minimised",
    "Process",
    "Progress",
    "Rated",
    "RefreshedProcess",
    "RefreshedState",
    "Regions",
    "Registered",
    "Reused",
    "RunNumbers",
    "SearchRecord",
    "Shortcuts",
    "Stale",
    "Start",
    "StateRecord",
    "Status",
    "Twin",
    "identity_of",
    "made",
    "potential_epochs",
    "prefactor_reasons",
    "read_lines",
    "reasons_of",
    "refreshed_processes",
    "regions_of",
    "shortcuts_of",
    "unsound",
    "unsound_steps",
]
