"""Draw docs/example.svg from the example's run: where the vacancy went, when, and over which barriers.

python bench/picture.py akmc-run/results docs/example.svg      # needs matplotlib, which the image does not hold
"""

import csv
import itertools
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from ase.io import read

mpl.use("agg" if sys.argv[-1].endswith(".png") else "svg")
import matplotlib.pyplot as plt

BLUE, GREY = "#1f5a96", "#8a8f98"


def vacancy_walk(frames):
    """(steps + 1, 3) position of the vacancy: it goes where the hopping atom came from."""
    start = frames[0]
    lengths = start.cell.lengths()
    sites = [np.zeros(3)]
    for before, after in itertools.pairwise(frames):
        moved = after.positions - before.positions
        hopper = int(np.argmax(np.linalg.norm(moved, axis=1)))
        step = -moved[hopper]
        sites.append(sites[-1] + step - lengths * np.round(step / lengths))
    return np.array(sites)


def main(results, target):
    """Three panels, one line of findings each."""
    frames = read(Path(results) / "trajectory.xyz", ":")
    events = list(csv.DictReader((Path(results) / "events.csv").open()))
    processes = [
        row
        for row in csv.DictReader((Path(results) / "processes.csv").open())
        if row["state"] == "0"
    ]
    walk = vacancy_walk(frames)
    mpl.rcParams.update(
        {
            "font.family": "sans-serif",
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "svg.hashsalt": "mlip-kmc",
            "svg.fonttype": "none",
        }
    )
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(9.6, 2.9), layout="constrained")
    x, y = walk[:, 0], walk[:, 1]
    left.plot(x, y, color=BLUE, lw=1.4, alpha=0.7)
    left.scatter(x[:-1], y[:-1], color="white", edgecolor=BLUE, s=34, zorder=3)
    left.scatter(x[-1:], y[-1:], color=BLUE, s=44, zorder=4)
    left.annotate("start", (x[0], y[0]), xytext=(6, 6), textcoords="offset points", color=GREY)
    left.annotate("end", (x[-1], y[-1]), xytext=(6, 6), textcoords="offset points", color=BLUE)
    left.set(
        title="The vacancy's walk, seen along z", xlabel="x (A)", ylabel="y (A)", aspect="equal"
    )
    left.margins(0.2)
    times = np.array([0.0, *(float(event["time_s"]) for event in events)]) * 1e6
    middle.step(times, range(len(times)), where="post", color=BLUE, lw=1.6)
    middle.set(
        title=f"{len(events)} KMC steps at 500 K", xlabel="simulated time (µs)", ylabel="KMC step"
    )
    barriers = sorted(float(row["barrier_eV"]) for row in processes)
    right.scatter(range(1, len(barriers) + 1), barriers, color=BLUE, s=22)
    right.set(
        title=f"State 0: {len(barriers)} hops found",
        xlabel="process, by barrier",
        ylabel="barrier (eV)",
        ylim=(min(barriers) - 0.02, max(barriers) + 0.02),
    )
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    main(*sys.argv[1:])
