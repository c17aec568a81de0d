"""eOn: its options, its server driven tick by tick, its communicator, its results as records."""
