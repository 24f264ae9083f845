"""Settings of the service: limits, authentication and allowed hosts."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from ipaddress import ip_address
from pathlib import Path

TOKEN_VARIABLE = "SPACY_TWITTER_NER_TOKEN"  # noqa: S105 (a name, not a token)
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
_MIN_TOKEN_LENGTH = 8
_HOST = re.compile(r"(?:\[(?P<address>[0-9a-fA-F:.]+)\]|(?P<name>[\w-]+(?:\.[\w-]+)*)\.?)(?::\d*)?")
# A busy machine may delay a healthy worker this long.
_MIN_WORKER_TIMEOUT = 1.0


@dataclass(frozen=True)
class ServiceSettings:
    """Settings of a service.

    A text costs 1 per 1,000 characters or part of them, times 1 + alternatives. Batches, the queue
    and requests are limited by cost, so that none of them can occupy a worker for long.

    max_body (int): Maximum size of a request body in bytes.
    max_texts (int): Maximum number of texts per request.
    max_text_length (int): Maximum number of characters per text.
    max_cost (int): Maximum cost of a request.
    max_batch (int): Maximum cost of a batch. Larger requests are split into several batches.
    max_waiting (int): Maximum cost of all texts in the queue.
    max_requests (int): Maximum number of concurrent requests to /annotate.
    max_client_requests (int): Maximum number of concurrent requests per client address.
    max_connections (int): Maximum number of connections.
    max_head (int): Maximum size of a request head in bytes.
    head_timeout (float): Timeout in seconds for receiving a request head.
    body_timeout (float): Timeout in seconds for receiving a request body.
    send_timeout (float): Timeout in seconds for clients to read a response.
    timeout (float): Timeout in seconds for processing a request. A worker that doesn't respond
        within half of it is replaced.
    grace (float): Maximum time in seconds to shut down.
    token (Optional[str]): Token that requests require: Authorization: Bearer TOKEN.
    cors_origins (tuple[str, ...]): Origins whose pages may send requests from a browser.
    allowed_hosts (tuple[str, ...]): Allowed Host headers. Any if empty.
    """

    max_body: int = 262_144
    max_texts: int = 128
    max_text_length: int = 10_000
    max_cost: int = 1024
    max_batch: int = 256
    max_waiting: int = 4096
    max_requests: int = 512
    max_client_requests: int = 256
    max_connections: int = 1024
    max_head: int = 65_536
    head_timeout: float = 10.0
    body_timeout: float = 10.0
    send_timeout: float = 30.0
    timeout: float = 30.0
    grace: float = 30.0
    token: str | None = None
    cors_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()

    @property
    def worker_timeout(self) -> float:
        """Seconds after which a worker that doesn't respond is replaced. Half of the timeout, so
        that the new worker can still process waiting requests."""
        return max(_MIN_WORKER_TIMEOUT, self.timeout / 2)

    def __post_init__(self) -> None:
        """Validate the settings.

        RAISES (ValueError): If a setting is invalid.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and not value > 0:
                raise ValueError(f"{field.name} must be greater than 0, not {value}")
        if self.max_waiting < self.max_texts:
            raise ValueError(
                f"max_waiting must be at least max_texts ({self.max_texts}), not "
                f"{self.max_waiting}: otherwise, the queue can't hold a full request"
            )
        if self.token is not None and len(self.token) < _MIN_TOKEN_LENGTH:
            raise ValueError(f"the token must have at least {_MIN_TOKEN_LENGTH} characters")
        for origin in self.cors_origins:
            if origin == "*" or "://" not in origin or origin.rstrip("/") != origin:
                raise ValueError(
                    f"invalid origin {origin!r}: pass scheme, host and optionally port, such as "
                    "https://example.org"
                )
        for host in self.allowed_hosts:
            if parse_host(host) is None and parse_host(f"[{host}]") is None:
                raise ValueError(f"invalid allowed host {host!r}: pass a name or an address")


def parse_host(header: str) -> str | None:
    """Strip the port, brackets and case from a Host header.

    header (str): The header's value.
    RETURNS (Optional[str]): The name or address, or None if the value is malformed.
    """
    match = _HOST.fullmatch(header.strip())
    return None if match is None else (match["address"] or match["name"]).lower()


def restrict_hosts(
    settings: ServiceSettings, host: str, extra: Sequence[str] = ()
) -> ServiceSettings:
    """Protect a service on a loopback address without a token against DNS rebinding: only allow
    requests addressed to this machine. Otherwise, only restrict hosts if some are given.

    settings (ServiceSettings): The settings.
    host (str): The name or address that the service listens on.
    extra (Sequence[str]): Other names to allow. "*" allows all.
    RETURNS (ServiceSettings): The settings with allowed_hosts.
    """
    is_open = is_loopback(host) and settings.token is None
    if "*" in extra or not (extra or is_open):
        return settings
    return replace(settings, allowed_hosts=tuple(dict.fromkeys((*LOCAL_HOSTS, host, *extra))))


def read_token(path: Path | None = None) -> str | None:
    """Read the token from a file or from the environment variable SPACY_TWITTER_NER_TOKEN. It
    can't be passed as an argument, which other users could see.

    path (Optional[Path]): The file.
    RETURNS (Optional[str]): The token, or None if neither is given.
    RAISES (OSError): If the file can't be read.
    RAISES (ValueError): If the file or the variable is empty.
    """
    if path is None and TOKEN_VARIABLE not in os.environ:
        return None
    source = TOKEN_VARIABLE if path is None else str(path)
    text = os.environ[TOKEN_VARIABLE] if path is None else path.read_text(encoding="utf-8")
    if not text.strip():
        raise ValueError(f"{source} is empty: set a token or remove it")
    return text.strip()


def is_loopback(host: str) -> bool:
    """Return whether a host is only reachable from this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
