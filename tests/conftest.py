"""What all tests have in common."""

import gc


def pytest_collection_finish():
    """The collected tests, some 100 000 objects that stay, are not looked through for garbage time and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
