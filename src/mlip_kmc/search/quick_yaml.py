"""eOn reads the list of its options, 56 kB of YAML, when it is imported and for each configuration object: here libyaml does it.

That takes 15 ms in place of 150.
"""

import contextlib
from collections.abc import Iterator

import yaml

__all__ = ["quick_yaml"]


@contextlib.contextmanager
def quick_yaml() -> Iterator[None]:
    """While the block runs, `yaml.BaseLoader` is the one of libyaml where that is installed; it reads the same."""
    slow = yaml.BaseLoader
    yaml.BaseLoader = getattr(yaml, "CBaseLoader", slow)  # type: ignore[misc]
    try:
        yield
    finally:
        yaml.BaseLoader = slow  # type: ignore[misc]
