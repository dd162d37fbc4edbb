"""IP addresses and address ranges, read as strictly as Kubernetes 1.36 and later do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from everynode.api.fielderror import invalid
from everynode.api.validation.fields import Errors

_ZEROED = re.compile(r"(?<![0-9a-fA-F:.])0+(?=[0-9])|(?<=\.)0+(?=[0-9])")


def check_ip(value: str, path: str, errors: Errors, tolerated: Sequence[str] = ()) -> None:
    """`tolerated` are values that stood there before: they stay allowed."""
    if value in tolerated:
        return
    address = parse_ip(value)
    if address is None:
        if parse_ip(_without_leading_zeros(value)) is None:
            errors.append(invalid(path, value, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"))
        else:
            errors.append(invalid(path, value, "must not have leading 0s"))
    elif is_mapped(address):
        errors.append(invalid(path, value, "must not be an IPv4-mapped IPv6 address"))


def check_cidr(value: str, path: str, errors: Errors, tolerated: Sequence[str] = ()) -> None:
    """`tolerated` are values that stood there before: they stay allowed."""
    if value in tolerated:
        return
    if not _is_network(value):
        if _is_network(_without_leading_zeros(value)):
            errors.append(invalid(path, value, "must not have leading 0s in IP or prefix length"))
        else:
            message = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            errors.append(invalid(path, value, message))
        return
    address = parse_ip(value.partition("/")[0])
    if address is not None and is_mapped(address):
        errors.append(invalid(path, value, "must not have an IPv4-mapped IPv6 address"))
    elif address != ip_network(value, strict=False).network_address:
        errors.append(invalid(path, value, "must not have bits set beyond the prefix length"))


def check_endpoint_ip(value: str, path: str, errors: Errors) -> None:
    """An address that traffic from elsewhere can be sent to."""
    address = parse_ip(value)
    if address is None:
        return
    if address.is_unspecified:
        errors.append(invalid(path, value, f"may not be unspecified ({value})"))
    if address.is_loopback:
        errors.append(invalid(path, value, "may not be in the loopback range (127.0.0.0/8, ::1/128)"))
    if address.is_link_local:
        errors.append(invalid(path, value, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"))
    if address in ip_network("224.0.0.0/24" if address.version == 4 else "ff02::/16"):
        message = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"
        errors.append(invalid(path, value, message))


def parse_ip(value: str) -> IPv4Address | IPv6Address | None:
    """The address, or None when the text is none. Zones (`fe80::1%eth0`) are not part of an address."""
    try:
        return None if "%" in value else ip_address(value)
    except ValueError:
        return None


def is_ipv6(value: str) -> bool:
    address = parse_ip(value.partition("/")[0])
    return address is not None and address.version == 6


def is_mapped(address: IPv4Address | IPv6Address) -> bool:
    return isinstance(address, IPv6Address) and address.ipv4_mapped is not None


def one_of_each_family(values: Sequence[str]) -> bool:
    """Whether these are an IPv4 and an IPv6 value."""
    return len(values) == 2 and is_ipv6(values[0]) != is_ipv6(values[1])


def _is_network(value: str) -> bool:
    address, slash, prefix = value.partition("/")
    if not slash or parse_ip(address) is None or not re.fullmatch("0|[1-9][0-9]{0,2}", prefix):
        return False
    return int(prefix) <= (128 if is_ipv6(address) else 32)


def _without_leading_zeros(value: str) -> str:
    address, slash, prefix = value.partition("/")
    return _ZEROED.sub("", address) + slash + (prefix.lstrip("0") or prefix[:1])
