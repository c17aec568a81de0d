"""An invented run: states that are a graph, searches that end as a number decides, a cluster that finishes them in any order.

    world = World(seed=3)
    world.finish(0); world.tick(); world.kill()

All that the server asks for (`mlip_kmc.akmc.ports`) is here in memory, and what a commit made durable survives a kill. The
queue of searches, the ledger and the server are the real ones.
"""

import copy
import pickle
import random
import shutil
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from mlip_kmc.akmc.ahead import Ahead
from mlip_kmc.akmc.foresight import Foresight
from mlip_kmc.akmc.ledger import Ledger, numbers_from
from mlip_kmc.akmc.ports import Departure
from mlip_kmc.akmc.queue import JobTemplate, SearchQueue, SearchStart, search_of
from mlip_kmc.akmc.server import Server
from mlip_kmc.evaluate.client import End
from mlip_kmc.ground.errors import StorageError
from mlip_kmc.model.atom_path import AtomPath
from mlip_kmc.model.kinetics import draw_step
from mlip_kmc.model.records import Epoch, Minimised, RunNumbers, SearchRecord, identity_of
from mlip_kmc.search.outcome import FoundProcess, Graded, SearchOutcome, Termination

STATES = 12
NOTHING = np.zeros((1, 3))


class KilledError(BaseException):
    """The process died here."""


@dataclass(frozen=True)
class Landscape:
    """States with their processes, all from a seed.

    Attributes:
        seed: of everything.
        superbasins: states 2i and 2i + 1 make one. halts: some searches extrapolate.
    """

    seed: int
    superbasins: bool = False
    halts: bool = False

    def processes(self, state):
        """(product, rate) of each process; the last one leads out of every superbasin."""
        return _processes(self.seed, state)

    def outcome(self, name):
        """What a search comes to: the same whenever and wherever it runs."""
        return _outcome(self, name)

    def _drawn(self, name):
        state, index = search_of(name)
        rng = np.random.default_rng([self.seed, state, index])
        drawn, chosen = rng.random(), int(rng.integers(len(self.processes(state))))
        if drawn < 0.15:
            return SearchOutcome(
                name, "random", End.FINISHED, termination=Termination.NOT_CONNECTED
            )
        if self.halts and drawn > 0.98:
            graded = Graded(halt="gamma 30")
            return SearchOutcome(
                name, "random", End.HALTED, termination=Termination.HALTED, graded=graded
            )
        found = FoundProcess(
            0.0, float(chosen), 0.0, 1e12, 1e12, NOTHING, NOTHING, NOTHING, NOTHING
        )
        return SearchOutcome(
            name,
            "random",
            End.FINISHED,
            termination=Termination.GOOD,
            found=found,
            barrier_eV=0.1 + chosen,
            seconds=float(rng.random()),
        )


@cache
def _processes(seed, state):
    rng = np.random.default_rng([seed, state])
    products = [int(rng.integers(STATES)) for _ in range(rng.integers(1, 4))]
    beyond = (state + 2 + int(rng.integers(STATES - 4))) % STATES
    return tuple((product, float(10.0 ** rng.uniform(8, 12))) for product in [*products, beyond])


@cache
def _outcome(landscape, name):
    return landscape._drawn(name)


def copied(plain):
    """A copy of numbers, texts and what holds them: `copy.deepcopy` takes several times as long."""
    return pickle.loads(pickle.dumps(plain))  # noqa: S301


@dataclass
class InventedStates:
    """Process tables in memory; see `mlip_kmc.akmc.ports.States`."""

    landscape: Landscape
    repeats_wanted: int = 4
    tables: dict = field(default_factory=dict)
    transitions: list = field(default_factory=list)
    apart: dict = field(default_factory=dict)

    def table(self, state):
        return self.tables.setdefault(state, {"searches": 0, "row": 0, "processes": {}})

    def place(self, state, *, previous):
        assert -1 <= previous < STATES
        return InventedPlace(self, state)

    def moved(self, departure):
        self.transitions.append((departure.left, departure.product))

    @property
    def count(self):
        return len(self.tables)

    def written(self):
        return {"states"}

    def committed(self):
        """Nothing is left to do."""


class InventedPlace:
    """A state or a superbasin of two; see `mlip_kmc.akmc.ports.Place`."""

    most = None

    def __init__(self, states, here):
        self._all, self._here = states, here
        basin = states.landscape.superbasins
        self.superbasin = here // 2 if basin else None
        self.states = (here - here % 2, here - here % 2 + 1) if basin else (here,)
        self.state = self.least_known

    @property
    def least_known(self):
        return min(self.states, key=lambda state: (self._all.table(state)["row"], state))

    @property
    def confidence(self):
        row = self._all.table(self.least_known)["row"]
        return 1 - 1 / row if row else 0.0

    @property
    def confident(self):
        return self._all.table(self.least_known)["row"] >= self._all.repeats_wanted and bool(
            self._exits()
        )

    @property
    def registered(self):
        return self._all.table(self.state)["searches"]

    @property
    def still_needed(self):
        return self._all.repeats_wanted

    @property
    def processes(self):
        return len(self._all.table(self.state)["processes"])

    @property
    def shut_in(self):
        return self.superbasin is not None and not self._exits()

    def _exits(self):
        known = [
            (state, process, *self._all.landscape.processes(state)[process])
            for state in self.states
            for process in sorted(self._all.table(state)["processes"])
        ]
        if self.superbasin is None:
            return known
        return [way for way in known if way[2] not in self.states]

    def reactant_con(self, state):
        return f"state {state}"

    def start(self, name):
        return SearchStart(name, kind="random", files={"config.ini": f"seed {name}"})

    def is_new(self, outcome):
        state, _ = search_of(outcome.name)
        found = outcome.found
        return found is not None and int(found.saddle_eV) not in self._all.table(state)["processes"]

    def register(self, outcome):
        state, index = search_of(outcome.name)
        table = self._all.table(state)
        assert state in self.states
        assert index == table["searches"], f"{outcome.name} is registered out of turn"
        table["searches"] += 1
        process = None if outcome.found is None else int(outcome.found.saddle_eV)
        if process is None:
            word = "halted" if outcome.end is End.HALTED else "bad"
        else:
            word = "repeat" if process in table["processes"] else "new"
            table["row"] = table["row"] + 1 if word == "repeat" else 0
            table["processes"][process] = table["processes"].get(process, 0) + 1
        return SearchRecord(
            state=state,
            index=index,
            outcome=word,
            reason=outcome.reason,
            process=process,
            barrier=None if process is None else outcome.barrier_eV,
            force_calls=1,
            seconds=0.0,
        )

    def depart(self, path, rng):
        ways = self._exits()
        chosen, time_s = draw_step([way[3] for way in ways], rng)
        left, process, product, rate = ways[chosen]
        x, y, z = (int(value) for value in path.images[0])
        return Departure(
            left=left,
            process=process,
            product=product,
            time_s=time_s,
            rate_per_s=rate,
            barrier_eV=0.1 + process,
            energy_eV=float(left),
            apart=self._all.apart.get(product, 0),
            path=path.changed({}, {"0": (x + 1, y, z - process)}, (0.0, 0.0, 0.0)),
            superbasin=self.superbasin,
            hops=None if self.superbasin is None else 1.0,
        )

    def drawn(self, rng):
        ways = self._exits()
        if self.superbasin is not None or not ways:
            return None
        return ways[draw_step([way[3] for way in ways], rng)[0]][1]

    def no_way_out(self):
        return "no way out"


class InventedStore:
    """Journals and generations in memory; a commit is one moment, before which or after which the process may die."""

    def __init__(self, states):
        self._states = states
        self.root = Path("/nowhere")
        self.epochs = ()
        self.fault = None
        self._waiting = []
        self.durable = {"journals": {}, "state": None, "tables": ({}, []), "epochs": ()}

    def begin_epoch(self, facts, *, inputs):
        self.epochs = (*self.epochs, Epoch.of(facts, inputs=inputs, number=len(self.epochs)))

    def append(self, name, line):
        self._waiting.append((name, line))

    def records(self, name):
        return self.durable["journals"].get(name, [])

    def commit(self, state, *, touched):
        assert touched
        fault, self.fault = self.fault, None
        if fault == "full":
            raise StorageError("the disk is full")
        if fault == "before":
            raise KilledError
        journals = {name: list(lines) for name, lines in self.durable["journals"].items()}
        for name, line in self._waiting:
            journals.setdefault(name, []).append(line)
        self._waiting = []
        tables = copied((self._states.tables, self._states.transitions))
        self.durable = {
            "journals": journals,
            "state": copied(state),
            "tables": tables,
            "epochs": self.epochs,
        }
        if fault == "after":
            raise KilledError
        return 0

    def restore(self):
        """As a start finds it."""
        self._waiting, self.epochs = [], self.durable["epochs"]
        self._states.tables, self._states.transitions = copied(self.durable["tables"])


class InventedCluster:
    """Searches wait, run in their order as far as there are slots, and end when the test says."""

    def __init__(self, landscape, slots):
        self._landscape, self.slots = landscape, slots
        self.tasks, self._done, self._held = {}, [], False
        self._crashed, self.finished, self.asked = set(), 0, set()

    def submit(self, task, *, first=False):
        assert task.name not in self.tasks, f"{task.name} is submitted twice"
        self.asked.add(task.name)
        self.tasks = {task.name: task, **self.tasks} if first else {**self.tasks, task.name: task}

    def wait(self, timeout_s):
        assert timeout_s == 0.0
        done, self._done = self._done, []
        return done

    def cancel(self, names):
        return sum(self.tasks.pop(name, None) is not None for name in names)

    @property
    def names(self):
        """Of those that run."""
        return [] if self._held else list(self.tasks)[: self.slots]

    @property
    def running(self):
        return len(self.names)

    @property
    def waiting(self):
        return len(self.tasks) - self.running

    def finish(self, number, *, crash=False):
        """One of the running searches ends."""
        if not self.names:
            return
        name = self.names[number % self.running]
        whole = self.tasks.pop(name)
        task = getattr(whole, "task", whole)
        assert task.job.files["config.ini"] == f"seed {task.name}"
        assert task.reactant_con == f"state {search_of(task.name)[0]}"
        self.finished += 1
        if crash and name not in self._crashed:
            self._crashed.add(name)
            self._done.append(whole.without_result(End.CRASHED, "a node's fault"))
        else:
            self._done.append(replace(self._landscape.outcome(task.name), name=name))

    def hold(self):
        self._held = True
        return 0

    def capacity_s(self):
        return 0.0


class Drawn:
    """In place of `Intervals`: whether a commit is due is drawn."""

    def __init__(self, share):
        self._share, self._chance, self._ended = share, random.Random(5), False  # noqa: S311

    @property
    def over(self):
        return self._ended or self._chance.random() < self._share

    def end(self):
        self._ended = True

    def commit(self):
        self._ended = False
        return nullcontext()


class World:
    """A run, its process, and what can happen to it."""

    def __init__(
        self,
        seed,
        *,
        superbasins=False,
        halts=False,
        steps=10**9,
        slots=2,
        queue=SearchQueue,
        ahead=None,
        due=1.0,
    ):
        """`due` is the share of ticks after which a commit is due; a step, a halt and an end do not wait for it."""
        self.landscape = Landscape(seed, superbasins=superbasins, halts=halts)
        self._folder = Path(tempfile.mkdtemp())
        self._states = InventedStates(self.landscape)
        self.store, self.slots = InventedStore(self._states), slots
        self._queue, self._ahead, self._due = queue, ahead, due
        self.ticks = self.starts = 0
        self.config = SimpleNamespace(
            seed=seed,
            temperature_K=300.0,
            search=SimpleNamespace(max_bad_in_a_row=1000, superbasin_lead=5),
            most_ahead=None,
            stop=SimpleNamespace(kmc_steps=steps, simulated_time_s=None, desorbed_atoms=None),
            gamma=SimpleNamespace(on_halt="stop" if halts else "continue"),
            limits=lambda: {"stop.kmc_steps": steps},
        )
        self.start()

    def start(self):
        """The run's process begins, at what is durable."""
        self.starts += 1
        self.store.restore()
        saved = self.store.durable["state"]
        self.cluster = InventedCluster(self.landscape, self.slots)
        template = JobTemplate(files={}, links={}, time_limit_s=1.0, evidence=self._folder / "e")
        foresight = self.cluster if self._ahead is None else Foresight(self.cluster)
        early = None
        if self._ahead is not None:
            early = Ahead(
                foresight,
                beyond=self._beyond,
                queue=lambda cluster: SearchQueue(cluster=cluster, template=template, spool=None),
                seed=self.config.seed,
                share=self._ahead,
                most=24,
            )
        queue = self._queue(
            cluster=foresight,
            template=template,
            spool=self._folder / "spool",
            since=None if saved is None else saved["spool"],
        )
        numbers = RunNumbers() if saved is None else numbers_from(saved["numbers"])
        self.server = Server(
            self.config,
            setup=SimpleNamespace(
                facts={"seed": 1}, identity=identity_of({"seed": 1}), inputs={}, minimised=MINIMISED
            ),
            states=self._states,
            queue=queue,
            ledger=Ledger.read(self.store, numbers=numbers, path=PATH, remember=1000),
            workers=self.cluster,
            keeper=SimpleNamespace(keep=lambda outcome, record: None),
            changes={},
            early=early,
            intervals=Drawn(self._due),
        )
        if saved is not None and not self.server.halt:
            wanted = {self.server.numbers.state} | set(self.server._place.states)
            pending = [name for name in numbers.pending if search_of(name)[0] in wanted]
            if not self.server._place.confident:
                assert queue.pending == pending, "what was pending is pending again"
        try:
            self.server.begin()
        except (KilledError, StorageError):
            self.start()

    def _beyond(self, state, *, process):
        """The state behind a process in a copy of all states, as long as it is not known."""
        product, _ = self.landscape.processes(state)[process]
        if self._states.table(product)["searches"] or product == state:
            return None
        scratch = copy.copy(self._states)
        scratch.tables = copied(self._states.tables)
        return scratch.place(product, previous=state)

    kill = start

    def tick(self):
        """One tick; whatever it dies of, the run is started again."""
        self.ticks += 1
        try:
            return self.server.tick(0.0)
        except (KilledError, StorageError):
            self.start()
            return None

    def finish(self, number=0, *, crash=False):
        self.cluster.finish(number, crash=crash)

    def work(self, slots):
        """So many workers from now on."""
        self.slots = self.cluster.slots = slots

    def run(self, steps):
        """Undisturbed, to a number of KMC steps; what came of it."""
        while self.server.numbers.steps < steps and not self.server.halt:
            self.tick()
            self.finish()
        return self.events, self.searches

    @property
    def events(self):
        return self.store.records("events")

    @property
    def searches(self):
        return self.store.records("searches")

    def close(self):
        shutil.rmtree(self._folder)


MINIMISED = Minimised(
    energy=0.0,
    energy_drop=0.0,
    largest_displacement_A=0.0,
    largest_force_eV_per_A=0.0,
    pressure_GPa=0.0,
    lowest_eigenvalue_eV_per_A2=1.0,
    force_calls=0,
)
PATH = AtomPath.start(np.eye(3) * 5.0, ["Cu"], anchored=True)
