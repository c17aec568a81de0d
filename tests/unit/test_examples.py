"""The example in a module's docstring is Python, names what exists, and calls it as it is to be called."""

import ast
import builtins
import importlib
import inspect
import re
import textwrap
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "mlip_kmc"
SECTION = re.compile(r"^Example:\n((?:[ ]+.*\n?|\n)+)", re.MULTILINE)
KNOWN = {"Path": Path, **vars(builtins)}


def is_code(text):
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except SyntaxError:
        return False
    return any(
        isinstance(node, ast.Call | ast.Assign | ast.ImportFrom | ast.Attribute) for node in nodes
    )


def example_of(path):
    """The example of a module: its section, or the paragraphs that are code."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    if found := SECTION.search(text):
        return textwrap.dedent(found.group(1))
    paragraphs = map(textwrap.dedent, text.split("\n\n")[1:])
    return "\n\n".join(filter(is_code, paragraphs))


EXAMPLES = {
    path.relative_to(PACKAGE).as_posix(): example_of(path) for path in sorted(PACKAGE.rglob("*.py"))
}


@cache
def places():
    """By name: the module of the package that defines it at its top."""
    return {
        node.name: ".".join(("mlip_kmc", *path.relative_to(PACKAGE).with_suffix("").parts))
        for path in PACKAGE.rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    }


def elsewhere(name):
    place = places().get(name)
    return place and getattr(importlib.import_module(place), name)


class Reader:
    """Follows names through an example, as far as classes and annotations say what a value is."""

    def __init__(self, module):
        self.module, self.names, self.wrong = module, {}, []

    def value(self, node):
        """(the object that an expression names, whether it is an instance of it); None where it is not known."""
        if isinstance(node, ast.Name):
            if node.id in self.names:
                return self.names[node.id]
            found = getattr(self.module, node.id, KNOWN.get(node.id)) or elsewhere(node.id)
            return None if found is None else (found, False)
        if isinstance(node, ast.Attribute):
            of = self.value(node.value)
            return None if of is None else self.attribute(of, node)
        return self.result(node) if isinstance(node, ast.Call) else None

    def attribute(self, of, node):
        found, is_instance = of
        if is_instance and not found.__module__.startswith("mlip_kmc"):
            return None  # methods in C have no signature without `self`
        if inspect.isclass(found) and found.__module__.startswith("mlip_kmc"):
            fields = {*inspect.get_annotations(found), *getattr(found, "model_fields", {})}
            own = re.findall(r"self\.(\w+)", inspect.getsource(found)) if is_instance else []
            if not (hasattr(found, node.attr) or node.attr in {*fields, *own}):
                self.wrong.append(f"{found.__name__} has no {node.attr}")
        member = inspect.getattr_static(found, node.attr, None)
        if member is None:
            return None
        method = getattr(found, node.attr)
        if is_instance and inspect.isfunction(member):  # self is given
            signature = inspect.signature(method)
            rest = list(signature.parameters.values())[1:]
            return signature.replace(parameters=rest), False
        return (method, False) if callable(method) else None

    def result(self, node):
        called = self.value(node.func)
        if called is None:
            return None
        called = called[0]
        if inspect.isclass(called):
            return called, True
        returns = called.return_annotation if isinstance(called, inspect.Signature) else None
        if inspect.isroutine(called):
            returns = inspect.get_annotations(called).get("return")
            owner = getattr(called, "__self__", None)
            if getattr(returns, "__name__", returns) == "Self" and inspect.isclass(owner):
                returns = owner
        return (returns, True) if inspect.isclass(returns) else None

    def check(self, node):
        called = self.value(node.func)
        name = ast.unparse(node.func)
        if called is None:
            if isinstance(node.func, ast.Name):
                self.wrong.append(f"{name} is defined nowhere")
            return
        if any(isinstance(one, ast.Starred) for one in node.args) or any(
            key.arg is None for key in node.keywords
        ):
            return
        found = called[0]
        try:
            signature = found if isinstance(found, inspect.Signature) else inspect.signature(found)
        except ValueError:  # builtins in C
            return
        missing = [one for one in node.args if isinstance(one, ast.Constant) and one.value is ...]
        elided = missing or any(
            isinstance(key.value, ast.Constant) and key.value.value is ... for key in node.keywords
        )
        bind = signature.bind_partial if elided else signature.bind
        try:
            bind(*node.args, **{key.arg: key.value for key in node.keywords})
        except TypeError as error:
            self.wrong.append(f"{name}: {error}")

    def read(self, text):
        tree = ast.parse(text)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                place = importlib.import_module(node.module)
                for alias in node.names:
                    self.names[alias.asname or alias.name] = (getattr(place, alias.name), False)
        for node in self.in_order(tree):
            if isinstance(node, ast.Call):
                self.check(node)
            elif isinstance(node, ast.Attribute):
                self.value(node)
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.bind(node.targets[0].id, self.value(node.value))
            elif isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
                entered = self.value(node.context_expr)
                own = entered and inspect.isclass(entered[0]) and hasattr(entered[0], "__enter__")
                self.bind(node.optional_vars.id, entered if own else None)
        return self.wrong

    def bind(self, name, value):
        self.names.pop(name, None)
        if value is not None:
            self.names[name] = value

    def in_order(self, tree):
        """Statements in order; within each, what is inside first."""
        for child in ast.iter_child_nodes(tree):
            yield from self.in_order(child)
        yield tree


@pytest.mark.parametrize("name", [name for name, text in EXAMPLES.items() if text])
def test_an_example_fits_its_module(name):
    parts = ("mlip_kmc", *Path(name).with_suffix("").parts)
    module = importlib.import_module(".".join(part for part in parts if part != "__init__"))
    assert Reader(module).read(EXAMPLES[name]) == []


def test_the_test_sees_what_is_wrong():
    from mlip_kmc.release import package

    text = 'd = ProductionDeployer(settings)\nd.build(Path("run"), at=1)\nd.sell()\nnowhere()\nProductionDeployer()'
    wrong = Reader(package).read(text)
    assert [line.split(":")[0] for line in wrong if "has no" not in line] == [
        "d.build",
        "nowhere is defined nowhere",
        "ProductionDeployer",
    ]
    assert "ProductionDeployer has no sell" in wrong
