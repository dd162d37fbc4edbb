"""Names: which texts may stand, and the sentences for those that may not."""

from __future__ import annotations

import pytest

from everynode.values import names


@pytest.mark.parametrize("name", ["a", "a-b", "0", "a" * 63])
def test_labels_that_may_stand(name: str) -> None:
    assert names.dns_label_errors(name) == []
    assert names.dns_subdomain_errors(name) == []


def test_dns_label_sentences() -> None:
    shape = (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
        "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
        "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
    )
    assert names.dns_label_errors("A") == [shape]
    assert names.dns_label_errors("") == [shape]
    assert names.dns_label_errors("a\n") == [shape]
    assert names.dns_label_errors("a.b") == ["must not contain dots"]
    assert names.dns_label_errors("a" * 64) == ["must be no more than 63 characters"]


def test_dns_subdomain_sentences() -> None:
    shape = (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
        "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
        r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    )
    assert names.dns_subdomain_errors("a..b") == [shape]
    assert names.dns_subdomain_errors("a" * 254) == ["must be no more than 253 characters"]
    assert names.dns_subdomain_errors("a_b") == [shape]


def test_dns_1035_labels_start_with_a_letter() -> None:
    assert names.dns_1035_label_errors("a1") == []
    (error,) = names.dns_1035_label_errors("1a")
    assert error.startswith("a DNS-1035 label must consist of")
    assert error.endswith("(e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')")


def test_label_keys() -> None:
    assert names.label_key_errors("app") == names.label_key_errors("example.com/App_1.x") == []
    assert names.label_key_errors("/a") == ["prefix part must be non-empty"]
    assert names.label_key_errors("a" * 64) == ["name part must be no more than 63 bytes"]
    assert names.label_key_errors("a/")[0] == "name part must be non-empty"
    assert names.label_key_errors("A/b")[0].startswith("prefix part a lowercase RFC 1123 subdomain must")
    (error,) = names.label_key_errors("a/b/c")
    assert error.startswith("a valid label key must consist of alphanumeric characters")
    assert error.endswith(" with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')")


def test_label_values() -> None:
    assert names.label_value_errors("") == names.label_value_errors("a_B.9") == []
    assert names.label_value_errors("é" * 32)[0] == "must be no more than 63 bytes"
    assert names.label_value_errors("-a") == [
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
        "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation "
        "is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
    ]


def test_ports() -> None:
    assert names.port_name_errors("http-1") == []
    assert names.port_name_errors("1--") == [
        "must contain at least one letter (a-z)",
        "must not contain consecutive hyphens",
        "must not begin or end with a hyphen",
    ]
    assert names.port_name_errors("a" * 16) == ["must be no more than 15 characters"]
    assert names.port_number_errors(65535) == []
    assert names.port_number_errors(0) == ["must be between 1 and 65535, inclusive"]


def test_environment_names_are_any_printable_ascii_but_the_equals_sign() -> None:
    assert names.environment_name_errors("MY.env-1 x") == []
    assert names.environment_name_errors("") == ["environment variable name must be non-empty"]
    assert len(names.environment_name_errors("a=b")) == len(names.environment_name_errors("é")) == 1


def test_config_keys_do_not_climb_directories() -> None:
    assert names.config_key_errors("a.B_c-1") == []
    assert names.config_key_errors("..") == ["must not be '..'"]
    assert names.config_key_errors("..a") == ["must not start with '..'"]
    assert names.config_key_errors("a/b")[0].startswith("a valid config key must consist of")


def test_a_generate_name_may_end_in_a_dash() -> None:
    assert names.dns_label_errors(names.mask_trailing_dash("web-")) == []
    assert names.mask_trailing_dash("-") == "-"
