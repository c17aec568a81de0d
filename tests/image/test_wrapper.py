"""slurm/mlip-kmc, the command of a machine that has only the image, and completion in the shells that people use. On the host."""

import contextlib
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IMAGE = Path(os.environ.get("MLIP_KMC_IMAGE", ROOT / "image.sif"))
EXAMPLE = ROOT / "examples" / "cu-vacancy"
TIME_LIMIT_S = 120
ESCAPES = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[()][A-Z0-9]|\x1b[=>]|\x1b\][^\x07]*\x07|\r|\x0f|\x07"
)
# how a shell starts without anybody's settings, and how it learns to complete
SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'eval "$(mlip-kmc completion bash)"'),
    "zsh": (
        ["zsh", "-f", "-i"],
        'autoload -Uz compinit; compinit -u -D; eval "$(mlip-kmc completion zsh)"',
    ),
    "fish": (["fish", "--no-config", "-i"], "mlip-kmc completion fish | source"),
}


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """With the wrapper on PATH through a link, as `just wrapper` makes it."""
    with tempfile.TemporaryDirectory(prefix="mlip-kmc-wrapper-") as folder:
        (Path(folder) / "mlip-kmc").symlink_to(ROOT / "slurm" / "mlip-kmc")
        home = Path(folder) / "home"
        home.mkdir()
        kept = {name: os.environ[name] for name in ("LANG", "LC_ALL") if name in os.environ}
        kept |= {
            name: value
            for name, value in os.environ.items()
            if name.startswith(("APPTAINER", "XDG_RUNTIME"))
        }
        yield {
            **kept,
            "PATH": f"{folder}:{os.environ['PATH']}",
            "HOME": str(home),
            "TERM": "xterm",
            "MLIP_KMC_IMAGE": str(IMAGE),
        }


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder outside of home and /tmp, which Apptainer shows by itself; its name has a space."""
    with tempfile.TemporaryDirectory(prefix="a b.", dir=ROOT) as folder:
        yield Path(folder)


def run(
    *words: str | Path, cwd: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=TIME_LIMIT_S,
        check=False,
    )


def test_it_binds_what_is_named(
    elsewhere: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    shutil.copy(EXAMPLE / "cu.yace", elsewhere / "my cu.yace")
    (tmp_path / "link").symlink_to(elsewhere)
    for word, cwd in (
        ("my cu.yace", elsewhere),
        (elsewhere / "my cu.yace", Path("/")),
        (tmp_path / "link" / "my cu.yace", tmp_path),
    ):
        done = run("mlip-kmc", "potential", "info", word, cwd=cwd, environment=environment)
        assert done.returncode == 0, done.stderr
        assert re.search(r"^elements +Cu$", done.stdout, re.MULTILINE)
    done = run(
        "mlip-kmc",
        "init",
        "new one",
        f"--potential={elsewhere / 'my cu.yace'}",
        "--structure",
        EXAMPLE / "vacancy.xyz",
        cwd=elsewhere,
        environment=environment,
    )
    assert done.returncode == 0, done.stderr
    assert (elsewhere / "new one" / "akmc.yaml").is_file()


def test_nothing_of_the_shell_disturbs_and_codes_come_through(
    elsewhere: Path, environment: dict[str, str]
) -> None:
    odd = {**environment, "PYTHONPATH": "/nowhere", "PYTHONHOME": "/nowhere", "LD_PRELOAD": ""}
    done = run("mlip-kmc", "run", "missing.yaml", cwd=elsewhere, environment=odd)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("mlip-kmc: ")
    done = run(
        "mlip-kmc",
        "status",
        "nowhere",
        cwd=elsewhere,
        environment={**odd, "MLIP_KMC_SCRATCH": "/nowhere"},
    )
    assert done.returncode == 6, done.stderr
    done = run(
        "mlip-kmc",
        "--version",
        cwd=elsewhere,
        environment={**odd, "MLIP_KMC_IMAGE": "/nowhere/image.sif"},
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "mlip-kmc: there is no image /nowhere/image.sif; build it (just image), or set MLIP_KMC_IMAGE\n"
    )


@contextlib.contextmanager
def terminal(words: list[str], *, cwd: Path, environment: dict[str, str]) -> Iterator[int]:
    """A shell in a terminal of its own; answers its descriptor."""
    process, descriptor = pty.fork()
    if process == 0:
        os.chdir(cwd)
        os.execvpe(words[0], words, environment)  # noqa: S606 - a shell is the subject
    try:
        yield descriptor
    finally:
        os.close(descriptor)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


def until(pattern: str, descriptor: int) -> str:
    """What the terminal shows until it matches."""
    shown, deadline = "", time.monotonic() + TIME_LIMIT_S
    while not re.search(pattern, shown):
        ready = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]
        assert ready, f"no {pattern!r} in:\n{shown}"
        try:
            shown += ESCAPES.sub("", os.read(descriptor, 65536).decode(errors="replace"))
        except OSError as error:
            raise AssertionError(f"the shell ended:\n{shown}") from error
    return shown


@pytest.mark.parametrize("shell", SHELLS)
def test_completion(shell: str, elsewhere: Path, environment: dict[str, str]) -> None:
    """Typed as a person types: a command, one below it, an option, and a file; then Enter."""
    start, learn = SHELLS[shell]
    if shutil.which(shell) is None:
        pytest.fail(f"there is no {shell}; ./bootstrap test installs it")
    (elsewhere / "torn.yace").write_text("nonsense")
    with terminal(start, cwd=elsewhere, environment=environment) as descriptor:
        os.write(descriptor, f"{learn}; echo is' 'ready\n".encode())
        until(r"is ready\n", descriptor)
        os.write(descriptor, b"mlip-kmc pot\tinf\t--js\ttorn.y\t\n")
        shown = until(r"mlip-kmc: [^\n]*torn\.yace|No such|Usage", descriptor)
    assert re.search(r"mlip-kmc: [^\n]*torn\.yace", shown), shown


def test_fish_shows_whole_explanations(elsewhere: Path, environment: dict[str, str]) -> None:
    script = "mlip-kmc completion fish | source; complete -C 'mlip-kmc run --remote'"
    done = run("fish", "--no-config", "-c", script, cwd=elsewhere, environment=environment)
    assert "but on workers that join" in done.stdout, done.stdout + done.stderr
