"""Our own saddle search: small stages over one callback of forces, on an evaluator that stays loaded.

start (`start.py`) -> climb (`climb.py`) -> identify (`identify.py`) -> connect (`connect.py`), joined in `stages.py` and
`task.py`. Every stage is numpy alone; what evaluates, counts, watches and cancels is `calls.py`.
"""
