"""Which room of the package may import which; a new module needs one row in `ALLOWED`."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "mlip_kmc"
LOWER = "ground model config"
SCIENCE = f"{LOWER} potential driver evaluate"

# from the ground up; room: what it imports when it runs, what it imports only under TYPE_CHECKING
ALLOWED = {
    "ground": ("", ""),
    "model": ("ground", ""),
    "config": ("ground model", ""),
    "potential": (LOWER, ""),
    "driver": (f"{LOWER} potential", ""),
    "evaluate": (f"{LOWER} potential driver", ""),
    "search": (SCIENCE, ""),
    "store": (LOWER, ""),
    "workers": (f"{LOWER} evaluate", ""),
    "learning": (SCIENCE, ""),
    "akmc": (f"{SCIENCE} search workers store learning", ""),
    "report": (f"{LOWER} potential store", ""),
    "check": (f"{SCIENCE} search store learning akmc", ""),
    "release": (f"__init__ {SCIENCE} store report", ""),
    "campaign": (f"{SCIENCE} store learning akmc report release", ""),
    "cli": (f"__init__ {SCIENCE} store workers learning akmc report check release campaign", ""),
    "__init__": ("akmc config model potential", ""),
    "__main__": ("cli", ""),
}


def room_of(module):
    """The room of a dotted name inside the package; the package itself is `__init__`."""
    return module.split(".")[1] if "." in module else "__init__"


def own_modules():
    return {room_of(f"mlip_kmc.{path.relative_to(PACKAGE).with_suffix('').as_posix().replace('/', '.')}"): None
            for path in PACKAGE.rglob("*.py")}  # fmt: skip


def is_for_types(test):
    return (test.id if isinstance(test, ast.Name) else getattr(test, "attr", "")) == "TYPE_CHECKING"


def names_in(node, here):
    """Dotted names of our modules that one import statement brings in, `here` being the file's own package."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names if alias.name.split(".")[0] == "mlip_kmc"]
    base = node.module or ""
    if node.level:
        base = ".".join([*here[: len(here) - node.level + 1], *filter(None, [base])])
    if base == "mlip_kmc":  # from mlip_kmc import files: a module, or a name of the package
        return [
            f"mlip_kmc.{alias.name}" if alias.name in own_modules() else "mlip_kmc"
            for alias in node.names
        ]
    return [base] if base.startswith("mlip_kmc.") else []


def imports_of(tree, here):
    """Our rooms that a file imports: when it runs, and only for types."""
    running, typing = set(), set()

    def visit(node, found):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.update(map(room_of, names_in(node, here)))
        elif isinstance(node, ast.If) and is_for_types(node.test):
            for child in node.body:
                visit(child, typing)
            for child in node.orelse:
                visit(child, found)
        else:
            for child in ast.iter_child_nodes(node):
                visit(child, found)

    visit(tree, running)
    return running, typing


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix()
)
def test_every_file_imports_only_what_its_room_may(path):
    parts = ("mlip_kmc", *path.relative_to(PACKAGE).with_suffix("").parts)
    room = parts[1]
    assert room in ALLOWED, f"{path.name} is in no row of ALLOWED: add one"
    running, typing = imports_of(ast.parse(path.read_text(encoding="utf-8")), parts[:-1])
    may_run, may_type = (set(names.split()) for names in ALLOWED[room])
    assert running <= may_run | {room}, (
        f"{room} must not import {sorted(running - may_run - {room})}"
    )
    assert typing <= may_run | may_type | {room}, (
        f"{room} must not import {sorted(typing - may_run - may_type)} for types"
    )


def test_the_table_names_only_rooms_and_has_no_circles():
    rooms = {room: set(" ".join(columns).split()) for room, columns in ALLOWED.items()}
    assert set().union(*rooms.values()) <= set(rooms)
    for room in ("cli", "release"):  # for the version; the package imports the rest on first use
        rooms[room].discard("__init__")
    while rooms:
        free = {room for room, others in rooms.items() if not others & set(rooms)}
        assert free, f"these import each other: {sorted(rooms)}"
        rooms = {room: others for room, others in rooms.items() if room not in free}


def test_the_rules_that_the_table_must_keep():
    running = {room: set(columns[0].split()) for room, columns in ALLOWED.items()}
    assert [room for room, others in running.items() if "cli" in others] == ["__main__"], (
        "nothing imports the command line"
    )
    assert not running["ground"]
    assert running["model"] == {"ground"}
    assert "akmc" not in running["store"]
    assert "evaluate" not in running["potential"], "a potential is files; evaluators are above"
    assert "check" not in running["release"]
    assert "workers" not in running["search"], "a search knows nothing of dask"
    assert "search" not in running["workers"], "workers run any task"
    assert "search" not in running["evaluate"], "one evaluation is no search"


@pytest.mark.parametrize(("text", "running", "typing"), [
    ("import mlip_kmc.ground.files as f", {"ground"}, set()),
    ("from mlip_kmc import ground, __version__", {"ground", "__init__"}, set()),
    ("from . import x\nfrom ..ground import y", {"akmc", "ground"}, set()),
    ("def f():\n    from mlip_kmc.akmc.start import x", {"akmc"}, set()),
    ("if TYPE_CHECKING:\n    from mlip_kmc.cli import x\nelse:\n    import mlip_kmc.ground.errors", {"ground"}, {"cli"}),
    ("import typing\nif typing.TYPE_CHECKING:\n    import mlip_kmc.cli", set(), {"cli"}),
    ("import mlip_kmc_other\nfrom os import path", set(), set()),
])  # fmt: skip
def test_imports_of_all_kinds_are_seen(text, running, typing):
    assert imports_of(ast.parse(text), ("mlip_kmc", "akmc")) == (running, typing)
