"""How far a build is: one line that moves in a terminal, a line a minute in a log.

    progress = Progress([("eon", "eOn", 400.0), ("lammps", "LAMMPS", 250.0)], stream=sys.stderr)
    progress.begin("eon")
    progress.show(StepReader(log).read())      # as often as one likes
    progress.end("eon")

The estimate of the time left takes each part's usual share of the work and how fast this machine has been so far.
"""

import re
import shutil
import time

_NINJA = re.compile(rb"^\[(\d+)/(\d+)\]", re.MULTILINE)
_APT_TOTAL = re.compile(rb"(\d+) newly installed")
_APT_DONE = re.compile(rb"^(?:Unpacking|Setting up) ", re.MULTILINE)
_PIP = re.compile(rb"^(?:Collecting|  Downloading) ", re.MULTILINE)
_A_LINE_EVERY_S = 60.0
_LEAST_SHARE = 0.02
"""Below this share of the work no time left is estimated."""


class StepReader:
    """Steps done and steps in all, from the log of a part as it grows."""

    def __init__(self, log, packages=0):
        """`packages`: how many a lock file names, where pip installs them."""
        self._log, self._packages = log, packages

    def read(self):
        """(done, of), or None where the log names no steps."""
        try:
            text = self._log.read_bytes()
        except OSError:
            return None
        ninja = _NINJA.findall(text)
        if ninja:
            return int(ninja[-1][0]), int(ninja[-1][1])
        total = _APT_TOTAL.search(text)
        if total and int(total[1]):
            return min(len(_APT_DONE.findall(text)), 2 * int(total[1])), 2 * int(total[1])
        if self._packages:
            return min(len(_PIP.findall(text)) // 2, self._packages), self._packages
        return None


class Progress:
    """Elapsed time, share done, time left over all stages of a build."""

    def __init__(self, stages, *, stream, clock=time.monotonic):
        """`stages`: (name, title, weight) of all that will be done, in order."""
        self._stages = {name: (title, weight) for name, title, weight in stages}
        self._order = list(self._stages)
        self._stream, self._clock = stream, clock
        self._begin = clock()
        self._done, self._now = 0.0, None
        self._last_line = self._begin
        self._moving = stream.isatty()

    def begin(self, name):
        """A stage starts."""
        self._now = name
        self._line(self._text(None), final=not self._moving)

    def show(self, steps):
        """Tell where it is; `steps` is (done, of) or None."""
        if self._moving:
            self._line(self._text(steps))
        elif self._clock() - self._last_line >= _A_LINE_EVERY_S:
            self._line(self._text(steps), final=True)

    def end(self, name, said):
        """A stage is done; `said` is the line that stays."""
        self._done += self._stages[name][1]
        self._now = None
        self._line(said, final=True)

    def _text(self, steps):
        title, weight = self._stages[self._now]
        share = self._done + (weight * steps[0] / max(1, steps[1]) if steps else 0.0)
        share /= sum(weight for _, weight in self._stages.values())
        elapsed = self._clock() - self._begin
        place = f"{self._order.index(self._now) + 1} of {len(self._order)}, {title}"
        counted = f", step {steps[0]} of {steps[1]}" if steps else ""
        left = (
            f", about {clock_text(elapsed * (1 - share) / share)} left"
            if share >= _LEAST_SHARE
            else ""
        )
        return f"{place}{counted}: {share:.0%} after {clock_text(elapsed)}{left}"

    def _line(self, text, *, final=False):
        text = f"build: {text}"
        if self._moving:
            width = max(20, shutil.get_terminal_size().columns - 1)
            self._stream.write(
                "\r\033[K" + (text if final else text[:width]) + ("\n" if final else "")
            )
        else:
            self._stream.write(text + "\n")
        self._stream.flush()
        self._last_line = self._clock()


def clock_text(seconds):
    """`75` as `1:15`, `3675` as `1:01:15`."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
