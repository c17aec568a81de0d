"""Options that name limits, and options that go together."""

from .basics import USAGE, DriverError, positive

Arguments = dict[str, str]
"""Options by name, without `--`."""


def check_options(options: Arguments) -> None:
    """Refuse options that do not go together.

    Raises:
        DriverError: they do not.
    """
    if ("potential" in options) == ("ase" in options):
        raise DriverError(USAGE, "give one of --potential, --ase and --socket; --help says more")
    if ("basis" in options) != ("active-set" in options):
        raise DriverError(USAGE, "give both of --basis and --active-set, or neither")
    if ("halt" in options or "select" in options) and "basis" not in options:
        raise DriverError(USAGE, "--halt and --select need gamma: give --basis and --active-set")
    if "ase" in options and options.keys() & {"basis", "engine"}:
        raise DriverError(USAGE, "--ase goes with neither --basis nor --engine")
    if "python-path" in options and "ase" not in options:
        raise DriverError(USAGE, "--python-path goes with --ase")
    if "ase-atoms" in options and "ase" not in options:
        raise DriverError(USAGE, "--ase-atoms goes with --ase")
    if options.get("engine", "pyace") not in ("pyace", "lammps"):
        raise DriverError(USAGE, f"--engine is pyace or lammps, not {options['engine']}")
    if options.get("evaluator", "product") not in ("product", "recursive"):
        raise DriverError(USAGE, f"--evaluator is product or recursive, not {options['evaluator']}")


def limit(options: Arguments, name: str) -> float | None:
    """A threshold of gamma, if there is one."""
    return positive(options[name], f"--{name}") if name in options else None


def distances(text: str) -> dict[str, float]:
    """`1.5`, for all pairs, as {'': 1.5}; or `Cu-Cu=1.5,Cu-N=1.2`."""
    if "=" not in text:
        return {"": positive(text, "--minimum-distance")}
    found: dict[str, float] = {}
    for part in text.split(","):
        pair, _, value = part.strip().partition("=")
        elements = sorted(pair.split("-"))
        if len(elements) != 2 or not all(element.isalpha() for element in elements):
            raise DriverError(
                USAGE, f"--minimum-distance has {part[:40]!r}, which is no pair like Cu-Cu=1.5"
            )
        found["-".join(elements)] = positive(value, f"--minimum-distance {pair}")
    return found
