"""The campaign: explore, and when the potential leaves what it was trained on, select, label, refit, refresh, and explore again.

    campaign = Campaign(config, directory=Path("my-campaign"))
    ending = campaign.run()
    ending.exit_code, ending.line          # 100, 'stops here today: 3 structures wait for labels in ...'

Each step is durable before the next begins (`campaign.json`), and may be repeated after a kill: it finds what it had done. The
run's directory is `run/` in the campaign's; when it reaches its target and a release is wanted, that is the last step. Labels,
refits and the refresh of rates are done by hand today, and the campaign says so.
"""

import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from mlip_kmc.akmc.wrapper import EonWrapper
from mlip_kmc.config import Config
from mlip_kmc.evaluate.agreement import check_files
from mlip_kmc.evaluate.gamma import Extrapolation
from mlip_kmc.ground.errors import (
    EXIT_DONE,
    EXIT_HALTED,
    EXIT_MORE_TO_DO,
    PotentialError,
    RunStateError,
)
from mlip_kmc.ground.files import make_directory, write_durably
from mlip_kmc.learning.frame_selection import (
    SELECTED,
    Selection,
    read_selection,
    select_frames,
    write_selection,
)
from mlip_kmc.model.frames import read_kept_frames
from mlip_kmc.model.records import EonResult, Status
from mlip_kmc.potential import ace_of
from mlip_kmc.potential.inputs import inputs_of
from mlip_kmc.release.signature import NAMESPACE
from mlip_kmc.store.claim import Claim

if TYPE_CHECKING:
    from mlip_kmc.release.package import ProductionDeployer

STATE = "campaign.json"
_FORMAT = 1
_log = logging.getLogger(__name__)


class ExplorationMethod(StrEnum):
    """How new structures are found."""

    AKMC = "akmc"
    """eOn's adaptive kinetic Monte Carlo: `EonWrapper.run_akmc`."""


class Step(StrEnum):
    """What a campaign does next."""

    EXPLORE = "explore"
    SELECT = "select"
    LABEL = "label"
    FINALIZE = "finalize"


Explore = Callable[[Path], EonResult]
"""Explores in a run directory, and comes back done, paused or halted."""


@dataclass(frozen=True)
class CampaignState:
    """Where a campaign is.

    Attributes:
        step: what comes next.
        round: how many times it went from exploring to labels, from 0.
        method: how it explores.
        potential: digest of the B-basis and active set that the last selection is of; empty before the first.
    """

    step: Step = Step.EXPLORE
    round: int = 0
    method: ExplorationMethod = ExplorationMethod.AKMC
    potential: str = ""

    def to_json(self) -> str:
        """Its file's content."""
        return json.dumps({"format": _FORMAT, **asdict(self)}, indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> "CampaignState":
        """That of a file; a new one where there is none.

        Raises:
            RunStateError: it is damaged, or of a newer version.
        """
        if not path.exists():
            return cls()
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            if int(raw["format"]) > _FORMAT:
                raise RunStateError(
                    f"{path} was written by a newer version of mlip-kmc; use that one"
                )
            return cls(
                step=Step(raw["step"]),
                round=int(raw["round"]),
                method=ExplorationMethod(raw["method"]),
                potential=str(raw["potential"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunStateError(
                f"{path} is damaged ({error}); remove it: the campaign then explores its run again"
            ) from error


@dataclass(frozen=True)
class Ending:
    """How a campaign came back.

    Attributes:
        exit_code: 0 done, 75 the same command continues, 100 it waits for what is done by hand.
        line: what to tell.
        result: the exploration's, where there was one. selection: likewise.
    """

    exit_code: int
    line: str
    result: EonResult | None = None
    selection: Selection | None = None


class Campaign:
    """Runs the steps of one campaign directory.

    Attributes:
        stop: set it, and exploring ends at its last commit.
    """

    def __init__(
        self,
        config: Config,
        *,
        directory: Path,
        most: int | None = None,
        explorers: Mapping[ExplorationMethod, Explore] | None = None,
        wrapper: EonWrapper | None = None,
        deployer: "ProductionDeployer | None" = None,
    ) -> None:
        """Take note of what to do; nothing is touched yet.

        Args:
            config: the exploration's configuration.
            directory: the campaign's; made if it is missing, continued if it holds one.
            most: so many structures a round at most.
            explorers: other ways to explore than this package's own.
            wrapper: the exploration's, where the caller shows its progress.
            deployer: makes the release when the target is reached; None where no release is wanted.
        """
        self.config = config
        self.directory = directory
        self.run_dir = directory / "run"
        self._thresholds = {"select": config.gamma.select, "halt": config.gamma.halt}
        self._most = most
        self._wrapper = wrapper or EonWrapper(config, run_dir=self.run_dir)
        self._explorers = explorers or {ExplorationMethod.AKMC: self._akmc}
        self._deployer = deployer

    @property
    def stop(self) -> threading.Event:
        """Set it, and exploring ends at its last commit."""
        return self._wrapper.stop

    @property
    def selection_dir(self) -> Path:
        """Where the structures to label are."""
        return self.run_dir / "selection"

    def run(self) -> Ending:
        """Go on from the last step that was finished, as far as it goes.

        Raises:
            MlipKmcError: one of its kinds, with one line and an exit code.
        """
        make_directory(self.directory)
        claim = Claim(self.directory, what="campaign")
        claim.take()
        try:
            return self._go()
        finally:
            claim.release()

    def _go(self) -> Ending:
        state = CampaignState.read(self.directory / STATE)
        self._grade()  # without it nothing halts and nothing can be selected
        self._compare_files()
        steps: dict[Step, Callable[[CampaignState], Ending | CampaignState]] = {
            Step.EXPLORE: self._explore,
            Step.SELECT: self._select,
            Step.LABEL: self._label,
            Step.FINALIZE: self._finalize,
        }
        while True:
            _log.info("round %d: %s", state.round + 1, state.step)
            after = steps[state.step](state)
            if isinstance(after, Ending):
                return after
            state = after
            write_durably(self.directory / STATE, state.to_json().encode())

    def _akmc(self, _: Path) -> EonResult:
        return self._wrapper.run_akmc(*inputs_of(self.config))

    def _explore(self, state: CampaignState) -> Ending | CampaignState:
        result = self._explorers[state.method](self.run_dir)
        if result.status is Status.HALTED:
            _log.info("halted: %s", result.reason)
            return replace(state, step=Step.SELECT)
        if result.status is Status.DONE and self._deployer is not None:
            _log.info("done: %s", result.reason)
            return replace(state, step=Step.FINALIZE)
        code = EXIT_DONE if result.status is Status.DONE else EXIT_MORE_TO_DO
        return Ending(exit_code=code, line=f"{result.status}: {result.reason}", result=result)

    def _select(self, state: CampaignState) -> Ending | CampaignState:
        grade = self._grade()
        frames, warnings = read_kept_frames(self.run_dir / "halts")
        selection = select_frames(
            frames, grade=grade, most=self._most, warnings=warnings, **self._thresholds
        )
        write_selection(self.selection_dir, selection)
        if not selection.frames and state.potential not in {"", grade.digest}:
            return Ending(
                exit_code=EXIT_HALTED,
                selection=selection,
                line="stops here today: the new potential knows all structures that were halted on, but to carry the "
                f"run in {self.run_dir} over to it (refresh) is not possible yet; start a campaign with it in "
                "another directory",
            )
        if not selection.frames:
            counts = (
                ", ".join(f"{count} {verdict}" for verdict, count in selection.counts().items())
                or "none"
            )
            return Ending(
                exit_code=EXIT_HALTED,
                selection=selection,
                line=f"stops here: no structure in {self.run_dir / 'halts'} can be labelled with profit ({counts}); "
                f"look at {self.selection_dir}",
            )
        return replace(state, step=Step.LABEL, potential=grade.digest)

    def _label(self, state: CampaignState) -> Ending | CampaignState:
        report = read_selection(self.selection_dir)
        wanted = {
            "potential": self._grade().digest,
            "thresholds": self._thresholds,
            "most": self._most,
        }
        if report is None or any(report[key] != value for key, value in wanted.items()):
            _log.info(
                "the selection is missing, torn, or of another potential or other thresholds: it is made again"
            )
            return replace(state, step=Step.SELECT)
        count = int(report["selected"])
        structures = f"{count} structure waits" if count == 1 else f"{count} structures wait"
        return Ending(
            exit_code=EXIT_HALTED,
            line=f"stops here today: {structures} for labels in {self.selection_dir / SELECTED}; labels, refit and "
            "refresh are done by hand",
        )

    def _finalize(self, state: CampaignState) -> Ending | CampaignState:
        if self._deployer is None:  # asked to go on exploring
            return replace(state, step=Step.EXPLORE)
        package = self._deployer.finalize(self.run_dir)
        return Ending(
            exit_code=EXIT_DONE,
            line=f"released: {package}; sign it: ssh-keygen -Y sign -f KEY -n {NAMESPACE} {package}",
        )

    def _compare_files(self) -> None:
        """Whatever the step: gamma is of the B-basis, energies are of the `.yace`; exploring compares LAMMPS' as well."""
        potential, structure = inputs_of(self.config)
        ace = ace_of(potential)
        if ace is not None:
            check_files(ace, structure)

    def _grade(self) -> Extrapolation:
        grade = Extrapolation.of(inputs_of(self.config)[0])
        if grade is None:
            raise PotentialError(
                "a campaign needs the potential's gamma: give its B-basis .yaml and active set .asi "
                "(potential.basis, potential.active_set); mlip-kmc potential activeset makes the latter"
            )
        return grade
