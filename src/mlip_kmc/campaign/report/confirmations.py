"""Barriers that the oracle was asked about at the target, generation by generation; and what those labels were for.

for row in confirmed_barriers(Generation(Path("my-campaign"), 2)):
    print(row.process, row.barrier_eV, row.oracle_eV, row.error_eV, row.confirmed)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlip_kmc.campaign.generation import CHOSEN, LABELS, Generation, read_facts
from mlip_kmc.campaign.report.labels import LabelRow, progress_of
from mlip_kmc.model.frames import Stage

KIND = "confirmation"
"""Of the labels."""


@dataclass(frozen=True)
class ConfirmedBarrier:
    """A kind of process whose barrier was compared with the oracle's.

    Attributes:
        generation: whose potential. process: one of the kind, as `0_3`. count: how many there are of it.
        rate_share: of the total rate of the states.
        barrier_eV: as the run has it.
        oracle_eV: energy of the saddle above the minimum by the oracle. error_eV: by so much the potential's is higher, in the
            same two structures; both None where only forces were compared, or a label is missing.
        force_error_eV_per_A: largest difference of an atom's force at the saddle; None without its label.
        confirmed: all was compared, and is within the limits. faults: what is not, in words.
    """

    generation: int
    process: str
    count: int
    rate_share: float
    barrier_eV: float
    oracle_eV: float | None
    error_eV: float | None
    force_error_eV_per_A: float | None
    confirmed: bool
    faults: tuple[str, ...]


def confirmed_barriers(generation: Generation) -> Iterator[ConfirmedBarrier]:
    """Those of a generation; none where it did not reach the target."""
    facts = generation.confirmed() or {"processes": []}
    for row in facts["processes"]:
        yield ConfirmedBarrier(
            generation=generation.number,
            process=str(row["name"]),
            count=int(row["count"]),
            rate_share=float(row["rate_share"]),
            barrier_eV=float(row["barrier_eV"]),
            oracle_eV=row["oracle_eV"],
            error_eV=row["error_eV"],
            force_error_eV_per_A=row["force_error_eV_per_A"],
            confirmed=bool(row["confirmed"]),
            faults=tuple(map(str, row["faults"])),
        )


def confirmation_labels(generation: Generation) -> Iterator[LabelRow]:
    """The structures that were labelled for it."""
    path = generation.confirmation / CHOSEN
    rows: list[Mapping[str, Any]] = read_facts(path)["processes"] if path.is_file() else []
    folder = generation.confirmation_labels
    collected = (folder / LABELS).is_file()
    known = {one.name: one for one in generation.confirmation_labelled()}
    for order, (name, row) in enumerate(_structures(rows).items(), start=1):
        label = known.get(name)
        yield LabelRow(
            generation=generation.number,
            round=0,
            name=name,
            search=str(row["name"]),
            state=int(row["state"]),
            stage=str(Stage.SADDLE if name == row["saddle"] else Stage.REACTANT),
            step=0,
            kind=KIND,
            order=order,
            gamma_before=None,
            gamma_then=None,
            gamma_after=None,
            reason=f"the barrier of process {row['name']}, with {100 * row['rate_share']:.3g} % of the rate",
            **progress_of(folder / name, label=label, collected=collected),
        )


def _structures(rows: list[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Each labelled structure, with the first process that it is for."""
    found: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        for name in filter(None, (row["minimum"], row["saddle"])):
            found.setdefault(name, row)
    return found
