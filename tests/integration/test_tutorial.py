"""The tutorial, to the letter: its files are written and its commands run, in order, in an empty directory."""

import re
import subprocess
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"


def blocks():
    """(language, text) of the fenced blocks, in order."""
    return re.findall(
        r"^```(sh|yaml|python)\n(.*?)^```$",
        TUTORIAL.read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What each command of the tutorial printed."""
    folder = tmp_path_factory.mktemp("tutorial")
    outputs = {}
    for language, text in blocks():
        if language == "sh":
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=folder, capture_output=True, text=True,
                                  timeout=600, check=False, stdin=subprocess.DEVNULL)  # fmt: skip
            assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
            outputs[text] = done.stdout
        else:  # a file, named in its first line
            (folder / text.splitlines()[0].removeprefix("# ")).write_text(text)
    return folder, outputs


def test_every_command_works_and_prints_what_the_text_says(printed):
    folder, outputs = printed
    by_command = {
        text.split("\n")[-2].split(" --")[0].split(" -n")[0]: out for text, out in outputs.items()
    }
    assert "ready to start" in by_command["mlip-kmc check first/akmc.yaml"]
    assert re.search(r"0\.79\d+ +1e\+13", by_command["mlip-kmc search first/akmc.yaml"])
    assert "3 KMC steps" in by_command["mlip-kmc run first/akmc.yaml"]  # the second of them
    assert re.search(r"KMC steps +2 of 2", by_command["mlip-kmc status first/akmc.run"])
    assert (folder / "first/akmc.run/results/report.html").stat().st_size > 10_000
    assert re.match(r"2 steps, 3 frames, [\d.e-]+ s\n", by_command["python3 look.py"])
    displacement = float(
        re.search(r"displacement: ([\d.]+) A", by_command["python3 look.py"]).group(1)
    )
    assert (
        displacement == pytest.approx(2.54, abs=0.1) or displacement < 0.3 or displacement > 3
    )  # one hop, back, or on


def test_the_adatom_is_selected(printed):
    folder, outputs = printed
    ran, selected = (
        next(out for command, out in outputs.items() if word in command)
        for word in ("run adatom", "select adatom")
    )
    assert "stage reactant, before any search" in ran
    assert "written: " in selected
    assert (folder / "adatom/akmc.run/selection").is_dir()


def test_the_adatom_is_outside_of_what_the_potential_knows(printed):
    _, outputs = printed
    (text,) = [out for command, out in outputs.items() if "check adatom" in command]
    quoted = re.search(r"^FAIL +gamma +at most ([\d.e+]+)", TUTORIAL.read_text(), re.MULTILINE)
    found = re.search(
        r"^FAIL +gamma +at most ([\d.e+]+) in the minimum .*FAR outside", text, re.MULTILINE
    )
    assert float(found.group(1)) == pytest.approx(float(quoted.group(1)), rel=0.02)


def test_the_campaign_waits_for_approval_and_its_potentials_become_better(printed):
    folder, outputs = printed
    quoted = re.search(
        r"^1 label for gen-000 wait for approval, of \S+;", TUTORIAL.read_text(), re.MULTILINE
    )
    said = [out for command, out in outputs.items() if "campaign repaired" in command]
    assert quoted.group() in said[0]
    assert "stopped after the step refresh; next is explore, with gen-001" in said[1]
    assert "stopped after the step refit; next is refresh, with gen-002" in said[2]
    errors = re.findall(
        r"^gen-00\d: forces ([\d.]+) -> ([\d.]+) meV/A",
        outputs["python3 errors.py\n"],
        re.MULTILINE,
    )
    assert len(errors) == 2
    assert all(float(after) < 0.95 * float(before) for before, after in errors)
    assert (folder / "repaired/campaign.campaign/gen-002/potential/bulk-gen-002.yace").is_file()
