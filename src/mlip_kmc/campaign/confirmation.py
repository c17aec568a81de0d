"""At the target: the oracle labels saddles and minima of the processes that carry the rate, and the barriers are compared.

    confirmation = Confirmation(run_config, collecting)
    confirmation.step(state, generation, processes=explorer.processes)     # the state after it, or how the campaign ends

A calm potential knows its surroundings, which does not say that its barriers are right. Where one is not, the labels join the
training set, and the campaign goes on with a refit. The step may be repeated after a kill: what was asked for stays.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from mlip_kmc.campaign.barriers import (
    Compared,
    Kind,
    carrying,
    compare,
    saddle_name,
    wanted_of,
)
from mlip_kmc.campaign.collecting import Asked, Collecting
from mlip_kmc.campaign.generation import CHOSEN, CONFIRMED, Generation, read_facts, write_facts
from mlip_kmc.campaign.history import labels_spent
from mlip_kmc.campaign.parts import FoundProcess, Wanted
from mlip_kmc.campaign.potentials import config_of, with_gamma
from mlip_kmc.campaign.state import CUT_OUT, CampaignState, Ending, Step, given_up
from mlip_kmc.config import Config
from mlip_kmc.ground.wording import counted, plain, six_digits
from mlip_kmc.learning.errors import whole_calculator
from mlip_kmc.model.labelled import LabelledStructure
from mlip_kmc.potential import AcePotential

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Confirmation:
    """The step.

    Attributes:
        run_config: of the run that explores. collecting: makes the labels; it has the campaign's configuration and directory.
    """

    run_config: Config
    collecting: Collecting

    def step(
        self,
        state: CampaignState,
        generation: Generation,
        *,
        processes: Callable[[], Sequence[FoundProcess]],
    ) -> Ending | CampaignState:
        """Choose, have labelled, compare.

        Args:
            state: at this step.
            generation: the present one, which has reached the target.
            processes: gives those of the states that the run has left under its potential.
        """
        after = replace(state, step=Step.FINALIZE)
        if not self.collecting.config.confirm.processes:
            return after
        if not (generation.confirmation / CHOSEN).is_file():
            ended = self._chosen(generation, processes())
            if ended is not None:
                return ended
        facts = read_facts(generation.confirmation / CHOSEN)
        return self._with_labels(state, generation, facts) if facts["asked"] else after

    def _with_labels(
        self, state: CampaignState, generation: Generation, facts: Mapping[str, Any]
    ) -> Ending | CampaignState:
        """Have labelled what was asked for, and compare."""
        labels = self.collecting.go(
            generation.confirmation_labels,
            wanted=Asked(generation.name, int(facts["asked"]), generation.confirmation),
            marked=lambda found: [_marked(one, facts["processes"]) for one in found],
        )
        if isinstance(labels, Ending):
            return labels
        faults = self._compared(generation, facts["processes"])
        if not faults:
            return replace(state, step=Step.FINALIZE)
        budget = self.collecting.config.budget
        if generation.number >= budget.generations:
            return self._given_up(
                f"{counted(budget.generations, 'generation')} did not suffice: {faults[0]}",
                lacks="a larger budget.generations",
            )
        return replace(state, step=Step.REFIT, round=0, bases=0)

    def _given_up(self, why: str, *, lacks: str) -> Ending:
        return given_up(self.collecting.directory, why, lacks=lacks)

    def _potential(self, generation: Generation) -> AcePotential:
        config = self.collecting.config
        return with_gamma(config_of(generation, config=config, run_config=self.run_config))

    # -- what is asked for

    def _chosen(self, generation: Generation, found: Sequence[FoundProcess]) -> Ending | None:
        """Ask for labels and note which, durably; how the campaign ends where that is not possible."""
        config = self.collecting.config
        left = config.budget.labels - labels_spent(self.collecting.directory)
        if left <= 0:
            return self._given_up(
                f"all {counted(config.budget.labels, 'label')} are spent, and no barrier of {generation.name} is confirmed",
                lacks="a larger budget.labels",
            )
        kinds, wanted, minima = self._within(
            found, most=min(left, config.budget.labels_at_once), prefix=f"g{generation.number:03d}-"
        )
        if found and not kinds:
            return self._given_up(
                f"the {counted(left, 'label')} that may still be made do not suffice to confirm a barrier of {generation.name}",
                lacks="a larger budget.labels, or a larger budget.labels_at_once",
            )
        if not kinds:
            _log.warning("no process of %s is known that could be confirmed", generation.name)
        asked, refused = self.collecting.labeller.request(
            generation.confirmation_labels, wanted, potential=self._potential(generation)
        ) if wanted else (0, ())  # fmt: skip
        for line in refused:
            _log.warning("%s", line)
        if wanted and not asked:
            return self._given_up(
                f"nothing could be cut out of {counted(len(wanted), 'structure')}", lacks=CUT_OUT
            )
        rows = [_row(kind, minima, prefix=f"g{generation.number:03d}-") for kind in kinds]
        write_facts(generation.confirmation / CHOSEN, {"asked": asked, "processes": rows})
        return None

    def _within(
        self, found: Sequence[FoundProcess], *, most: int, prefix: str
    ) -> tuple[tuple[Kind, ...], tuple[Wanted, ...], Mapping[str, str]]:
        """So many kinds of processes that their structures are not more than may be labelled."""
        config = self.collecting.config
        kinds = carrying(
            found, rate_share=config.confirm.rate_share, at_most=config.confirm.processes
        )
        for count in range(len(kinds), 0, -1):
            wanted, minima = wanted_of(
                kinds[:count], prefix=prefix, whole_up_to_atoms=config.cutout.whole_up_to_atoms
            )
            if len(wanted) <= most:
                return kinds[:count], wanted, minima
        return (), (), {}

    # -- what came of it

    def _compared(
        self, generation: Generation, rows: Sequence[Mapping[str, Any]]
    ) -> tuple[str, ...]:
        """Compare, note it durably, and answer what is beyond the limits."""
        limits = self.collecting.config.confirm
        known = {one.name: one for one in generation.confirmation_labelled()}
        calculator = whole_calculator(self._potential(generation))
        found, told = list[str](), []
        for row in rows:
            compared = compare(
                row["name"],
                saddle=known.get(row["saddle"]),
                minimum=known.get(row["minimum"] or ""),
                calculator=calculator,
            )
            faults = compared.faults(limits)
            found += faults
            confirmed = not faults and compared.known(energies=row["minimum"] is not None)
            told.append({**row, **_facts(compared), "confirmed": confirmed, "faults": list(faults)})
            _log.log(logging.INFO if confirmed else logging.WARNING,
                     "%s", _line(compared, row["barrier_eV"]))  # fmt: skip
        facts = {
            "agrees": not found,
            "limits": {
                "barrier_error_eV": limits.barrier_error_eV,
                "force_error_eV_per_A": limits.force_error_eV_per_A,
            },
            "processes": told,
        }
        write_facts(generation.confirmation / CONFIRMED, facts)
        return tuple(found)


def confirmed_in_words(generation: Generation) -> str:
    """What came of it, for the last line of a campaign; empty where nothing was confirmed."""
    facts = generation.confirmed()
    if facts is None:
        return ""
    rows = facts["processes"]
    known = [row for row in rows if row["confirmed"]]
    errors = [abs(row["error_eV"]) for row in known if row["error_eV"] is not None]
    within = f" within {plain(1e3 * max(errors))} meV" if errors else " by its forces"
    return f"the oracle confirms {len(known)} of {counted(len(rows), 'barrier')}{within}"


def _marked(label: LabelledStructure, rows: Sequence[Mapping[str, Any]]) -> LabelledStructure:
    """A saddle with the name of its minimum."""
    for row in rows:
        if row["saddle"] == label.name and row["minimum"]:
            return replace(label, minimum=row["minimum"])
    return label


def _row(kind: Kind, minima: Mapping[str, str], *, prefix: str) -> dict[str, Any]:
    saddle = saddle_name(kind.process, prefix=prefix)
    return {
        "name": kind.process.name,
        "state": kind.process.state,
        "process": kind.process.process,
        "barrier_eV": six_digits(kind.process.barrier_eV),
        "count": kind.count,
        "rate_share": six_digits(kind.rate_share),
        "saddle": saddle,
        "minimum": minima.get(saddle),
    }


def _facts(compared: Compared) -> dict[str, Any]:
    """JSON: what is no number is left out, and is a fault."""
    numbers = {**asdict(compared), "error_eV": compared.error_eV}
    return {
        key: six_digits(value) if value is not None and np.isfinite(value) else None
        for key, value in numbers.items()
        if key != "name"
    }


def _line(compared: Compared, barrier_eV: float) -> str:
    if compared.force_error_eV_per_A is None:
        return f"process {compared.name}, {barrier_eV:.4f} eV: its saddle has no label"
    forces = f"forces at the saddle within {plain(compared.force_error_eV_per_A)} eV/A"
    if compared.error_eV is None:
        return f"process {compared.name}, {barrier_eV:.4f} eV: {forces} of the oracle's"
    return (
        f"process {compared.name}: {compared.here_eV:.4f} eV, by the oracle {compared.oracle_eV:.4f} eV "
        f"({1e3 * compared.error_eV:+.1f} meV), {forces}"
    )
