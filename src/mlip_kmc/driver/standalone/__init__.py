"""The standalone driver: this folder is copied whole. The package's other rooms take these names from it.

    from mlip_kmc.driver import standalone as driver

    driver.Evaluator({"potential": "cu.yace"}).evaluate(driver.parse(data)).energy

`SCRIPT` is the command. It does without this file: what eOn calls must start in milliseconds.
"""

from pathlib import Path

from .basics import (
    CHANGED,
    DISK,
    END_FILE,
    FAILED,
    FARTHEST_A,
    HALTED,
    MALFORMED,
    NO_SERVER,
    STAGES,
    TOO_NEAR,
    UNUSABLE,
    USAGE,
    Answer,
    DriverError,
    Structure,
    checked,
    checked_source,
)
from .client import DOWN, LONGEST_PATH, ask, connected, greet
from .compare import RATTLE_A, SAME_EV_PER_A, SAME_EV_PER_ATOM
from .engines import evaluated
from .eon_text import (
    FROM_DRIVER,
    RUN_DIR,
    SEARCH_FILE,
    TO_DRIVER,
    formatted,
    gamma_rows,
    parse,
)
from .evaluator import Evaluator
from .halts import CANDIDATE, EVIDENCE, HALTED_ON, keep
from .protocol import (
    ANSWER,
    ERROR,
    HELLO,
    MAGIC,
    QUESTION,
    body_of,
    exactly,
    frame,
    packed_answer,
    packed_error,
    packed_question,
    receive,
    said,
    unpacked_answer,
    unpacked_question,
)
from .structures import atoms_of, equipped

SCRIPT = Path(__file__).with_name("pace_driver.py")

__all__ = [
    "ANSWER",
    "CANDIDATE",
    "CHANGED",
    "DISK",
    "DOWN",
    "END_FILE",
    "ERROR",
    "EVIDENCE",
    "FAILED",
    "FARTHEST_A",
    "FROM_DRIVER",
    "HALTED",
    "HALTED_ON",
    "HELLO",
    "LONGEST_PATH",
    "MAGIC",
    "MALFORMED",
    "NO_SERVER",
    "QUESTION",
    "RATTLE_A",
    "RUN_DIR",
    "SAME_EV_PER_A",
    "SAME_EV_PER_ATOM",
    "SCRIPT",
    "SEARCH_FILE",
    "STAGES",
    "TOO_NEAR",
    "TO_DRIVER",
    "UNUSABLE",
    "USAGE",
    "Answer",
    "DriverError",
    "Evaluator",
    "Structure",
    "ask",
    "atoms_of",
    "body_of",
    "checked",
    "checked_source",
    "connected",
    "equipped",
    "evaluated",
    "exactly",
    "formatted",
    "frame",
    "gamma_rows",
    "greet",
    "keep",
    "packed_answer",
    "packed_error",
    "packed_question",
    "parse",
    "receive",
    "said",
    "unpacked_answer",
    "unpacked_question",
]
