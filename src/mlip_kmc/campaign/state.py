"""Where a campaign is: its next step, generation and round; `campaign.json`.

state = CampaignState.read(directory / "campaign.json")
CampaignState(step=Step.LABEL, generation=state.generation).write(directory / "campaign.json")
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Self

from mlip_kmc.ground.errors import EXIT_HALTED, RunStateError
from mlip_kmc.ground.files import write_durably
from mlip_kmc.model.records import EonResult

FILE = "campaign.json"
CUT_OUT = "a larger cutout.most_atoms, or a smaller cutout.core_A"
"""What a campaign lacks whose structures have no room in a box."""
_FORMAT = 2


class ExplorationMethod(StrEnum):
    """How new structures are found."""

    AKMC = "akmc"
    """eOn's adaptive kinetic Monte Carlo: `EonWrapper.run_akmc`."""


class Step(StrEnum):
    """What a campaign does next."""

    EXPLORE = "explore"
    SELECT = "select"
    LABEL = "label"
    REFIT = "refit"
    REFRESH = "refresh"
    CONFIRM = "confirm"
    FINALIZE = "finalize"


class Wait(StrEnum):
    """What a campaign that came back with 75 waits for."""

    NOTHING = "nothing"
    """It may go on at once."""
    LABELS = "labels"
    """Labels that are with the scheduler."""
    APPROVAL = "approval"
    """Somebody who says --approve."""


@dataclass(frozen=True)
class CampaignState:
    """Where a campaign is.

    Attributes:
        step: what comes next.
        generation: number of the present potential, from 0.
        round: how many times more labels were asked for to refit this generation's potential.
        bases: how many larger bases were tried for it.
        wall_s: over all starts, s. by_step_s: of that, in the steps of each generation, by number and step's name.
        method: how it explores.
        waits: what the last process came back for.
    """

    step: Step = Step.EXPLORE
    generation: int = 0
    round: int = 0
    bases: int = 0
    wall_s: float = 0.0
    method: ExplorationMethod = ExplorationMethod.AKMC
    waits: Wait = Wait.NOTHING
    by_step_s: Mapping[int, Mapping[str, float]] = field(default_factory=dict)

    def with_time(self, seconds: float, *, generation: int, step: Step) -> Self:
        """With the time of a step, or of what was done of it in one start."""
        steps = dict(self.by_step_s.get(generation, {}))
        steps[step] = round(steps.get(step, 0.0) + seconds, 1)
        return replace(self, by_step_s={**self.by_step_s, generation: steps})

    def write(self, path: Path) -> None:
        """Durably.

        Raises:
            StorageError: it could not be made durable.
        """
        text = json.dumps({"format": _FORMAT, **asdict(self)}, indent=1)
        write_durably(path, f"{text}\n".encode())

    @classmethod
    def read(cls, path: Path) -> "CampaignState":
        """That of a file; a new one where there is none.

        Raises:
            RunStateError: it is damaged, or of another version.
        """
        if not path.exists():
            return cls()
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            known = int(raw.pop("format")) == _FORMAT
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _damaged(path, error) from error
        if not known:
            raise RunStateError(
                f"{path} was written by another version of mlip-kmc; use that one, or begin a campaign in another directory"
            )
        try:
            return cls(
                step=Step(raw["step"]),
                generation=int(raw["generation"]),
                round=int(raw["round"]),
                bases=int(raw["bases"]),
                wall_s=float(raw["wall_s"]),
                method=ExplorationMethod(raw["method"]),
                waits=Wait(raw.get("waits", Wait.NOTHING)),
                by_step_s={
                    int(generation): {Step(step): float(seconds) for step, seconds in steps.items()}
                    for generation, steps in raw.get("by_step_s", {}).items()
                },
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> RunStateError:
    return RunStateError(
        f"{path} is damaged ({error}); restore it from a backup: generations, labels and the run beside it are whole"
    )


@dataclass(frozen=True)
class Ending:
    """How a campaign came back.

    Attributes:
        exit_code: 0 done, 75 the same command continues, 100 it does not converge: see `line`.
        line: what to tell.
        result: the last exploration's, where there was one.
        why: of one that does not converge, the reason alone.
        waits: what must happen before the same command is of use.
    """

    exit_code: int
    line: str
    result: EonResult | None = None
    why: str = ""
    waits: Wait = Wait.NOTHING

    def facts(self) -> dict[str, object]:
        """What a report tells of it; JSON values."""
        return {"exit_code": self.exit_code, "line": self.line, "why": self.why}


def given_up(directory: Path, why: str, *, lacks: str) -> Ending:
    """A campaign that does not converge.

    Args:
        directory: its own.
        why: the reason, in words.
        lacks: with what the same command goes on.
    """
    return Ending(
        EXIT_HALTED,
        f"the campaign in {directory} does not converge: {why}; mlip-kmc report {directory} shows what was tried; the same "
        f"command goes on with {lacks}",
        why=why,
    )
