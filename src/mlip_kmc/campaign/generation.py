"""One generation of a campaign's potential: its folder, and what is in it.

Example:
    generation = Generation(Path("my-campaign"), 0)
    generation.yace, generation.labels(0), generation.facts()

Layout of a campaign's directory:

    gen-000/potential/          NAME.yace, .yaml, .asi, .record.json
    gen-000/generation.json     where it comes from: digests, refit, verdict; the last file to be written of a new generation
    gen-000/train.xyz           what it was fitted to, where that is known
    gen-000/explored.json       how exploring with it ended
    gen-000/selection/          selected.xyz, selection.json: what it halted on, what is labelled, and why
    gen-000/labels/             of each label its request, state and answer; labels.xyz: what counts of them
    gen-000/confirmation/       at the target: whose barriers the oracle is asked about, and what it says; its labels are in
                                labels-confirmation/
    gen-000/candidates/0/       what was fitted, with its verdict; the accepted one becomes the next potential

Further rounds of the same generation have `selection-1/`, `labels-1/`. Nothing in these files depends on when or where they
were made.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlip_kmc.campaign.state import FILE
from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.ground.files import make_directory, storage_errors, write_durably

if TYPE_CHECKING:
    from mlip_kmc.model.labelled import LabelledStructure

FACTS, EXPLORED, TRAINING, LABELS = "generation.json", "explored.json", "train.xyz", "labels.xyz"
APPROVED = "approved.json"
"""Beside requests of labels that somebody approved."""
VERDICT = "verdict.json"
"""Beside a candidate: whether it is accepted, and why not."""
CHOSEN, CONFIRMED = "chosen.json", "confirmed.json"
"""In `confirmation/`: whose barriers the oracle is asked about; these beside the oracle's."""
OUTCOME = "outcome.json"
"""In the campaign's directory, once it has reached its target: the best generation and its evidence."""
ENDING = "ending.json"
"""Beside it: how the last process of the campaign came back; it is removed when the next one begins."""
_FORMAT = 1


@dataclass(frozen=True)
class Generation:
    """A generation's folder.

    Attributes:
        directory: of the campaign. number: from 0.
    """

    directory: Path
    number: int

    @property
    def name(self) -> str:
        """As `gen-003`."""
        return f"gen-{self.number:03d}"

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self.directory / self.name

    @property
    def next(self) -> "Generation":
        """The one after it."""
        return Generation(self.directory, self.number + 1)

    @property
    def yace(self) -> Path:
        """Its potential; `.yaml`, `.asi` and `.record.json` lie beside it."""
        return self.folder / "potential" / str(self.facts()["potential"])

    @property
    def made(self) -> bool:
        """It is whole."""
        return (self.folder / FACTS).is_file()

    def selection(self, round_: int) -> Path:
        """The folder of what was selected."""
        return self.folder / _numbered("selection", round_)

    def labels(self, round_: int) -> Path:
        """The folder of labels."""
        return self.folder / _numbered("labels", round_)

    def candidate(self, number: int) -> Path:
        """The folder of a refit that may become the next generation."""
        return self.folder / "candidates" / str(number)

    @property
    def confirmation(self) -> Path:
        """The folder of barriers that the oracle confirms, or does not."""
        return self.folder / "confirmation"

    @property
    def confirmation_labels(self) -> Path:
        """The folder of their labels."""
        return self.folder / "labels-confirmation"

    def confirmation_labelled(self) -> "tuple[LabelledStructure, ...]":
        """Labels of saddles and minima; none before they have come."""
        from mlip_kmc.model.labelled import read_labelled

        path = self.confirmation_labels / LABELS
        return read_labelled(path) if path.is_file() and path.stat().st_size else ()

    def confirmed(self) -> dict[str, Any] | None:
        """Barriers beside the oracle's; None where none were compared."""
        path = self.confirmation / CONFIRMED
        return read_facts(path) if path.is_file() else None

    def labelled(self) -> "tuple[LabelledStructure, ...]":
        """Labels of all its rounds, and of its confirmation."""
        from mlip_kmc.model.labelled import read_labelled

        found: list[LabelledStructure] = []
        for round_ in self.rounds():
            path = self.labels(round_) / LABELS
            found += read_labelled(path) if path.stat().st_size else ()
        return (*found, *self.confirmation_labelled())

    def rounds(self) -> Iterator[int]:
        """Those whose labels have come."""
        return takewhile(lambda round_: (self.labels(round_) / LABELS).is_file(), count())

    def facts(self) -> dict[str, Any]:
        """Content of `generation.json`.

        Raises:
            RunStateError: it is missing or damaged.
        """
        return read_facts(self.folder / FACTS)

    def explored(self) -> dict[str, Any] | None:
        """Content of `explored.json`; None where exploring has not ended yet."""
        path = self.folder / EXPLORED
        return read_facts(path) if path.is_file() else None


def generations_of(directory: Path) -> list[Generation]:
    """All that are whole, in order."""
    found = []
    generation = Generation(directory, 0)
    while generation.made:
        found.append(generation)
        generation = generation.next
    return found


def sweep(directory: Path) -> None:
    """Remove what kills left half: temporary files of durable writes."""
    with storage_errors(directory):
        for pattern in (".*.tmp", "gen-*/**/.*.tmp", "label-cache/**/.*.tmp"):
            for path in directory.glob(pattern):
                path.unlink(missing_ok=True)


def write_facts(path: Path, facts: Mapping[str, Any]) -> None:
    """JSON, durably: the same facts give the same bytes.

    Raises:
        StorageError: it could not be made durable. ValueError: a number is not finite.
    """
    make_directory(path.parent)
    text = json.dumps({"format": _FORMAT, **facts}, indent=1, allow_nan=False)
    write_durably(path, f"{text}\n".encode())


def read_facts(path: Path) -> dict[str, Any]:
    """What `write_facts` wrote.

    Raises:
        RunStateError: it is missing, damaged, or of another version.
    """
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = raw.pop("format")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunStateError(
            f"{path} is damaged ({error}); restore the campaign's directory from a backup"
        ) from error
    if version != _FORMAT:
        raise RunStateError(f"{path} was written by another version of mlip-kmc; use that one")
    return raw


def _numbered(name: str, round_: int) -> str:
    return f"{name}-{round_}" if round_ else name


def is_campaign(directory: Path) -> bool:
    """There is a campaign in it, at least its generation 0."""
    return (directory / FILE).is_file() or Generation(directory, 0).made
