"""Flower, extended: a password, an allow-list of tasks, and the dead letters. `python -m web.flower` starts it."""
