"""Packages of others that run when something of them is first used, and not when others of them import them.

late("ase.dft")
import ase.dft.kpoints          # no more than this module
ase.dft.monkhorst_pack          # now the package is run, as Python would have run it at the import
"""

import sys
import threading
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

_lock = threading.RLock()


class _Late(ModuleType):
    """A package that has not run yet."""

    def __getattr__(self, name: str) -> Any:
        with _lock:  # another thread waits until it has run
            if type(self) is _Late and "_begun" not in self.__dict__:
                self._begun = True
                spec = self.__spec__
                if spec is not None and spec.loader is not None:
                    spec.loader.exec_module(self)
                del self._begun
                self.__class__ = ModuleType  # type: ignore[assignment]
        if name in self.__dict__:
            return self.__dict__[name]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


def late(package: str) -> None:
    """Let a package run when something is first asked of it; one that has run already is left as it is.

    Args:
        package: its dotted name; those above it are imported now.

    Raises:
        ModuleNotFoundError: there is none above it.
    """
    if package in sys.modules or (spec := find_spec(package)) is None:
        return
    module = module_from_spec(spec)
    module.__class__ = _Late
    sys.modules[package] = module
    above, _, name = package.rpartition(".")
    if above:
        setattr(sys.modules[above], name, module)
