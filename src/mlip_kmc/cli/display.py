"""What a run shows in the terminal: one live line and a line for each KMC step; plain lines where there is no terminal.

Example:
    with Display(quiet=False, settings=config) as display:
        display.note("minimising")
        display.progress(server.progress())
"""

import errno
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mlip_kmc.config import Config
from mlip_kmc.ground.wording import counted, outcomes, plain, reasons
from mlip_kmc.model.records import EonResult, Event, Progress

_PLAIN_INTERVAL_S = 30.0


class Display:
    """Prints a run's progress."""

    def __init__(
        self,
        *,
        quiet: bool,
        settings: Config,
        searches: int | None = None,
        console: Console | None = None,
    ) -> None:
        """Nothing is printed yet.

        Args:
            quiet: print only warnings and the result.
            settings: the run's.
            searches: so many are wanted, and no KMC step.
            console: where to print; the terminal's own where None.
        """
        # names of files are text, whatever brackets and colons they hold
        self._console = console or Console(stderr=False, highlight=False, markup=False, emoji=False)
        self._console.soft_wrap = (
            not self._console.is_terminal
        )  # a log has whole lines, a terminal breaks them between words
        self._quiet = quiet
        self._settings = settings
        self._searches = searches
        self._live: Live | None = None
        self._steps: int | None = None
        self._shown = float("-inf")

    def __enter__(self) -> Self:
        if not self._quiet and self._console.is_terminal:
            self._live = Live(Text(""), console=self._console, refresh_per_second=4, transient=True)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()

    def _print(self, what: str | Table) -> None:
        """A log on a full disk loses lines; the run does not end for that."""
        try:
            self._console.print(what)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise

    def note(self, line: str) -> None:
        """Print one line that stays; a warning is printed also where little else is."""
        if not self._quiet or line.startswith("warning: "):
            self._print(line)

    def progress(self, now: Progress) -> None:
        """Show where the run is."""
        if self._quiet:
            return
        if self._steps is None and now.kmc_steps:
            self.note(
                f"continued at KMC step {now.kmc_steps}, {plain(now.simulated_time_s, digits=4)} s of simulated time"
            )
        elif self._steps is not None and now.kmc_steps > self._steps and now.last_event:
            self.note(_event_line(now.last_event))
        self._steps = now.kmc_steps
        if self._live:
            self._live.update(Text(self._status(now), style="cyan"))
        elif time.monotonic() - self._shown > _PLAIN_INTERVAL_S:
            self._shown = time.monotonic()
            self.note(self._status(now))

    def _status(self, now: Progress) -> str:
        """One line; two where the terminal is narrower."""
        confidence = f"confidence {now.confidence:.4f} of {self._settings.confidence.value:g}"
        if self._searches is not None:
            where = f"search {now.searches_here} of {self._searches} in state {now.state}: {_known(now)}, {confidence}"
        else:
            wanted = self._settings.stop.kmc_steps
            steps = f"{now.kmc_steps}/{wanted}" if wanted else f"{now.kmc_steps}"
            where = f"step {steps}  state {now.state} of {now.states}: {confidence}, {_known(now)}"
        searches = f"all searches {outcomes(_counts(now))}; {now.running} running"
        line = f"{where}  |  {searches}"
        return (
            line
            if len(line) <= self._console.width or self._live is None
            else f"{where}\n{searches}"
        )

    def result(self, result: EonResult) -> None:
        """Print what the run has come to."""
        if self._live:
            self._live.stop()
            self._live = None
        self._print(
            f"{result.status}: {result.reason}. {counted(result.kmc_steps, 'KMC step')}, "
            f"{plain(result.simulated_time_s, digits=6)} s, {counted(len(result.states), 'state')}; "
            f"searches {outcomes(result.searches)}"
        )
        if result.reasons:
            self._print(f"bad because: {reasons(result.reasons)}")
        if not self._quiet and result.states and result.states[0].processes:
            self._print(_state_table(result))
        self._print(f"results: {result.run_dir / 'results'}")


def _counts(now: Progress) -> dict[str, int]:
    return {
        "new": now.good,
        "repeat": now.repeated,
        "high": now.high,
        "bad": now.bad,
        "halted": now.halted,
    }


def _known(now: Progress) -> str:
    """What is known of the present state; a process is known before its first search where one of another state led over it."""
    if now.searches_here:
        return f"{counted(now.processes, 'process')} in {counted(now.searches_here, 'search')}"
    return (
        f"{counted(now.processes, 'process')} known by searches of other states"
        if now.processes
        else "not searched yet"
    )


def _event_line(event: Event) -> str:
    where = f" (superbasin {event.superbasin})" if event.superbasin is not None else ""
    return (
        f"KMC step {event.step + 1:>4}: state {event.reactant} -> {event.product}{where}, {event.barrier:.4f} eV, "
        f"after {plain(event.step_time_s, digits=4)} s; time {plain(event.time_s, digits=5)} s"
    )


def _state_table(result: EonResult) -> Table:
    table = Table(
        title="state 0: processes",
        box=None,
        title_justify="left",
        pad_edge=False,
        collapse_padding=True,
    )
    for name in ("process", "barrier (eV)", "prefactor (1/s)", "rate (1/s)", "product", "repeats"):
        table.add_column(
            name, justify="right", no_wrap=True, min_width=19 if name == "process" else None
        )
    rows = sorted(result.states[0].processes, key=lambda process: process.barrier)
    for process in rows[:15]:
        star = (
            "*"
            if result.prefactor_reasons and process.prefactor_kind == "constant"
            else " " * bool(result.prefactor_reasons)
        )
        table.add_row(
            f"{process.process}",
            f"{process.barrier:.5f}",
            f"{process.prefactor:.4g}{star}",
            f"{process.rate:.4g}",
            "-" if process.product is None else str(process.product),
            str(process.repeats),
        )
    below = [f"and {len(rows) - 15} more"] if len(rows) > 15 else []
    below += [
        f"* constant, in both directions; {count} x {reason}"
        for reason, count in result.prefactor_reasons.items()
    ]
    table.caption, table.caption_justify = "\n".join(below) or None, "left"
    return table
