"""May this pod be on this node, and if not, why?

Pure: no clock, no loop, no client. DaemonSet placement, the scheduler's filters and the agent's admission all ask here,
so they cannot disagree. Every refusal is an `Unfit(reason, detail)`; the reasons are a closed list with one sentence
each, in the words that Kubernetes' scheduler uses, because people and scripts read them. "It fits" is no refusal at
all: `FITS` where there is one question, an empty tuple where there are several.

What is read of a pod and of a node is in `views`: small structs with just those fields. Whoever watches pods or nodes embeds
them in a view of its own; the generated API structs name their attributes alike and serve as well.

    reasons.py    Reason, Unfit, FITS
    views.py      PodSpec, Node, Taint, Toleration, ...: the fields that decide
    taints.py     tolerates(), untolerated()
    affinity.py   Requirements.of(pod_spec).refuse(node); pinned_node(pod_spec)
    resources.py  requests_of(pod_spec); Room.of(node), its add, remove and refuse, and beside() to ask what if
    ports.py      host_ports_of(pod_spec), HostPorts
    node.py       Demand.of(pod_spec) and filter_node(demand, node, room): all of it, in the scheduler's order

How a scheduler uses it:

    room = Room.of(node)                  # once a node; `room.resize(node)` when its allocatable changes
    room.add(bound_pod.spec)              # for each pod that counts on that node, `remove` when it goes
    demand = Demand.of(pod.spec)          # once a pod
    refusals = filter_node(demand, node, room)      # () if it fits
    [str(refusal) for refusal in refusals]          # "Insufficient cpu", "node(s) had untolerated taint(s)", ...

As in Kubernetes the first filter that refuses speaks alone, and only the resources filter gives several reasons at once.
`Unfit.resolvable` is False where no eviction of other pods could help.
"""
