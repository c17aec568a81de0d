"""The only place that starts outside programs: argument lists, time limits, their words kept."""

from mlip_kmc.ground.programs.awake import AwakeClock
from mlip_kmc.ground.programs.background import Background
from mlip_kmc.ground.programs.cpu import check_cpu
from mlip_kmc.ground.programs.program import Finished, Program, ProgramEnd

__all__ = ["AwakeClock", "Background", "Finished", "Program", "ProgramEnd", "check_cpu"]
