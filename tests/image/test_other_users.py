"""What another user of the same machine can do to a run: nothing. Runs on the host, as root, which becomes that user."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IMAGE = Path(os.environ.get("MLIP_KMC_IMAGE", ROOT / "image.sif"))
AS_USER = ("--userns",) if os.geteuid() == 0 else ()
NOBODY = 65534
DEADLINE_S = 240
CONFIG = {
    "structure": str(ROOT / "examples/cu-vacancy/vacancy.xyz"),
    "potential": {"ace": str(ROOT / "examples/cu-vacancy/cu.yace")},
    "temperature_K": 500,
    "stop": {"kmc_steps": 1000},
}
# what nobody tries; each line of the answer is one thing that went well for him
ATTACK = """
import os, socket, ssl, sys
folder, ports = sys.argv[1], [int(port) for port in sys.argv[2:]]
for path in (folder, folder + "/cluster", folder + "/cluster/connection.json", folder + "/journal/starts.jsonl"):
    try:
        print("read", path, os.listdir(path) if os.path.isdir(path) else open(path).read())
    except OSError:
        pass
for port in ports:
    for wrapped in (False, True):
        try:
            stream = socket.create_connection(("127.0.0.1", port), timeout=20)
            if wrapped:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                stream = context.wrap_socket(stream)
            stream.sendall(b"x" * 100)
            answer = stream.recv(100)
            if answer and (wrapped or b"dask" in answer or b"scheduler" in answer):
                print("answer", port, wrapped, answer)
        except OSError:
            pass
print("tried", len(ports))
"""


@pytest.fixture
def public_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mlip-kmc-others-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextlib.contextmanager
def inside(*words: str | Path, folder: Path) -> Iterator[subprocess.Popen[str]]:
    options = (
        "--containall",
        "--cleanenv",
        "--no-home",
        "--bind",
        f"{ROOT}:{ROOT}",
        "--bind",
        f"{folder}:{folder}",
        "--pwd",
        str(folder),
    )
    with subprocess.Popen(["apptainer", "--quiet", "exec", *AS_USER, *options, str(IMAGE), *map(str, words)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=DEADLINE_S)


def ports_of_everybody() -> set[int]:
    """Every TCP port on which this machine listens (Linux: /proc/net/tcp)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A"}


def until(condition, process: subprocess.Popen[str]):
    deadline = time.monotonic() + DEADLINE_S
    while not (found := condition()):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_can_neither_read_nor_connect_nor_submit(public_folder):
    (public_folder / "akmc.yaml").write_text(json.dumps(CONFIG))
    run, before = public_folder / "run", ports_of_everybody()
    with inside(
        "mlip-kmc", "run", "akmc.yaml", "--dir", run, "--remote-workers", folder=public_folder
    ) as main:
        until((run / "cluster/connection.json").exists, main)
        with inside("mlip-kmc", "worker", run, "--slots", "2", folder=public_folder):
            until((run / "journal/searches.jsonl").exists, main)
            ports = ports_of_everybody() - before
            assert len(ports) == 3, "a scheduler and two workers"
            done = subprocess.run(
                ["/usr/bin/python3", "-c", ATTACK, str(run), *map(str, ports)],
                user=NOBODY,
                group=NOBODY,
                extra_groups=[],
                capture_output=True,
                text=True,
                check=False,
                timeout=DEADLINE_S,
            )
            assert done.returncode == 0, done.stderr
            assert done.stdout == "tried 3\n"
            assert main.poll() is None
    assert run.stat().st_mode & 0o077 == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", min(ports)), timeout=5)
