"""What a message advises exists: every option that it names is one of the command that prints it, or of the one it names.

A message is any text of the sources that is no docstring. Which commands can print it follows from imports, which say too much:
`NARROWER` says of some modules by which commands their messages are really reached.
"""

import ast
import errno
import importlib
import re
from functools import cache
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import mlip_kmc
from mlip_kmc.cli.main import COMMANDS, cli
from mlip_kmc.driver.standalone.command import OPTIONS as DRIVER_OPTIONS
from mlip_kmc.ground import files
from mlip_kmc.ground.errors import StorageError

from .synthetic import State, commit, search

PACKAGE = Path(__file__).parents[2] / "src" / "mlip_kmc"
INSTALLED = Path(mlip_kmc.__file__).parent
OPTION = re.compile(r"(?<![\w-])--[a-z][a-zA-Z-]*[a-zA-Z]")
NAMED = re.compile(r"mlip-kmc((?: [a-z][a-z-]*)+)")

# by file: commands that can really come to its messages, where imports say more
RUNNING = "run search campaign check"
NARROWER = {
    "store/checkpoints.py": RUNNING,
    "store/claim.py": RUNNING,
    "akmc/server.py": RUNNING,
    "akmc/eon_states.py": RUNNING,
    "akmc/run.py": RUNNING,
    "akmc/leaving.py": RUNNING,
    "akmc/run.py --remote-workers": "run",  # only who gave it comes there
    "learning/active_set_maker.py": "potential activeset",
    "learning/training_set.py": "potential activeset",
    "potential/whereabouts.py": "select, release build",
    "driver/server.py": "serve",
    "campaign/collecting.py": "campaign",
    "campaign/potentials.py": "campaign",  # of a campaign that was begun; `refit` begins none
}
# options of other programs, which the message names
FOREIGN = {
    ("check/room.py", "--workdir"),
    ("check/room.py", "--containall"),
    ("ground/container.py", "--bind"),
    ("cli/completion.py", "--max"),
    ("ground/programs/cpu.py", "--march"),
    ("model/structure/reader.py", "--formats"),
    ("learning/labels/scheduler.py", "--job-name"),
    ("learning/labels/scheduler.py", "--user"),
    ("learning/labels/scheduler.py", "--output"),
    ("learning/labels/scheduler.py", "--format"),
}
DRIVER = "driver/standalone/"  # a program of its own


def commands():
    """Every command by the words that call it."""
    found = {}

    def add(words, command):
        found[words] = command
        if isinstance(command, click.Group):
            for name in command.list_commands(click.Context(command)):
                add((*words, name), command.get_command(click.Context(command), name))

    for name in COMMANDS:
        add((name,), cli.get_command(click.Context(cli), name))
    return found


def options_of(command):
    return {
        name
        for parameter in (*command.params, *cli.params)
        for name in (*parameter.opts, *parameter.secondary_opts)
    } | {"--help"}


def texts(tree):
    """(line, text) of every string that is no docstring; f-strings as one, with what is filled in left out."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    statements = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)
    }  # of attributes, too
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    for node in ast.walk(tree):
        if id(node) in docstrings | statements | inside:
            continue
        if isinstance(node, ast.JoinedStr):
            yield (
                node.lineno,
                "".join(
                    part.value if isinstance(part, ast.Constant) else "{}" for part in node.values
                ),
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


@cache
def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imported(path):
    """Files of the package that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(tree_of(path)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name.startswith("mlip_kmc."):
                place = PACKAGE / Path(*name.split(".")[1:])
                found |= {
                    file
                    for file in (place.with_suffix(".py"), place / "__init__.py")
                    if file.is_file()
                }
    return found


def reached(path):
    seen, waiting = set(), [path]
    while waiting:
        here = waiting.pop()
        if here not in seen:
            seen.add(here)
            waiting += imported(here)
    return seen


@pytest.fixture(scope="module")
def everything():
    return commands()


@pytest.fixture(scope="module")
def callers(everything):
    """By file: commands whose file imports it, directly or not. A command's own file is its own."""
    files = {
        words: PACKAGE
        / Path(importlib.import_module(command.callback.__module__).__file__).relative_to(INSTALLED)
        for words, command in everything.items()
        if not isinstance(command, click.Group)
    }
    found = {}
    for words, own in files.items():
        for file in reached(own):
            if file == own or file not in files.values():
                found.setdefault(file.relative_to(PACKAGE).as_posix(), set()).add(words)
    return found


def split_by_command(text):
    """(words of the command that a text names before it in the same sentence or quotation, option) for each option in it."""
    named = ()
    for match in re.finditer(rf"{NAMED.pattern}|{OPTION.pattern}|[`;.\n]", text):
        word = match.group()
        if word.startswith("mlip-kmc"):
            named = tuple(match.group(1).split())
        elif word.startswith("--"):
            yield named, word
        else:
            named = ()


def known(named, everything):
    """The longest command that the words begin with: what follows are arguments."""
    return next(
        (named[:length] for length in range(len(named), 0, -1) if named[:length] in everything),
        None,
    )


def lacking(name, text, *, everything, callers):
    """What a text of a file advises and is not there."""
    for named, option in split_by_command(text):
        if (name, option) in FOREIGN:
            continue
        if named:
            command = known(named, everything)
            if command is None or option not in options_of(everything[command]):
                yield f"mlip-kmc {' '.join(named)} has no {option}"
            continue
        by = callers.get(name, set())
        narrower = NARROWER.get(f"{name} {option}", NARROWER.get(name))
        if narrower is not None:
            by = {
                tuple(words.split())
                for words in re.split(r", |(?<=[a-z]) (?!build|activeset)", narrower)
            }
        without = [" ".join(words) for words in by if option not in options_of(everything[words])]
        own = name.startswith("cli/") and len(without) < len(by)  # one file, several commands
        yield from [] if own else [f"mlip-kmc {words} has no {option}" for words in without]


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix()
)
def test_every_option_that_a_message_names_exists(path, everything, callers):
    name = path.relative_to(PACKAGE).as_posix()
    options = {*DRIVER_OPTIONS, "--quiet", "--help"}
    wrong = []
    for line, text in texts(tree_of(path)):
        if OPTION.fullmatch(text) or re.fullmatch(r"--[a-z-]+/--[a-z-]+", text):
            continue  # an argument of a program, or the declaration of an option
        if name.startswith(DRIVER):
            wrong += [
                f"{line}: {option}" for option in OPTION.findall(text) if option not in options
            ]
        else:
            wrong += [
                f"{line}: {what}"
                for what in lacking(name, text, everything=everything, callers=callers)
            ]
    assert wrong == []


def test_the_test_sees_what_is_missing(everything, callers):
    def missing(name, text):
        return sorted(lacking(name, text, everything=everything, callers=callers))

    assert "mlip-kmc report has no --dir" in missing("ground/files.py", "choose another --dir")
    assert missing("store/claim.py", "choose another --dir") == []
    assert missing("store/claim.py", "choose another --output")
    assert missing("store/view.py", "name one that `mlip-kmc run --dir` made") == []
    assert missing("store/view.py", "`mlip-kmc run --output`, and --dir") == sorted(
        ["mlip-kmc run has no --output", *missing("store/view.py", "--dir")]
    )
    assert missing("ground/files.py", "`mlip-kmc potential record --force cu.yace` writes it") == []
    assert missing("ground/files.py", "mlip-kmc nonsense --force") == [
        "mlip-kmc nonsense has no --force"
    ]


def test_the_table_names_commands_and_files(everything):
    for entry, words in NARROWER.items():
        assert (PACKAGE / entry.split()[0]).is_file()
        assert words
    assert {(PACKAGE / name).is_file() for name, _ in FOREIGN} == {True}


def test_every_command_names_its_own_place(everything):
    places = {
        " ".join(words): command.place
        for words, command in everything.items()
        if not isinstance(command, click.Group)
    }
    for words, place in places.items():
        assert place == "directory" or place in options_of(everything[tuple(words.split())])
    assert [places[name] for name in ("run", "report", "select")] == [
        "--dir",
        "--output",
        "--output",
    ]
    assert places["release verify"] == "--unpack"
    assert places["status"] == places["init"] == "directory"


class Nothing:
    """A selection of no structure, as `select` prints it."""

    def __init__(self, *_, **__):
        self.frames, self.decisions, self.warnings, self.complete, self.select = (
            (),
            (),
            (),
            True,
            3.0,
        )


@pytest.mark.parametrize("command", ["report", "export", "select"])
def test_a_run_directory_that_may_only_be_read(tmp_path, monkeypatch, command):
    """The advice names what the command has, and following it helps."""
    run = commit(
        tmp_path / "run", states=[State(processes=[(0, 0.8, -1, 1)], good=1)], searches=[search(0)]
    )
    (run / "halts").mkdir()
    make, mkdir = files.tempfile.mkstemp, Path.mkdir

    def read_only(path):
        if Path(path).is_relative_to(run):
            raise OSError(errno.EROFS, "Read-only file system")

    def mkstemp(*arguments, **keywords):
        read_only(keywords["dir"])
        return make(*arguments, **keywords)

    def make_folder(path, *arguments, **keywords):
        read_only(path)
        mkdir(path, *arguments, **keywords)

    monkeypatch.setattr(files.tempfile, "mkstemp", mkstemp)
    monkeypatch.setattr(Path, "mkdir", make_folder)
    monkeypatch.setattr("mlip_kmc.evaluate.gamma.Extrapolation.of", lambda _: Nothing())
    monkeypatch.setattr("mlip_kmc.cli.select._potential_of", lambda *_, **__: None)
    monkeypatch.setattr("mlip_kmc.learning.frame_selection.select_frames", Nothing)
    monkeypatch.setattr(
        "mlip_kmc.learning.frame_selection.write_selection",
        lambda folder, _: files.make_directory(folder),
    )
    found = CliRunner().invoke(cli, [command, str(run)])
    assert isinstance(found.exception, StorageError), found.output
    assert str(found.exception).endswith(": the file system is read-only; choose another --output")
    found = CliRunner().invoke(cli, [command, str(run), "--output", str(tmp_path / "elsewhere")])
    assert found.exit_code == 0, found.output
    assert (tmp_path / "elsewhere").exists()
