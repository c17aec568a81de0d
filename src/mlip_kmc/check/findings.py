"""What a check found: one line, its level, its numbers, and what to do about it.

Example:
    finding = Finding("scratch", Level.WARN, "64 MB in /tmp", advice="bind a larger one", values={"free_MB": 63.1})
    report((finding,), config=Path("akmc.yaml"))["exit_code"]          # 0: a warning does not fail
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from mlip_kmc.ground.container import binding_for
from mlip_kmc.ground.errors import EXIT_DONE, MlipKmcError
from mlip_kmc.ground.wording import counted

FORMAT = 1
Value = float | int | str | bool | None | tuple[float, ...] | tuple[str, ...]
Answer = TypeVar("Answer")


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"
    UNKNOWN = "unknown"
    NOT_DONE = "not done"


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        name: what was looked at, one or two words.
        level: how much it matters.
        text: one line, numbers with their units.
        advice: what to do; empty where there is nothing to do.
        values: the numbers, with units in their names; None where one is not known.
        exit_code: what the command ends with if this is the first failure.
    """

    name: str
    level: Level
    text: str
    advice: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)
    exit_code: int = EXIT_DONE

    def to_json(self) -> dict[str, Any]:
        """As an object of `--json`; what is not a finite number is null."""
        return {
            "name": self.name,
            "level": self.level.value,
            "text": self.text,
            "advice": self.advice,
            "values": {key: _plain(value) for key, value in self.values.items()},
            "exit_code": self.exit_code,
        }


def _plain(value: Value) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value


def failure(name: str, error: Exception, *, values: Mapping[str, Value] | None = None) -> Finding:
    """The finding that an error is; its text says what to do, as every message of the family does."""
    if isinstance(error, MlipKmcError):
        # without the kept directory: what a check keeps is gone when it ends
        text = "; ".join(part for part in (error.fault, error.advice, binding_for(error)) if part)
        return Finding(
            name, Level.FAIL, " ".join(text.split()), values=values or {}, exit_code=error.exit_code
        )
    said = " ".join(str(error).split())
    return Finding(
        name,
        Level.FAIL,
        f"unexpected {type(error).__name__}: {said}",
        values=values or {},
        advice="report this with the output of `mlip-kmc --version`",
        exit_code=MlipKmcError.exit_code,
    )


def exit_code_of(findings: Iterable[Finding]) -> int:
    """0, or the code of the first failure's family."""
    return next(
        (finding.exit_code for finding in findings if finding.level is Level.FAIL), EXIT_DONE
    )


def verdict(findings: Iterable[Finding]) -> str:
    """The last line: may the run start?"""
    findings = tuple(findings)
    names = {
        level: [finding.name for finding in findings if finding.level is level] for level in Level
    }
    rest = [
        f"{counted(len(names[level]), what)} ({', '.join(names[level])})"
        for level, what in ((Level.WARN, "warning"), (Level.UNKNOWN, "open question"))
        if names[level]
    ]
    if names[Level.FAIL]:
        return f"do not start: {counted(len(names[Level.FAIL]), 'failure')} ({', '.join(names[Level.FAIL])})"
    return f"ready to start{', with ' + ' and '.join(rest) if rest else ''}"


def report(findings: tuple[Finding, ...], *, config: Path) -> dict[str, Any]:
    """The object that `--json` prints; docs/check.md describes it."""
    return {
        "format": FORMAT,
        "config": str(config),
        "verdict": verdict(findings),
        "exit_code": exit_code_of(findings),
        "findings": [finding.to_json() for finding in findings],
    }


class Notebook:
    """Takes findings as they come; an error in one check is a finding, and the next check goes on."""

    def __init__(
        self, *, on_finding: Callable[[Finding], None], on_doing: Callable[[str], None]
    ) -> None:
        """Nothing is found yet.

        Args:
            on_finding: called with every finding.
            on_doing: called with what is done next, for a progress line.
        """
        self.findings: list[Finding] = []
        self._on_finding = on_finding
        self._on_doing = on_doing

    def attempt(
        self,
        name: str,
        check: Callable[[], tuple[list[Finding], Answer]],
        *,
        doing: str = "",
        needs: Mapping[str, object] | None = None,
    ) -> Answer | None:
        """Make one check.

        Args:
            name: of its finding if it cannot be made.
            check: answers its findings, and what later checks need.
            doing: what takes time, for the progress line.
            needs: what it needs from earlier checks, by name; None where that is missing.

        Returns:
            the check's answer, or None where it failed.
        """
        missing = [what for what, value in (needs or {}).items() if value is None]
        if missing:
            self.note(Finding(name, Level.NOT_DONE, f"needs {' and '.join(missing)}"))
            return None
        self._on_doing(doing or name)
        try:
            findings, answer = check()
        except Exception as error:  # noqa: BLE001 - whatever one check meets, the others are worth having
            self.note(failure(name, error))
            return None
        for finding in findings:
            self.note(finding)
        return answer

    def note(self, finding: Finding) -> None:
        """Take one finding."""
        self.findings.append(finding)
        self._on_finding(finding)
