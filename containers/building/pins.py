"""What the image is built from: `pins.env`, lines of NAME=VALUE.

pins = read_pins(Path("containers/pins.env"))
pins["EON_VERSION"]
"""

import re

from building.failure import BuildError


def read_pins(path):
    """The pins by name.

    Raises:
        BuildError: a line is neither a comment nor NAME=VALUE, or a name is there twice.
    """
    pins = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        found = re.fullmatch(r"([A-Z0-9_]+)=([A-Za-z0-9._+:~-]+)", line.strip())
        if found is None:
            raise BuildError(f"{path}, line {number}: '{line}' is not NAME=VALUE")
        if found[1] in pins:
            raise BuildError(f"{path}, line {number}: {found[1]} is there twice")
        pins[found[1]] = found[2]
    return pins


def locked_version(lock, package):
    """The version of a package that a lock file names, or None."""
    found = re.search(
        rf"^{re.escape(package)}==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE
    )
    return found[1] if found else None
