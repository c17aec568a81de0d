"""The page: whole, quiet, escaped, small, the same twice."""

import base64
import csv
import io
import itertools
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from click.testing import CliRunner

from mlip_kmc.cli.export import export
from mlip_kmc.cli.report import report
from mlip_kmc.ground.errors import RunStateError

from ..synthetic import State, commit, event, search

VOID = {"meta", "link", "br", "img", "hr", "input", "path", "circle", "rect"}
ASKS = {"src", "srcset", "action", "poster", "background", "xlink:href", "formaction"}


class Page(HTMLParser):
    """Checks the nesting of tags, and collects what the tests ask about."""

    def __init__(self, text):
        super().__init__()
        self.open, self.figures, self.pictures, self.ids, self.requests, self.links = (
            [],
            [],
            [],
            [],
            [],
            [],
        )
        self.text, self.scripts = "", 0
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "figure":
            self.figures.append(False)
        elif tag == "figcaption":
            self.figures[-1] = True
        elif tag in ("svg", "img"):
            self.pictures.append(found)
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "a":
            self.links.append(found)
        self.requests += [
            (tag, name, value)
            for name, value in attributes
            if (name in ASKS or (name == "href" and tag in ("link", "use", "image")))
            and value != "data:,"
        ]
        self.requests += [
            (tag, name, value)
            for name, value in attributes
            if value and re.match(r"\s*(https?:|//)", value)
        ]
        assert tag not in ("iframe", "object", "embed")
        if tag == "script":
            assert set(found) <= {"type", "id"}
            self.scripts += 1
        if tag not in ("meta", "link", "br", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> where {self.open[-1]} is open"
        self.open.pop()

    def handle_data(self, data):
        if self.open[-1:] not in (["script"], ["style"]):
            self.text += data


def page_of(run, tmp_path, name="page.html"):
    done = CliRunner().invoke(
        report, [str(run), "--output", str(tmp_path / name)], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return (tmp_path / name).read_text()


def numbers_of(run):
    done = CliRunner().invoke(report, [str(run), "--json"], catch_exceptions=False)
    return json.loads(done.output)


def small(tmp_path, **changes):
    processes = [(11, 0.8, 1, 3), (12, 0.9, -1, 0), (9_000_000_000_000_000_001, 2.5, -1, 0)]
    arguments = {
        "states": [
            State(processes=processes, good=4, bad=1),
            State(energy=-9.95, processes=[(13, 0.75, 0, 1)]),
        ],
        "events": [
            event(
                step,
                time_s=1e-6 * (step + 1),
                before_s=1e-6 * step,
                reactant=step % 2,
                product=1 - step % 2,
                process=11 if step % 2 == 0 else 13,
            )
            for step in range(12)
        ],
        "searches": [
            search(0, outcome="new", process=11),
            search(1, process=11),
            search(2, outcome="bad", reason="Not Connected"),
            search(3, outcome="high", reason="barrier > max_thermal_window", barrier=9.0),
            search(0, state=1, process=13),
        ],
    }
    return commit(tmp_path / "run", **{**arguments, **changes})


def own(text):
    """A page without the scripts that the image's viewer brings."""
    return re.sub(r"<script[ >].*?</script>", "", text, flags=re.DOTALL)


def check(text):
    """What holds for every page."""
    page = Page(text)
    assert page.scripts in (0, 3)
    text = own(text)
    assert page.requests == []
    assert all(page.figures)
    assert all(
        picture.get("role") == "img" and picture.get("aria-label") for picture in page.pictures
    )
    assert len(page.ids) == len(set(page.ids))
    assert len(text.encode()) < 5_000_000
    assert "url(" not in text
    assert "@import" not in text
    assert re.search(r"\b(nan|inf|None)\b", page.text) is None
    return page


def test_a_page_is_whole_and_quiet(tmp_path):
    page = check(page_of(small(tmp_path), tmp_path))
    assert len([link for link in page.links if link.get("download", "").endswith(".csv")]) >= 6 + 2
    assert len(page.pictures) >= 6 * 2 + 3
    for said in (
        "T / 11604.5 eV",
        "k = ν exp(−E/kT)",
        "0.001 eV/Å",
        "submitted",
        "unknown",
        "leaves out the rotations of the dimer",
        "Too few steps",
        "500 K",
        "beyond the thermal window",
        "Not Connected",
    ):
        assert said in page.text, said


def test_the_data_of_a_figure_can_be_taken_out(tmp_path):
    page = check(page_of(small(tmp_path), tmp_path))
    link = next(link for link in page.links if link.get("download") == "energy.csv")
    rows = list(
        csv.DictReader(io.StringIO(base64.b64decode(link["href"].partition("base64,")[2]).decode()))
    )
    assert len(rows) == 13
    assert float(rows[1]["energy_above_state_0_eV"]) == pytest.approx(0.05)
    assert (rows[-1]["state"], float(rows[-1]["time_s"])) == ("0", 12e-6)


def test_words_of_users_are_escaped(tmp_path):
    evil = "<script>alert(1)</script>"
    run = small(
        tmp_path,
        potential_note={
            "inputs": {"potential_file": f"/data/{evil}.yace", "potential_sha256": "ab" * 32}
        },
        searches=[search(0, outcome="bad", reason=f"{evil} & so on")],
    )
    text = page_of(run.rename(tmp_path / "<b>run & 'co'"), tmp_path)
    page = check(text)
    assert "<script" not in own(text)
    assert page.text.count(evil) == 2
    assert "<b>run & 'co'" in page.text
    assert "ab" * 32 in page.text


def test_the_same_run_gives_the_same_bytes(tmp_path):
    run = small(tmp_path)
    assert page_of(run, tmp_path, "a.html") == page_of(run, tmp_path, "b.html")
    assert numbers_of(run) == numbers_of(run)


def test_reading_changes_nothing_and_the_default_place_is_results(tmp_path):
    run = small(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}
    page_of(run, tmp_path)
    numbers_of(run)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()} == before
    CliRunner().invoke(report, [str(run)], catch_exceptions=False)
    assert [path for path in run.rglob("*") if path.is_file() and path not in before] == [
        run / "results" / "report.html"
    ]


@pytest.mark.parametrize("changes", [
    {"events": (), "searches": (), "states": []},
    {"events": (), "searches": (), "states": [State(energy=None)]},
    {"events": ()},
    {"events": (), "searches": [search(0, outcome="bad", reason="Not Connected")], "states": [State()]},
    {"with_structures": False},
    {"scheme": "new"},
    {"scheme": "sampling"},
], ids=["nothing", "start", "searches", "bad", "no-structures", "new", "sampling"])  # fmt: skip
def test_runs_that_are_not_far_yet(tmp_path, changes):
    run = small(tmp_path, **changes)
    check(page_of(run, tmp_path))
    assert numbers_of(run)["format"] == 2


def test_every_temperature_has_its_table_and_its_figure(tmp_path):
    steps = [
        event(
            step,
            time_s=1e-6 * (step + 1),
            before_s=1e-6 * step,
            reactant=step % 2,
            product=1 - step % 2,
            process=11 if step % 2 == 0 else 13,
            temperature_K=300.0 if step < 5 else 500.0,
        )
        for step in range(12)
    ]
    run = small(tmp_path, events=steps)
    page = check(page_of(run, tmp_path))
    for words in ("At 300 K", "At 500 K", "5 KMC steps at 300 K, 7 KMC steps at 500 K"):
        assert words in page.text
    assert {"displacement-300-K", "displacement-500-K"} <= set(page.ids)
    found = numbers_of(run)
    rows = [(row["temperature_K"], row["species"], row["steps"]) for row in found["diffusion"]]
    assert rows == [(300.0, "Cu", 5), (500.0, "Cu", 7)]
    assert found["settings"]["temperature_K"] == 500.0
    assert found["settings"]["earlier_temperatures_K"] == [300.0]


def test_superbasin_steps_are_said(tmp_path):
    events = [
        event(0, time_s=1e-6, reactant=0, process=11),
        event(
            1, time_s=2e-6, before_s=1e-6, reactant=0, product=1, process=11, superbasin=3, hops=2e9
        ),
    ]
    run = small(tmp_path, events=events, superbasins=True)
    page = check(page_of(run, tmp_path))
    assert "Superbasins were on: 1 of 2 steps left one." in page.text
    assert "What happened inside superbasins" in page.text
    assert "Not sound" not in page.text
    assert (numbers_of(run)["superbasin_steps"], numbers_of(run)["unsound_superbasin_steps"]) == (
        1,
        0,
    )


def test_superbasin_steps_of_the_first_versions_are_named(tmp_path):
    events = [
        event(0, time_s=1e-6, reactant=0, process=11),
        event(1, time_s=2e-6, before_s=1e-6, reactant=0, product=1, process=11, superbasin=3),
    ]
    run = small(tmp_path, events=events, superbasins=True)
    page = check(page_of(run, tmp_path))
    assert "1 superbasin step was made by an earlier version" in page.text
    assert "from KMC step 2 on; run again in a new directory" in page.text
    assert numbers_of(run)["unsound_superbasin_steps"] == 1


def test_labels_in_the_network_do_not_cover_each_other(tmp_path):
    route = [0, 1, 2, 3, 4, 3, 5, 6, 5, 3, 7]
    events = [
        event(step, time_s=1e-6 * (step + 1), before_s=1e-6 * step, reactant=here, product=there)
        for step, (here, there) in enumerate(itertools.pairwise(route))
    ]
    text = page_of(small(tmp_path, events=events, states=[State() for _ in range(8)]), tmp_path)
    for drawing in re.findall(r"<svg[^>]*Arc diagram.*?</svg>", text):
        labels = [
            (float(x), float(y), len(said) * 6.0)
            for x, y, said in re.findall(
                r'<text class="halo" x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]+)', drawing
            )
        ]
        assert len(labels) >= 3
        for (x, y, width), (other_x, other_y, other_width) in itertools.combinations(labels, 2):
            assert abs(x - other_x) >= (width + other_width) / 2 or abs(y - other_y) >= 12


def test_a_big_run_stays_small_and_says_what_it_leaves_out(tmp_path):
    rng = np.random.default_rng(1)
    states = [
        State(
            energy=-10 + 0.01 * (k % 17),
            processes=[(1000 * k + j, 0.5 + 0.03 * j, (k + j) % 200, j) for j in range(40)],
        )
        for k in range(200)
    ]
    where, events, now = 0, [], 0.0
    for step in range(2000):
        then, now = now, now + float(rng.exponential(1e-7))
        events.append(
            event(
                step,
                time_s=now,
                before_s=then,
                reactant=where,
                product=(where + int(rng.integers(1, 30))) % 200,
                process=1000 * where,
            )
        )
        where = events[-1].product
    searches = [
        search(
            k % 60,
            state=k // 60,
            outcome="new" if k % 60 < 40 else "repeat",
            process=1000 * (k // 60) + k % 40,
            barrier=0.5 + 0.03 * (k % 40),
        )
        for k in range(200 * 60)
    ]
    run = commit(
        tmp_path / "run", states=states, events=events, searches=searches, with_structures=False
    )
    page = check(page_of(run, tmp_path))
    for said in (
        "most visited of",
        "more visited states are not shown",
        "more states are not drawn",
        "more states are not shown",
    ):
        assert said in page.text, said


def test_json_has_the_numbers(tmp_path):
    found = numbers_of(small(tmp_path))
    assert found["run"]["kmc_steps"] == 12
    assert found["run"]["simulated_time_s"] == 12e-6
    assert found["settings"]["temperature_K"] == 500
    assert found["searches"]["outcomes"] == {
        "new": 1,
        "repeat": 2,
        "high": 1,
        "bad": 1,
        "halted": 0,
        "known": 0,
    }
    assert found["searches"]["force_calls_without_dimer_rotations"] == 500
    assert found["extrapolation_grade"] is None
    assert found["states"][0]["processes"][-1]["process"] == "9000000000000000001"
    assert found["diffusion"][0]["tracer_m2_per_s"] is None
    assert found["diffusion"][0]["hop_error_m2_per_s"] == pytest.approx(
        found["diffusion"][0]["hop_m2_per_s"] / 12**0.5
    )


def test_what_is_no_run_is_one_error_of_the_family(tmp_path):
    for command in (report, export):
        done = CliRunner().invoke(command, [str(tmp_path)])
        assert isinstance(done.exception, RunStateError)
        assert str(done.exception).count("\n") == 0


def test_export_writes_what_is_committed(tmp_path):
    run = small(tmp_path)
    done = CliRunner().invoke(
        export, [str(run), "--output", str(tmp_path / "out")], catch_exceptions=False
    )
    assert done.exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "events.csv",
        "events.parquet",
        "processes.csv",
        "processes.parquet",
        "processes.xyz",
        "states.csv",
        "states.parquet",
        "trajectory.xyz",
    ]
    assert len((tmp_path / "out" / "events.csv").read_text().splitlines()) == 13
    assert not (run / "results").exists()
    CliRunner().invoke(export, [str(run)], catch_exceptions=False)
    first = (run / "results" / "trajectory.xyz").read_bytes()
    CliRunner().invoke(export, [str(run)], catch_exceptions=False)
    assert (run / "results" / "trajectory.xyz").read_bytes() == first
