"""The seam between the agent, which speaks to the API, and whatever runs containers.

A `Runtime` is told which pods to run and to stop; it keeps their state in the `Pod` itself (`containers`, `change`, `stopped`)
and says `changed(pod)` whenever there is something new to be written. It never speaks to the API, and the agent never asks how
containers are run. `simulated.SimulatedRuntime` is one; a runtime over containerd's CRI will be another, and both pass the
same tests.
"""

from __future__ import annotations

from typing import Protocol

from everynode.agent.pod import Pod, PodView, Template


class Runtime(Protocol):
    """Runs the containers of the pods it is told of. Every method returns at once; what follows is told by `changed`."""

    version: str  # as a Node's nodeInfo.containerRuntimeVersion says it: `containerd://2.1.4`

    def start(self, pod: Pod) -> None:
        """A pod that was never run: run it."""
        ...

    def adopt(self, pod: Pod, view: PodView) -> None:
        """A pod that an agent before this one had started, as its status tells of it: go on with it."""
        ...

    def change(self, pod: Pod, template: Template) -> None:
        """The pod's spec is another now: containers with another image are started anew with it."""
        ...

    def stop(self, pod: Pod, grace: float) -> None:
        """End the pod within `grace` seconds; when nothing of it runs any more, `stopped` is set and `changed` said."""
        ...

    def forget(self, pod: Pod) -> None:
        """The pod is gone from the API: nothing of it may stay."""
        ...
