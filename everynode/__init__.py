"""everynode: one copy of a program on every machine, and its rolling update.

The version stands here once; `pyproject.toml`, `/version` and the command line read it.
"""

__version__ = "0.1.0"
