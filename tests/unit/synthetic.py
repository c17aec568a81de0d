"""Synthetic runs: real run directories, committed by `Checkpoints`, with made-up physics."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from itertools import accumulate

import numpy as np
from ase import Atoms
from ase.build import bulk

from mlip_kmc.ground.files import sealed, unsealed
from mlip_kmc.model.records import Event, Minimised, SearchRecord
from mlip_kmc.model.structure import to_con
from mlip_kmc.store.checkpoints import Checkpoints
from mlip_kmc.store.run_directory import RunDirectory

KT_EV = 500 / 11604.5
_HEADER = "proc saddle prefactor product energy prefactor barrier rate repeats\n"
_INI = """[Main]
temperature = 500.0
random_seed = 1
[Potential]
potential = lammps
[AKMC]
confidence = 0.99
confidence_scheme = {scheme}
thermally_accessible_window = 20.0
[Prefactor]
default_value = 1e13
[Optimizer]
converged_force = 0.001
[Saddle Search]
converged_force = 0.01
[Coarse Graining]
use_mcamc = {superbasins}
"""


def copper(repeats=2):
    """A copper crystal with a vacancy at the origin."""
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True) * (repeats, repeats, repeats)
    del atoms[0]
    return atoms


@dataclass
class State:
    """A state: energy in eV, processes as (process, barrier in eV, product or -1, repeats), and further files of its folder."""

    energy: float = -10.0
    processes: list = field(default_factory=list)
    good: int = 0
    bad: int = 0
    notes: dict = field(default_factory=dict)


def commit(
    path,
    *,
    states=None,
    events=(),
    searches=(),
    starts=(),
    atoms=None,
    scheme="old",
    superbasins=False,
    potential_note=None,
    with_structures=True,
    moved=0,
    later=(),
):
    """Write a run directory whose one generation holds all this; answer its path.

    `later` are epochs after the first: each with its inputs, and the events, searches and refreshes of it.
    """
    atoms = copper() if atoms is None else atoms
    start = to_con(atoms)
    states = [State()] if states is None else states
    with RunDirectory(path) as directory:
        store = Checkpoints(directory)
        note = dict(potential_note or {})
        store.begin_epoch(note.pop("facts", {}), inputs=note.pop("inputs", {}))
        touched = ["pos.con", "config.ini"]
        (store.root / "pos.con").write_text(start)
        (store.root / "config.ini").write_text(
            _INI.format(scheme=scheme, superbasins=str(superbasins).lower())
        )
        for number, state in enumerate(states):
            _write_state(
                store.root / "states" / str(number),
                state,
                start,
                atoms=atoms if with_structures else None,
                moved=moved,
            )
            touched.append(f"states/{number}")
        for event in events:
            store.append("events", event.to_json())
        for search in searches:
            store.append("searches", search.to_json())
        for start_record in starts:
            store.append("starts", start_record.to_json())
        for number, epoch in enumerate(later, start=1):
            store.begin_epoch({"potential.ace": f"{number}"}, inputs=epoch.get("inputs", {}))
            for name in ("refreshes", "events", "searches"):
                for record in epoch.get(name, ()):
                    store.append(name, replace(record, epoch=number).to_json())
            events = (*events, *epoch.get("events", ()))
        numbers = {
            "steps": len(events),
            "relabelled": sum(event.relabelled for event in events),
            "time_s": events[-1].time_s if events else 0.0,
            "state": events[-1].product if events else 0,
            "previous": -1,
            "bad_in_a_row": 0,
            "starts": 1,
            "pending": [],
        }
        minimised = Minimised(
            energy=-10.0,
            energy_drop=0.1,
            largest_displacement_A=0.01,
            largest_force_eV_per_A=1e-4,
            pressure_GPa=0.1,
            lowest_eigenvalue_eV_per_A2=1.0,
            force_calls=10,
        )
        state = {"numbers": numbers, "minimised": minimised.__dict__, **note}
        store.commit(state, touched=touched)
    return path


def _write_state(folder, state, start, *, atoms, moved):
    (folder / "procdata").mkdir(parents=True)
    (folder / "reactant.con").write_text(start)
    for name, text in state.notes.items():
        (folder / name).write_text(text)
    (folder / "info").write_text(
        f"[MetaData]\ngood_saddles = {state.good}\nbad_saddles = {state.bad}\n"
        + ("" if state.energy is None else f"reactant energy = {state.energy!r}\n")
    )
    rows = []
    for process, barrier, product, repeats in state.processes:
        rate = float(1e13 * np.exp(-barrier / KT_EV))
        row = (
            process,
            state.energy + barrier,
            1e13,
            product,
            state.energy,
            1e13,
            barrier,
            rate,
            repeats,
        )
        rows.append(" ".join(map(repr, row)) + "\n")
        if atoms is not None:
            for name, part in (("saddle", 0.5), ("product", 1.0)):
                shifted = atoms.copy()
                shifted.positions[moved] += part * np.array([-1.8, -1.8, 0.0])
                (folder / "procdata" / f"{name}_{process}.con").write_text(to_con(shifted))
    (folder / "processtable").write_text(_HEADER + "".join(rows))


def event(
    step,
    *,
    time_s,
    reactant=0,
    product=1,
    process=0,
    images=None,
    barrier=0.8,
    superbasin=None,
    hops=None,
    before_s=0.0,
    drift_A=(0.0, 0.0, 0.0),
    temperature_K=500.0,
):
    """A KMC step; `images` moves atoms by whole cells, which is how a synthetic walk hops."""
    return Event(
        step=step,
        reactant=reactant,
        process=process,
        product=product,
        step_time_s=time_s - before_s,
        time_s=time_s,
        barrier=barrier,
        rate=1e3,
        energy=-10.0,
        mapping={},
        images=images or {},
        drift_A=drift_A,
        temperature_K=temperature_K,
        superbasin=superbasin,
        hops=hops,
    )


def search(index, *, state=0, outcome="repeat", process=0, barrier=0.8, reason="", kind="random"):
    """A registered search: 100 force calls, half a second."""
    good = outcome in ("new", "repeat")
    return SearchRecord(
        state=state,
        index=index,
        outcome=outcome,
        reason=reason,
        process=process if good else None,
        barrier=None if outcome == "bad" else barrier,
        force_calls=100,
        seconds=0.5,
        kind=kind,
    )


def walker(cell_A):
    """One atom in a cubic cell, anchored by a fixed one far away: hops are whole cells."""
    from ase.constraints import FixAtoms

    atoms = Atoms("CuCu", positions=[[0, 0, 0], [cell_A / 2] * 3], cell=[cell_A] * 3, pbc=True)
    atoms.set_constraint(FixAtoms(indices=[1]))
    return atoms


def as_format_2(run):
    """Make of a run directory what the version before epochs wrote: no epoch in a record, facts and inputs among the numbers."""
    shortened = {}  # by journal: length of so many bytes before and after
    for path in (run / "journal").glob("*.jsonl"):
        old = [f"{line}\n" for line in path.read_text().splitlines()]
        new = [
            json.dumps({k: v for k, v in json.loads(line).items() if k != "epoch"}) + "\n"
            for line in old
        ]
        ends = (accumulate(map(len, lines), initial=0) for lines in (old, new))
        shortened[path.stem] = dict(zip(*ends, strict=True))
        path.write_text("".join(new))
    for path in (run / "generations").glob("*.json"):
        raw = json.loads(unsealed(path.read_bytes()))
        for digest, text in raw.pop("texts").items():
            content = run / "objects" / digest[:2] / digest[2:]
            content.parent.mkdir(exist_ok=True)
            content.write_text(text)
        (epoch,) = raw.pop("epochs")
        raw["state"] |= {"facts": epoch["facts"], "inputs": epoch["inputs"]}
        for name, end in raw["journals"].items():
            length = shortened.get(name, {0: 0})[end["length"]]
            text = (run / "journal" / f"{name}.jsonl").read_bytes()[:length] if length else b""
            raw["journals"][name] = {"length": length, "sha256": hashlib.sha256(text).hexdigest()}
        raw |= {"format": 2, "identity": epoch["identity"]}
        path.write_bytes(sealed(json.dumps(raw).encode()))
    return run
