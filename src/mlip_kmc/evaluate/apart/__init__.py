"""Tasks that evaluate a potential in the process where they run, each in a child process of its own slot.

    run_apart(task, tag="search-0_17-18")    # what task.run(tag=...) comes to, in a child that keeps its potential loaded
    end_children()                           # when there is nothing more to run

A potential's program may abort, crash or hang, and takes its process with it. So that is a child: the run, or the worker, lives
on, makes the task again in a fresh child, and knows which structure was evaluated when it died. Children are made when they are
first wanted, and ended with whoever made them.
"""

from mlip_kmc.evaluate.apart.pool import end_children, run_anywhere, run_apart
from mlip_kmc.evaluate.apart.task import Apart, Outcome

__all__ = ["Apart", "Outcome", "end_children", "run_anywhere", "run_apart"]
