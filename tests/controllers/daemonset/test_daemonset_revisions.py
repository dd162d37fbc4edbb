"""The history: bytes and hashes that may never change, and what is to be done about the revisions there are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everynode.controllers.daemonset.revisions import (
    HASH_ALPHABET,
    canonical,
    hash_of,
    holds,
    new_revision,
    patch_of,
    review,
    surplus,
)
from tests.controllers.daemonset.daemon_facts import daemon_set, revision

CORPUS = json.loads((Path(__file__).parent / "revision_corpus.json").read_text())


@pytest.mark.parametrize("entry", CORPUS, ids=[entry["about"] for entry in CORPUS])
def test_the_bytes_and_the_hash_of_a_template_never_change(entry: dict[str, Any]) -> None:
    # An upgrade that fails here would roll every fleet. Do not mend the corpus; mend the code.
    patch = patch_of(entry["template"].encode())
    assert patch.decode() == entry["patch"]
    assert hash_of(patch, entry["collisions"]) == entry["hash"]


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_canonical_bytes_say_the_same_and_know_no_order(value: dict[str, Any]) -> None:
    data = canonical(value)
    assert json.loads(data) == value
    assert canonical(dict(reversed(value.items()))) == data
    assert not set(data.decode()) & set("<>&\u2028\u2029")


def test_spelling_and_order_of_the_stored_template_do_not_matter() -> None:
    one = patch_of(b'{"metadata": {"labels": {"b": "1", "a": "2"}}, "spec": {"containers": []}}')
    other = patch_of(b'{"spec":{"containers":[]},"metadata":{"labels":{"a":"2","b":"\\u0031"}}}')
    assert one == other
    assert holds(
        revision("r", 1, b'{"spec": {"template": {"$patch": "replace", "spec": {"containers": []}}}}'),
        patch_of(b'{"spec":{"containers":[]}}'),
    )
    assert not holds(revision("r", 1, one), patch_of(b'{"spec":{}}'))


def test_hashes_are_safe_as_names_and_labels_and_differ_with_collisions() -> None:
    patch = patch_of(b'{"spec":{}}')
    hashes = {hash_of(patch, count) for count in (None, 0, 1, 2)}
    assert len(hashes) == 4
    assert all(set(one) <= set(HASH_ALPHABET) and len(one) == 10 for one in hashes)


PATCH = patch_of(b'{"spec":{}}')
OTHER = patch_of(b'{"spec":{"hostNetwork":true}}')
THIRD = patch_of(b'{"spec":{"hostPID":true}}')


def names(revisions: Any) -> list[str]:
    return [one.metadata.name for one in revisions]


def test_the_first_revision_and_the_next() -> None:
    assert (review([], PATCH).current, review([], PATCH).number) == (None, 1)
    found = review([revision("a", 1, OTHER, "a"), revision("b", 4, THIRD, "b")], PATCH)
    assert (found.current, found.number, names(found.old)) == (None, 5, ["a", "b"])


def test_a_rollback_finds_its_old_revision_and_raises_its_number() -> None:
    found = review([revision("a", 1, PATCH, "a"), revision("b", 2, OTHER, "b")], PATCH)
    assert found.current is not None
    assert (found.current.metadata.name, found.current.revision, found.number) == ("a", 1, 3)
    settled = review([revision("a", 3, PATCH, "a"), revision("b", 2, OTHER, "b")], PATCH)
    assert settled.current is not None
    assert (settled.current.revision, settled.number) == (3, 3)


def test_of_several_revisions_of_one_template_the_highest_stays() -> None:
    found = review([revision("a", 3, PATCH, "a"), revision("b", 2, OTHER, "b"), revision("c", 1, PATCH, "c")], PATCH)
    assert found.current is not None
    assert (found.current.metadata.name, names(found.duplicates), names(found.old)) == ("a", ["c"], ["b"])


def test_a_revision_without_a_hash_label_is_to_be_mended() -> None:
    assert names(review([revision("a", 1, PATCH), revision("b", 2, OTHER, "b")], PATCH).unlabelled) == ["a"]


@pytest.mark.parametrize(
    ("limit", "living", "gone"),
    [
        (10, set(), []),
        (None, set(), []),
        (3, set(), ["a"]),
        (0, set(), ["a", "b", "c", "d"]),
        (2, {"a"}, ["b", "c"]),
        (0, {"b", "d"}, ["a", "c"]),
    ],
)
def test_old_revisions_are_cleaned_up_oldest_first_but_for_those_in_use(
    limit: int | None, living: set[str], gone: list[str]
) -> None:
    old = [revision(name, number, OTHER, name) for number, name in enumerate("abcd", start=1)]
    assert names(surplus(old, limit, living)) == gone


def test_a_new_revision_is_named_labelled_and_owned() -> None:
    ds = daemon_set()
    ds.metadata.annotations = {"kubernetes.io/change-cause": "because"}
    patch = patch_of(ds.spec.template)
    hash, body = new_revision(ds, patch, 3)
    stored = json.loads(msgspec.json.encode(body))
    assert stored["metadata"]["name"] == f"ds-{hash}"
    assert stored["metadata"]["labels"] == {"app": "ds", "controller-revision-hash": hash}
    assert stored["metadata"]["annotations"] == {"kubernetes.io/change-cause": "because"}
    assert stored["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "name": "ds",
            "uid": "ds-uid",
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert stored["revision"] == 3
    assert stored["data"]["spec"]["template"]["$patch"] == "replace"
    ds.status.collision_count = 1
    assert new_revision(ds, patch, 3)[0] != hash
