"""What a pod is called on the network and how it looks up others: dnsConfig, host aliases, its host name."""

from __future__ import annotations

import re
from collections.abc import Sequence

from everynode.api.core_v1 import HostAlias, PodDNSConfig, PodSpec
from everynode.api.fielderror import forbidden, invalid, required, too_long
from everynode.api.validation.addresses import check_ip
from everynode.api.validation.fields import Errors, check_dns_subdomain
from everynode.values.names import DNS_SUBDOMAIN_MAX, regex_error

# Bounds of resolv.conf.
NAMESERVERS_MAX = 3
SEARCH_PATHS_MAX = 32
SEARCH_CHARACTERS_MAX = 2048
HOSTNAME_MAX = 64

# A search path may hold underscores, as the names of services in DNS do (`_tcp`).
_LABEL = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SEARCH_PATH = _LABEL + r"(\." + _LABEL + ")*"
_search_path = re.compile(_SEARCH_PATH).fullmatch


def check_dns(spec: PodSpec, path: str, errors: Errors) -> None:
    config = spec.dns_config
    if spec.dns_policy == "None":
        if config is None:
            errors.append(required(path, "must provide `dnsConfig` when `dnsPolicy` is None"))
            return
        if not config.nameservers:
            message = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            errors.append(required(f"{path}.nameservers", message))
            return
    if config is not None:
        _check_dns_config(config, path, errors)


def _check_dns_config(config: PodDNSConfig, path: str, errors: Errors) -> None:
    if len(config.nameservers) > NAMESERVERS_MAX:
        message = f"must not have more than {NAMESERVERS_MAX} nameservers"
        errors.append(invalid(f"{path}.nameservers", config.nameservers, message))
    for index, nameserver in enumerate(config.nameservers):
        check_ip(nameserver, f"{path}.nameservers[{index}]", errors)
    if len(config.searches) > SEARCH_PATHS_MAX:
        message = f"must not have more than {SEARCH_PATHS_MAX} search paths"
        errors.append(invalid(f"{path}.searches", config.searches, message))
    if len(" ".join(config.searches)) > SEARCH_CHARACTERS_MAX:
        message = f"must not have more than {SEARCH_CHARACTERS_MAX} characters (including spaces) in the search list"
        errors.append(invalid(f"{path}.searches", config.searches, message))
    for index, search in enumerate(config.searches):
        if search != ".":
            search = search.removesuffix(".")
            _check_search_path(search, f"{path}.searches[{index}]", errors)
    for index, option in enumerate(config.options):
        if not option.name:
            errors.append(required(f"{path}.options[{index}]", "must not be empty"))


def check_hostname_override(spec: PodSpec, path: str, errors: Errors) -> None:
    override = spec.hostname_override or ""
    if spec.set_hostname_as_fqdn:
        errors.append(forbidden(path, "may not be specified when setHostnameAsFQDN is true"))
    if spec.host_network:
        errors.append(forbidden(path, "may not be specified when hostNetwork is true"))
    if len(override) > HOSTNAME_MAX:
        errors.append(too_long(path, HOSTNAME_MAX))
    check_dns_subdomain(override, path, errors)


def check_host_aliases(aliases: Sequence[HostAlias], path: str, errors: Errors) -> None:
    for index, alias in enumerate(aliases):
        check_ip(alias.ip, f"{path}[{index}].ip", errors)
        for name_index, hostname in enumerate(alias.hostnames):
            check_dns_subdomain(hostname, f"{path}[{index}].hostnames[{name_index}]", errors)


def _check_search_path(search: str, path: str, errors: Errors) -> None:
    if len(search) > DNS_SUBDOMAIN_MAX:
        errors.append(invalid(path, search, f"must be no more than {DNS_SUBDOMAIN_MAX} characters"))
    if not _search_path(search):
        message = (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', "
            "and must start and end with an alphanumeric character"
        )
        errors.append(invalid(path, search, regex_error(message, _SEARCH_PATH, "example.com")))
