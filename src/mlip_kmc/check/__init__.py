"""What can be known before a run of days: checks of parts, disk, potential, structure, speed and searches, in about a minute.

Example:
    findings = examine(load_config("akmc.yaml"), run_dir=Path("akmc.run"), searches=4)
    exit_code_of(findings)

`examine.py` has the order; one module a subject; `estimates.py` is pure.
"""

from mlip_kmc.check.examine import examine
from mlip_kmc.check.findings import Finding, Level, exit_code_of, report, verdict

__all__ = ["Finding", "Level", "examine", "exit_code_of", "report", "verdict"]
