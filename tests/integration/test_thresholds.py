"""LAMMPS and the driver halt at the threshold itself: the gamma of a structure is given back as `halt`, and the next number."""

import math
import subprocess
import sys

import pytest
from ase.io import read

from mlip_kmc.config import GammaSection
from mlip_kmc.driver.standalone import pace_driver
from mlip_kmc.evaluate.by_lammps import data_text
from mlip_kmc.model.frames import read_kept_frames
from mlip_kmc.model.structure import prepare
from mlip_kmc.potential import AcePotential
from mlip_kmc.potential.side_channel import GRADES, HALT_FRAMES, parse_dump, parse_grades

from .conftest import EXAMPLE, text_of

HEAD = "units metal\natom_style atomic\natom_modify map array sort 0 0\nread_data data.lmp\nmass 1 63.546\n"


@pytest.fixture(scope="module")
def atoms():
    found = read(EXAMPLE / "vacancy.xyz")
    found.rattle(0.25, seed=3)
    return prepare(found, elements=("Cu",), cutoff_A=5.0).atoms


def frames_of(folder, atoms, *, select, halt):
    """One force call of LAMMPS as a search makes it: the largest gamma, and which frames were kept."""
    folder.mkdir()
    (folder / "data.lmp").write_text(data_text(atoms))
    potential = AcePotential.read(EXAMPLE / "cu.yace")
    for name, target in potential.job_links().items():
        (folder / name).symlink_to(target)
    pair = potential.lammps_input(("Cu",), gamma=GammaSection(select=select, halt=halt, every=1))
    (folder / "in.lammps").write_text(f"{HEAD}{pair}run 0\n")
    done = subprocess.run(
        ["lmp", "-in", "in.lammps", "-log", "none", "-nocite"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (grade,) = parse_grades((folder / GRADES).read_text())
    texts = [path.read_text() for path in sorted(folder.glob("select.*.dump"))]
    halted = (
        list(parse_dump((folder / HALT_FRAMES).read_text()))
        if (folder / HALT_FRAMES).is_file()
        else []
    )
    return grade.gamma, [frame for text in texts for frame in parse_dump(text)], halted


def test_lammps(tmp_path, atoms):
    gamma, _, _ = frames_of(tmp_path / "first", atoms, select=1.0, halt=1e9)
    above = math.nextafter(gamma, math.inf)
    outcomes = [
        tuple(map(len, frames_of(tmp_path / f"{number}", atoms, select=select, halt=halt)[1:]))
        for number, (select, halt) in enumerate([(1.0, gamma), (gamma, above), (above, 2 * above)])
    ]
    print(
        f"\ngamma {gamma!r}: candidates and halts with halt, with select, with neither at it: {outcomes}"
    )
    assert outcomes == [(0, 1), (1, 0), (0, 0)]


@pytest.mark.parametrize("engine", ["lammps", "pyace"])
def test_the_driver(tmp_path, atoms, engine):
    def asked(name, *limits):
        folder = tmp_path / name
        done = subprocess.run(
            [
                sys.executable,
                pace_driver.__file__,
                "--potential",
                EXAMPLE / "cu.yace",
                "--basis",
                EXAMPLE / "cu.yaml",
                "--active-set",
                EXAMPLE / "cu.asi",
                "--engine",
                engine,
                "--halts",
                folder,
                "--gamma",
                tmp_path / "gamma",
                *limits,
            ],
            input=text_of(atoms),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, [str(frame.kind) for frame in read_kept_frames(folder)[0]]

    assert asked("none") == (0, [])
    gamma = max(float(line.split()[-1]) for line in (tmp_path / "gamma").read_text().splitlines())
    above = repr(math.nextafter(gamma, math.inf))
    assert asked("halt", "--halt", repr(gamma)) == (pace_driver.HALTED, ["halt"])
    assert asked("select", "--halt", above, "--select", repr(gamma)) == (0, ["candidate"])
    assert asked("neither", "--halt", repr(2 * gamma), "--select", above) == (0, [])
