"""Pods: every rule of the specification, by what is changed in a well-formed pod and what is then said of it."""

from __future__ import annotations

from typing import Any

import pytest

from everynode.api.scheme import PODS
from tests.api.validated import POD, created, edited

LABEL_KEY = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
LABEL_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
DNS_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
C = "spec.containers[0]"
ENVIRONMENT_FIELDS = (
    '"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", '
    '"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"'
)
NODE_TERMS = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"


def container(**fields: Any) -> dict[str, Any]:
    return {f"spec.containers.0.{name}": value for name, value in fields.items()}


def volume(**source: Any) -> dict[str, Any]:
    return {"spec.volumes": [{"name": "v", **source}]}


def required_nodes(*terms: Any) -> dict[str, Any]:
    return {NODE_TERMS: list(terms)}


CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    # containers
    ({"spec.containers": []}, ["spec.containers: Required value"]),
    (container(name=""), [f"{C}.name: Required value"]),
    (container(name="Main"), [f'{C}.name: Invalid value: "Main": {DNS_LABEL}']),
    (container(name="a.b"), [f'{C}.name: Invalid value: "a.b": must not contain dots']),
    (container(image=""), [f"{C}.image: Required value"]),
    (
        container(image=" nginx"),
        [f'{C}.image: Invalid value: " nginx": must not have leading or trailing whitespace'],
    ),
    (
        container(imagePullPolicy="Sometimes"),
        [f'{C}.imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"'],
    ),
    (
        container(terminationMessagePolicy="X"),
        [f'{C}.terminationMessagePolicy: Unsupported value: "X": supported values: "File", "FallbackToLogsOnError"'],
    ),
    (
        {"spec.containers.1": {"name": "main", "image": "other:1"}},
        ['spec.containers[1].name: Duplicate value: "main"'],
    ),
    # ports
    (container(ports=[{}]), [f"{C}.ports[0].containerPort: Required value"]),
    (
        container(ports=[{"containerPort": 70000}]),
        [f"{C}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"],
    ),
    (
        container(ports=[{"containerPort": 80, "hostPort": -1}]),
        [f"{C}.ports[0].hostPort: Invalid value: -1: must be between 1 and 65535, inclusive"],
    ),
    (
        container(ports=[{"containerPort": 80, "protocol": "tcp"}]),
        [f'{C}.ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"'],
    ),
    (
        container(ports=[{"containerPort": 80, "name": "a"}, {"containerPort": 81, "name": "a"}]),
        [f'{C}.ports[1].name: Duplicate value: "a"'],
    ),
    (
        container(ports=[{"containerPort": 80, "name": "-a--b-very-long-name"}]),
        [
            f'{C}.ports[0].name: Invalid value: "-a--b-very-long-name": must be no more than 15 characters',
            f'{C}.ports[0].name: Invalid value: "-a--b-very-long-name": must not contain consecutive hyphens',
            f'{C}.ports[0].name: Invalid value: "-a--b-very-long-name": must not begin or end with a hyphen',
        ],
    ),
    (
        container(ports=[{"containerPort": 80, "hostPort": 8080}, {"containerPort": 81, "hostPort": 8080}]),
        [f'{C}.ports[1].hostPort: Duplicate value: "TCP//8080"'],
    ),
    (
        {"spec.hostNetwork": True, **container(ports=[{"containerPort": 80, "hostPort": 8080}])},
        [f"{C}.ports[0].hostPort: Invalid value: 8080: must match `containerPort` when `hostNetwork` is true"],
    ),
    # environment
    (container(env=[{"name": ""}]), [f"{C}.env[0].name: Required value"]),
    (container(env=[{"name": "with space"}]), []),
    (
        container(env=[{"name": "a=b"}]),
        [
            f'{C}.env[0].name: Invalid value: "a=b": a valid environment variable name must consist only of '
            "printable ASCII characters other than '='"
        ],
    ),
    (
        container(env=[{"name": "A", "valueFrom": {}}]),
        [
            f'{C}.env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, '
            "`configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        ],
    ),
    (
        container(env=[{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
        [f'{C}.env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
    ),
    (
        container(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.restartPolicy"}}}]),
        [
            f'{C}.env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "spec.restartPolicy": '
            f"supported values: {ENVIRONMENT_FIELDS}"
        ],
    ),
    (
        container(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nope"}}}]),
        [
            f'{C}.env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.nope": '
            "error converting fieldPath: field label not supported: spec.nope"
        ],
    ),
    (container(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}}]), []),
    (
        container(env=[{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": ""}}}]),
        [f"{C}.env[0].valueFrom.configMapKeyRef.key: Required value"],
    ),
    (
        container(env=[{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.disk"}}}]),
        [
            f'{C}.env[0].valueFrom.resourceFieldRef.resource: Unsupported value: "limits.disk": supported values: '
            '"limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", '
            '"requests.ephemeral-storage", "requests.memory"'
        ],
    ),
    (
        container(env=[{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "2"}}}]),
        [
            f'{C}.env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": '
            "only divisor's values 1m and 1 are supported with the cpu resource"
        ],
    ),
    (
        container(envFrom=[{}]),
        [f'{C}.envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`'],
    ),
    (container(envFrom=[{"secretRef": {"name": ""}}]), [f"{C}.envFrom[0].secretRef.name: Required value"]),
    # resources
    (
        container(resources={"limits": {"memory": "1Gi"}, "requests": {"memory": "2048Mi"}}),
        [f'{C}.resources.requests: Invalid value: "2Gi": must be less than or equal to memory limit of 1Gi'],
    ),
    (
        container(resources={"requests": {"cpu": "-1"}}),
        [f'{C}.resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0'],
    ),
    (
        container(resources={"requests": {"disk": "1"}}),
        [
            f'{C}.resources.requests[disk]: Invalid value: "disk": must be a standard resource type or fully qualified',
            f'{C}.resources.requests[disk]: Invalid value: "disk": must be a standard resource for containers',
        ],
    ),
    (
        container(resources={"requests": {"pods": "1"}}),
        [f'{C}.resources.requests[pods]: Invalid value: "pods": must be a standard resource for containers'],
    ),
    (
        container(resources={"requests": {"example.com/gpu": "1"}}),
        [f"{C}.resources.limits: Required value: Limit must be set for non overcommitable resources"],
    ),
    (
        container(resources={"limits": {"example.com/gpu": "1.5"}}),
        [
            f'{C}.resources.limits[example.com/gpu]: Invalid value: "1500m": must be an integer',
            f'{C}.resources.requests[example.com/gpu]: Invalid value: "1500m": must be an integer',
        ],
    ),
    (
        container(resources={"limits": {"example.com/gpu": "2"}, "requests": {"example.com/gpu": "1"}}),
        [f'{C}.resources.requests: Invalid value: "1": must be equal to example.com/gpu limit of 2'],
    ),
    (
        container(resources={"limits": {"hugepages-2Mi": "2Mi"}}),
        [f"{C}.resources: Forbidden: HugePages require cpu or memory"],
    ),
    (
        container(resources={"limits": {"hugepages-2Mi": "3Mi", "cpu": "1"}}),
        [
            f'{C}.resources.limits[hugepages-2Mi]: Invalid value: "3Mi": '
            "3Mi is not positive integer multiple of hugepages-2Mi",
            f'{C}.resources.requests[hugepages-2Mi]: Invalid value: "3Mi": '
            "3Mi is not positive integer multiple of hugepages-2Mi",
        ],
    ),
    # volumes and mounts
    (container(volumeMounts=[{"name": "v", "mountPath": "/a"}]), [f'{C}.volumeMounts[0].name: Not found: "v"']),
    (
        {**volume(emptyDir={}), **container(volumeMounts=[{"name": "v", "mountPath": ""}])},
        [f"{C}.volumeMounts[0].mountPath: Required value"],
    ),
    (
        {**volume(emptyDir={}), **container(volumeMounts=[{"name": "v", "mountPath": "/a"}] * 2)},
        [f'{C}.volumeMounts[1].mountPath: Invalid value: "/a": must be unique'],
    ),
    (
        {**volume(emptyDir={}), **container(volumeMounts=[{"name": "v", "mountPath": "/a", "subPath": "../x"}])},
        [f"{C}.volumeMounts.subPath: Invalid value: \"../x\": must not contain '..'"],
    ),
    (
        {
            **volume(emptyDir={}),
            **container(volumeMounts=[{"name": "v", "mountPath": "/a", "mountPropagation": "Bidirectional"}]),
        },
        [
            f"{C}.volumeMounts.mountPropagation: Forbidden: "
            "Bidirectional mount propagation is available only to privileged containers"
        ],
    ),
    ({"spec.volumes": [{"name": "v"}, {"name": "v"}]}, ['spec.volumes[1].name: Duplicate value: "v"']),
    ({"spec.volumes": [{"name": "V"}]}, [f'spec.volumes[0].name: Invalid value: "V": {DNS_LABEL}']),
    (
        volume(emptyDir={}, hostPath={"path": "/a"}),
        ["spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"],
    ),
    (volume(hostPath={"path": ""}), ["spec.volumes[0].hostPath.path: Required value"]),
    (
        volume(hostPath={"path": "/a/../b"}),
        ["spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"],
    ),
    (
        volume(hostPath={"path": "/a", "type": "Dir"}),
        [
            'spec.volumes[0].hostPath.type: Unsupported value: "Dir": supported values: "", "BlockDevice", '
            '"CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"'
        ],
    ),
    (volume(secret={}), ["spec.volumes[0].secret.secretName: Required value"]),
    (
        volume(configMap={"name": "c", "defaultMode": 512, "items": [{"key": "", "path": "/abs"}]}),
        [
            "spec.volumes[0].configMap.defaultMode: Invalid value: 512: "
            "must be a number between 0 and 0777 (octal), both inclusive",
            "spec.volumes[0].configMap.items[0].key: Required value",
            'spec.volumes[0].configMap.items[0].path: Invalid value: "/abs": must be a relative path',
        ],
    ),
    (
        volume(downwardAPI={"items": [{"path": "a"}]}),
        ["spec.volumes[0].downwardAPI: Required value: one of fieldRef and resourceFieldRef is required"],
    ),
    (
        volume(projected={"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 60}}]}),
        [
            "spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 60: "
            "may not specify a duration less than 10 minutes",
            "spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: "
            "must not be specified when serviceAccountName is not set",
        ],
    ),
    (
        volume(nfs={"server": "s", "path": "rel"}),
        ['spec.volumes[0].nfs.path: Invalid value: "rel": must be an absolute path'],
    ),
    # probes and hooks
    (container(livenessProbe={}), [f"{C}.livenessProbe: Required value: must specify a handler type"]),
    (
        container(livenessProbe={"exec": {"command": ["a"]}, "tcpSocket": {"port": 1}}),
        [f"{C}.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"],
    ),
    (
        container(livenessProbe={"exec": {}, "successThreshold": 2, "periodSeconds": -1}),
        [
            f"{C}.livenessProbe.exec.command: Required value",
            f"{C}.livenessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0",
            f"{C}.livenessProbe.successThreshold: Invalid value: 2: must be 1",
        ],
    ),
    (
        container(readinessProbe={"httpGet": {"port": 0, "scheme": "ftp"}, "terminationGracePeriodSeconds": 5}),
        [
            f"{C}.readinessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive",
            f'{C}.readinessProbe.httpGet.scheme: Unsupported value: "ftp": supported values: "HTTP", "HTTPS"',
            f"{C}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 5: must not be set for readinessProbes",
        ],
    ),
    (
        container(lifecycle={"preStop": {"sleep": {"seconds": 60}}}),
        [
            f"{C}.lifecycle.preStop.sleep: Invalid value: 60: "
            "must be non-negative and less than terminationGracePeriodSeconds (30)"
        ],
    ),
    # init containers
    (
        {"spec.initContainers": [{"name": "main", "image": "i:1"}]},
        ['spec.initContainers[0].name: Duplicate value: "main"'],
    ),
    (
        {"spec.initContainers": [{"name": "i", "image": "i:1", "livenessProbe": {"exec": {"command": ["a"]}}}]},
        [
            "spec.initContainers[0].livenessProbe: Forbidden: "
            "may not be set for init containers without restartPolicy=Always"
        ],
    ),
    (
        {
            "spec.initContainers": [
                {"name": "i", "image": "i:1", "restartPolicy": "Always", "livenessProbe": {"exec": {"command": ["a"]}}}
            ]
        },
        [],
    ),
    (
        {"spec.initContainers": [{"name": "i", "image": "i:1", "restartPolicy": "Maybe"}]},
        [
            'spec.initContainers[0].restartPolicy: Unsupported value: "Maybe": '
            'supported values: "Always", "Never", "OnFailure"'
        ],
    ),
    (
        {"spec.ephemeralContainers": [{"name": "d", "image": "d:1"}]},
        ["spec.ephemeralContainers: Forbidden: cannot be set on create"],
    ),
    # security
    (
        container(securityContext={"runAsUser": -1}),
        [f"{C}.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive"],
    ),
    (
        container(securityContext={"seccompProfile": {"type": "Localhost"}}),
        [
            f"{C}.securityContext.seccompProfile.localhostProfile: Required value: "
            "must be set when seccomp type is Localhost"
        ],
    ),
    (
        {"spec.securityContext": {"fsGroupChangePolicy": "Never", "sysctls": [{"name": "a", "value": "1"}] * 2}},
        [
            'spec.securityContext.sysctls[1].name: Duplicate value: "a"',
            'spec.securityContext.fsGroupChangePolicy: Unsupported value: "Never": '
            'supported values: "Always", "OnRootMismatch"',
        ],
    ),
    (
        {"spec.hostNetwork": True, "spec.securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "1"}]}},
        [
            'spec.securityContext.sysctls[0].name: Invalid value: "net.core.somaxconn": '
            "may not be specified when 'hostNetwork' is true"
        ],
    ),
    # policies and names
    (
        {"spec.restartPolicy": "Now"},
        ['spec.restartPolicy: Unsupported value: "Now": supported values: "Always", "OnFailure", "Never"'],
    ),
    (
        {"spec.dnsPolicy": "X"},
        [
            'spec.dnsPolicy: Unsupported value: "X": '
            'supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"'
        ],
    ),
    (
        {"spec.dnsPolicy": "None"},
        ["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"],
    ),
    (
        {"spec.dnsConfig": {"nameservers": ["x", "010.0.0.1"]}},
        [
            'spec.dnsConfig.nameservers[0]: Invalid value: "x": '
            "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
            'spec.dnsConfig.nameservers[1]: Invalid value: "010.0.0.1": must not have leading 0s',
        ],
    ),
    ({"spec.nodeName": "Node"}, [f'spec.nodeName: Invalid value: "Node": {SUBDOMAIN}']),
    ({"spec.nodeSelector": {"a b": "c"}}, [f'spec.nodeSelector: Invalid value: "a b": {LABEL_KEY}']),
    ({"spec.nodeSelector": {"a": "c d"}}, [f'spec.nodeSelector: Invalid value: "c d": {LABEL_VALUE}']),
    (
        {"spec.activeDeadlineSeconds": 0},
        ["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"],
    ),
    (
        {"spec.hostAliases": [{"ip": "::ffff:1.2.3.4", "hostnames": ["ok.example"]}]},
        ['spec.hostAliases[0].ip: Invalid value: "::ffff:1.2.3.4": must not be an IPv4-mapped IPv6 address'],
    ),
    (
        {"spec.shareProcessNamespace": True, "spec.hostPID": True},
        ["spec.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled"],
    ),
    (
        {"spec.preemptionPolicy": "Sure"},
        ['spec.preemptionPolicy: Unsupported value: "Sure": supported values: "PreemptLowerPriority", "Never"'],
    ),
    (
        {"spec.readinessGates": [{"conditionType": "a b"}]},
        [f'spec.readinessGates[0].conditionType: Invalid value: "a b": {LABEL_KEY}'],
    ),
    (
        {"spec.schedulingGates": [{"name": "g"}, {"name": "g"}], "spec.nodeName": "n"},
        [
            'spec.schedulingGates[1]: Duplicate value: "g"',
            "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared",
        ],
    ),
    (
        {"spec.overhead": {"cpu": "-1"}},
        ['spec.overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0'],
    ),
    ({"spec.os": {"name": "plan9"}}, ['spec.os: Unsupported value: "plan9": supported values: "linux", "windows"']),
    (
        {"spec.hostUsers": False, "spec.hostNetwork": True},
        ["spec.hostNetwork: Forbidden: when `hostUsers` is false"],
    ),
    # amounts of the pod as a whole
    (
        {
            "spec.resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}},
            "spec.initContainers": [
                {"name": "s", "image": "s:1", "restartPolicy": "Always", "resources": {"requests": {"cpu": "600m"}}},
                {"name": "i", "image": "i:1", "resources": {"requests": {"cpu": "700m"}}},
            ],
            **container(resources={"requests": {"cpu": "500m"}, "limits": {"memory": "2Gi"}}),
        },
        [
            'spec.resources.requests[cpu]: Invalid value: "1": '
            "must be greater than or equal to aggregate container requests of 1300m",
            'spec.resources.containers[0][memory].limits: Invalid value: "2Gi": '
            "must be less than or equal to pod limits of 1Gi",
        ],
    ),
    # tolerations
    (
        {"spec.tolerations": [{}]},
        [
            'spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key` is empty, '
            'which means \\"match all values and all keys\\"'.replace('\\"', '"')
        ],
    ),
    (
        {"spec.tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]},
        ["spec.tolerations[0].operator: Invalid value: \"b\": value must be empty when `operator` is 'Exists'"],
    ),
    (
        {"spec.tolerations": [{"key": "a", "operator": "In"}]},
        ['spec.tolerations[0].operator: Unsupported value: "In": supported values: "Equal", "Exists"'],
    ),
    (
        {"spec.tolerations": [{"key": "a", "effect": "Never"}]},
        [
            'spec.tolerations[0].effect: Unsupported value: "Never": '
            'supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"'
        ],
    ),
    (
        {"spec.tolerations": [{"key": "a", "effect": "NoSchedule", "tolerationSeconds": 1}]},
        [
            'spec.tolerations[0].effect: Invalid value: "NoSchedule": '
            "effect must be 'NoExecute' when `tolerationSeconds` is set"
        ],
    ),
    # affinity and spreading
    (required_nodes(), [f"{NODE_TERMS}: Required value: must have at least one node selector term"]),
    (
        required_nodes({"matchExpressions": [{"key": "a", "operator": "In"}]}),
        [
            f"{NODE_TERMS}[0].matchExpressions[0].values: Required value: "
            "must be specified when `operator` is 'In' or 'NotIn'"
        ],
    ),
    (
        required_nodes({"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1", "2"]}]}),
        [
            f"{NODE_TERMS}[0].matchExpressions[0].values: Required value: "
            "must be specified single value when `operator` is 'Lt' or 'Gt'"
        ],
    ),
    (
        required_nodes({"matchFields": [{"key": "spec.x", "operator": "Exists"}]}),
        [
            f'{NODE_TERMS}[0].matchFields[0].operator: Invalid value: "Exists": not a valid selector operator',
            f'{NODE_TERMS}[0].matchFields[0].key: Invalid value: "spec.x": not a valid field selector key',
        ],
    ),
    (
        required_nodes({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a", "b"]}]}),
        [
            f"{NODE_TERMS}[0].matchFields[0].values: Required value: "
            "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        ],
    ),
    (
        {"spec.affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}}},
        [
            "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: "
            "Required value: can not be empty",
            "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: "
            'Invalid value: "": name part must be non-empty',
            "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: "
            f'Invalid value: "": {LABEL_KEY}',
        ],
    ),
    (
        {
            "spec.affinity": {
                "podAntiAffinity": {
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        {"weight": 101, "podAffinityTerm": {"topologyKey": "zone"}}
                    ]
                }
            }
        },
        [
            "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: "
            "Invalid value: 101: must be in the range 1-100"
        ],
    ),
    (
        {"spec.topologySpreadConstraints": [{"maxSkew": 0, "whenUnsatisfiable": "X", "minDomains": 1}]},
        [
            "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
            "spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty",
            'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "X": '
            'supported values: "DoNotSchedule", "ScheduleAnyway"',
            "spec.topologySpreadConstraints[0].minDomains: Invalid value: 1: "
            "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not X",
        ],
    ),
    (
        {
            "spec.topologySpreadConstraints": [
                {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
            ]
            * 2
        },
        [
            "spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: "
            'Duplicate value: "{zone, DoNotSchedule}"'
        ],
    ),
]


@pytest.mark.parametrize(("changes", "expected"), CASES, ids=lambda case: str(case)[:60])
def test_what_is_said_of_a_pod(changes: dict[str, Any], expected: list[str]) -> None:
    assert created(PODS, edited(POD, changes)) == expected


def test_everything_that_is_wrong_is_said_at_once_and_in_order() -> None:
    wrong = edited(
        POD,
        {
            "metadata.name": "Web",
            "metadata.labels": {"a": "b c"},
            "spec.containers.0.image": "",
            "spec.restartPolicy": "Now",
            "spec.nodeName": "-",
        },
    )
    fields = [error.partition(": ")[0] for error in created(PODS, wrong)]
    assert fields == [
        "metadata.name",
        "metadata.labels",
        "spec.containers[0].image",
        "spec.restartPolicy",
        "spec.nodeName",
    ]
