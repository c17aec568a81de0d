"""What the container does not see is named, and the option that binds it; what it sees is not."""

import errno
import logging
import shutil
import sys
from pathlib import Path

import pytest

from mlip_kmc.check import room
from mlip_kmc.check.findings import Level
from mlip_kmc.cli.main import main
from mlip_kmc.config import load_config
from mlip_kmc.ground import container
from mlip_kmc.ground.container import binding, binding_for, unseen_folder
from mlip_kmc.ground.errors import ConfigError, StorageError
from mlip_kmc.ground.files import make_directory, storage_errors, why_no_file
from mlip_kmc.store.run_directory import RunDirectory

EXAMPLE = Path(__file__).parents[3] / "examples" / "cu-vacancy"
UNSEEN = Path("/a-disk-of-the-cluster/cu/cu.yace")
in_a_container = pytest.mark.skipif(
    not Path("/.singularity.d").is_dir(), reason="what Apptainer binds is to be seen in it"
)


@in_a_container
def test_what_is_bound_and_what_is_not(tmp_path):
    assert unseen_folder(UNSEEN) == UNSEEN.parent
    assert unseen_folder(EXAMPLE / "no-such-file") is None
    assert unseen_folder(EXAMPLE / "no-such-folder" / "file") is None
    assert unseen_folder(tmp_path) is None
    assert unseen_folder(Path(sys.prefix) / "share" / "no-such-file") is None


def test_outside_of_a_container_everything_is_seen(monkeypatch, tmp_path):
    monkeypatch.setattr(container, "_MARK", tmp_path / "none")
    assert unseen_folder(UNSEEN) is None
    assert binding(UNSEEN) == ""
    assert why_no_file(UNSEEN) == f"there is no file {UNSEEN}"


ADVICE = (
    f"the container does not see {UNSEEN.parent} of this machine: bind it (apptainer exec --bind {UNSEEN.parent} ..., or "
    f"MLIP_KMC_BIND={UNSEEN.parent} for slurm/mlip-kmc)"
)


@in_a_container
@pytest.mark.parametrize("key", ["ace: cu.yace", "structure: vacancy.xyz"])
def test_a_configuration_that_names_what_is_not_bound(tmp_path, key):
    shutil.copytree(EXAMPLE, tmp_path / "run")
    path = tmp_path / "run" / "akmc.yaml"
    text = path.read_text()
    assert key in text
    path.write_text(text.replace(key, f"{key.split(':')[0]}: {UNSEEN}"))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert f"there is no file {UNSEEN}; {ADVICE}" in str(caught.value)
    path.write_text(text.replace(key, f"{key.split(':')[0]}: no-such-file"))
    with pytest.raises(ConfigError, match="correct the path, which starts at") as caught:
        load_config(path)
    assert "bind" not in str(caught.value)


@in_a_container
@pytest.mark.parametrize(
    "command", ["check", "run", "status", "select", "report", "export", "potential info"]
)
def test_every_command_says_so(capsys, command):
    with pytest.raises(SystemExit):
        main([*command.split(), str(UNSEEN)])
    error = capsys.readouterr().err
    assert error.count("the container does not see /a-disk-of-the-cluster/cu") == 1, error


@in_a_container
def test_a_directory_that_cannot_be_made_there(monkeypatch):
    """The image is read-only; some sites lay a writable layer over it, which ends with the container."""

    def refuse(path, *_, **__):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StorageError) as caught:
        make_directory(UNSEEN.parent / "my-run")
    assert f"--bind {UNSEEN.parent}" in binding_for(caught.value)


@in_a_container
def test_a_run_directory_that_ends_with_the_container(tmp_path, monkeypatch, caplog):
    """With --containall /tmp and the home directory are memory: days of work would be lost without a word."""
    with pytest.raises(StorageError, match=f"; the container does not see {UNSEEN.parent} of"):
        room.run_disk(UNSEEN.with_suffix(".run"))
    monkeypatch.setattr(container, "_own_devices", lambda: {tmp_path.stat().st_dev})
    (finding,), _ = room.run_disk(tmp_path / "run")
    assert finding.level is Level.WARN
    assert f"{tmp_path} is the container's own, and gone when it ends" in finding.text
    with caplog.at_level(logging.WARNING), RunDirectory(tmp_path / "run"):
        pass
    assert "the run directory is the container's own, and gone when it ends" in caplog.text


def test_other_errors_say_nothing_of_folders(tmp_path):
    with pytest.raises(StorageError) as caught, storage_errors(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device", str(UNSEEN))
    assert binding_for(caught.value) == ""
