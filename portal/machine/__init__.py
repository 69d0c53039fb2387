"""Single-machine mode: the whole portal under one command. ``python -m portal.machine up``."""
