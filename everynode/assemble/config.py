"""What a cluster is made of, as the command line or a test asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Config:
    """`store` is `sqlite`, `memory` or `etcd://…` as `--store` takes it.

    `data_dir` holds everything that outlasts the process and belongs to one process at a time; None (a demo, a test) keeps
    nothing, has no certificates, and goes with the memory store only. `nodes` are simulated by this process, by the rules of
    the file `simulation` if there is one. `server_names` are further names the server's certificate is good for.
    """

    store: str = "sqlite"
    data_dir: Path | None = None
    nodes: int = 3
    simulation: Path | None = None
    server_names: tuple[str, ...] = ()
