"""The parts of the image: what each is made from, and the key that says when it must be made again.

    keys = part_keys(Path("containers"), read_pins(...), march="x86-64-v3")
    keys["eon"]        # sha256 over eOn's pins, its recipe, the base and the instruction set: no other part's

A part's file in the cache carries 16 digits of its key: `eon-0123456789abcdef.tar`.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from building.failure import BuildError
from building.pins import locked_version


@dataclass(frozen=True)
class Part:
    """One part.

    Attributes:
        title: as progress names it.
        suffix: of its file.
        pins: prefixes of the pins that decide it.
        files: those under containers/ that decide it.
        compiled: made with the compilers, for one instruction set.
        sources: prefixes of the pins that name a source archive (`_FILE`, `_SHA256`).
        weight: its share of a cold build's time; only ratios count.
    """

    name: str
    title: str
    suffix: str
    pins: tuple[str, ...]
    files: tuple[str, ...]
    compiled: bool = False
    sources: tuple[str, ...] = ()
    weight: float = 10.0


BASE = Part("base", "Debian", "sif", ("DEBIAN",), ("base.def",), weight=80)
EON = Part(
    "eon",
    "eOn",
    "tar",
    ("EON", "DEBIAN"),
    (
        "base.def",
        "compilers.def",
        "parts/eon.sh",
        "parts/eon-edits",
        "parts/common.sh",
        "build-tools.lock",
    ),
    compiled=True,
    sources=("EON",),
    weight=300,
)
LAMMPS = Part(
    "lammps",
    "LAMMPS",
    "tar",
    ("LAMMPS", "ACE", "DEBIAN"),
    (
        "base.def",
        "compilers.def",
        "parts/lammps.sh",
        "parts/lammps-headers.cmake",
        "parts/common.sh",
        "pace/CMakeLists.txt",
    ),
    compiled=True,
    sources=("LAMMPS", "ACE"),
    weight=250,
)
PYTHON = Part(
    "python",
    "Python packages",
    "tar",
    ("DEBIAN",),
    ("base.def", "parts/python.sh", "parts/common.sh", "requirements.lock"),
    weight=40,
)
VIEWER = Part(
    "viewer", "the report's viewer", "tar", ("VIEWER",), (), sources=("VIEWER",), weight=2
)
COMPILERS = Part(
    "compilers", "compilers", "dir", ("DEBIAN",), ("base.def", "compilers.def"), weight=60
)
PARTS = (BASE, VIEWER, PYTHON, EON, LAMMPS)
"""In the order in which they are made: an error in a short one is seen before the long ones."""


def part_keys(containers, pins, march):
    """By name of the part, the sha256 of all that decides it.

    Args:
        containers: the folder of the definitions, pins and locks.
        pins: of `pins.env`.
        march: the instruction set, whole: for `native`, with the processor's flags.

    Raises:
        BuildError: a pin or file is missing, or LAMMPS' ACE evaluator is not python-ace's.
    """
    python_ace = locked_version(containers / "requirements.lock", "python-ace")
    if python_ace != pins.get("ACE_VERSION"):
        raise BuildError(
            f"pins.env gives LAMMPS the ACE evaluator of python-ace {pins.get('ACE_VERSION')}, but "
            f"requirements.lock has python-ace {python_ace}: both must be the same version"
        )
    return {part.name: _key(part, containers, pins, march) for part in (*PARTS, COMPILERS)}


def _key(part, containers, pins, march):
    lines = [
        f"{name}={value}"
        for name, value in sorted(pins.items())
        if name.split("_", 1)[0] in part.pins
    ]
    if {line.split("_", 1)[0] for line in lines} != set(part.pins):
        raise BuildError(f"pins.env has no pins for {', '.join(part.pins)}")
    for name in sorted(part.files):
        try:
            digest = hashlib.sha256((containers / name).read_bytes()).hexdigest()
        except OSError as error:
            raise BuildError(f"cannot read containers/{name}: {error.strerror}") from error
        lines.append(f"{digest}  {name}")
    if part.compiled:
        lines.append(f"march {march}")
    return hashlib.sha256("\n".join([part.name, *lines]).encode()).hexdigest()


def tree_key(root, names):
    """The sha256 over files and folders of `root`, names and content, in one order everywhere."""
    files = sorted({file for name in names for file in _files(Path(root) / name)})
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(root)}"
        for file in files
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _files(path):
    if path.is_dir():
        return [
            file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts
        ]
    return [path]


def march_of(march):
    """The instruction set as it enters a key: that of this machine for `native`."""
    if march != "native":
        return march
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return "native " + next((line for line in lines if line.startswith("flags")), "")
