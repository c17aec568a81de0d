"""YAML files that hold keys: read strictly, so that nothing is lost or taken for something else in silence.

Example:
    raw = read_keys(Path("akmc.yaml"))        # {"temperature_K": 300, ...}

Duplicate keys, aliases and merge keys are refused. Numbers are those of YAML 1.2: `1e13` is one (in YAML 1.1 it is
text), `012` is twelve (there ten), and `1:30` is none (there ninety). `yes`, `no`, `on` and `off` stay truth values.
"""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from mlip_kmc.ground.errors import ConfigError
from mlip_kmc.ground.files import read_at_most

_LARGEST_BYTES = 1_000_000
_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_REPLACED = (_INT, _FLOAT, "tag:yaml.org,2002:timestamp")
_WHOLE = re.compile(r"[-+]?[0-9]+\Z")
_NUMBER = re.compile(
    r"(?:[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)


class _Loader(yaml.SafeLoader):
    """A SafeLoader that refuses what would be overwritten or expanded."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            problem = "aliases (*name) are not taken; write the value out"
            raise yaml.composer.ComposerError(None, None, problem, self.get_mark())
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            mark = key_node.start_mark
            if key_node.tag == "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    None, None, "merge keys (<<) are not taken", mark
                )
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a plain name", mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"duplicate key {key!r}, given above already", mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_whole(self, node: yaml.ScalarNode) -> int:
        try:
            return int(node.value)
        except ValueError:  # Python's limit of digits
            raise yaml.constructor.ConstructorError(
                None, None, "too long a number", node.start_mark
            ) from None


_Loader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if tag not in _REPLACED]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_INT, _WHOLE, list("-+0123456789"))
_Loader.add_implicit_resolver(_FLOAT, _NUMBER, list("-+.0123456789"))
_Loader.add_constructor(_INT, _Loader.construct_whole)


def read_keys(path: Path) -> dict[Any, Any]:
    """The keys and values of a YAML file.

    Raises:
        ConfigError: it cannot be read, is not YAML, or holds no keys; one line that says where.
    """
    text = _read_text(path)
    try:
        raw = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader with more checks
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "this is not YAML text"
        # a composer's problem is the second half of a sentence that its context begins
        begun = error.context if isinstance(error, yaml.composer.ComposerError) else None
        context = f"{begun}, " if begun else ""
        raise ConfigError(f"{path}{where}: {context}{problem}; correct the YAML there") from error
    except RecursionError as error:
        raise ConfigError(f"{path} is nested too deeply to be a configuration") from error
    except ValueError as error:  # `!!int x` and the like: a tag that its value does not fit
        raise ConfigError(
            f"{path}: a value does not fit its tag (!!...); remove the tag"
        ) from error
    if not isinstance(raw, dict):
        raise ConfigError(
            f"{path} is not a configuration: it holds no keys; examples/cu-vacancy/akmc.yaml is one"
        )
    return raw


def _read_text(path: Path) -> str:
    try:
        return read_at_most(path, _LARGEST_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(
            f"cannot read the configuration {path}: {error.strerror}; name a YAML file"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"the configuration {path} is not UTF-8 text; name a YAML file, saved as UTF-8"
        ) from error
    except ValueError as error:  # a NUL in the name
        raise ConfigError(f"cannot read the configuration {str(path)!r}: {error}") from error
