"""What the package logs, as the command line prints it."""

import io
import logging
import subprocess
import sys

import pytest
from rich.console import Console

from mlip_kmc.cli.display import Display
from mlip_kmc.cli.log_lines import LOGGER, printed
from mlip_kmc.config import Config


def test_a_warning_gets_its_prefix_from_its_level():
    lines = []
    log = logging.getLogger("mlip_kmc.akmc.run")
    with printed(lines.append):
        log.debug("hidden")
        log.info("state 0: %.1f eV", -1.25)
        log.warning("%s is torn", "halts/0_1.xyz")
    log.warning("after")
    assert lines == ["state 0: -1.2 eV", "warning: halts/0_1.xyz is torn"]


def test_the_logger_is_as_before():
    logger = logging.getLogger(LOGGER)
    before = logger.level, logger.propagate, list(logger.handlers)
    with pytest.raises(KeyError), printed(print):
        raise KeyError
    assert (logger.level, logger.propagate, list(logger.handlers)) == before


@pytest.mark.parametrize("quiet", [False, True])
def test_a_quiet_display_prints_only_warnings(quiet):
    out = io.StringIO()
    console = Console(file=out, highlight=False, markup=False, emoji=False, color_system=None)
    log = logging.getLogger("mlip_kmc.store.room")
    with Display(quiet=quiet, settings=Config.model_construct(), console=console):
        log.info("minimising [bold] :smile:")
        log.warning("the disk is nearly full")
    lines = out.getvalue().splitlines()
    assert lines == ["minimising [bold] :smile:"] * (not quiet) + [
        "warning: the disk is nearly full"
    ]


def test_what_no_command_shows_is_not_on_standard_error():
    """`logging` prints warnings that have no handler; the command line has one that drops them."""
    script = (
        "import logging, sys; from mlip_kmc.cli import main; "
        "sys.modules['mlip_kmc.cli.main']._run = lambda _: logging.getLogger('mlip_kmc.x').warning('hidden'); "
        "main([])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("", "")
