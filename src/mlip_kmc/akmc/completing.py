"""What a new process waits for before it is registered: that it is told from its neighbours, its prefactors and its images.

    queue.take(wanted, ready=lambda outcome: is_complete(outcome, queue=queue, place=place))

What is missing is asked for at once, and the search keeps its turn.
"""

from mlip_kmc.akmc.ports import Place
from mlip_kmc.akmc.queue import SearchQueue
from mlip_kmc.search.outcome import SearchOutcome


def is_complete(outcome: SearchOutcome, *, queue: SearchQueue, place: Place) -> bool:
    """What a search found may be registered: it is nothing new, or all that it waits for is there.

    Args:
        outcome: of the search whose turn it is.
        queue: that it waits in.
        place: that it is registered in.
    """
    if not queue.completes or not place.is_new(outcome):
        return True
    if not queue.told_apart(outcome, lambda: place.doubt(outcome)):
        return False
    rated = queue.rated(outcome, lambda: place.rest(outcome))  # both are asked for at once
    return queue.expanded(outcome, lambda: place.images(outcome)) and rated
