"""Makes the pages that the browser tests open, inside the image: pages.py DIRECTORY.

Runs with invented numbers, committed as real ones are: a small one with names that mean harm, one of twenty states, one of
16 384 atoms, and one of states that are like each other. Beside the page of each: one that is followed, one that compares, one of
a campaign, and a data set for chemiscope.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase.build import bulk
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from unit.campaign.test_report import finished
from unit.synthetic import State, commit, event, search

from mlip_kmc.cli.export import export
from mlip_kmc.cli.report import collected, report
from mlip_kmc.report.following import age
from mlip_kmc.report.page import render
from mlip_kmc.report.viewer import library
from mlip_kmc.store.view import RunView

EVIL = "<script>pwned = 1</script>\"'><img src=x onerror=pwned=1>"


def walk(count, states):
    """KMC steps through all states, in which atoms go to their neighbouring images, one after another."""
    return [
        event(
            step,
            time_s=1e-6 * (step + 1),
            before_s=1e-6 * step,
            reactant=step % states,
            product=(step + 1) % states,
            process=100 * (step % states),
            images={str(step % 20): (1, 0, 0)},
        )
        for step in range(count)
    ]


def table(number, states):
    """A process to the next state, one that is equal to it, and a higher one."""
    return [
        (100 * number, 0.5, (number + 1) % states, 3),
        (100 * number + 1, 0.5005, -1, 1),
        (100 * number + 2, 0.83, -1, 0),
    ]


def make(path, *, states, steps, **changes):
    """A run directory."""
    searches = [
        search(index, state=state, outcome=outcome, process=100 * state + index, reason=reason)
        for state in range(states)
        for index, (outcome, reason) in enumerate(
            (("new", ""), ("new", ""), ("new", ""), ("bad", f"Not Connected {EVIL}"))
        )
    ]
    return commit(
        path,
        states=[State(energy=-10 + 0.01 * k, processes=table(k, states)) for k in range(states)],
        events=walk(steps, states),
        searches=searches,
        **changes,
    )


def alike(path):
    """A run of four states, of which three were recognised as like the first."""
    searches = [search(0, state=0, outcome="new", process=0)]
    searches += [
        replace(search(1, state=state, outcome="known", kind="class"), like=0)
        for state in range(1, 4)
    ]
    states = [State(processes=[(100 * k, 0.5, (k + 1) % 4, 1)]) for k in range(4)]
    return commit(path, states=states, events=walk(120, 4), searches=searches)


def large():
    """16 384 - 1 atoms."""
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True) * (16, 16, 16)
    del atoms[0]
    return atoms


def ask(command, *words):
    """What a user would."""
    done = CliRunner().invoke(command, list(map(str, words)))
    assert done.exit_code == 0, done.output


def main(directory):
    """Write the pages."""
    note = {
        "inputs": {
            "potential_file": f"{EVIL}.yace",
            "potential_sha256": "ab" * 32,
            "structure_file": EVIL,
        }
    }
    runs = {
        "small": make(directory / "<b>run & 'co'", states=2, steps=12, potential_note=note),
        "twenty": make(directory / "twenty", states=20, steps=40),
        "large": make(directory / "large", states=1, steps=0, atoms=large()),
        "alike": alike(directory / "alike"),
    }
    (directory / "of-campaign").mkdir()
    runs["campaign"] = finished(directory / "of-campaign")
    for name, run in runs.items():
        ask(report, run, "--output", directory / f"{name}.html")
    ask(report, runs["small"], runs["alike"], "--output", directory / "compared.html")
    ask(export, runs["small"], "--output", directory / "exported", "--chemiscope")
    with RunView.read(runs["small"]) as view:
        page = render(collected(view), library=library(Path(sys.prefix)), age=age(view))
        (directory / "followed.html").write_text(page)
    np.testing.assert_equal(
        sorted(path.name for path in directory.glob("*.html")),
        sorted(f"{name}.html" for name in (*runs, "compared", "followed")),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
