"""Probes, and what is done after a container's start and before its end."""

from __future__ import annotations

from everynode.api.core_v1 import (
    ExecAction,
    GRPCAction,
    HTTPGetAction,
    Lifecycle,
    LifecycleHandler,
    PodOS,
    Probe,
    SleepAction,
    TCPSocketAction,
)
from everynode.api.fielderror import forbidden, invalid, not_supported, required
from everynode.api.validation.fields import Errors, check_not_negative, check_one_of, check_port, check_port_number
from everynode.values.names import regex_error

Way = ExecAction | HTTPGetAction | TCPSocketAction | GRPCAction | SleepAction

HTTP_HEADER = "[-A-Za-z0-9]+"
HEADER_FAULT = regex_error(
    "a valid HTTP header must consist of alphanumeric characters or '-'", HTTP_HEADER, "X-Header-Name"
)
_HEADER_CHARACTERS = frozenset("-ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")

_NAMED_SIGNALS = (
    "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP "
    "TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX"
)
LINUX_SIGNALS = tuple(
    sorted(
        [f"SIG{name}" for name in _NAMED_SIGNALS.split()]
        + [f"SIGRTMIN+{number}" for number in range(1, 16)]
        + [f"SIGRTMAX-{number}" for number in range(1, 15)]
    )
)
WINDOWS_SIGNALS = ("SIGKILL", "SIGTERM")


def check_liveness_or_startup_probe(probe: Probe, path: str, errors: Errors) -> None:
    _check_probe(probe, path, errors)
    if probe.success_threshold != 1:
        errors.append(invalid(f"{path}.successThreshold", probe.success_threshold, "must be 1"))


def check_readiness_probe(probe: Probe, path: str, errors: Errors) -> None:
    _check_probe(probe, path, errors)
    if probe.termination_grace_period_seconds is not None:
        message = "must not be set for readinessProbes"
        errors.append(invalid(f"{path}.terminationGracePeriodSeconds", probe.termination_grace_period_seconds, message))


def check_lifecycle(
    lifecycle: Lifecycle, grace_period: int | None, os: PodOS | None, path: str, errors: Errors
) -> None:
    if lifecycle.post_start is not None:
        _check_handler(lifecycle.post_start, grace_period, f"{path}.postStart", errors)
    if lifecycle.pre_stop is not None:
        _check_handler(lifecycle.pre_stop, grace_period, f"{path}.preStop", errors)
    if lifecycle.stop_signal is not None:
        _check_stop_signal(lifecycle.stop_signal, os, f"{path}.stopSignal", errors)


def _check_probe(probe: Probe, path: str, errors: Errors) -> None:
    _check_handler(probe, None, path, errors)
    check_not_negative(probe.initial_delay_seconds, f"{path}.initialDelaySeconds", errors)
    check_not_negative(probe.timeout_seconds, f"{path}.timeoutSeconds", errors)
    check_not_negative(probe.period_seconds, f"{path}.periodSeconds", errors)
    check_not_negative(probe.success_threshold, f"{path}.successThreshold", errors)
    check_not_negative(probe.failure_threshold, f"{path}.failureThreshold", errors)
    seconds = probe.termination_grace_period_seconds
    if seconds is not None and seconds <= 0:
        errors.append(invalid(f"{path}.terminationGracePeriodSeconds", seconds, "must be greater than 0"))


def _check_handler(handler: Probe | LifecycleHandler, grace_period: int | None, path: str, errors: Errors) -> None:
    """Exactly one way of doing it; of several only the first is looked at."""
    last = ("grpc", handler.grpc) if isinstance(handler, Probe) else ("sleep", handler.sleep)
    ways: tuple[tuple[str, Way | None], ...] = (
        ("exec", handler.exec),
        ("httpGet", handler.http_get),
        ("tcpSocket", handler.tcp_socket),
        last,
    )
    chosen = False
    for name, way in ways:
        if way is None:
            continue
        if chosen:
            errors.append(forbidden(f"{path}.{name}", "may not specify more than 1 handler type"))
        else:
            chosen = True
            _check_way(way, grace_period, f"{path}.{name}", errors)
    if not chosen:
        errors.append(required(path, "must specify a handler type"))


def _check_way(way: Way, grace_period: int | None, path: str, errors: Errors) -> None:
    match way:
        case ExecAction():
            if not way.command:
                errors.append(required(f"{path}.command"))
        case HTTPGetAction():
            _check_http_get(way, path, errors)
        case TCPSocketAction():
            check_port(way.port, f"{path}.port", errors)
        case GRPCAction():
            _check_grpc(way, path, errors)
        case SleepAction():
            if grace_period is not None and not 0 <= way.seconds <= grace_period:
                message = f"must be non-negative and less than terminationGracePeriodSeconds ({grace_period})"
                errors.append(invalid(path, way.seconds, message))


def _check_http_get(action: HTTPGetAction, path: str, errors: Errors) -> None:
    if not action.path:
        errors.append(required(f"{path}.path"))
    check_port(action.port, f"{path}.port", errors)
    check_one_of(action.scheme, ("HTTP", "HTTPS"), f"{path}.scheme", errors)
    for header in action.http_headers:
        if not header.name or not _HEADER_CHARACTERS.issuperset(header.name):
            errors.append(invalid(f"{path}.httpHeaders", header.name, HEADER_FAULT))


def _check_grpc(action: GRPCAction, path: str, errors: Errors) -> None:
    check_port_number(action.port, f"{path}.port", errors)
    if action.mode is not None:
        check_one_of(action.mode, ("Plaintext", "TLS"), f"{path}.mode", errors)


def _check_stop_signal(signal: str, os: PodOS | None, path: str, errors: Errors) -> None:
    if os is None:
        errors.append(forbidden(path, "may not be set for containers with empty `spec.os.name`"))
    elif os.name == "windows" and signal not in WINDOWS_SIGNALS:
        errors.append(not_supported(path, signal, WINDOWS_SIGNALS))
    elif os.name == "linux" and signal not in LINUX_SIGNALS:
        errors.append(not_supported(path, signal, LINUX_SIGNALS))
