from __future__ import annotations

import asyncio

from everynode.api.scheme import CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS
from everynode.controllers.serviceaccount.shell import ServiceAccountController
from tests.reconcile.real_api import A_MOMENT, RealApi, real_api
from tests.virtual_time import virtually


def controller(api: RealApi) -> ServiceAccountController:
    return ServiceAccountController(api.controller, api.informers, ca="PEM")


def test_every_namespace_gets_its_account_and_the_ca_and_gets_them_back() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            await api.put(NAMESPACES, "new")
            await asyncio.sleep(A_MOMENT)
            assert await api.names(SERVICE_ACCOUNTS, "new") == ["default"]
            found = await api.get(CONFIG_MAPS, "kube-root-ca.crt", "new")
            assert found is not None
            assert found["data"] == {"ca.crt": "PEM"}
            assert found["metadata"]["annotations"]["kubernetes.io/description"].startswith("Contains a CA bundle")
            await api.client.delete(SERVICE_ACCOUNTS, "default", "new")
            await api.client.delete(CONFIG_MAPS, "kube-root-ca.crt", "new")
            await asyncio.sleep(A_MOMENT)
            assert await api.names(SERVICE_ACCOUNTS, "new") == ["default"]
            assert await api.names(CONFIG_MAPS, "new") == ["kube-root-ca.crt"]

    virtually(main())


def test_a_ca_that_was_tampered_with_is_put_right_and_then_left_alone() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            await asyncio.sleep(A_MOMENT)
            await api.client.patch(CONFIG_MAPS, "kube-root-ca.crt", {"data": {"ca.crt": "x", "more": "y"}}, "default")
            await api.put(CONFIG_MAPS, "mine", "default", data={"a": "b"})
            await asyncio.sleep(A_MOMENT)
            found = await api.get(CONFIG_MAPS, "kube-root-ca.crt", "default")
            assert found is not None
            assert found["data"] == {"ca.crt": "PEM"}
            del api.calls[:]
            await asyncio.sleep(1000)
            assert api.calls == []

    virtually(main())
