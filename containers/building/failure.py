"""The one error of a build."""


class BuildError(Exception):
    """One line: what is wrong, where, what to do."""
