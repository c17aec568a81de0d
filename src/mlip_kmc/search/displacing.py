"""Where a search starts that starts at random, made by whoever runs it: eOn's displacements and directions.

    start = Displacing(seed=search_seed(seed=1, state=0, index=17), options=options_of(config))
    start.files(pos_con)                             # displacement.con, direction.dat, as texts

What comes of it follows from the state, eOn's options and the seed alone: a server has only to say the seed.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Displacing:
    """A displacement that is still to be made.

    Attributes:
        seed: of it.
        options: eOn's, as of `eon_displacements.options_of`.
        among: atoms at one of which it is made; None: any.
    """

    seed: int
    options: str
    among: frozenset[int] | None = None

    def files(self, pos_con: str) -> dict[str, str]:
        """`displacement.con` and `direction.dat`, as eOn's client reads them.

        Args:
            pos_con: text of the state.
        """
        from mlip_kmc.search.eon_displacements import displacements_of  # eOn is not needed for more

        return displacements_of(pos_con, self.options).texts(seed=self.seed, among=self.among)
