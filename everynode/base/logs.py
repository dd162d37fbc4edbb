"""Logs go to standard error, a line each: UTC time, level, who, what. Standard output belongs to the command's own answer."""

from __future__ import annotations

import logging
import sys
import time

LINE = "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s"


def configure(level: int = logging.INFO) -> None:
    """Once per process, by the command that runs it."""
    lines = logging.Formatter(LINE, datefmt="%Y-%m-%dT%H:%M:%S")
    lines.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(lines)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # The web server tells of every connection that a client drops; that is a client's ordinary life.
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
