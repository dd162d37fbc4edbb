"""Names of those who sign certificates: `domain.example/path`."""

from __future__ import annotations

from everynode.api.fielderror import invalid, required, too_long
from everynode.api.validation.fields import Errors, NameFaults, dns_label_faults, dns_subdomain_faults
from everynode.values.names import DNS_LABEL_MAX, DNS_SUBDOMAIN_MAX

SIGNER_MAX = DNS_SUBDOMAIN_MAX + 1 + DNS_SUBDOMAIN_MAX + DNS_LABEL_MAX + 1


def is_kubernetes_signer(name: str) -> bool:
    host = name.partition("/")[0]
    return host == "kubernetes.io" or host.endswith(".kubernetes.io")


def check_signer_name(name: str, path: str, errors: Errors) -> None:
    if not name:
        errors.append(required(path))
        return
    domain, slash, rest = name.partition("/")
    if not slash or "/" in rest:
        message = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        errors.append(invalid(path, name, message))
        return
    if len(domain) > DNS_SUBDOMAIN_MAX:
        errors.append(too_long(path, DNS_SUBDOMAIN_MAX))
    _check_first_bad_part(domain, dns_label_faults, path, errors)
    if "." not in domain:
        message = "should be a domain with at least two segments separated by dots"
        errors.append(invalid(path, domain, message))
    _check_first_bad_part(rest, dns_subdomain_faults, path, errors)
    if len(name) > SIGNER_MAX:
        errors.append(too_long(path, SIGNER_MAX))


def _check_first_bad_part(text: str, rule: NameFaults, path: str, errors: Errors) -> None:
    for part in text.split("."):
        if faults := rule(part):
            errors.extend(invalid(path, text, f'validating label "{part}": {fault}') for fault in faults)
            return
