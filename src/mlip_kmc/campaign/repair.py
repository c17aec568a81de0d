"""From a halt to a better potential: select, label, refit; each step durable before the next begins.

repair = Repair(config, directory=directory, run_config=run_config, collecting=collecting, fitter=fitter)
repair.step(state, Generation(directory, state.generation))      # the state after it, or how the campaign ends
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from ase import Atoms

from mlip_kmc.campaign.collecting import Asked, Collecting
from mlip_kmc.campaign.generation import VERDICT, Generation, write_facts
from mlip_kmc.campaign.history import labels_spent, stalled
from mlip_kmc.campaign.parts import Fitter, Labeller, Wanted
from mlip_kmc.campaign.potentials import config_of, promote, with_gamma
from mlip_kmc.campaign.state import CUT_OUT, CampaignState, Ending, Step, given_up
from mlip_kmc.config import CampaignConfig, Config
from mlip_kmc.evaluate.gamma import Extrapolation
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.ground.wording import counted
from mlip_kmc.learning.frame_selection import (
    SELECTED,
    Selection,
    read_selection,
    select_frames,
    write_selection,
)
from mlip_kmc.model.frames import KeptFrame, read_kept_frames
from mlip_kmc.model.labelled import LabelledStructure
from mlip_kmc.model.structure import read_frames, text_of
from mlip_kmc.potential import AcePotential

_ROUNDS = 3
_LEAST_THRESHOLD = 1.2
"""Gamma of an active set itself is 1."""
_BETTER_FIT = (
    "more labels (budget.labels), larger bases (refit.larger_bases), or other limits (accept)"
)
_log = logging.getLogger(__name__)


@dataclass
class Repair:
    """The three steps.

    Attributes:
        config: the campaign's. directory: its own. run_config: of the run that explores.
        collecting: has structures labelled. fitter: fits potentials.
    """

    config: CampaignConfig
    directory: Path
    run_config: Config
    collecting: Collecting
    fitter: Fitter

    @property
    def labeller(self) -> Labeller:
        """Has structures labelled."""
        return self.collecting.labeller

    def step(self, state: CampaignState, generation: Generation) -> Ending | CampaignState:
        """The one that is next."""
        steps = {Step.SELECT: self._select, Step.LABEL: self._label, Step.REFIT: self._refit}
        return steps[state.step](state, generation)

    def _given_up(self, why: str, *, lacks: str) -> Ending:
        return given_up(self.directory, why, lacks=lacks)

    def _potential(self, generation: Generation) -> AcePotential:
        return with_gamma(config_of(generation, config=self.config, run_config=self.run_config))

    @property
    def _halts(self) -> Path:
        return self.directory / "run" / "halts"

    # -- select

    def _select(self, state: CampaignState, generation: Generation) -> Ending | CampaignState:
        budget = self.config.budget
        left = budget.labels - labels_spent(self.directory)
        if generation.number >= budget.generations:
            return self._given_up(
                f"{counted(budget.generations, 'generation')} did not suffice",
                lacks="a larger budget.generations",
            )
        if left <= 0:
            return self._given_up(
                f"all {counted(budget.labels, 'label')} are spent", lacks="a larger budget.labels"
            )
        if stalled(self.directory, at_most=budget.without_progress):
            return self._given_up(
                f"{counted(budget.without_progress, 'generation')} in a row did not get beyond where the one before halted",
                lacks=f"a larger budget.without_progress, if the structures in {self._halts} are physical",
            )
        selection = self._selection(state, generation, most=min(left, budget.labels_at_once))
        write_selection(generation.selection(state.round), selection)
        if not selection.frames:
            return self._nothing_to_label(generation, selection, state)
        wanted = [_wanted(frame, self._threshold(state)) for frame in selection.frames]
        count, refused = self.labeller.request(
            generation.labels(state.round), wanted, potential=self._potential(generation)
        )
        for line in refused:
            _log.warning("%s", line)
        if not count:
            return self._given_up(
                f"nothing could be cut out of {counted(len(wanted), 'structure')}", lacks=CUT_OUT
            )
        return replace(state, step=Step.LABEL)

    def _threshold(self, state: CampaignState) -> float:
        """A further round takes what is less unknown, too."""
        return float(max(self.run_config.gamma.select / 2**state.round, _LEAST_THRESHOLD))

    def _selection(self, state: CampaignState, generation: Generation, *, most: int) -> Selection:
        grade = Extrapolation.of(self._potential(generation))
        if grade is None:
            raise PotentialError(f"gamma of {generation.yace} is not known")
        frames, warnings = read_kept_frames(self._halts)
        without = self._without_label()
        return select_frames(
            tuple(frame for frame in frames if frame.name not in without),
            grade=grade,
            select=self._threshold(state),
            halt=self.run_config.gamma.halt,
            most=most,
            warnings=warnings,
        )

    def _without_label(self) -> set[str]:
        """Names of frames that an oracle could not label, in whatever generation."""
        found = set()
        for folder in self.directory.glob("gen-*/labels*"):
            if folder.is_dir():
                found |= {name for name, _ in self.labeller.failures(folder)}
        return found

    def _nothing_to_label(
        self, generation: Generation, selection: Selection, state: CampaignState
    ) -> Ending | CampaignState:
        if state.round:
            return self._given_up(
                f"the refit of {generation.name} is refused, and no further structure helps",
                lacks=_BETTER_FIT,
            )
        told = ", ".join(f"{count} {verdict}" for verdict, count in selection.counts().items())
        return self._given_up(
            f"no structure in {self._halts} can be labelled with profit ({told or 'there is none'})",
            lacks="smaller displacements (search.displacement_A), if they are not physical, or a lower gamma.select",
        )

    # -- label

    def _label(self, state: CampaignState, generation: Generation) -> Ending | CampaignState:
        folder = generation.labels(state.round)
        report = read_selection(generation.selection(state.round))
        if report is None:
            _log.warning(
                "the selection of %s is missing or torn: it is made again", generation.name
            )
            return replace(state, step=Step.SELECT)
        labels = self.collecting.go(
            folder,
            wanted=Asked(
                generation.name, int(report["selected"]), generation.selection(state.round)
            ),
        )
        if isinstance(labels, Ending):
            return labels
        return replace(state, step=Step.REFIT)

    # -- refit

    def _refit(self, state: CampaignState, generation: Generation) -> Ending | CampaignState:
        after = generation.next
        if after.made:  # killed between the new generation and the state that names it
            return replace(state, step=Step.REFRESH, generation=after.number, round=0, bases=0)
        folder = generation.candidate(state.round + state.bases)
        judged = self.fitter.fit(
            self._potential(generation),
            labels=self._labels(generation),
            halted=self._halted(generation),
            barriers=generation.confirmation_labelled(),
            folder=folder,
            name=f"{Generation(self.directory, 0).yace.stem}-{after.name}",
            larger=state.bases,
        )
        write_facts(folder / VERDICT, judged.verdict())
        if judged.accepted:
            structures = (*self.fitter.training(), *self._labels(generation))
            promote(judged.yace, after, structures=structures, facts=judged.facts)
            return replace(state, step=Step.REFRESH, generation=after.number, round=0, bases=0)
        for reason in judged.reasons:
            _log.warning("the refit of %s is refused: %s", generation.name, reason)
        if judged.more_labels and self._further_round(state, generation):
            return replace(state, step=Step.SELECT, round=state.round + 1)
        if judged.larger_basis:
            return replace(state, bases=state.bases + 1)
        return self._given_up(
            f"the refit of {generation.name} is refused: {judged.reasons[0]}", lacks=_BETTER_FIT
        )

    def _further_round(self, state: CampaignState, generation: Generation) -> bool:
        """More labels may be asked for: nothing halted where barriers alone are to be mended."""
        left = self.config.budget.labels - labels_spent(self.directory)
        return generation.confirmed() is None and state.round + 1 < _ROUNDS and left > 0

    def _labels(self, last: Generation) -> tuple[LabelledStructure, ...]:
        found: list[LabelledStructure] = []
        for number in range(last.number + 1):
            found += Generation(self.directory, number).labelled()
        return tuple(found)

    def _halted(self, generation: Generation) -> list[Atoms]:
        """What the next potential must be calmer on: whole structures that were selected and got a label."""
        without, found = self._without_label(), list[Atoms]()
        for round_ in generation.rounds():
            path = generation.selection(round_) / SELECTED
            frames = read_frames(path) if path.stat().st_size else []
            found += [
                atoms
                for atoms in frames
                if (text_of(atoms, "frame") or "").removeprefix("halt_") not in without
            ]
        return found


def _wanted(frame: KeptFrame, threshold: float) -> Wanted:
    """A frame with the atoms whose gamma reaches the threshold."""
    assert frame.gammas is not None  # noqa: S101 - computed anew by the selection
    return Wanted.of(frame.name, frame.atoms, frame.gammas, threshold=threshold)
