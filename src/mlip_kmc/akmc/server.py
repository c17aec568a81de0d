"""eOn's aKMC server, one tick at a time, on durable generations.

    server = Server(config, directory=directory, checkpoints=checkpoints, cluster=cluster, setup=setup, saved=None)
    server.begin()
    while (stop := server.tick(timeout_s=1.0)) is None:
        print(server.progress())

A tick takes in finished searches, registers those whose turn it is, perhaps makes one KMC step, submits new searches, and
commits a generation if anything changed. eOn's own classes hold states, process tables, confidence and superbasins.
"""

import math
import os
import socket
import time
from collections import Counter, deque
from dataclasses import asdict, fields, replace
from importlib import metadata
from typing import Any

import numpy as np

from mlip_kmc.akmc.eon_adapter import (
    StateList,
    eon_config,
    log_to,
    superbasin_scheme,
    use_communicator,
    verify,
)
from mlip_kmc.akmc.explorer import OrderedExplorer
from mlip_kmc.akmc.leaving import Leaving, no_way_out
from mlip_kmc.akmc.prefactors import PrefactorDesk, PrefactorRecipe
from mlip_kmc.akmc.queue import JobTemplate, OrderedCommunicator, search_of
from mlip_kmc.akmc.setup import Setup, changed
from mlip_kmc.config import Config, HarmonicPrefactor
from mlip_kmc.ground.errors import ConfigError, RunStateError, SearchesFailedError
from mlip_kmc.ground.files import make_directory
from mlip_kmc.ground.wording import done, plain
from mlip_kmc.model.atom_path import AtomPath
from mlip_kmc.model.frames import write_kept_frame
from mlip_kmc.model.kinetics import draw_step, step_generator
from mlip_kmc.model.records import Event, Progress, RunNumbers, SearchRecord, Start, unsound
from mlip_kmc.model.structure import from_con
from mlip_kmc.store.checkpoints import Checkpoints
from mlip_kmc.store.retention import prune
from mlip_kmc.store.run_directory import RunDirectory
from mlip_kmc.workers.cluster import SearchCluster

_AHEAD = 6
_LEAST_AHEAD = 24
_MOST_FRAMES = 500
"""In `halts/`: beyond, only halted searches add some."""


class Server:
    """The run between two commits."""

    def __init__(
        self,
        config: Config,
        *,
        directory: RunDirectory,
        checkpoints: Checkpoints,
        cluster: SearchCluster,
        setup: Setup,
        saved: dict[str, Any] | None,
        searches: int | None = None,
    ) -> None:
        """Start at a generation (`saved`), or at state 0.

        The live tree must be that generation's (`Checkpoints.restore`).

        Args:
            config: the run's.
            directory: where it lives.
            checkpoints: its generations.
            cluster: where clients run.
            setup: what it is made of.
            saved: the generation's state.
            searches: so many searches of the present state and no KMC step; None: a run.
        """
        verify()
        self.config = config
        self.setup = setup
        self._searches = searches
        self._cluster = cluster
        self._begun, self._capacity_begun_s = time.monotonic(), cluster.capacity_s()
        self._draining = False
        self._checkpoints = checkpoints
        self._root = checkpoints.root
        self._spool = make_directory(directory.path / "spool")
        self._halts, self._evidence = directory.path / "halts", directory.path / "evidence"
        log_to(directory.path / "eon.log")
        self.numbers = RunNumbers() if saved is None else _numbers(saved["numbers"])
        self._earlier = self.numbers
        limits = config.limits()  # an older version knew fewer of them
        self.changes = (
            changed(saved["limits"], {key: limits[key] for key in limits if key in saved["limits"]})
            if saved
            else {}
        )
        (self._root / "pos.con").write_text(setup.pos_con, encoding="utf-8")
        (self._root / "config.ini").write_text(setup.config_ini, encoding="utf-8")
        self._eon = eon_config(self._root)
        self._comm = OrderedCommunicator(
            self._eon,
            cluster=cluster,
            spool=self._spool,
            desk=self._desk(),
            template=JobTemplate(
                files=setup.job_files,
                links=setup.job_links,
                time_limit_s=config.search.time_limit_min * 60,
                evidence=self._evidence,
                watch=setup.watch,
            ),
        )
        use_communicator(self._eon, self._comm)
        self.states = StateList(self._root, config=self._eon)
        if "temperature_K" in self.changes:
            self._at_new_temperature()
        start = from_con(setup.pos_con)
        self.path = AtomPath.start(
            np.asarray(start.cell.array),
            start.get_chemical_symbols(),
            anchored=bool(start.constraints),
        )
        self.outcomes: Counter[str] = Counter()
        self.recent: deque[SearchRecord] = deque(maxlen=config.search.max_bad_in_a_row)
        self.last_event: Event | None = None
        self._replay()
        self._leaving = Leaving()
        self._shut_in = 0  # searches, since this start, of a superbasin that nothing leads out of
        self._superbasins = superbasin_scheme(self.states, config=self._eon)
        self._explorer = self._explore(self.numbers.state)
        if self._hopeless:  # started again all the same: it gets another series
            self.numbers = replace(self.numbers, bad_in_a_row=0)
        self.numbers = replace(self.numbers, halt=self._halted_before())
        searched = self._searched()
        pending = set(self.numbers.pending)
        self._comm.keep_spooled(lambda name: name in pending and search_of(name)[0] in searched)
        if not self.halt:
            self._resubmit()

    def _desk(self) -> PrefactorDesk | None:
        """What makes prefactors; None where they are constant."""
        prefactor, files = self.config.prefactor, self.setup.hessian_files
        if not isinstance(prefactor, HarmonicPrefactor) or files is None:
            return None
        return PrefactorDesk(
            self._cluster,
            PrefactorRecipe(
                files=files,
                links=self.setup.job_links,
                time_limit_s=self.config.search.time_limit_min * 60,
                evidence=self._evidence,
                most_atoms=prefactor.most_atoms,
                fallback_per_s=prefactor.fallback_per_s,
            ),
        )

    # -- one tick

    def tick(self, timeout_s: float) -> str | None:
        """Go on by what has finished; wait for it up to `timeout_s`, and register for no longer before the commit.

        Returns:
            why the run is done, or None.

        Raises:
            SearchesFailedError: searching on makes no sense.
            StorageError: the generation could not be written.
        """
        reason = self._finished()
        if reason is not None:
            return reason
        registered: list[str] = []
        deadline = time.monotonic() + timeout_s
        self._check_way_out()
        while not (
            self._enough
            or self._hopeless
            or self._closed
            or self.halt
            or (registered and time.monotonic() >= deadline)
        ):
            self._retarget()
            self._make_jobs()
            if not self._comm.accept(0.0 if registered else timeout_s):
                break
            registered += self._register()
        event = None
        if self._searches is None and self._explorer.confident and not self.halt:
            event = self._step()
        if registered or event is not None:
            self._commit(registered)
        if event is not None:
            self._comm.keep_spooled(lambda name: name in self._comm.pending)
        return self._finished()

    def _make_jobs(self) -> None:
        """Submit what is due.

        In a superbasin, the search that follows each registration starts from the state that is least known then: so one is
        made at once, whatever workers there are, whether or not it may start now, and however many are wanted.
        """
        if self._explorer.superbasin is not None:
            self._explorer.make_jobs(ahead=self.config.search.superbasin_lead)
        elif not self._draining:
            self._explorer.make_jobs(self._searches, ahead=self._ahead)

    @property
    def _ahead(self) -> int:
        """How many searches of one state may be unregistered at a time.

        Enough that no worker waits for a slow search whose turn it is; no more than the state will probably need, since a KMC
        step makes the rest useless. Where searches are counted, all of them are wanted.
        """
        if self._searches is not None:
            return max(_AHEAD * self._cluster.slots, _LEAST_AHEAD)
        return min(
            _AHEAD * max(self._cluster.slots, 1), max(2 * self._explorer.still_needed, _LEAST_AHEAD)
        )

    def drain(self) -> None:
        """Start no more searches; those that run may finish."""
        self._draining = True
        self._cluster.hold()

    @property
    def drained(self) -> bool:
        """Nothing runs any more."""
        return self._cluster.running == 0

    def _register(self) -> list[str]:
        """One result; which state of a superbasin is searched next may depend on it."""
        try:
            name = self._explorer.register_result()
        except SearchesFailedError:
            self._commit([])  # what was registered before the failure counts
            raise
        for record in self.states.records:
            self._note(record)
            self._keep_frames(record)
            self._checkpoints.append("searches", replace(record, epoch=self._epoch).to_json())
        self.states.records.clear()
        self.states.frames.clear()
        return [name] if name else []

    def _halted_before(self) -> str:
        """What halted the run before this start; from a state 0 that is outside nothing goes on."""
        gamma = self.setup.minimised.gamma
        if gamma is not None and self.config.gamma.reaches_halt(gamma):
            return f"gamma {plain(gamma)} in state 0, stage reactant, before any search"
        return self.numbers.halt if self.config.gamma.on_halt == "stop" else ""

    def _keep_frames(self, record: SearchRecord) -> None:
        """Structures worth labelling: of a halted search, and of one that found a new process.

        The same search again writes the same files, so a kill before the commit does no harm.
        """
        frames = self.states.frames.get(f"{record.state}_{record.index}", ())
        if record.outcome == "halted" or (record.outcome == "new" and self._room_for_candidates):
            for frame in frames:
                write_kept_frame(self._halts, frame)

    @property
    def _room_for_candidates(self) -> bool:
        return not self._halts.is_dir() or sum(1 for _ in self._halts.iterdir()) < _MOST_FRAMES

    @property
    def halt(self) -> str:
        """Why the run stops for extrapolation, in words; empty where it may go on."""
        return self.numbers.halt

    @property
    def _enough(self) -> bool:
        """The present state has had the searches that it needs."""
        return (
            self._explorer.confident
            if self._searches is None
            else self._explorer.registered >= self._searches
        )

    @property
    def _hopeless(self) -> bool:
        return self.numbers.bad_in_a_row >= self.config.search.max_bad_in_a_row

    @property
    def _closed(self) -> bool:
        """The superbasin's states were searched for long, and nothing within their thermal windows leads out."""
        basin = self._explorer.superbasin
        return basin is not None and self._shut_in >= self.config.search.max_bad_in_a_row * len(
            basin.states
        )

    def _check_way_out(self) -> None:
        if self._closed:
            basin = self._explorer.superbasin
            raise SearchesFailedError(
                f"{no_way_out(basin, sorted(basin.state_dict))}; run it again to search on"
            )

    def _retarget(self) -> None:
        """In a superbasin, search the state that is least known now."""
        basin = self._explorer.superbasin
        if (
            basin is not None
            and basin.get_lowest_confidence_state().number != self._explorer.state.number
        ):
            self._explorer = self._explore(self.numbers.state)

    def _finished(self) -> str | None:
        if self._searches is not None:
            return (
                done(self._explorer.registered, "search", of=f"state {self._explorer.state.number}")
                if self._enough
                else None
            )
        stop = self.config.stop
        if stop.kmc_steps is not None and self.numbers.steps >= stop.kmc_steps:
            return done(self.numbers.steps, "KMC step")
        if stop.simulated_time_s is not None and self.numbers.time_s >= stop.simulated_time_s:
            return f"{plain(self.numbers.time_s, digits=6)} s of simulated time are done"
        return None

    def _step(self) -> Event:
        """One KMC step out of the present state or superbasin."""
        number = self.numbers.steps
        rng = step_generator(seed=self.config.seed, step=number)
        state = self.states.get_state(self.numbers.state)
        basin = self._superbasins.get_containing_superbasin(state) if self._superbasins else None
        hops = None
        if basin is not None:
            way = self._leaving.draw(basin, entered=state, path=self.path, rng=rng)
            left, process, path = way.left, way.process, way.path
            residence, rate, hops = way.time_s, 1.0 / way.mean_time_s, way.hops
        else:
            table = state.get_ratetable()
            if not table:
                raise SearchesFailedError(
                    f"state {state.number} has no process in its rate table although its confidence is reached; raise "
                    "search.thermal_window_kT, or look into the state's search_results.txt"
                )
            try:
                index, residence = draw_step([row[1] for row in table], rng)
            except ValueError as error:
                raise SearchesFailedError(
                    f"no step out of state {state.number}: {error}; run at a higher temperature_K in a new --dir"
                ) from error
            process, rate, left, path = table[index][0], table[index][1], state, self.path
        reached = self.states.get_product_state(left.number, process)
        reached = self.states.get_state(
            reached.number
        )  # eOn made two objects of it; from here on there is one
        path = self._leaving.follow(path, left, process, reached)
        mapping, images = self.path.changes_to(path)
        drift = path.drift_A
        event = Event(
            step=number,
            reactant=left.number,
            process=process,
            product=reached.number,
            step_time_s=residence,
            time_s=self.numbers.time_s + residence,
            barrier=left.get_process(process)["barrier"],
            rate=rate,
            energy=left.get_energy(),
            mapping=mapping,
            images=images,
            drift_A=(float(drift[0]), float(drift[1]), float(drift[2])),
            superbasin=basin.id if basin else None,
            temperature_K=self.config.temperature_K,
            hops=hops,
            epoch=self._epoch,
        )
        self._checkpoints.append("events", event.to_json())
        self.states.touched.add("states/state_table")
        if self._superbasins:
            self._superbasins.register_transition(left, reached)
            self._superbasins.write_data()
            self.states.touched.update(
                ("superbasins", f"states/{left.number}", f"states/{reached.number}")
            )
        self.path, self.last_event = path, event
        for searched in self._searched():
            self._comm.cancel_state(searched)
        self.numbers = replace(
            self.numbers,
            steps=number + 1,
            time_s=event.time_s,
            state=reached.number,
            previous=left.number if left.number != reached.number else self.numbers.previous,
        )
        self._explorer = self._explore(reached.number)
        return event

    # -- commits

    def _commit(self, registered: list[str]) -> None:
        earlier = self._earlier
        self.numbers = replace(
            self.numbers,
            pending=tuple(self._comm.pending),
            confidence=self._explorer.confidence,
            busy_s=earlier.busy_s + self._comm.busy_s,
            wall_s=earlier.wall_s + time.monotonic() - self._begun,
            capacity_s=earlier.capacity_s + self._cluster.capacity_s() - self._capacity_begun_s,
            discarded=earlier.discarded + self._comm.discarded,
        )
        state = {
            "numbers": asdict(self.numbers),
            "minimised": asdict(self.setup.minimised),
            "limits": self.config.limits(),
        }
        for info in self.states.infos.values():
            info.flush()
        self._checkpoints.commit(state, touched=self.states.touched)
        self.states.touched.clear()
        self._comm.forget(registered)
        if registered:
            prune(self._evidence, limit_MB=self.config.retention.evidence_MB)
        limit = self.config.search.max_bad_in_a_row
        if self._hopeless:
            reasons = Counter(
                record.reason if record.outcome == "bad" else "halted on extrapolation"
                for record in self.recent
            )
            why = ", ".join(f"{count} x {reason}" for reason, count in reasons.most_common(3))
            where = self.recent[-1].state
            raise SearchesFailedError(
                f"{limit} bad searches in a row in state {where} ({why}); see "
                f"{self._root / 'states' / str(where) / 'search_results.txt'}; then run with another `search` section in a "
                "new --dir, or with a larger search.max_bad_in_a_row here"
            )

    @property
    def damage(self) -> list[str]:
        """What this start found damaged besides generations, or made by a version that is not to be trusted, one line each."""
        return [*self._comm.damage, *([self._unsound] if self._unsound else [])]

    @property
    def has_more_to_do(self) -> bool:
        """Searches or steps are wanted; a run that has not begun has more to do in any case."""
        return not self.numbers.starts or (self._finished() is None and not self.halt)

    def begin(self) -> None:
        """Commit that the run goes on from here, before any search; a run that is done stays as it is."""
        if not self.has_more_to_do:
            return
        if not self._checkpoints.epochs:
            self._checkpoints.begin_epoch(self.setup.facts, inputs=self.setup.inputs)
        self.numbers = replace(self.numbers, starts=self.numbers.starts + 1)
        start = Start(
            number=self.numbers.starts,
            time_s=round(time.time(), 3),
            host=socket.gethostname(),
            pid=os.getpid(),
            version=metadata.version("mlip-kmc"),
            workers=self._cluster.slots,
            temperature_K=self.config.temperature_K,
            kmc_step=self.numbers.steps,
            changes=self.changes,
        )
        self._checkpoints.append("starts", start.to_json())
        self.states.touched.update(("pos.con", "states/state_table"))
        self._commit([])

    @property
    def _epoch(self) -> int:
        """The number of the present one."""
        return self._checkpoints.epochs[-1].number

    def _note(self, record: SearchRecord) -> None:
        self.outcomes[record.outcome] += 1
        self.recent.append(record)
        useless = record.outcome in ("bad", "halted")
        self.numbers = replace(
            self.numbers, bad_in_a_row=self.numbers.bad_in_a_row + 1 if useless else 0
        )
        basin = self._explorer.superbasin
        shut = basin is not None and not any(state.get_ratetable(basin) for state in basin.states)
        self._shut_in = self._shut_in + 1 if shut else 0
        if (
            record.outcome == "halted"
            and self.config.gamma.on_halt == "stop"
            and not self.numbers.halt
        ):
            self.numbers = replace(
                self.numbers, halt=f"search {record.state}_{record.index} was {record.reason}"
            )

    # -- starting and continuing

    def _at_new_temperature(self) -> None:
        """New rates for every known process, and confidence from zero.

        Repeats were counted for the processes within the old temperature's thermal window.
        """
        if self._eon.akmc_eq_rate > 0:
            raise ConfigError(
                "temperature_K cannot change in a run with eon.AKMC.equilibrium_rate; choose another --dir"
            )
        for folder in (self._root / "states").iterdir():
            if folder.name.isdigit():
                state = self.states.get_state(int(folder.name))
                state.load_process_table()
                for process in state.procs.values():
                    process["rate"] = process["prefactor"] * math.exp(
                        -process["barrier"] / self.states.kT
                    )
                state.save_process_table()
                state.reset_repeats()
                state.info.set("MetaData", "proc repeat count", "{}")

    def _explore(self, number: int) -> OrderedExplorer:
        """The explorer of a state; in a superbasin, of its least known state."""
        here = self.states.get_state(number)
        previous = (
            self.states.get_state(self.numbers.previous) if self.numbers.previous >= 0 else here
        )
        basin = self._superbasins.get_containing_superbasin(here) if self._superbasins else None
        target = basin.get_lowest_confidence_state() if basin else here
        return OrderedExplorer(
            self.states,
            previous,
            target,
            superbasin=basin,
            config=self._eon,
            seed=self.config.seed,
            spool=self._spool,
        )

    def _searched(self) -> set[int]:
        """States whose searches are wanted now."""
        basin = self._explorer.superbasin
        return set(basin.state_dict) if basin else {self._explorer.state.number}

    def _resubmit(self) -> None:
        """Searches that were in flight at the last commit, the same again and in the same order."""
        searched = self._searched()
        for name in self.numbers.pending:
            number, _ = search_of(name)
            if number in searched and not self._explorer.confident:
                explorer = self._explorer
                if number != explorer.state.number:
                    explorer = OrderedExplorer(
                        self.states,
                        explorer.previous_state,
                        self.states.get_state(number),
                        superbasin=explorer.superbasin,
                        config=self._eon,
                        seed=self.config.seed,
                        spool=self._spool,
                    )
                explorer.submit([name])

    def _replay(self) -> None:
        """Counts and the atoms' path, from the journals."""
        for line in self._checkpoints.records("searches"):
            record = SearchRecord.from_json(line)
            self.outcomes[record.outcome] += 1
            self.recent.append(record)
        events = [Event.from_json(line) for line in self._checkpoints.records("events")]
        for event in events:
            self.path = self.path.changed(event.mapping, event.images, event.drift_A)
            self.last_event = event
        self._unsound = unsound(events)

    def progress(self) -> Progress:
        """Where the run is."""
        state = self._explorer.state
        return Progress(
            kmc_steps=self.numbers.steps,
            simulated_time_s=self.numbers.time_s,
            state=self.numbers.state,
            confidence=self._explorer.confidence,
            states=max(self.states.get_num_states(), 1),
            processes=int(state.get_unique_saddle_count()),
            searches_here=int(state.get_total_saddle_count()),
            good=self.outcomes["new"],
            repeated=self.outcomes["repeat"],
            high=self.outcomes["high"],
            bad=self.outcomes["bad"],
            halted=self.outcomes["halted"],
            running=self._cluster.running,
            last_event=self.last_event,
        )


def _numbers(raw: dict[str, Any]) -> RunNumbers:
    unknown = raw.keys() - {entry.name for entry in fields(RunNumbers)}
    if unknown:
        raise RunStateError(
            f"the run was continued by a newer mlip-kmc, which notes {', '.join(sorted(unknown))}; continue it "
            "with that version"
        )
    return RunNumbers(**{**raw, "pending": tuple(raw["pending"])})
