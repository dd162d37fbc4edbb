"""Descriptions in the OpenAPI documents, which `kubectl explain` prints: our own, and only of what people look up most.

By the type's short name, then by field; the empty field name describes the type itself. What has no entry has no text.
"""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, Mapping[str, str]] = {
    "DaemonSet": {
        "": "DaemonSet runs one copy of a pod on every node that its template fits.",
        "metadata": "Name, namespace, labels and annotations of the DaemonSet.",
        "spec": "What should run, and how an update passes over the nodes.",
        "status": "What runs now. Written by the controller.",
    },
    "DaemonSetSpec": {
        "": "What a DaemonSet should run, and how it is updated.",
        "minReadySeconds": "Seconds that a new pod must stay ready, without a container crashing, before it counts as "
        "available. The default 0 makes a ready pod available at once.",
        "revisionHistoryLimit": "How many old revisions are kept to roll back to. The default is 10.",
        "selector": "Which pods belong to this DaemonSet. It must match the labels of the template, and never changes.",
        "template": "The pod that runs on each node. A change of it starts an update, as updateStrategy says.",
        "updateStrategy": "How pods are replaced when the template changes.",
    },
    "DaemonSetStatus": {
        "": "Counts of nodes and pods, as the controller last saw them.",
        "collisionCount": "How many revision names were taken already; part of the next name's hash.",
        "currentNumberScheduled": "Nodes that should run the pod and have one.",
        "desiredNumberScheduled": "Nodes that should run the pod.",
        "numberAvailable": "Nodes that should run the pod and have one that is available.",
        "numberMisscheduled": "Nodes that have a pod and should not run it.",
        "numberReady": "Nodes that should run the pod and have one that is ready.",
        "numberUnavailable": "Nodes that should run the pod and have none that is available.",
        "observedGeneration": "The generation of the spec that these counts are about.",
        "updatedNumberScheduled": "Nodes whose pod is of the newest template.",
    },
    "DaemonSetUpdateStrategy": {
        "": "How a DaemonSet replaces its pods.",
        "rollingUpdate": "The budget of a rolling update. Only with type RollingUpdate.",
        "type": "RollingUpdate (the default) replaces pods by itself; OnDelete waits until somebody deletes them.",
    },
    "RollingUpdateDaemonSet": {
        "": "The budget of a rolling update. Exactly one of the two must not be zero.",
        "maxSurge": "How many nodes may run a new pod beside the old one: a number or a percentage of the nodes, "
        "rounded up. The default is 0.",
        "maxUnavailable": "How many nodes may be without an available pod during the update: a number or a percentage "
        "of the nodes, rounded up. The default is 1.",
    },
    "PodDisruptionBudget": {
        "": "PodDisruptionBudget says how many of the pods that it selects evictions must leave healthy.",
        "spec": "Which pods, and how many of them.",
        "status": "How many may be evicted now. Written by the disruption controller and by evictions.",
    },
    "PodDisruptionBudgetSpec": {
        "": "Which pods a budget is about, and how many of them may be missing. Only one of the two bounds may be set.",
        "maxUnavailable": "How many pods may be missing: a number or a percentage of those there should be, rounded up.",
        "minAvailable": "How many pods must stay healthy: a number or a percentage of those there should be, rounded up.",
        "selector": "The pods of the budget. Empty, it selects all of the namespace; left out, it selects none.",
        "unhealthyPodEvictionPolicy": "When running pods that are not ready may be evicted: IfHealthyBudget (the default) "
        "while enough others are healthy, or AlwaysAllow.",
    },
    "PodDisruptionBudgetStatus": {
        "": "Counts of pods, and how many evictions they allow.",
        "conditions": "DisruptionAllowed tells whether any eviction would be granted, and why not.",
        "currentHealthy": "Pods that are ready, are not being deleted, and were not granted to an eviction.",
        "desiredHealthy": "Pods that must be healthy.",
        "disruptedPods": "Pods whose eviction was granted and that are not seen to go yet, and when it was.",
        "disruptionsAllowed": "How many evictions would be granted now.",
        "expectedPods": "Pods that there should be.",
        "observedGeneration": "The generation of the spec that these counts are about. Evictions wait until it is the newest.",
    },
    "PodTemplateSpec": {
        "": "The pod that a controller creates.",
        "metadata": "Labels and annotations of the pods. The labels must match the selector.",
        "spec": "What the pods run.",
    },
    "ObjectMeta": {
        "": "What every object carries: its name, labels, and what the system notes of it.",
        "annotations": "Notes for tools and people; nothing is selected by them.",
        "creationTimestamp": "When the object was created. Set by the server.",
        "deletionGracePeriodSeconds": "Seconds the object has to end by itself once it is being deleted.",
        "deletionTimestamp": "When the object is to be gone. Set by the server when deletion is asked for.",
        "finalizers": "Names that must all be removed before a deleted object goes.",
        "generateName": "A beginning of the name, which the server completes when name is empty.",
        "generation": "Counts the changes of the spec.",
        "labels": "Keys and values by which the object is selected.",
        "managedFields": "Who set which field, for server-side apply.",
        "name": "The object's name, unique among its kind in its namespace.",
        "namespace": "The namespace that the object lives in.",
        "ownerReferences": "Objects that this one depends on; it goes when they are all gone.",
        "resourceVersion": "Changes with every write. Sent back, it makes an update fail if somebody wrote in between.",
        "uid": "Unique in time and space: an object of the same name made later has another.",
    },
}


def of(type_name: str, field: str = "") -> str:
    """The description, or nothing. `type_name` may be the full name."""
    return WORDS.get(type_name.rsplit(".", 1)[-1], {}).get(field, "")
