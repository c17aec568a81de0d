"""The kinds of a state's processes, with its structures at hand.

Example:
    for kind in state_kinds(numbers, record):
        kind.count, kind.lead.barrier_eV
"""

from mlip_kmc.model.records import StateRecord
from mlip_kmc.report.kinds import Kind, kinds_of
from mlip_kmc.report.numbers import ProcessNumbers, StateNumbers
from mlip_kmc.report.pictures import Motion


def state_kinds(state: StateNumbers, record: StateRecord) -> tuple[Kind, ...]:
    """The kinds of a state's processes; structures are read where equal numbers may hide that different atoms move."""
    processes = {row.process: row for row in record.processes}
    seen: dict[int, str] = {}

    def moved(row: ProcessNumbers) -> str:
        if row.process not in seen:
            motion = Motion.read(processes[row.process])
            seen[row.process] = "" if motion is None else motion.what_moves
        return seen[row.process]

    return kinds_of(state, orbits=record.orbits, moved=moved)
