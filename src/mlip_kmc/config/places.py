"""Folders that a configuration names.

common_folder(Path("../shared"), info)          # an absolute path; a relative one starts at the context's `base`
"""

from pathlib import Path

from pydantic import ValidationInfo


def common_folder(value: Path, info: ValidationInfo) -> Path:
    """A folder that several runs write to, as an absolute path; it may be missing, what is there of another kind not."""
    if not str(value).isprintable():
        raise ValueError("must be a folder's name without control characters")
    base: Path = (info.context or {}).get("base", Path.cwd())
    path = (base / value.expanduser()).absolute()
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path} is no folder; name one that all runs can write to")
    return path
