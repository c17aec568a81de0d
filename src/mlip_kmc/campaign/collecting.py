"""Labels that were asked for, made and collected in one folder: approval first, then the oracle, then `labels.xyz`.

made = collecting.go(folder, wanted=Asked("gen-001", count=4, listed=generation.selection(0)))
made                    # Labels(done=3, failed=1, waiting=0), or how the campaign ends
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlip_kmc.campaign.generation import APPROVED, LABELS, write_facts
from mlip_kmc.campaign.parts import Labeller, Labels
from mlip_kmc.campaign.state import Ending, Wait, given_up
from mlip_kmc.config import CampaignConfig
from mlip_kmc.ground.errors import EXIT_MORE_TO_DO, ConfigError
from mlip_kmc.ground.wording import counted
from mlip_kmc.model.labelled import LabelledStructure, write_labelled

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asked:
    """What is wanted, for people.

    Attributes:
        generation: name of the one that the labels are for.
        count: of the structures.
        listed: folder that tells what they are.
    """

    generation: str
    count: int
    listed: Path


def as_labelled(structures: Sequence[LabelledStructure]) -> Sequence[LabelledStructure]:
    """Labels as they came."""
    return structures


@dataclass
class Collecting:
    """How labels are made.

    Attributes:
        config: the campaign's. directory: its own. labeller: has structures labelled.
        stop: ends labels that run. approved: the labels that wait may be made.
    """

    config: CampaignConfig
    directory: Path
    labeller: Labeller
    stop: threading.Event
    approved: bool = False

    def approve_what_waits(self, waits: Wait) -> None:
        """Nobody has looked at labels that are not asked for yet: a command that is repeated approves none of them.

        Args:
            waits: what the campaign waited for when this process began.
        """
        if self.approved and waits is not Wait.APPROVAL:
            _log.warning("no labels wait for approval: --approve changes nothing")
            self.approved = False

    def go(
        self,
        folder: Path,
        *,
        wanted: Asked,
        marked: Callable[[Sequence[LabelledStructure]], Sequence[LabelledStructure]] = as_labelled,
    ) -> Ending | Labels:
        """Go on with the labels of a folder.

        Args:
            folder: theirs.
            wanted: what to tell of them.
            marked: what is written of those that came.

        Returns:
            how many there are, none of them still to come; or how the campaign ends.

        Raises:
            ConfigError: earlier labels are of another oracle.
        """
        self._refuse_another_oracle(folder)
        if not self._may_be_made(folder):
            return self._to_be_approved(wanted)
        labels = self.labeller.label(folder, stop=self.stop)
        if labels.waiting:
            here = self.config.labels.where == "here"
            waits = Wait.NOTHING if here else Wait.LABELS
            return Ending(EXIT_MORE_TO_DO, _still_waiting(labels, folder), waits=waits)
        for name, reason in self.labeller.failures(folder):
            _log.warning("no label for %s: %s", name, reason)
        write_labelled(folder / LABELS, marked(self.labeller.labelled(folder)))
        if not labels.done:
            return given_up(
                self.directory,
                f"not one of {counted(labels.failed, 'label')} is of use; look at {folder}",
                lacks="an oracle that gives labels",
            )
        return labels

    def _refuse_another_oracle(self, folder: Path) -> None:
        """Before anything is spent: labels of all generations are fitted together."""
        for earlier in sorted(self.directory.glob("gen-*/labels*")):
            if earlier == folder or not (earlier / LABELS).is_file():
                continue
            if differs := self.labeller.other_oracle(earlier):
                raise ConfigError(
                    f"the oracle is not the one that made the labels in {earlier} ({', '.join(differs)} differ): energies of two "
                    "oracles are never mixed; restore it in the campaign's configuration, or begin a campaign in another "
                    "directory (--dir)"
                )

    def _may_be_made(self, folder: Path) -> bool:
        """Whether these labels are approved: durably, as they may come in days; `approved` is for the first folder alone."""
        approved, self.approved = self.approved, False
        if not self.config.approve or (folder / APPROVED).is_file():
            return True
        if approved:
            write_facts(folder / APPROVED, {})
        return approved

    def _to_be_approved(self, wanted: Asked) -> Ending:
        cost = self.config.labels.cost_per_label
        return Ending(
            EXIT_MORE_TO_DO,
            f"{counted(wanted.count, 'label')}{f' ({cost} each)' if cost else ''} for {wanted.generation} wait for "
            f"approval, of {wanted.listed}; the same command with --approve goes on",
            waits=Wait.APPROVAL,
        )


def _still_waiting(labels: Labels, folder: Path) -> str:
    return (
        f"{counted(labels.done, 'label')} of {labels.done + labels.failed + labels.waiting} done, {labels.failed} failed, "
        f"{labels.waiting} to come, in {folder}; the same command continues"
    )
