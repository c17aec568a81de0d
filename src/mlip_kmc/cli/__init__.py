"""The command line: arguments, printing, exit codes; nothing else exits or prints.

    mlip-kmc --version
    mlip-kmc run akmc.yaml --dir run

`main.py` is the group and the one place that turns errors into a line and an exit code; each command has a file of its own,
imported when it is asked for, and imports what it needs when it runs: `--version` and `--help` stay fast.
"""

from mlip_kmc.cli.main import main

__all__ = ["main"]
