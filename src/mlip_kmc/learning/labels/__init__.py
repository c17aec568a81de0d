"""Labels: oracles, what may be wrong with their answers, and the desk that asks for them and collects them.

Nothing is imported here: the process of an oracle shall start quickly.
"""
