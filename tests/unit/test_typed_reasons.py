"""Nothing in the program looks for words in a message: reasons are fields, codes and types.

The test looks at names: a message is what is called so (`MESSAGES`), and the text of an exception. What other programs write
can be read in no other way; each such place is in `FOREIGN`, with whose text it is.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "mlip_kmc"
MESSAGES = {
    *(
        "advice",
        "comment",
        "detail",
        "error",
        "exc",
        "failure",
        "fault",
        "halt",
        "halted",
        "line",
        "log",
    ),
    *(
        "message",
        "messages",
        "msg",
        "output",
        "problem",
        "reason",
        "reasons",
        "said",
        "stderr",
        "stdout",
    ),
    *("tail", "told", "warning", "warnings", "why"),
}
"""Names of variables, attributes and calls whose value is written for people."""
LOOKING = {
    *(
        "count",
        "endswith",
        "find",
        "findall",
        "finditer",
        "fullmatch",
        "index",
        "match",
        "partition",
    ),
    *(
        "removeprefix",
        "removesuffix",
        "replace",
        "rfind",
        "rindex",
        "rpartition",
        "rsplit",
        "search",
    ),
    *("split", "startswith", "sub"),
}
LOGS = "ground/programs/logs.py"
"""The one module that reads what LAMMPS and other programs write for people."""
FOREIGN = {  # (file, expression): whose text it is, or why it is no message
    ("containers/building/parts.py", "line.startswith('flags')"): "the kernel's /proc/cpuinfo",
    (
        "containers/building/pins.py",
        "re.fullmatch('([A-Z0-9_]+)=([A-Za-z0-9._+:~-]+)', line.strip())",
    ): "a file of pins",
    ("containers/building/site.py", "line.lstrip().startswith('cert')"): "pip's configuration",
    (
        "config/explain.py",
        "problem['type'].startswith('mlip_kmc')",
    ): "codes of pydantic and of our validators",
    ("driver/server.py", "said.startswith(_READY)"): "the tag of a frame in the workers' pipe",
    ("ground/programs/cpu.py", "line.startswith('flags')"): "the kernel's /proc/cpuinfo",
    ("model/structure/lammps.py", "_UNITS.search(comment)"): "the first line of a LAMMPS data file",
    ("model/structure/lammps.py", "line.startswith('ITEM: ATOMS')"): "a dump's header",
    ("model/structure/lammps.py", "line.startswith('ITEM: NUMBER OF ATOMS')"): "a dump's header",
    ("model/structure/xyz.py", "_PAIR.finditer(line)"): "the keys of an extended XYZ file",
    ("model/structure/xyz.py", "line.startswith(_LAMMPS)"): "LAMMPS' own kind of XYZ file",
    (
        "release/agreement.py",
        "line.startswith(_ENERGY)",
    ): "what a package's own LAMMPS input prints for its users",
    ("release/agreement.py", "line.endswith(' eV')"): "as above",
    (
        "release/signature.py",
        "said.removeprefix(f'{_ALLOWED}:1: ')",
    ): "ssh-keygen's words, without a file's name",
    ("release/signature.py", "'cert-authority' in line"): "an option of an allowed_signers line",
    (
        "release/verification.py",
        "error.fault.replace(f'{folder}/', '')",
    ): "the path of a temporary folder, no words",
}


def is_message(node):
    """Is the value a text for people, by its name, or the text of an exception?"""
    if isinstance(node, ast.Subscript):
        key = node.slice
        return (isinstance(key, ast.Constant) and key.value in MESSAGES) or is_message(node.value)
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in ("str", "repr") and node.args:
            return is_message(node.args[0])
        chained = isinstance(node.func, ast.Attribute) and is_message(node.func.value)
        return name in MESSAGES or chained
    if isinstance(node, ast.JoinedStr):
        return any(
            is_message(part.value) for part in node.values if isinstance(part, ast.FormattedValue)
        )
    if isinstance(node, ast.BinOp):
        return is_message(node.left) or is_message(node.right)
    return getattr(node, "id", getattr(node, "attr", "")) in MESSAGES


def has_words(node):
    """A literal text with letters, a tuple of such, or a name in capitals (a constant)."""
    if isinstance(node, ast.Tuple):
        return any(map(has_words, node.elts))
    if isinstance(node, ast.Constant):
        text = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
        return isinstance(text, str) and re.search("[A-Za-z]", text) is not None
    if isinstance(node, ast.JoinedStr):
        return True
    return isinstance(node, ast.Name) and node.id.strip("_").isupper()


def parts_of_words(node):
    """`; ` and the like: what takes a sentence apart."""
    return isinstance(node, ast.Constant) and node.value in ("; ", ";", ": ", ", ", "'", '"')


def looks(tree):
    """Every place that looks for words in a message: (line, text)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            for left, op, right in zip(
                [node.left, *node.comparators], node.ops, node.comparators, strict=False
            ):
                inside = (
                    isinstance(op, ast.In | ast.NotIn) and has_words(left) and is_message(right)
                )
                same = (
                    isinstance(op, ast.Eq | ast.NotEq)
                    and isinstance(right, ast.Constant)
                    and isinstance(right.value, str)
                    and " " in right.value
                    and is_message(left)
                )
                if inside or same:
                    yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr not in LOOKING:
                continue
            receiver, arguments = node.func.value, node.args
            taken_apart = is_message(receiver) and any(
                has_words(argument) or parts_of_words(argument) for argument in arguments
            )
            pattern = (getattr(receiver, "id", "") == "re" or has_words(receiver)) and any(
                map(is_message, arguments)
            )
            if taken_apart or pattern:
                yield node.lineno, ast.unparse(node)


def test_nothing_looks_for_words_in_messages():
    found = {
        (str(path.relative_to(SOURCE if path.is_relative_to(SOURCE) else ROOT)), text): line
        for path in sorted([*SOURCE.rglob("*.py"), *(ROOT / "containers").rglob("*.py")])
        if path != SOURCE / LOGS
        for line, text in looks(ast.parse(path.read_text(encoding="utf-8")))
    }
    wrong = [
        f"{file}:{line} {text}"
        for (file, text), line in found.items()
        if (file, text) not in FOREIGN
    ]
    assert wrong == [], "give the error, the result or the record a field, and read that"
    assert FOREIGN.keys() <= found.keys(), "an exception that is not needed any more"


@pytest.mark.parametrize("code", [
    "if 'nearer' in server.halt: pass",
    "if 'in use by' in str(error): pass",
    "if 'in use' not in f'{error}': pass",
    "if error.args[0].message == 'too large a step': pass",
    "if done.stderr.startswith('mlip-kmc: '): pass",
    "name = str(error).partition('; ')[0]",
    "name = str(error).strip().split(': ')[0]",
    "text = str(error).replace(_RUN_AGAIN, '')",
    "text = problem['msg'].removeprefix('Value error, ')",
    "text = _KEPT_JOB.sub('', str(error))",
    "found = re.search('halted', done.message)",
    "found = re.search(rb'halted', log)",
    "cut = done.tail().find('ERROR')",
])  # fmt: skip
def test_a_look_is_seen(code):
    assert list(looks(ast.parse(code)))


@pytest.mark.parametrize("code", [
    "if error.code is Code.NEARER: pass",
    "if name in counts: pass",
    "if 'Cu' in atoms.get_chemical_symbols(): pass",
    "line = str(error).split('\\n')",
    "line = f'{error.fault}; {advice}'",
    "if path.name.startswith('mlip-kmc.'): pass",
    "kind = {4: PotentialError}[done.returncode](said)",
    "if reason is None: pass",
])  # fmt: skip
def test_what_is_no_look_is_let_through(code):
    assert not list(looks(ast.parse(code)))


SCRIPTS = [*(ROOT / "slurm").glob("*"), ROOT / "bootstrap"]
PATTERNS = re.compile(r"""[!=]=\s*\*["']?[A-Za-z][^*]*\*|=~[^&|;]*[A-Za-z]{4,}|grep\b[^|;)]*""")
OF_OTHERS = {
    "!= *down*": "sinfo's names of states",
    "!= *fail*": "sinfo's names of states",
    "grep -qxF -e": "numbers of jobs",
    "grep -q ' is UP'": "scontrol ping",
    "grep -hE '^(FATAL": "Apptainer, Python and Slurm, in `reason`, where the program wrote no reason file",
    "grep -qs -e": "subuid",
    "grep -qs '^root:'": "subuid",
}


def looks_in_script(text):
    """Every match of words in a script; names of variables are no words."""
    code = (line.partition(" # ")[0] for line in text.splitlines())
    found = (re.sub(r"\$\{?\w+", "$", line) for line in code)
    return [match.strip() for line in found for match in PATTERNS.findall(line)]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_looks_for_words_of_ours(path):
    if path.is_file():
        found = looks_in_script(path.read_text(encoding="utf-8"))
        wrong = [match for match in found if not any(known in match for known in OF_OTHERS)]
        assert wrong == [], "a script reads exit codes and reason files"


@pytest.mark.parametrize("line", [
    """if [[ $error != *"in use by"* || $restarts -eq 0 ]]; then break; fi""",
    "[[ $text == *halted* ]]",
    "[[ $error =~ halted.on ]]",
    "grep -qE '^mlip-kmc: ' stderr.log",
])  # fmt: skip
def test_a_look_of_a_script_is_seen(line):
    assert looks_in_script(line)
