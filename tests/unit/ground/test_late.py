"""Packages that run when something is first asked of them."""

import subprocess
import sys
import threading

import pytest

from mlip_kmc.ground.late import late

SLOW = """
import time
time.sleep(0.05)
from . import other
VALUE = other.VALUE + 1
def twice(): return 2 * VALUE
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that tells when it is run."""
    folder = tmp_path / "some_package"
    folder.mkdir()
    (folder / "__init__.py").write_text(SLOW)
    (folder / "other.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "some_package"
    for name in [name for name in sys.modules if name.split(".")[0] == "some_package"]:
        del sys.modules[name]


def test_a_module_of_it_is_imported_alone_and_the_rest_on_first_use(package):
    late(package)
    import some_package.other

    assert some_package.other.VALUE == 1
    assert "VALUE" not in vars(some_package)
    from some_package import VALUE, twice

    assert (VALUE, twice()) == (2, 4)
    assert type(some_package) is type(sys)
    with pytest.raises(AttributeError, match="'some_package' has no attribute 'nothing'"):
        some_package.nothing  # noqa: B018
    late(package)
    assert some_package.VALUE == 2


def test_threads_that_come_while_it_runs_wait(package):
    late(package)
    import some_package

    found = []
    threads = [
        threading.Thread(target=lambda: found.append(some_package.twice())) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [4] * 4


def test_one_that_is_missing_is_imported_as_ever():
    late("ase.no_such_package")
    with pytest.raises(ModuleNotFoundError):
        import ase.no_such_package  # noqa: F401


def fresh(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()  # fmt: skip


def test_structures_do_not_import_what_integrates_and_optimises():
    """ASE's constraints bring its space groups, these its lattices, these its tools for electrons, these much of SciPy."""
    code = "import sys, mlip_kmc.model.structure; print(*(name for name in sys.modules if name.startswith('scipy.')))"
    assert not {"scipy.integrate", "scipy.optimize"} & set(fresh(code))
    code = "import mlip_kmc.model.structure, ase.spacegroup as s, ase.dft; print(s.Spacegroup(225).no, ase.dft.DOS.__name__)"
    assert fresh(code) == ["225", "DOS"]


def test_gamma_takes_the_compiled_parts_of_python_ace_alone():
    code = "import sys, mlip_kmc.evaluate.gamma, mlip_kmc.potential.python_ace; print(*sys.modules)"
    assert not {"pandas", "scipy.optimize", "pyace.asecalc", "numpy.f2py.f2py2e"} & set(fresh(code))
    code = "import mlip_kmc.potential.python_ace as p, pyace; print(pyace.ACEBBasisSet is p.ACEBBasisSet)"
    assert fresh(code) == ["True"]
