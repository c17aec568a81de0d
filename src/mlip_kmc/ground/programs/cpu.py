"""Can this machine run what the image was compiled for?"""

import sys
from pathlib import Path

from mlip_kmc.ground.errors import ProgramError
from mlip_kmc.ground.image import ImageNotes

# instruction sets above x86-64, as the flags of /proc/cpuinfo (x86-64 psABI, micro-architecture levels)
_LEVELS = {
    "x86-64-v2": {"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"},
    "x86-64-v3": {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"},
    "x86-64-v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
}


def check_cpu(*, cpuinfo: Path = Path("/proc/cpuinfo"), etc: Path | None = None) -> None:
    """Refuse, in one line, a processor without the instructions that eOn and LAMMPS were compiled for.

    Raises:
        ProgramError: instructions are missing; they are named.
    """
    march = ImageNotes.read(etc).march
    if march not in _LEVELS:
        return  # not in the image: nothing is known, so nothing is refused
    try:
        text = cpuinfo.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return  # no /proc
    flags = next(
        (
            set(line.split(":", 1)[1].split())
            for line in text.splitlines()
            if line.startswith("flags")
        ),
        None,
    )
    if flags is None:
        return
    names = list(_LEVELS)
    needed = set().union(*(_LEVELS[name] for name in names[: names.index(march) + 1]))
    missing = sorted(needed - flags)
    if missing:
        raise ProgramError(
            f"this machine's processor lacks {', '.join(missing)}, which this image was compiled for ({march}); "
            "run on another node, or build the image with `containers/build --march x86-64-v2`"
        )


if __name__ == "__main__":  # what the image's apps run before a program that would end in SIGILL
    try:
        check_cpu()
    except ProgramError as error:
        print(f"mlip-kmc: {error}", file=sys.stderr)  # noqa: T201 - there is no command line to report it
        sys.exit(error.exit_code)
