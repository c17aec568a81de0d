"""A loaded potential with its limits: what the server keeps, and the command makes for one structure."""

import os
from typing import Any

from .basics import (
    CHANGED,
    FAILED,
    HALTED,
    UNUSABLE,
    Answer,
    DriverError,
    Structure,
    checked,
    digest_of,
)
from .engines import engine_of
from .halts import CANDIDATE, EVIDENCE, HALTED_ON, keep
from .limits import Arguments, check_options, distances, limit
from .rank import check_rank

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .repulsion import ShortRange


class PinnedFile:
    """A file whose content must stay what it was."""

    def __init__(self, path: str, kind: str) -> None:
        self.path, self.kind = os.path.abspath(path), kind
        self._stamp = self._now()
        self.digest = self._hashed()

    def check(self) -> None:
        """Look whether it changed.

        Raises:
            DriverError: it did, or is gone.
        """
        stamp = self._now()
        if stamp != self._stamp:
            found = self._hashed()
            if found != self.digest:
                raise DriverError(
                    CHANGED,
                    f"the {self.kind} {self.path} is another than the one that was loaded (sha256 "
                    f"{found[:12]}..., was {self.digest[:12]}...); start the server again, or restore it",
                )
            self._stamp = stamp

    def _now(self) -> tuple[int, ...]:
        try:
            seen = os.stat(self.path)
        except OSError as error:
            raise DriverError(
                UNUSABLE, f"cannot read the {self.kind} {self.path}: {error.strerror}"
            ) from error
        return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns

    def _hashed(self) -> str:
        try:
            with open(self.path, "rb") as stream:
                return digest_of(stream.read())
        except OSError as error:
            raise DriverError(
                UNUSABLE, f"cannot read the {self.kind} {self.path}: {error.strerror}"
            ) from error


class Evaluator:
    """A loaded potential with its limits.

    Attributes:
        digest: sha256 of the potential's file; where more makes it up, of lines that name each part.
    """

    def __init__(self, options: Arguments) -> None:
        """Load what the options name; see `--help`.

        Raises:
            DriverError: options that do not go together, or a potential that cannot be used.
        """
        check_options(options)
        self._halt, self._select = limit(options, "halt"), limit(options, "select")
        self._near = _short_range(options)
        self._halts = os.path.abspath(options["halts"]) if "halts" in options else ""
        named: dict[str, str] = {
            name: options[name] for name in ("potential", "basis", "active-set") if name in options
        }
        self._files = {
            name: PinnedFile(path, name.replace("-", " ")) for name, path in named.items()
        }
        self.digest = _identity(options, self._files, self._near.pairs if self._near else {})
        self._graded_by = (
            digest_of(
                " ".join(self._files[name].digest for name in ("basis", "active-set")).encode()
            )
            if "basis" in named
            else self.digest
        )
        if options.get("digest", self.digest) != self.digest:
            raise DriverError(
                CHANGED,
                f"the potential is {self.digest[:12]}..., not {options['digest'][:12]}...: its files "
                "changed; restore them, or start anew",
            )
        if "active-set" in named:
            check_rank(self._files["active-set"].path)
        self._engine = engine_of(options, {name: file.path for name, file in self._files.items()})
        for file in self._files.values():
            file.check()  # what was loaded is what was hashed

    def evaluate(self, structure: Structure, source: dict[str, str] | None = None) -> Answer:
        """Energy, forces and gamma of a structure; one that reaches a limit is kept.

        Args:
            structure: what to evaluate.
            source: what a kept structure says it comes from: search, state, stage, step.

        Raises:
            DriverError: atoms are too near (HALTED), it failed, or what must be kept could not be.
        """
        for file in self._files.values():
            file.check()
        try:
            near = self._near.too_near(structure) if self._near else ""
            if near:  # nothing that comes out of it is worth a label
                raise DriverError(HALTED, f"{near}{self._kept(EVIDENCE, structure, None, source)}")
            answer = self._engine(structure)
            if self._near:
                self._near.add_to(answer, structure)
        except DriverError:
            raise
        except Exception as error:
            said = str(error).strip().splitlines()
            why = f"{type(error).__name__}: {said[0] if said else 'no message'}"
            raise DriverError(FAILED, f"the evaluation failed: {why}") from error
        for file in self._files.values():
            file.check()
        checked(answer, len(structure))
        self._judge(structure, answer, source)
        return answer

    def _judge(self, structure: Structure, answer: Answer, source: dict[str, str] | None) -> None:
        if answer.gamma is None or self._halt is self._select is None:
            return
        gamma = max(answer.gamma)
        if self._halt is not None and not gamma < self._halt:
            kept = self._kept(HALTED_ON, structure, answer.gamma, source)
            answer.halt = f"gamma {gamma:.6g} of atom {answer.gamma.index(gamma)} (from 0) reaches {self._halt:g}{kept}"
        elif self._select is not None and not gamma < self._select:
            self._kept(CANDIDATE, structure, answer.gamma, source)

    def _kept(
        self,
        kind: str,
        structure: Structure,
        gamma: list[float] | None,
        source: dict[str, str] | None,
    ) -> str:
        if not self._halts:
            return ""
        kept = keep(
            self._halts,
            kind,
            structure,
            gamma=gamma,
            source=source or {},
            potential=self._graded_by,
        )
        return f"; kept at {kept}"


def _short_range(options: Arguments) -> "ShortRange | None":
    if not options.keys() & {"minimum-distance", "baseline"}:
        return None
    minimum_A = distances(options["minimum-distance"]) if "minimum-distance" in options else {}
    from .repulsion import ShortRange  # numpy; a wrong option is told without it

    return ShortRange(minimum_A=minimum_A, baseline=options.get("baseline", ""))


def _identity(options: Arguments, files: dict[str, PinnedFile], pairs: dict[str, Any]) -> str:
    from json import dumps

    lines = [f"{name} {file.digest}\n" for name, file in files.items()]
    ase = ("ase", "ase-arguments", "ase-atoms")
    lines += [f"{name} {options[name]}\n" for name in ase if name in options]
    if pairs:
        lines.append(f"baseline {dumps(pairs, sort_keys=True)}\n")
    return (
        files["potential"].digest
        if len(lines) == 1 and files
        else digest_of("".join(lines).encode())
    )
