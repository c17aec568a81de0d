"""What `containers/build` decides without building: keys of parts, what is handed over, progress. Runs on the host."""

import io
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTAINERS = ROOT / "containers"
sys.path.insert(0, str(CONTAINERS))

from building.builder import repack  # noqa: E402
from building.failure import BuildError  # noqa: E402
from building.handed import Handed, digest  # noqa: E402
from building.parts import PARTS, part_keys  # noqa: E402
from building.pins import read_pins  # noqa: E402
from building.progress import Progress, StepReader, clock_text  # noqa: E402
from building.running import run_logged  # noqa: E402


@pytest.fixture
def containers(tmp_path):
    """A copy of containers/, to change."""
    return Path(shutil.copytree(CONTAINERS, tmp_path / "containers"))


def keys(containers, march="x86-64-v3"):
    return part_keys(containers, read_pins(containers / "pins.env"), march)


def replaced(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "old", "new", "built_again"),
    [
        ("requirements.lock", "click==", "# a line more\nclick==", {"python"}),
        ("pins.env", "EON_SHA256=31", "EON_SHA256=41", {"eon"}),
        ("parts/eon-edits", "unity_size=23", "unity_size=20", {"eon"}),
        ("build-tools.lock", "meson==", "# a line more\nmeson==", {"eon"}),
        ("pins.env", "LAMMPS_SHA256=36", "LAMMPS_SHA256=46", {"lammps"}),
        ("pins.env", "ACE_SHA256=f1", "ACE_SHA256=f2", {"lammps"}),
        ("pins.env", "VIEWER_SHA256=26", "VIEWER_SHA256=36", {"viewer"}),
        ("pace/CMakeLists.txt", "CXX_STANDARD 11", "CXX_STANDARD 14", {"lammps"}),
        (
            "pins.env",
            "DEBIAN_SUITE=trixie",
            "DEBIAN_SUITE=forky",
            {"base", "python", "eon", "lammps"},
        ),
        ("image.def", "a minimal Debian", "a Debian", set()),
        ("dev.in", "hypothesis", "hypothesis>=6", set()),
    ],
)
def test_a_change_builds_again_only_what_rests_on_it(containers, name, old, new, built_again):
    before = keys(containers)
    replaced(containers / name, old, new)
    after = keys(containers)
    assert {part.name for part in PARTS if before[part.name] != after[part.name]} == built_again


def test_the_instruction_set_is_no_matter_of_python_packages():
    one, other = keys(CONTAINERS), keys(CONTAINERS, "x86-64-v2")
    assert {name for name in one if one[name] != other[name]} == {"eon", "lammps"}


def test_both_evaluators_are_of_one_version(containers):
    replaced(containers / "pins.env", "ACE_VERSION=0.4.0rc1", "ACE_VERSION=0.3.0")
    with pytest.raises(BuildError, match="both must be the same version"):
        keys(containers)


@pytest.mark.parametrize("line", ["EON VERSION=1", "EON_VERSION='1'; rm", "export A=b"])
def test_pins_are_names_and_plain_values(tmp_path, line):
    (tmp_path / "pins.env").write_text(f"A=b\n{line}\n")
    with pytest.raises(BuildError, match=r"line 2: .* is not NAME=VALUE"):
        read_pins(tmp_path / "pins.env")


def test_a_source_that_is_handed_over_is_checked(tmp_path):
    source = tmp_path / "eon_akmc-3.6.0.tar.gz"
    source.write_bytes(b"source")
    assert Handed([tmp_path]).source(source.name, digest(source)) == source
    assert Handed([tmp_path]).source("other.tar.gz", "0") is None
    with pytest.raises(BuildError, match="the pins say 31a5; it is not used"):
        Handed([source]).source(source.name, "31a5")


def test_a_part_that_is_handed_over_is_checked(tmp_path):
    part = tmp_path / "eon-0123456789abcdef.tar"
    part.write_bytes(b"part")
    with pytest.raises(BuildError, match=r"without its eon-0123456789abcdef\.tar\.sha256"):
        Handed([part]).part("eon", part.name)
    beside = Path(f"{part}.sha256")
    beside.write_text(f"{digest(part)}  {part.name}\n")
    assert (
        subprocess.run(
            ["sha256sum", "--check", "--quiet", beside.name], cwd=tmp_path, check=False
        ).returncode
        == 0
    )
    assert Handed([part]).part("eon", part.name) == part
    assert Handed([tmp_path]).part("eon", part.name) == part
    part.write_bytes(b"torn")
    with pytest.raises(BuildError, match="copy it again"):
        Handed([part]).part("eon", part.name)
    with pytest.raises(BuildError, match="was built from other pins"):
        Handed([part]).part("eon", "eon-fedcba9876543210.tar")


def test_of_an_archive_only_the_named_files_are_packed_and_always_the_same(tmp_path):
    archive = tmp_path / "viewer-1.tgz"
    with tarfile.open(archive, "w:gz") as made:
        for name in ("package/build/viewer.js", "package/hook.js"):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.uid = 2, 1e9, 1000
            made.addfile(entry, io.BytesIO(b"js"))
    for name in ("one.tar", "other.tar"):
        repack(archive, tmp_path / name, {"package/build/viewer.js": "opt/share/viewer.js"})
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "other.tar").read_bytes()
    with tarfile.open(tmp_path / "one.tar") as packed:
        assert packed.getnames() == ["opt/share/viewer.js"]
        assert packed.extractfile("opt/share/viewer.js").read() == b"js"
    with pytest.raises(BuildError, match=r"viewer-1\.tgz has no file package/LICENSE"):
        repack(archive, tmp_path / "third.tar", {"package/LICENSE": "opt/LICENSE"})


def test_what_is_no_source_and_no_part_is_refused(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"")
    Handed([tmp_path]).check_all_known(["eon.tar.gz"])  # a folder may hold anything
    with pytest.raises(BuildError, match="neither a source of the pins"):
        Handed([tmp_path / "holiday.jpg"]).check_all_known(["eon.tar.gz"])
    with pytest.raises(BuildError, match="no such file or folder"):
        Handed([tmp_path / "missing"])


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


STAGES = [("eon", "eOn", 300.0), ("lammps", "LAMMPS", 100.0)]


def test_progress_in_a_terminal_is_one_line_that_moves(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    stream, clock = Terminal(), Clock()
    progress = Progress(STAGES, stream=stream, clock=clock)
    progress.begin("eon")
    clock.now = 60.0
    progress.show((50, 150))
    assert stream.getvalue().count("\n") == 0
    assert stream.getvalue().endswith(
        "\r\033[Kbuild: 1 of 2, eOn, step 50 of 150: 25% after 1:00, about 3:00 left"
    )
    progress.end("eon", "eOn: 3:00")
    progress.begin("lammps")
    assert stream.getvalue().endswith(
        "eOn: 3:00\n\r\033[Kbuild: 2 of 2, LAMMPS: 75% after 1:00, about 0:20 left"
    )


def test_progress_in_a_log_is_a_line_a_minute():
    stream, clock = io.StringIO(), Clock()
    progress = Progress(STAGES, stream=stream, clock=clock)
    progress.begin("eon")
    for second in range(181):
        clock.now = float(second)
        progress.show((second, 300))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 4  # the begin, and after one, two and three minutes
    assert lines[1] == "build: 1 of 2, eOn, step 60 of 300: 15% after 1:00, about 5:40 left"
    assert "\r" not in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "packages", "expected"),
    [
        ("[1/298] cc a\nnoise [7/9]\n[104/298] cc b\n", 0, (104, 298)),
        ("0 upgraded, 12 newly installed\nUnpacking a\nUnpacking b\nSetting up a\n", 0, (3, 24)),
        ("Collecting a\n  Downloading a.whl\nCollecting b\n", 60, (1, 60)),
        ("nothing to count", 0, None),
    ],
)
def test_steps_are_read_from_what_the_programs_print(tmp_path, text, packages, expected):
    (tmp_path / "log").write_text(text)
    assert StepReader(tmp_path / "log", packages).read() == expected


def test_times_are_clock_times():
    assert [clock_text(seconds) for seconds in (0, 9.6, 75, 3675)] == [
        "0:00",
        "0:10",
        "1:15",
        "1:01:15",
    ]


def test_a_failed_program_shows_the_end_of_its_log_and_counts_processor_time(tmp_path):
    log = tmp_path / "part.log"
    with pytest.raises(BuildError, match=r"building eOn failed \(exit code 3\)") as raised:
        run_logged(["sh", "-c", "seq 100; exit 3"], log=log, what="building eOn")
    assert str(raised.value).splitlines()[1:] == [str(number) for number in range(61, 101)]
    seconds, used = run_logged(
        [sys.executable, "-c", "import time\nwhile time.process_time() < 0.5: pass"],
        log=log,
        what="work",
    )
    assert used >= 0.5
    assert seconds > 0


def test_wrong_options_are_refused_in_one_line(tmp_path):
    for words, expected in (
        (["--march", "pentium"], "invalid choice"),
        (["--from", str(tmp_path / "missing")], "no such file"),
    ):
        done = subprocess.run(
            [CONTAINERS / "build", *words], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode
        assert expected in done.stderr.splitlines()[-1]
