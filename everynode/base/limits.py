"""Bounds of what comes in from outside and of how long things may take: each number once, with its unit and its reason.

What is beyond a bound is refused by name or closed; nothing waits for ever and nothing grows for ever.
"""

from __future__ import annotations

# Kubernetes' own bound on a request's body; clients know its message.
REQUEST_BODY_BYTES = 3 * 1024 * 1024

# A body that has not arrived whole by then is given up: 3 MiB at 50 KB a second. Without it, whoever sends half of one holds
# a place among the requests in flight for ever.
REQUEST_BODY_SECONDS = 60.0

# One line of a request's head. Selectors with hundreds of names travel in the URL; Go's servers allow 1 MiB for the whole head.
REQUEST_LINE_BYTES = 64 * 1024
REQUEST_HEADER_BYTES = 64 * 1024
REQUEST_HEADERS = 128

# Requests being answered at once, watches not counted: beyond it memory for their bodies would have no bound.
REQUESTS_IN_FLIGHT = 1_000

# Answers larger than this are compressed for who accepts gzip, as kube-apiserver does: below it the time is not won back.
GZIP_FROM_BYTES = 128 * 1024
# As kube-apiserver: fastest; the gain of higher levels is a few percent of size for several times the CPU.
GZIP_LEVEL = 1
# Compressing more than this would hold the event loop for more than about 5 ms, so a thread does it.
GZIP_INLINE_BYTES = 512 * 1024

# Connections that nobody has taken yet. Beyond it the kernel drops what comes, and who was dropped tries again after 1, 2, 4, …
# seconds: with asyncio's 100, a thousand agents that came at once took half a minute, nearly all of it waiting.
CONNECTIONS_WAITING = 4_096

# A watcher whose socket takes nothing for this long is closed; it lists again when it is back.
STALLED_READER_SECONDS = 30.0

# A list that its reader has not taken by then is given up, as kube-apiserver ends each request that is no watch: until then
# the versions that it has yet to send are kept, whatever is written meanwhile.
LIST_SECONDS = 60.0

# An idle connection is kept this long. Go's clients let go after 90 s, so that they, not we, end it.
KEEP_ALIVE_SECONDS = 120.0

# A clean stop promises 5 s in all; requests under way get this much of it, background tasks the next.
STOP_REQUESTS_SECONDS = 2.0
STOP_TASKS_SECONDS = 1.5
