"""One run of adaptive kinetic Monte Carlo: the tick, the queue of searches, KMC steps, and what is changed in eOn."""
