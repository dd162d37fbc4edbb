"""Generates `everynode/api/*_v1.py` (structs) and `everynode/api/fields.json` (field tables).

    python tools/generate_api.py --schemas DIR --api DIR --apimachinery DIR

`--schemas` is a version's folder of the Python package kubernetes-validate (`…/kubernetes-json-schema/v1.37.0-local`), the
others are the Go modules k8s.io/api and k8s.io/apimachinery, unpacked. Names, numbers, types and flags are taken; no
descriptions and no code. The output is formatted and always the same for the same input. The next Kubernetes release is
one run of this.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from api_fields import field_tables
from api_structs import modules
from go_types import GoField, GoType, Packages

OUT = Path(__file__).parent.parent / "everynode" / "api"
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
# What is served or read; everything these reach is generated too. A kind more is one word here.
ROOTS = {
    META: (
        "ObjectMeta Status DeleteOptions CreateOptions UpdateOptions PatchOptions ListOptions GetOptions LabelSelector "
        "Condition APIGroup APIGroupList APIResource APIResourceList APIVersions PartialObjectMetadata"
    ),
    "io.k8s.api.core.v1.": (
        "Namespace Node Pod PodTemplate Binding Event ConfigMap Secret ServiceAccount Service ResourceQuota LimitRange"
    ),
    "io.k8s.api.apps.v1.": "DaemonSet ControllerRevision",
    "io.k8s.api.coordination.v1.": "Lease",
    "io.k8s.api.policy.v1.": "PodDisruptionBudget Eviction",
    "io.k8s.api.scheduling.v1.": "PriorityClass",
    "io.k8s.api.events.v1.": "Event",
    "io.k8s.api.authorization.v1.": "SelfSubjectAccessReview SubjectAccessReview SelfSubjectRulesReview",
    "io.k8s.api.authentication.v1.": "SelfSubjectReview TokenRequest TokenReview",
}


def reachable(packages: Packages) -> dict[str, GoType]:
    """All wanted types, each after those it holds."""
    found: dict[str, GoType] = {}

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ValueError(f"{name} holds itself")
        if name in found:
            return
        go_type = packages.of_full_name(name)
        for field in go_type.fields:
            if field.of:
                visit(field.of, (*above, name))
        found[name] = go_type

    for prefix, names in ROOTS.items():
        for name in names.split():
            visit(prefix + name, ())
    return found


def flattened(go_type: GoType, types: dict[str, GoType]) -> list[GoField]:
    """The fields as they stand in JSON: inlined structs replaced by their fields, which protobuf does not see (number 0)."""
    fields: list[GoField] = []
    for field in go_type.fields:
        if field.json:
            fields.append(field)
        else:
            fields += [GoField(**{**vars(inner), "number": 0}) for inner in flattened(types[field.of], types)]
    return fields


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in ("schemas", "api", "apimachinery"):
        parser.add_argument(f"--{option}", type=Path, required=True)
    options = parser.parse_args()
    packages = Packages(options.api, options.apimachinery)
    types = reachable(packages)
    fields = {name: flattened(go_type, types) for name, go_type in types.items()}
    schemas = json.loads((options.schemas / "_definitions.json").read_bytes())["$defs"]
    written = []
    for module, text in modules(types, fields):
        written.append(OUT / f"{module}.py")
        written[-1].write_text(text)
    (OUT / "fields.json").write_text(field_tables(types, fields, schemas))
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", *written], check=True)


if __name__ == "__main__":
    main()
