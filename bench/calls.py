"""What a call costs: the bare evaluation, and eOn's ways to it.

    containers/in-image python3 bench/calls.py [--atoms 64 256 2048] [--repeats 5] [--least]

Rattled copper, the example's potential, with and without gamma. `bare` evaluates in this process. The others are eOn's client
on a minimisation that is cut off after a few iterations and after some more: the difference in time over the difference in
force calls, so that the start is left out. Prints milliseconds a call of the repeat that other work on the machine disturbed
least, the longest, what eOn's way costs over the bare evaluation by the same program, and processor time of the client and what
it starts, which other work changes less. With --least it ends with 1 where the persistent driver costs more than 15 ms over
the bare evaluation, or with python-ace more than a fiftieth of what the one-shot script costs.
"""

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from ase.build import bulk

from mlip_kmc.driver import served
from mlip_kmc.driver.standalone import pace_driver as driver
from mlip_kmc.evaluate.client import parse_results
from mlip_kmc.model.structure import to_con
from mlip_kmc.potential import AcePotential, DrivenPotential

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "cu-vacancy"
CELLS = {64: (4, 2, 2), 256: (4, 4, 4), 2048: (8, 8, 8)}
LONGEST_MS, RATIO = 15.0, 50.0
CLIENT = shutil.which("eonclient") or sys.exit(
    "calls: there is no eonclient here; run it in the image"
)
CONFIG = """\
[Main]
job = minimization
quiet = true
[Potential]
potential = {name}
{more}
[Optimizer]
opt_method = lbfgs
converged_force = 1e-14
max_iterations = {iterations}
"""
GAMMA = {"basis": str(EXAMPLE / "cu.yaml"), "active-set": str(EXAMPLE / "cu.asi")}
PLAIN_INPUT = "pair_style pace product\npair_coeff * * potential.yace Cu\n"
GAMMA_INPUT = (
    "pair_style pace/extrapolation\npair_coeff * * cu.yaml cu.asi Cu\n"
    "fix gamma all pair 1 pace/extrapolation gamma 1\n"
)


def rattled(count):
    """Copper at rest but for 0.05 A."""
    atoms = bulk("Cu", a=3.6, cubic=True).repeat(CELLS[count])
    atoms.positions += np.random.default_rng(count).normal(0.0, 0.05, atoms.positions.shape)
    return atoms


def bare(engine, atoms, gamma):
    """Milliseconds of one evaluation in this process."""
    evaluator = driver.Evaluator(
        {"potential": str(EXAMPLE / "cu.yace"), "engine": engine, **(GAMMA if gamma else {})}
    )
    structure = driver.Structure(atoms.cell.array.ravel().tolist(), atoms.numbers.tolist(), [])

    def call(index):
        moved = atoms.positions + np.random.default_rng(index).normal(
            0.0, 0.01, atoms.positions.shape
        )
        structure.positions = moved.ravel().tolist()
        begun = time.perf_counter()
        evaluator.evaluate(structure)
        return time.perf_counter() - begun

    call(0)
    times = [call(1)]
    while sum(times) < 0.3 and len(times) < 50:
        times.append(call(len(times) + 1))
    return np.array([min(times) * 1e3, np.nan])


def idle_python():
    """Milliseconds of a Python that does nothing: what every client costs at least, on this machine, now."""
    times = []
    for _ in range(20):
        begun = time.perf_counter()
        subprocess.run(
            [getattr(sys, "_base_executable", sys.executable), "-IS", "-c", "pass"], check=True
        )
        times.append(time.perf_counter() - begun)
    return np.array([min(times) * 1e3, np.nan])


def client(atoms, files, links, iterations, *, name, more=""):
    """(seconds, processor seconds) and force calls of one `eonclient`."""
    with tempfile.TemporaryDirectory(prefix="calls-") as folder:
        here = Path(folder)
        (here / "config.ini").write_text(CONFIG.format(name=name, more=more, iterations=iterations))
        (here / "pos.con").write_text(to_con(atoms))
        (here / driver.SEARCH_FILE).write_text("0_1")  # as in a run
        for file, text in files.items():
            (here / file).write_text(text)
        for link, target in links.items():
            (here / link).symlink_to(target)
        begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([CLIENT], cwd=here, capture_output=True, text=True, check=False)
        seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode or not (here / "results.dat").is_file():
            sys.exit(f"calls: eonclient failed: {(done.stderr or done.stdout)[-400:]}")
        processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return np.array([seconds, processor]), parse_results((here / "results.dat").read_text())[
            "total_force_calls"
        ]


def inside_eon(atoms, files, links, few, many, **keywords):
    """Milliseconds a call, and milliseconds of processor."""
    (first, calls), (second, more) = (
        client(atoms, files, links, count, **keywords) for count in (few, many)
    )
    return (second - first) / (more - calls) * 1e3


def one_shot(engine, gamma):
    """The command line of the script that loads everything anew."""
    options = {"potential": str(EXAMPLE / "cu.yace"), "engine": engine, **(GAMMA if gamma else {})}
    words = " ".join(f"--{key} {value}" for key, value in options.items())
    return f"ext_pot_path = {sys.executable} {driver.__file__} {words}"


def ways(count, gamma, driven):
    """name: what measures one call by it."""
    atoms = rattled(count)
    few, many = (3, 23) if count < 1000 else (2, 10)
    links = {
        "potential.yace": EXAMPLE / "cu.yace",
        "cu.yaml": EXAMPLE / "cu.yaml",
        "cu.asi": EXAMPLE / "cu.asi",
    }
    lammps = {"in.lammps": GAMMA_INPUT if gamma else PLAIN_INPUT}
    found = {
        "a Python that does nothing": idle_python,
        "bare, LAMMPS": lambda: bare("lammps", atoms, gamma),
        "bare, python-ace": lambda: bare("pyace", atoms, gamma),
        "eOn, its LAMMPS": lambda: inside_eon(atoms, lammps, links, few, many, name="lammps"),
    }
    for engine, program in (("lammps", "LAMMPS"), ("pyace", "python-ace")):
        found[f"eOn, persistent driver ({program})"] = partial(
            inside_eon, atoms, {}, driven[engine].job_links(), few, many, name="ext_pot"
        )
        found[f"eOn, one-shot driver ({program})"] = partial(
            inside_eon, atoms, {}, {}, 1, 4, name="ext_pot", more=one_shot(engine, gamma)
        )
    return found


def shown(name, times, over):
    """One line of the table."""
    least, longest, processor = times[:, 0].min(), times[:, 0].max(), times[:, 1].min()
    extra = f"{least - over:+12.1f}{processor:16.1f}" if over is not None else ""
    print(f"  {name:38}{least:10.1f}{longest:10.1f}{extra}", flush=True)
    return least


def measure(count, gamma, driven, repeats):
    """Print a table; answer what the persistent and the one-shot driver cost over the bare evaluation, by program."""
    title = f"{count} atoms, {'with' if gamma else 'without'} gamma: ms a call"
    print(f"\n{title:40}{'least':>10}{'longest':>10}{'over bare':>12}{'processor':>16}")
    found = {name: [] for name in ways(count, gamma, driven)}
    for _ in range(repeats):  # in turn, so that what else the machine does meets all of them
        for name, way in ways(count, gamma, driven).items():
            found[name].append(way())
    least = {}
    for name, times in found.items():
        program = "bare, python-ace" if "python-ace" in name else "bare, LAMMPS"
        least[name] = shown(name, np.array(times), least.get(program))
    return {
        program: tuple(
            least[f"eOn, {kind} driver ({program})"] - least[f"bare, {program}"]
            for kind in ("persistent", "one-shot")
        )
        for program in ("LAMMPS", "python-ace")
    }


def main():
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--atoms", type=int, nargs="+", default=[64, 256, 2048], choices=list(CELLS)
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--least", action="store_true")
    arguments = parser.parse_args()
    potential = DrivenPotential(AcePotential.read(EXAMPLE / "cu.yace"))
    missed = []
    for gamma in (False, True):
        limits = GAMMA if gamma else {}
        with (
            served(potential, workers=1, limits={**limits, "engine": "lammps"}) as lammps,
            served(potential, workers=1, limits={**limits, "engine": "pyace"}) as pyace,
        ):
            for count in arguments.atoms:
                over = measure(count, gamma, {"lammps": lammps, "pyace": pyace}, arguments.repeats)
                for program, (persistent, once) in over.items():
                    print(
                        f"  persistent driver ({program}): {persistent:.1f} ms over the bare evaluation, "
                        f"1/{once / persistent:.0f} of the one-shot script's {once:.0f} ms"
                    )
                    # a one-shot script with LAMMPS starts without ase and python-ace, in a few hundred ms: no fiftieth of that
                    if persistent > LONGEST_MS or (
                        program == "python-ace" and once < RATIO * persistent
                    ):
                        missed.append(f"{count} atoms, {program}")
    print(
        "\nlimits (15 ms, a fiftieth): "
        + (f"missed with {'; '.join(missed)}" if missed else "kept")
    )
    sys.exit(1 if missed and arguments.least else 0)


if __name__ == "__main__":
    main()
