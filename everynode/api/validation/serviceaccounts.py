"""ServiceAccounts: there is nothing to them but their name."""

from __future__ import annotations

from everynode.api.core_v1 import ServiceAccount
from everynode.api.validation.fields import Errors
from everynode.api.validation.metadata import check_metadata


def check_service_account(account: ServiceAccount, errors: Errors) -> None:
    check_metadata(account.metadata, errors)
