"""pods/eviction: a deletion that asks the pod's disruption budget first.

In: an `Eviction` of policy/v1 or policy/v1beta1, with the DeleteOptions that the deletion is to have. Out: a Success, and a pod
that carries the condition DisruptionTarget and is being deleted; or a refusal. A refusal for the budget's sake is a 429 with
the cause `DisruptionBudget`: the client is to try again.

    the pod ends, has ended or has not begun ──────────────────────────────────────► delete
    no budget selects it ──────────────────────────────────────────────────────────► delete
    it is not ready, and its budget lets such pods go ─────────────────────────────► delete just this version of it
    its budget allows a disruption ───► one less is allowed, the pod is noted there ► delete

Guaranteed: a budget is charged by a write that is conditional on the version it was read in, so two evictions never take the
same allowance, and the disruption controller never overwrites one. Evictions that meet at one budget wait for each other,
since a node that is drained evicts all its pods at once, and they would only make each other try again.
"""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary

import msgspec

from everynode.api import scheme, status
from everynode.api.budgets import CAUSE, SYNC_FAILED, condition_of, whether_allowed, with_condition
from everynode.api.core_v1 import PodCondition, PodStatus
from everynode.api.fielderror import invalid
from everynode.api.meta_v1 import DeleteOptions, LabelSelector, Preconditions, Status, StatusCause, StatusDetails
from everynode.api.policy_v1 import Eviction, PodDisruptionBudget, PodDisruptionBudgetStatus
from everynode.api.status import ApiError
from everynode.apiserver import body, deleting, media, splice, stored
from everynode.apiserver.admission import namespaces
from everynode.apiserver.call import Call, check_dry_run
from everynode.apiserver.writing import ATTEMPTS, Writer
from everynode.store.contract import Conflict, Entry
from everynode.values.labels import SelectorError, from_label_selector
from everynode.wire.message import Response

# Evictions that a budget may have granted without the disruption controller having noticed; Kubernetes' own bound.
MOST_DISRUPTED_PODS = 2000
# How often a budget that others write is charged anew, as Kubernetes does; and the seconds after which a client may ask again.
BUDGET_ATTEMPTS, RETRY_SECONDS = 20, 10

WOULD_VIOLATE = "Cannot evict pod as it would violate the pod's disruption budget."
MORE_THAN_ONE = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."

_TERMINAL = ("Succeeded", "Failed")


class _Metadata(msgspec.Struct, rename="camel"):
    labels: dict[str, str] = {}
    deletion_timestamp: str | None = None


class _Pod(msgspec.Struct):
    """What an eviction reads of a pod."""

    metadata: _Metadata
    status: PodStatus

    @property
    def needs_no_budget(self) -> bool:
        """It disrupts nobody any more, or does not serve anybody yet."""
        return self.ends or self.status.phase == "Pending"

    @property
    def ends(self) -> bool:
        return self.status.phase in _TERMINAL or self.metadata.deletion_timestamp is not None

    @property
    def ready(self) -> bool:
        return any(each.type == "Ready" and each.status == "True" for each in self.status.conditions)


class _Choice(msgspec.Struct):
    selector: LabelSelector | None = None


class _Budget(msgspec.Struct):
    """What tells whether a budget is a pod's: a namespace may have many, and a pod has one."""

    spec: _Choice

    def selects(self, labels: dict[str, str]) -> bool:
        try:
            return from_label_selector(self.spec.selector).matches(labels)
        except SelectorError:
            return False


class _Said(msgspec.Struct, rename="camel"):
    api_version: str = ""


_pod = msgspec.json.Decoder(_Pod)
_pod_status = msgspec.json.Decoder(PodStatus)
_budget = msgspec.json.Decoder(_Budget)
_said = msgspec.json.Decoder(_Said)


class Evictor:
    """Carries out POSTs on pods/NAME/eviction."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        # One for each budget that is being charged right now.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def evict(self, call: Call) -> Response:
        """Evicts the pod that the call names."""
        eviction = _read(call)
        await namespaces.check(self._writer.store, scheme.PODS, eviction)
        options = _delete_options(call, eviction)
        if not await self._delete_unguarded(call, options):
            await self._delete_guarded(call, options)
        success = Status(kind="Status", api_version="v1", status="Success", code=201)
        return media.json_response(201, msgspec.json.encode(success), call.warnings)

    async def _delete_unguarded(self, call: Call, options: DeleteOptions) -> bool:
        """Deletes a pod that needs no budget; False for one that does. Others may write it meanwhile."""
        attempts = ATTEMPTS
        while True:
            entry = await self._writer.current(call)
            pod = _pod.decode(entry.value)
            if not pod.needs_no_budget:
                return False
            try:
                # A pod that has not begun might become ready, and then it would need a budget.
                await self._delete(call, options if pod.ends else _of_version(options, entry))
                return True
            except ApiError as error:
                attempts -= 1
                if error.code != 409 or _names_version(options) or not attempts:
                    raise

    async def _delete_guarded(self, call: Call, options: DeleteOptions) -> None:
        """Deletes the pod if its budget lets it go."""
        entry = await self._writer.current(call)
        pod = _pod.decode(entry.value)
        budgets = await self._budgets_of(call.target.namespace, pod.metadata.labels)
        if len(budgets) > 1:
            raise status.failure(500, "", MORE_THAN_ONE)
        if not budgets:
            await self._delete(call, options)
            return
        (budget,) = budgets
        if pod.ready or not _lets_unready_pods_go(budget):
            await self._charge(call, budget.metadata.name, dry_run=bool(options.dry_run))
            await self._delete(call, options)
            return
        try:
            await self._delete(call, _of_version(options, entry))
        except ApiError as error:
            if error.code == 409 and not _names_version(options):
                # The pod may have become ready since: the client asks again.
                raise _still_processed(budget.metadata.name) from None
            raise

    async def _budgets_of(self, namespace: str, labels: dict[str, str]) -> list[PodDisruptionBudget]:
        """The budgets that select a pod with these labels."""
        resource = scheme.POD_DISRUPTION_BUDGETS
        page = await self._writer.store.range(resource.scope(namespace))
        return [stored.decode(resource, each) for each in page.entries if _budget.decode(each.value).selects(labels)]

    async def _charge(self, call: Call, name: str, *, dry_run: bool) -> None:
        """Takes one disruption from the budget and notes the pod there; raises what stands in the way."""
        resource, store = scheme.POD_DISRUPTION_BUDGETS, self._writer.store
        key = resource.key(call.target.namespace, name)
        async with self._turns.setdefault(key, asyncio.Lock()):
            for _ in range(BUDGET_ATTEMPTS):
                entry = await store.get(key)
                if entry is None:
                    raise status.not_found(resource, name)
                budget: PodDisruptionBudget = stored.decode(resource, entry)
                _check_allowance(budget)
                if dry_run:
                    return
                parts = splice.take_apart(entry.value)
                parts.status = splice.raw(_charged(budget, call.target.name, self._writer.now()))
                try:
                    await store.write(key, splice.put_together(resource, parts), expect=entry.revision)
                    return
                except Conflict:
                    continue
        raise status.timeout(f'couldn\'t update PodDisruptionBudget "{name}" due to conflicts', RETRY_SECONDS)

    async def _delete(self, call: Call, options: DeleteOptions) -> None:
        """Says on the pod why it goes, then deletes it."""
        if not options.dry_run:
            revision = await self._condemn(call, options)
            if _names_version(options):
                options = _of_revision(options, str(revision))
        await deleting.delete_object(self._writer, call, options)

    async def _condemn(self, call: Call, options: DeleteOptions) -> int:
        """Writes the condition DisruptionTarget; the revision at which the pod carries it."""
        for _ in range(ATTEMPTS):
            entry = await self._writer.current(call)
            parts = splice.take_apart(entry.value)
            _check_preconditions(call, options, parts.decode_metadata().uid, str(entry.revision))
            parts.status = splice.raw(_condemned(_pod_status.decode(parts.status), self._writer.now()))
            value = splice.put_together(scheme.PODS, parts)
            if value == entry.value:
                return entry.revision
            try:
                event = await self._writer.store.write(entry.key, value, expect=entry.revision)
                return event.revision
            except Conflict:
                continue
        raise status.conflict(scheme.PODS, call.target.name, status.OBJECT_MODIFIED)


def _read(call: Call) -> Eviction:
    """The body, about the pod that the URL names."""
    text = body.json_of(call)
    try:
        beta = _said.decode(text).api_version == scheme.EVICTION_V1BETA1.api_version
    except msgspec.MsgspecError:
        beta = False  # what is wrong with it is told in a moment, in Kubernetes' words
    eviction: Eviction = body.decode_object(call, scheme.EVICTION_V1BETA1 if beta else scheme.EVICTION, text)
    metadata, target = eviction.metadata, call.target
    if metadata.namespace not in ("", target.namespace):
        raise status.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    metadata.namespace = target.namespace
    if metadata.name != target.name:
        raise status.bad_request("name in URL does not match name in Eviction object")
    options = eviction.delete_options
    if options is not None and options.ignore_store_read_error_with_cluster_breaking_potential:
        path = "deleteOptions.ignoreStoreReadErrorWithClusterBreakingPotential"
        error = invalid(path, True, "can not be set for pod eviction, try after removing the option")
        raise status.invalid(scheme.EVICTION, target.name, [error])
    return eviction


def _delete_options(call: Call, eviction: Eviction) -> DeleteOptions:
    """How the pod is to be deleted; a dry run may be asked for in the query or in the body."""
    options = eviction.delete_options or DeleteOptions()
    asked = call.request.query.get("dryRun", [])
    if asked and options.dry_run and asked != options.dry_run:
        listed = [f"[{' '.join(values)}]" for values in (asked, options.dry_run)]
        why = f"Non-matching dry-run options in request and content: {listed[0]} and {listed[1]}"
        raise status.failure(500, "", why)
    options.dry_run = options.dry_run or list(asked)
    check_dry_run(options.dry_run)
    return options


def _names_version(options: DeleteOptions) -> bool:
    return options.preconditions is not None and options.preconditions.resource_version is not None


def _of_version(options: DeleteOptions, entry: Entry) -> DeleteOptions:
    """The options, for just this version of the pod unless they name one themselves."""
    return options if _names_version(options) else _of_revision(options, str(entry.revision))


def _of_revision(options: DeleteOptions, revision: str) -> DeleteOptions:
    uid = options.preconditions.uid if options.preconditions is not None else None
    return msgspec.structs.replace(options, preconditions=Preconditions(uid=uid, resource_version=revision))


def _check_preconditions(call: Call, options: DeleteOptions, uid: str, revision: str) -> None:
    """Raises the 409 for a pod that is not the one, or not as, that was meant."""
    wanted = options.preconditions or Preconditions()
    if wanted.uid and wanted.uid != uid:
        why = (
            f"the UID in the precondition ({wanted.uid}) does not match the UID in record ({uid}). "
            "The object might have been deleted and then recreated"
        )
    elif wanted.resource_version and wanted.resource_version != revision:
        why = (
            f"the ResourceVersion in the precondition ({wanted.resource_version}) does not match the ResourceVersion "
            f"in record ({revision}). The object might have been modified"
        )
    else:
        return
    # Kubernetes names the kind here, not the resource.
    name = call.target.name
    details = StatusDetails(name=name, kind=scheme.PODS.kind)
    raise status.failure(409, "Conflict", f'Operation cannot be fulfilled on Pod "{name}": {why}', details)


def _condemned(told: PodStatus, now: str) -> PodStatus:
    """The status with the condition by which everybody sees that an eviction ended the pod."""
    condition = PodCondition(
        type="DisruptionTarget",
        status="True",
        last_transition_time=now,
        reason="EvictionByEvictionAPI",
        message="Eviction API: evicting",
    )
    conditions = list(told.conditions)
    for place, before in enumerate(conditions):
        if before.type == condition.type:
            if before.status == condition.status:
                condition.last_transition_time = before.last_transition_time
            conditions[place] = condition
            break
    else:
        conditions.append(condition)
    return msgspec.structs.replace(told, conditions=conditions)


def _lets_unready_pods_go(budget: PodDisruptionBudget) -> bool:
    """Whether a pod that is not ready may go at no charge: always, or as long as the others are enough."""
    if budget.spec.unhealthy_pod_eviction_policy == "AlwaysAllow":
        return True
    return budget.status.current_healthy >= budget.status.desired_healthy > 0


def _check_allowance(budget: PodDisruptionBudget) -> None:
    """Raises the refusal of a budget that allows no disruption now."""
    name, told = budget.metadata.name, budget.status
    if told.observed_generation < budget.metadata.generation:
        raise _still_processed(name)
    if told.disruptions_allowed < 0:
        raise _forbidden(name, "pdb disruptions allowed is negative", "pdb disruptions allowed is negative")
    if len(told.disrupted_pods) > MOST_DISRUPTED_PODS:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise _forbidden(name, why, "too many pending evictions not confirmed by PDB controller")
    if told.disruptions_allowed == 0:
        raise status.too_many_requests(WOULD_VIOLATE, [StatusCause(reason=CAUSE, message=_why_none(budget))])


def _still_processed(name: str) -> ApiError:
    message = f"The disruption budget {name} is still being processed by the server."
    return status.too_many_requests(WOULD_VIOLATE, [StatusCause(reason=CAUSE, message=message)], RETRY_SECONDS)


def _forbidden(name: str, why: str, cause: str) -> ApiError:
    # Kubernetes names the kind in the singular here.
    kind, group = "poddisruptionbudget", scheme.POD_DISRUPTION_BUDGETS.group
    told = StatusCause(
        reason=CAUSE, message=f"The disruption budget {name} does not allow evicting pods currently: {cause}"
    )
    details = StatusDetails(name=name, group=group, kind=kind, causes=[told])
    return status.failure(403, "Forbidden", f'{kind}.{group} "{name}" is forbidden: {why}', details)


def _why_none(budget: PodDisruptionBudget) -> str:
    """Why the budget allows nothing. What it counts is not to be trusted while it cannot be worked out."""
    name, told = budget.metadata.name, budget.status
    condition = condition_of(told.conditions)
    reason = condition.reason if condition is not None and condition.status == "False" and condition.message else ""
    if condition is not None and reason == SYNC_FAILED:
        return (
            f"The disruption budget {name} does not allow evicting pods currently because it failed sync: "
            f"{condition.message}"
        )
    if told.current_healthy <= told.desired_healthy:
        return (
            f"The disruption budget {name} needs {told.desired_healthy} healthy pods and has "
            f"{told.current_healthy} currently"
        )
    if condition is not None and reason:
        return f"The disruption budget {name} does not allow evicting pods currently ({reason}): {condition.message}"
    return f"The disruption budget {name} does not allow evicting pods currently"


def _charged(budget: PodDisruptionBudget, pod: str, now: str) -> PodDisruptionBudgetStatus:
    """The budget's status with one disruption less, and this pod's."""
    told = budget.status
    left = told.disruptions_allowed - 1
    conditions = told.conditions
    if not left:
        conditions = with_condition(conditions, whether_allowed(left, told.observed_generation), now)
    return msgspec.structs.replace(
        told, disruptions_allowed=left, disrupted_pods={**told.disrupted_pods, pod: now}, conditions=conditions
    )
