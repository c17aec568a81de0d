"""The campaign: explore; on a halt select, label, refit, refresh; explore again; at the target confirm and finalize.

    campaign = campaign_of(config, directory=Path("my-campaign"), run_config=run_config, explorer=explorer)
    ending = campaign.run()
    ending.exit_code, ending.line          # 0, 'done: 20 KMC steps are done; generation 3, 31 labels'

Each step is durable before the next begins (`campaign.json`), and may be repeated after a kill: it finds what it had done. The
run's directory is `run/` in the campaign's; every potential has a folder of its own (`generation.py`).
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from mlip_kmc.campaign.collecting import Collecting
from mlip_kmc.campaign.confirmation import Confirmation, confirmed_in_words
from mlip_kmc.campaign.generation import ENDING, EXPLORED, OUTCOME, Generation, sweep, write_facts
from mlip_kmc.campaign.history import after_confirmation, labels_spent, steps_before
from mlip_kmc.campaign.parts import Explorer, Fitter, Labeller
from mlip_kmc.campaign.potentials import begin, config_of
from mlip_kmc.campaign.repair import Repair
from mlip_kmc.campaign.state import (
    FILE,
    CampaignState,
    Ending,
    ExplorationMethod,
    Step,
    Wait,
    given_up,
)
from mlip_kmc.config import CampaignConfig, Config
from mlip_kmc.ground.errors import EXIT_DONE, EXIT_MORE_TO_DO, UnknownStartError
from mlip_kmc.ground.files import make_directory, storage_errors
from mlip_kmc.ground.wording import counted
from mlip_kmc.model.records import EonResult, Status
from mlip_kmc.release.signature import NAMESPACE
from mlip_kmc.store.claim import claimed

_log = logging.getLogger(__name__)


class Campaign:
    """Runs the steps of one campaign directory.

    Attributes:
        config: the campaign's. run_config: that of the run that explores.
    """

    def __init__(
        self,
        config: CampaignConfig,
        *,
        directory: Path,
        run_config: Config,
        explorers: Mapping[ExplorationMethod, Explorer],
        labeller: Labeller,
        fitter: Fitter,
        release: Callable[[Generation], Path] | None = None,
        approved: bool = False,
        until: Step | None = None,
    ) -> None:
        """Take note of what to do; nothing is touched yet.

        Args:
            config: the campaign's.
            directory: made if it is missing, continued if it holds a campaign.
            run_config: of `config.explore`.
            explorers: by method.
            labeller: has structures labelled.
            fitter: fits potentials.
            release: makes the release of a generation when the target is reached; None where none is wanted.
            approved: the labels that wait for approval may be made.
            until: end after the next step of this kind; None: go on.
        """
        self._until = until
        self.config, self.directory, self.run_config = config, directory, run_config
        self._explorers, self._fitter, self._release = explorers, fitter, release
        self._begun = time.monotonic()
        self.run_dir = directory / "run"
        self._collecting = Collecting(
            config, directory=directory, labeller=labeller, stop=self.stop, approved=approved
        )
        self._repair = Repair(
            config,
            directory=directory,
            run_config=run_config,
            collecting=self._collecting,
            fitter=fitter,
        )
        self._confirmation = Confirmation(run_config, self._collecting)

    @property
    def stop(self) -> threading.Event:
        """Set it, and the campaign ends at its last commit."""
        return self._explorers[ExplorationMethod(self.config.method)].stop

    def run(self) -> Ending:
        """Go on from the last step that was finished, as far as it goes.

        Raises:
            MlipKmcError: one of its kinds, with one line and an exit code.
        """
        make_directory(self.directory)
        with claimed(self.directory, what="campaign"):
            sweep(self.directory)
            with storage_errors(self.directory):
                (self.directory / ENDING).unlink(missing_ok=True)
            begin(self.directory, run_config=self.run_config, training=self._fitter.training())
            ending = self._go()
            write_facts(self.directory / ENDING, ending.facts())
            return ending

    def _go(self) -> Ending:
        path = self.directory / FILE
        saved = CampaignState.read(path)
        self._collecting.approve_what_waits(saved.waits)
        state = replace(saved, waits=Wait.NOTHING)
        earlier_s = state.wall_s
        while True:
            if self.stop.is_set():
                return Ending(EXIT_MORE_TO_DO, "stopped; the same command continues")
            _log.info("generation %d: %s", state.generation, state.step)
            begun, generation, ended = time.monotonic(), state.generation, state.step
            after = self._step(state)
            spent_s = time.monotonic() - begun
            if isinstance(after, Ending):
                state = state.with_time(spent_s, generation=generation, step=ended)
                replace(self._now(state, earlier_s), waits=after.waits).write(path)
                return after
            after = after.with_time(spent_s, generation=generation, step=ended)
            state = self._now(after, earlier_s)
            state.write(path)
            if ended is self._until:
                return Ending(EXIT_MORE_TO_DO, _stopped_after(ended, state, self.directory))

    def _now(self, state: CampaignState, earlier_s: float) -> CampaignState:
        return replace(state, wall_s=round(earlier_s + time.monotonic() - self._begun, 1))

    def _step(self, state: CampaignState) -> Ending | CampaignState:
        generation = Generation(self.directory, state.generation)
        match state.step:
            case Step.EXPLORE:
                return self._explore(state, generation)
            case Step.REFRESH:
                return self._refresh(state, generation)
            case Step.CONFIRM:
                explorer = self._explorers[state.method]
                return self._confirmation.step(state, generation, processes=explorer.processes)
            case Step.FINALIZE:
                return self._finalize(generation)
            case _:
                return self._repair.step(state, generation)

    def _config(self, generation: Generation) -> Config:
        return config_of(generation, config=self.config, run_config=self.run_config)

    # -- explore

    def _explore(self, state: CampaignState, generation: Generation) -> Ending | CampaignState:
        config = self._limited(self._config(generation), state, generation)
        if config is None:
            return given_up(
                self.directory,
                f"{self.config.budget.wall_time_h:g} hours are over",
                lacks="a larger budget.wall_time_h",
            )
        try:
            result = self._explorers[state.method].explore(config)
        except UnknownStartError as error:
            write_facts(generation.folder / EXPLORED, _not_begun(error))
            return self._unknown(state, error)
        if result.status is Status.MORE_TO_DO:
            return Ending(EXIT_MORE_TO_DO, f"{result.status}: {result.reason}", result)
        write_facts(generation.folder / EXPLORED, _explored(result))
        if result.status is Status.HALTED:
            _log.info("halted: %s", result.reason)
            return replace(state, step=Step.SELECT, round=0, bases=0)
        _log.info("done: %s", result.reason)
        return replace(state, step=Step.CONFIRM)

    def _limited(
        self, config: Config, state: CampaignState, generation: Generation
    ) -> Config | None:
        """With the campaign's target and what is left of its time; None where nothing is."""
        anew = self.config.calm_steps
        if anew is None and after_confirmation(generation):
            anew = 1  # the target is reached, and the new potential has no process yet that could be confirmed
        if anew is not None:
            steps = steps_before(generation) + anew
            stop = config.stop.model_copy(update={"kmc_steps": steps, "simulated_time_s": None})
            config = config.model_copy(update={"stop": stop})
        if self.config.budget.wall_time_h is None:
            return config
        left_min = self.config.budget.wall_time_h * 60 - state.wall_s / 60
        if not left_min > 0:
            return None
        given = config.stop.wall_time_min
        limit = left_min if given is None else min(left_min, given)
        stop = config.stop.model_copy(update={"wall_time_min": limit})
        return config.model_copy(update={"stop": stop})

    # -- refresh, finalize

    def _refresh(self, state: CampaignState, generation: Generation) -> Ending | CampaignState:
        try:
            line = self._explorers[state.method].refresh(self._config(generation))
        except UnknownStartError as error:
            return self._unknown(state, error)
        _log.info("%s", line)
        return replace(state, step=Step.EXPLORE)

    def _unknown(self, state: CampaignState, error: UnknownStartError) -> CampaignState:
        """The potential does not know what the run begins with, and a frame of that is kept: a halt like others."""
        _log.info("halted: %s", error)
        return replace(state, step=Step.SELECT, round=0, bases=0)

    def _finalize(self, generation: Generation) -> Ending:
        spent = labels_spent(self.directory)
        write_facts(
            self.directory / OUTCOME,
            {
                "best": generation.name,
                "potential": str(generation.yace.relative_to(self.directory)),
                "labels": spent,
                "evidence": generation.facts(),
                "explored": generation.explored(),
                "confirmed": generation.confirmed(),
            },
        )
        told = f"done: {generation.name} reached the target ({(generation.explored() or {}).get('reason', '')})"
        confirmed = confirmed_in_words(generation)
        told += f", {counted(spent, 'label')}{confirmed and f', {confirmed}'}; its potential is {generation.yace}"
        if self._release is None:
            return Ending(EXIT_DONE, told)
        package = self._release(generation)
        return Ending(
            EXIT_DONE,
            f"{told}; released: {package}; sign it: ssh-keygen -Y sign -f KEY -n {NAMESPACE} {package}",
        )


def _stopped_after(step: Step, state: CampaignState, directory: Path) -> str:
    name = Generation(directory, state.generation).name
    return f"stopped after the step {step}; next is {state.step}, with {name} in {directory}; the same command continues"


def _not_begun(error: UnknownStartError) -> dict[str, object]:
    return {
        "status": str(Status.HALTED),
        "reason": str(error),
        "kmc_steps": 0,
        "simulated_time_s": 0.0,
        "states": 0,
        "searches": {},
    }


def _explored(result: EonResult) -> dict[str, object]:
    return {
        "status": str(result.status),
        "reason": result.reason,
        "kmc_steps": result.kmc_steps,
        "simulated_time_s": result.simulated_time_s,
        "states": len(result.states),
        "searches": dict(sorted(result.searches.items())),
    }
