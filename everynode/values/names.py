"""What may be a name: DNS labels and subdomains, label keys and values, ports, environment variables, config keys.

Every function takes the text and returns a list of what is wrong with it, in Kubernetes' own sentences with their
examples and regular expressions; the list is empty when the text may stand. Lengths are counted in bytes, as Go does.
"""

from __future__ import annotations

import re

DNS_LABEL_MAX = 63
DNS_SUBDOMAIN_MAX = 253
LABEL_MAX = 63

DNS_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DNS_SUBDOMAIN = DNS_LABEL + r"(\." + DNS_LABEL + ")*"
DNS_1035_LABEL = "[a-z]([-a-z0-9]*[a-z0-9])?"
LABEL_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
LABEL_VALUE = f"({LABEL_KEY})?"
ENVIRONMENT_NAME = "[-._a-zA-Z][-._a-zA-Z0-9]*"
CONFIG_KEY = "[-._a-zA-Z0-9]+"

_dns_label = re.compile(DNS_LABEL).fullmatch
_dns_subdomain = re.compile(DNS_SUBDOMAIN).fullmatch
_dns_1035_label = re.compile(DNS_1035_LABEL).fullmatch
_label_key = re.compile(LABEL_KEY).fullmatch
_label_value = re.compile(LABEL_VALUE).fullmatch
_config_key = re.compile(CONFIG_KEY).fullmatch


def dns_label_errors(value: str) -> list[str]:
    """RFC 1123 label: what a namespace and a container may be called."""
    errors = _too_long(value, DNS_LABEL_MAX, "characters")
    if not _dns_label(value):
        if _dns_subdomain(value):
            errors.append("must not contain dots")
        else:
            message = (
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
                "and must start and end with an alphanumeric character"
            )
            errors.append(regex_error(message, DNS_LABEL, "my-name", "123-abc"))
    return errors


def dns_subdomain_errors(value: str) -> list[str]:
    """RFC 1123 subdomain: what most objects may be called."""
    errors = _too_long(value, DNS_SUBDOMAIN_MAX, "characters")
    return errors + _not_subdomain(value)


def dns_1035_label_errors(value: str) -> list[str]:
    """RFC 1035 label: what a Service may be called."""
    errors = _too_long(value, DNS_LABEL_MAX, "characters")
    if not _dns_1035_label(value):
        message = (
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
            "start with an alphabetic character, and end with an alphanumeric character"
        )
        errors.append(regex_error(message, DNS_1035_LABEL, "my-name", "abc-123"))
    return errors


def mask_trailing_dash(prefix: str) -> str:
    """A `generateName` made checkable as a whole name: a random tail will follow its closing dash."""
    return prefix[:-2] + "a" if len(prefix) > 1 and prefix.endswith("-") else prefix


def label_key_errors(value: str) -> list[str]:
    """A label key, which is also a taint key, an annotation key, a finalizer: `[prefix/]name`."""
    message = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
    shape = regex_error(message, LABEL_KEY, "MyName", "my.name", "123-abc")
    parts = value.split("/")
    if len(parts) > 2:
        prefix_hint = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [f"a valid label key {shape}{prefix_hint}"]
    errors: list[str] = []
    if len(parts) == 2:
        prefix = parts[0]
        if not prefix:
            errors.append("prefix part must be non-empty")
        else:
            wrong = _too_long(prefix, DNS_SUBDOMAIN_MAX, "bytes") + _not_subdomain(prefix)
            errors.extend(f"prefix part {error}" for error in wrong)
    name = parts[-1]
    if not name:
        errors.append("name part must be non-empty")
    else:
        errors.extend(f"name part {error}" for error in _too_long(name, LABEL_MAX, "bytes"))
    if not _label_key(name):
        errors.append(f"name part {shape}")
    return errors


def label_value_errors(value: str) -> list[str]:
    """A label value."""
    errors = _too_long(value, LABEL_MAX, "bytes")
    if not _label_value(value):
        message = (
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
            "and must start and end with an alphanumeric character"
        )
        errors.append(regex_error(message, LABEL_VALUE, "MyValue", "my_value", "12345"))
    return errors


def port_name_errors(value: str) -> list[str]:
    """The name of a container's port."""
    errors = _too_long(value, 15, "characters")
    if not re.fullmatch("[-a-z0-9]+", value):
        errors.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        errors.append("must contain at least one letter (a-z)")
    if "--" in value:
        errors.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        errors.append("must not begin or end with a hyphen")
    return errors


def port_number_errors(value: int) -> list[str]:
    """A port's number."""
    return [] if 1 <= value <= 65535 else [inclusive_range_error(1, 65535)]


def environment_name_errors(value: str) -> list[str]:
    """The name of an environment variable, by the rule that Kubernetes has relaxed to: printable ASCII without `=`."""
    errors = [] if value else ["environment variable name must be non-empty"]
    if any(not " " <= character <= "~" or character == "=" for character in value):
        errors.append(
            "a valid environment variable name must consist only of printable ASCII characters other than '='"
        )
    return errors


def config_key_errors(value: str) -> list[str]:
    """A key of a ConfigMap's or Secret's data."""
    errors = _too_long(value, DNS_SUBDOMAIN_MAX, "characters")
    if not _config_key(value):
        message = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        errors.append(regex_error(message, CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    if value in (".", ".."):
        errors.append(f"must not be '{value}'")
    elif value.startswith(".."):
        errors.append("must not start with '..'")
    return errors


def regex_error(message: str, pattern: str, *examples: str) -> str:
    """How Kubernetes says that a text does not have the shape of `pattern`."""
    if not examples:
        return f"{message} (regex used for validation is '{pattern}')"
    listed = " or ".join(f"'{example}', " for example in examples)
    return f"{message} (e.g. {listed}regex used for validation is '{pattern}')"


def inclusive_range_error(low: int, high: int) -> str:
    """How Kubernetes says that a number lies outside its range."""
    return f"must be between {low} and {high}, inclusive"


def _not_subdomain(value: str) -> list[str]:
    if _dns_subdomain(value):
        return []
    message = (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
        "and must start and end with an alphanumeric character"
    )
    return [regex_error(message, DNS_SUBDOMAIN, "example.com")]


def _too_long(value: str, limit: int, unit: str) -> list[str]:
    """Newer Kubernetes sentences count in bytes and older ones in characters; all of them measure bytes."""
    return [f"must be no more than {limit} {unit}"] if len(value.encode()) > limit else []
