"""What a shell leaves in the environment: it is taken, or refused by name before any work, and no library ends on it."""

import os
import subprocess
import sys

import pytest

from mlip_kmc.cli.main import main
from mlip_kmc.ground.environment import settle
from mlip_kmc.ground.errors import ConfigError

COMMANDS = [
    "release verify --signers x",
    "search",
    "check",
    "report",
    "status",
    "run",
    "campaign",
    "select",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_source_date_epoch_that_is_none_is_refused_by_name(
    tmp_path, monkeypatch, capsys, command
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1.7e9")
    (tmp_path / "my.run").mkdir()
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "my.run"])
    assert ended.value.code == ConfigError.exit_code
    assert capsys.readouterr().err == (
        "mlip-kmc: SOURCE_DATE_EPOCH must be whole seconds since 1970, of the years 1980 to 2107 (it is '1.7e9'); "
        "correct or unset it\n"
    )
    assert not list((tmp_path / "my.run").iterdir())


def test_an_empty_source_date_epoch_is_unset(monkeypatch):
    """As SOURCE_DATE_EPOCH=$(git log ...) leaves it where there is no git; numpy's f2py reads it when it is imported."""
    monkeypatch.setenv("PYTHONSAFEPATH", "")  # it is set, too: not for the tests that follow
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "")
    with pytest.raises(SystemExit) as ended:
        main(["completion", "bash"])
    assert not ended.value.code
    assert "SOURCE_DATE_EPOCH" not in os.environ


def test_a_python_that_this_one_starts_takes_nothing_from_the_present_folder(tmp_path, monkeypatch):
    """As the process that a crew of workers is forked from; a `signal.py` there ended it."""
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "")
    (tmp_path / "signal.py").write_text("raise SystemExit('the wrong module')\n")
    command = [sys.executable, "-c", "import signal; signal.SIGTERM"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 1
    settle()
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0
