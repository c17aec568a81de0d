"""The command: options, one structure in, one answer out, an exit code."""

import sys

from .basics import (
    DONE,
    END_FILE,
    EXTRAPOLATES,
    FAILED,
    HALTED,
    SOURCE,
    TOO_NEAR,
    USAGE,
    DriverError,
    checked_source,
    positive,
)
from .eon_text import (
    FROM_DRIVER,
    TO_DRIVER,
    formatted,
    gamma_rows,
    parse,
    read,
    run_directory_of,
    source_from_eon,
    write,
)

OPTIONS = (
    "--potential",
    "--engine",
    "--evaluator",
    "--basis",
    "--active-set",
    "--baseline",
    "--ase",
    "--ase-arguments",
    "--python-path",
    "--ase-atoms",
    "--socket",
    "--wait-s",
    "--digest",
    "--halt",
    "--select",
    "--minimum-distance",
    "--halts",
    "--search",
    "--state",
    "--stage",
    "--step",
    "--input",
    "--output",
    "--gamma",
)


def options_of(arguments: list[str]) -> dict[str, str]:
    """`--name value` and `--name=value`, and `--quiet`.

    Raises:
        DriverError: one is unknown, without its value, or there twice.
    """
    found: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name == "--quiet" and not equals:
            found["quiet"] = "yes"
            continue
        if name not in OPTIONS:
            raise DriverError(USAGE, f"there is no option {name[:40]}; --help lists them")
        if name[2:] in found:
            raise DriverError(USAGE, f"{name} is there twice")
        if not equals and not rest:
            raise DriverError(USAGE, f"{name} needs a value")
        found[name[2:]] = value if equals else rest.pop(0)
    return found


def run(arguments: list[str], *, help_text: str) -> int:
    """Run the command; answer its exit code."""
    if "--help" in arguments or "-h" in arguments:
        sys.stdout.write(help_text)
        return DONE
    try:
        return _run(options_of(arguments))
    except DriverError as error:
        return _ended(error.code, TOO_NEAR if error.code == HALTED else "", str(error))
    except MemoryError:
        say("there is not enough memory")
        return FAILED


def say(line: str) -> None:
    """Put a line on standard error."""
    sys.stderr.write(f"pace_driver: {line}\n")


def _run(options: dict[str, str]) -> int:
    run_directory = run_directory_of()
    inside_eon = bool(run_directory)
    structure = parse(read(options.get("input") or (TO_DRIVER if inside_eon else "")))
    source = checked_source({name: options[name] for name in SOURCE if name in options}, USAGE)
    if inside_eon and "step" not in source:
        source = {**source_from_eon(run_directory), **source}
    if "socket" in options:
        from .client import ask

        answer = ask(
            options["socket"],
            structure,
            source=source,
            digest=options.get("digest", ""),
            wait_s=positive(options.get("wait-s", "60"), "--wait-s"),
        )
    else:
        from .evaluator import Evaluator

        with stdout_kept():
            answer = Evaluator(options).evaluate(structure, source)
    write(options.get("output") or (FROM_DRIVER if inside_eon else ""), formatted(answer))
    if "gamma" in options:
        write(options["gamma"], gamma_rows(answer))
    elif not (inside_eon or "quiet" in options or answer.halt):
        sys.stderr.write(
            f"gamma {max(answer.gamma)!r}\n" if answer.gamma is not None else "gamma unknown\n"
        )
    return _ended(HALTED, EXTRAPOLATES, answer.halt) if answer.halt else DONE


def _ended(code: int, kind: str, line: str) -> int:
    """Say how it ended, and inside eOn leave that for whoever started eOn's client: it passes on no exit code of ours."""
    directory = run_directory_of()
    if directory:
        try:
            with open(
                f"{directory}/{END_FILE}", "x", encoding="utf-8"
            ) as stream:  # the first end counts
                stream.write(f"{code}\n{kind}\n{line}\n")
        except OSError:
            pass  # the line below is in the client's log
    say(f"halt: {line}" if code == HALTED else line)
    return code


class stdout_kept:  # noqa: N801 - used as a function; contextlib takes long to import
    """Libraries that print to standard output print to standard error."""

    def __enter__(self) -> None:
        import os

        sys.stdout.flush()
        self._kept = os.dup(1)
        os.dup2(2, 1)

    def __exit__(self, *_: object) -> None:
        import os

        sys.stdout.flush()
        os.dup2(self._kept, 1)
        os.close(self._kept)
