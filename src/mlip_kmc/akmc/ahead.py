"""Work ahead of need: while the present state has all the searches that it needs, spare workers search the next one.

    ahead = Ahead(foresight, beyond=copied.beyond, queue=make_queue, seed=1, share=0.2, most=48)
    ahead.go_on(place, numbers=numbers, room=3, registered=1200)      # after a tick
    ahead.moved(departure)                                            # the run has made a KMC step
    ahead.drop()

Which process the next KMC step takes follows from the seed, the number of the step, and the table. As long as nothing new is
found the answer stays the same, so what is searched ahead will be wanted, unless a last search changes the table. Searches
of the next state are registered in a copy of it, by the same rules; the run itself takes their outcomes only for tasks that are
equal in every value (`foresight.py`), in its own order. The trajectory is the same with and without.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from mlip_kmc.akmc.completing import is_complete
from mlip_kmc.akmc.foresight import Foresight
from mlip_kmc.akmc.ports import Departure, Place
from mlip_kmc.akmc.queue import SearchQueue
from mlip_kmc.ground.errors import MlipKmcError
from mlip_kmc.model.kinetics import step_generator
from mlip_kmc.model.records import RunNumbers
from mlip_kmc.workers.task import TaskRunner

_log = logging.getLogger(__name__)

_MOST_SEARCHES = 500
"""Of one state, ahead."""


@dataclass
class _Next:
    """The state that is searched ahead, its searches, and the step that leads there.

    Attributes:
        left, process: the step. place: behind it. queue: of its searches.
        given_up: nothing can be done there ahead, or nothing more.
    """

    left: int
    process: int
    place: Place | None = None
    queue: SearchQueue | None = None
    given_up: bool = False


class Ahead:
    """What is searched ahead in one run."""

    def __init__(
        self,
        foresight: Foresight,
        *,
        beyond: Callable[..., Place | None],
        queue: Callable[[TaskRunner], SearchQueue],
        seed: int,
        share: float,
        most: int,
    ) -> None:
        """Nothing is begun.

        Args:
            foresight: through which all tasks go.
            beyond: makes the place behind a process.
            queue: makes a queue of searches on a cluster.
            seed: the run's.
            share: no more of all searches are to be ones that nobody asks for.
            most: so many searches of one state may be unregistered.
        """
        self._foresight, self._beyond, self._queue = foresight, beyond, queue
        self._seed, self._share, self._most = seed, share, most
        self._next: _Next | None = None

    def counted(self, numbers: RunNumbers, *, earlier: RunNumbers) -> RunNumbers:
        """The run's numbers with what was begun ahead.

        Args:
            numbers: of the run.
            earlier: at this start.
        """
        found = self._foresight
        return replace(
            numbers,
            ahead_used=earlier.ahead_used + found.used,
            ahead_unused=earlier.ahead_unused + found.unused,
            ahead_unused_calls=earlier.ahead_unused_calls + found.unused_calls,
        )

    def go_on(self, place: Place, *, numbers: RunNumbers, room: int, registered: int) -> None:
        """Search the next state, as far as there is room; register what has come back of it.

        Args:
            place: where the run is.
            numbers: of the run.
            room: so many workers have nothing to do.
            registered: so many searches of the run are.
        """
        state = numbers.state
        process = place.drawn(step_generator(seed=self._seed, step=numbers.steps))
        if self._next is not None and (self._next.left, self._next.process) != (state, process):
            self.drop()
        if process is None:
            return
        if self._next is None:
            unused = numbers.ahead_unused
            if room <= 0 or not unused <= self._share * (registered + unused):
                return
            self._next = _Next(state, process)
        if self._next.given_up:
            return
        try:
            self._search(self._next, room)
        except (MlipKmcError, OSError) as error:
            _log.debug("search ahead of need ended: %s", error)  # the run itself will meet it
            self._next.given_up = True

    def _search(self, following: _Next, room: int) -> None:
        if following.place is None:
            following.place = self._beyond(following.left, process=following.process)
            following.given_up = following.place is None
        if following.place is None:
            return
        if following.queue is None:
            following.queue = self._queue(self._foresight.early)
        place, queue = following.place, following.queue
        self._submit(place, queue, room)
        while queue.accept(0.0) and not place.confident:
            outcome = queue.take(
                lambda _: True, ready=lambda one: is_complete(one, queue=queue, place=place)
            )
            if outcome is None:
                return
            place.register(outcome)

    def _submit(self, place: Place, queue: SearchQueue, room: int) -> None:
        """As many as have room, and as the state will need."""
        if place.confident or place.registered >= _MOST_SEARCHES:
            return
        first = place.registered + len(queue)
        more = min(room, self._most - len(queue), place.still_needed - len(queue))
        end = first + max(more, 0)
        if place.most is not None:
            end = min(end, place.most)
        starts = [place.start(f"{place.state}_{index}") for index in range(first, end)]
        queue.submit(starts, reactant_con=place.reactant_con(place.state))

    def moved(self, departure: Departure) -> None:
        """The run has made a KMC step: what was searched ahead is asked for now, or never."""
        expected, self._next = self._next, None
        if expected is None or (expected.left, expected.process) != (
            departure.left,
            departure.process,
        ):
            self._foresight.drop()
            return
        self._foresight.early.inbox.clear()
        here = departure.product
        self._foresight.end(lambda name: int(name.partition("_")[0]) != here)

    def drop(self) -> None:
        """Nothing of it will be asked for."""
        self._next = None
        self._foresight.drop()
