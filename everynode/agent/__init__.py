"""The node agent: what a kubelet is to Kubernetes. It registers machines, keeps their heartbeats and lives their pods.

rules.py      what a simulation file may say, and which rule holds for a container or a node (pure)
imagename.py  whether an image's name can be read, and what is said when it cannot or nobody has the image (pure)
life.py       the life of a container and of its pod: a table of states, and the driver that runs it (pure)
pod.py        what is read of a pod, and what the agent keeps of one
status.py     a pod's status as a kubelet writes it (pure)
admission.py  whether a node takes a pod that was bound to it (pure, asks `fit`)
node.py       the Node and Lease objects of a simulated machine, and when they are due (pure)
runtime.py    the seam: what runs containers, simulated or real
simulated.py  the runtime that only pretends, after rules
fleet.py      the shell: N simulated machines over the API
"""
