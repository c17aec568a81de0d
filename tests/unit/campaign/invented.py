"""Parts of a campaign that keep the promises of the real ones in milliseconds: who explores, labels and fits."""

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase.build import bulk
from ase.calculators.emt import EMT

from mlip_kmc.campaign.loop import Campaign
from mlip_kmc.campaign.parts import FoundProcess, Judged, Labels
from mlip_kmc.campaign.state import ExplorationMethod
from mlip_kmc.config import load_campaign, load_config
from mlip_kmc.model.frames import KeptFrame, Kind, Stage, write_kept_frame
from mlip_kmc.model.labelled import LabelledStructure, read_labelled, write_labelled
from mlip_kmc.model.records import EonResult, Minimised, Status
from mlip_kmc.store.run_directory import RunDirectory

EXAMPLE = Path(__file__).parents[3] / "examples" / "cu-vacancy"
KNOWN = bulk("Cu", "fcc", a=3.59, cubic=True)
SUFFIXES = (".yaml", ".yace", ".asi", ".record.json")


def unknown(seed):
    """Four atoms that the example's potential has not seen anything like."""
    atoms = KNOWN.copy()
    atoms.positions += np.random.default_rng(seed).normal(0, 0.6, atoms.positions.shape)
    return atoms


def frame(atoms, *, step=0, kind=Kind.HALT, search="0_3"):
    return KeptFrame(
        atoms=atoms,
        gammas=None,
        search=search,
        state=0,
        stage=Stage.SEARCH,
        step=step,
        kind=kind,
        potential="0" * 64,
    )


def found_processes():
    """Of a crystal of 32 atoms, less one: two atoms that are pushed into the hole."""
    minimum = KNOWN * (2, 2, 2)
    del minimum[0]
    found = []
    for number, (barrier_eV, part) in {3: (0.5, 0.1), 5: (0.6, 0.15)}.items():
        saddle = minimum.copy()
        saddle.positions[0] *= 1 - part
        found.append(FoundProcess(0, number, minimum, saddle, barrier_eV, 0.0, 1.0))
    return tuple(found)


def result(status, *, steps=0, reason="as the test wants it", new=0):
    minimised = Minimised(**dict.fromkeys(Minimised.__dataclass_fields__, 0))
    given = {
        "status": status,
        "reason": reason,
        "minimised": minimised,
        "kmc_steps": steps,
        "simulated_time_s": 1e-9 * steps,
        "searches": {"new": new},
    }
    return EonResult(**{name: given.get(name, ()) for name in EonResult.__dataclass_fields__})


class Explorer:
    """Halts, with two unknown structures, under each of the first generations; then it is done."""

    def __init__(self, run_dir, *, halts=2, frames=None, last=Status.DONE):
        self.run_dir, self.halts, self.last = run_dir, halts, last
        self.frames = frames or (
            lambda number: [
                frame(unknown(10 * number + index), step=index, search=f"{number}_0")
                for index in (1, 2)
            ]
        )
        self.stop, self.explored, self.refreshed = threading.Event(), [], []
        self.wanted_steps, self.found = [], ()

    def explore(self, config):
        with RunDirectory(self.run_dir):
            return self._explored(config)

    def _explored(self, config):
        number = int(config.potential.ace.parents[1].name.removeprefix("gen-"))
        self.explored.append(number)
        self.wanted_steps.append(config.stop.kmc_steps)
        if number < self.halts:
            for kept in self.frames(number):
                write_kept_frame(self.run_dir / "halts", kept)
            return result(Status.HALTED, steps=number, new=number)
        return result(self.last, steps=20, new=30)

    def processes(self):
        return self.found

    def refresh(self, config):
        self.refreshed.append(config.potential.ace.parents[1].name)
        return "refreshed"


_known = {}


def by_emt(atoms):
    """Energy and forces; most campaigns here ask for the same structures."""
    parts = atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc
    key = tuple(part.tobytes() for part in parts)
    if key not in _known:
        atoms = atoms.copy()
        atoms.calc = EMT()
        _known[key] = atoms.get_potential_energy(), atoms.get_forces()
    energy_eV, forces_eV_per_A = _known[key]
    return energy_eV, forces_eV_per_A.copy()


class Labeller:
    """Answers at once, by EMT; names in `bad` get no label; `late` says how many passes it takes."""

    def __init__(self, *, bad=(), late=0):
        self.bad, self.late = set(bad), late

    def request(self, folder, wanted, *, potential):
        folder.mkdir(parents=True, exist_ok=True)
        write_labelled(folder / "request.xyz", [self._structure(entry) for entry in wanted])
        return len(wanted), ()

    @staticmethod
    def _structure(entry):
        energy_eV, forces_eV_per_A = by_emt(entry.atoms)
        return LabelledStructure.whole(
            entry.name, entry.atoms, energy_eV=energy_eV, forces_eV_per_A=forces_eV_per_A
        )

    def label(self, folder, *, stop):
        count = len(read_labelled(folder / "request.xyz"))
        if self.late:
            self.late -= 1
            return Labels(done=0, failed=0, waiting=count)
        failed = len(self.failures(folder))
        return Labels(done=count - failed, failed=failed, waiting=0)

    def labelled(self, folder):
        structures = read_labelled(folder / "request.xyz")
        return tuple(one for one in structures if one.name not in self.bad)

    def other_oracle(self, folder):
        return ()

    def failures(self, folder):
        path = folder / "request.xyz"
        structures = read_labelled(path) if path.exists() else ()
        return tuple(
            (one.name, "as the test wants it") for one in structures if one.name in self.bad
        )


class Disagreeing(Labeller):
    """EMT's saddles of the first generations lie higher than they do."""

    def __init__(self, *, until, by_eV=0.1, **options):
        super().__init__(**options)
        self.until, self.by_eV = until, by_eV

    def labelled(self, folder):
        return tuple(
            replace(one, energy_eV=one.energy_eV + self.by_eV) if self._wrong(one.name) else one
            for one in super().labelled(folder)
        )

    def _wrong(self, name):
        return name.endswith("-saddle") and int(name[1:4]) < self.until


class Fitter:
    """The next potential is the present one under another name; each is accepted that no list refuses."""

    def __init__(self, *, refuse=(), more_labels=False, ladder=0):
        self.refuse, self.more_labels, self.ladder = list(refuse), more_labels, ladder
        self.asked, self.barriers = [], []

    def training(self):
        return ()

    def fit(self, present, *, labels, halted, barriers, folder, name, larger):
        self.asked.append((name, len(labels), len(halted), larger))
        self.barriers.append(tuple(one.name for one in barriers))
        folder.mkdir(parents=True, exist_ok=True)
        for suffix in SUFFIXES[:3]:
            shutil.copyfile(present.yace.with_suffix(suffix), folder / f"{name}{suffix}")
        reason = self.refuse.pop(0) if self.refuse else ""
        return Judged(
            yace=folder / f"{name}.yace",
            accepted=not reason,
            reasons=(reason,) if reason else (),
            more_labels=self.more_labels,
            larger_basis=larger < self.ladder,
            facts={"labels": len(labels)},
        )


def campaign_in(folder, *, text="", explorer=None, labeller=None, fitter=None, **options):
    """A campaign of invented parts on the example's potential, in `folder`."""
    run_config = folder / "akmc.yaml"
    run_config.write_text(
        (EXAMPLE / "akmc.yaml")
        .read_text()
        .replace("vacancy.xyz", str(EXAMPLE / "vacancy.xyz"))
        .replace("cu.yace", str(EXAMPLE / "cu.yace"))
    )
    (folder / "campaign.yaml").write_text(
        f"explore: akmc.yaml\noracle: {{ase: 'ase.calculators.emt:EMT'}}\n{text}"
    )
    where = folder / "campaign"
    return Campaign(
        load_campaign(folder / "campaign.yaml"),
        directory=where,
        run_config=load_config(run_config),
        explorers={ExplorationMethod.AKMC: explorer or Explorer(where / "run")},
        labeller=labeller or Labeller(),
        fitter=fitter or Fitter(),
        **options,
    )
