"""What `kubectl get` shows: objects as rows of a Table, and objects cut down to their metadata.

In come the bytes a client would receive of each object; out go the bytes of a `meta.k8s.io/v1` Table, PartialObjectMetadata or
PartialObjectMetadataList. The columns of each kind, their order and what stands in their cells are Kubernetes' own.
"""

from __future__ import annotations

from everynode.apiserver.tables.partial import beginning as partial_beginning
from everynode.apiserver.tables.partial import partial_object_metadata, partial_object_metadata_list
from everynode.apiserver.tables.table import beginning as table_beginning
from everynode.apiserver.tables.table import check_include, row, table

__all__ = [
    "check_include",
    "partial_beginning",
    "partial_object_metadata",
    "partial_object_metadata_list",
    "row",
    "table",
    "table_beginning",
]
