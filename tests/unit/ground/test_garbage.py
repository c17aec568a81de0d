"""How often a process of the command line looks for garbage."""

import subprocess
import sys

CODE = """
import gc
from mlip_kmc.ground import garbage
usual = gc.get_threshold()
{begin}
garbage.settle()
kept = [[] for _ in range(10)]
print(gc.get_threshold() == usual, gc.get_freeze_count() > 1000)
garbage.settle()
garbage.end()
frozen = gc.get_freeze_count()
kept.append(kept)
garbage.settle()
print(gc.get_freeze_count() == frozen, frozen > 1000)
"""


def said(begin):
    code = CODE.format(begin=begin)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()  # fmt: skip


def test_while_it_imports_it_looks_seldom_and_then_as_python_does():
    many = "garbage.begin(); print(gc.get_threshold()[0] > usual[0])"
    assert said(many) == ["True", "True", "True", "True", "True"]


def test_where_nothing_was_begun_nothing_changes():
    assert said("") == ["True", "False", "True", "False"]
