"""How large a module, a class and a function may be: one that is larger says why, in its docstring."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "mlip_kmc"
MOST_LINES = {ast.Module: 400, ast.ClassDef: 200, ast.FunctionDef: 60, ast.AsyncFunctionDef: 60}
REASON = "Long because "

IN_WORK: set[str] = set()
"""Modules that are larger and are being cut; one that keeps to the limits, or has gone, is to be taken out."""


def says_why(node):
    """Whether the docstring has a line that begins with `Long because` and goes on."""
    lines = [line.strip() for line in (ast.get_docstring(node) or "").splitlines()]
    return any(line.startswith(REASON) and len(line) > len(REASON) for line in lines)


def too_long(text):
    """(what, its name, lines) of all that is over its limit and does not say why."""
    tree = ast.parse(text)
    found = []
    for node in ast.walk(tree):
        most = MOST_LINES.get(type(node))
        if most is None:
            continue
        first, last = (
            (1, len(text.splitlines()))
            if isinstance(node, ast.Module)
            else (node.lineno, node.end_lineno)
        )
        if last - first + 1 > most and not says_why(node):
            found.append((type(node).__name__, getattr(node, "name", ""), last - first + 1))
    return found


def modules():
    return sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("name", modules())
def test_nothing_is_too_long_without_a_reason(name):
    found = too_long((PACKAGE / name).read_text(encoding="utf-8"))
    if name in IN_WORK:
        assert found, f"{name} keeps to the limits: take it out of IN_WORK"
    else:
        assert found == [], (
            f"{name}: cut it along nouns, or say `{REASON.strip()} ...` in its docstring"
        )


def test_every_module_in_work_is_there():
    assert set(modules()) >= IN_WORK


LINES = "    x = 1\n"
WHY = '    """Do.\n\n    Long because one table stays in one place.\n    """\n'


@pytest.mark.parametrize(("text", "kinds"), [
    ("x = 1\n" * 400, []),
    ("x = 1\n" * 401, ["Module"]),
    ('"""A.\n\nLong because it is a table.\n"""\n' + "x = 1\n" * 400, []),
    ('"""A.\n\nIt is long because of a table.\n"""\n' + "x = 1\n" * 400, ["Module"]),
    ("def f():\n" + LINES * 59, []),
    ("def f():\n" + LINES * 60, ["FunctionDef"]),
    ("async def f():\n" + LINES * 60, ["AsyncFunctionDef"]),
    ("def f():\n" + WHY + LINES * 60, []),
    ("def f():\n" + '    """Do.\n\n    Long because\n    """\n' + LINES * 60, ["FunctionDef"]),
    ("class A:\n" + LINES * 199, []),
    ("class A:\n" + LINES * 200, ["ClassDef"]),
    ("class A:\n    def f(self):\n" + "        x = 1\n" * 60, ["FunctionDef"]),
    ("class A:\n" + WHY + "    def f(self):\n" + "        x = 1\n" * 60, ["FunctionDef"]),
])  # fmt: skip
def test_lines_are_counted(text, kinds):
    assert [kind for kind, _, _ in too_long(text)] == kinds
