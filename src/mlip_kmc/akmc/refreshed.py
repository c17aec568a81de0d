"""What a refresh did to a run, in words.

Refreshed(epoch=1, states=states).line      # 'epoch 1: 3 states minimised again, 36 processes wait for their refresh'
"""

from dataclasses import dataclass

from mlip_kmc.ground.wording import counted
from mlip_kmc.model.records import RefreshedState


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did.

    Attributes:
        epoch: the run's present one.
        states: how each state fared; none where the run had this potential already.
        relabelled: the run is in another state now.
    """

    epoch: int
    states: tuple[RefreshedState, ...] = ()
    relabelled: bool = False

    @property
    def line(self) -> str:
        """In words."""
        if not self.states:
            return f"epoch {self.epoch}: the run has this potential already; nothing is to be refreshed"
        stale = sum(state.stale for state in self.states if not state.lost)
        same = [state for state in self.states if state.same_as is not None]
        told = f"epoch {self.epoch}: {len(self.states)} states minimised again, {stale} processes wait for their refresh"
        if same:
            told += ", " + ", ".join(
                f"state {state.state} became state {state.same_as}" for state in same
            )
        lost = [state.state for state in self.states if state.lost]
        if lost:
            numbers = ", ".join(map(str, lost))
            told += f"; {counted(len(lost), 'state')} could not be minimised, whose processes are dropped: {numbers}"
        return told
