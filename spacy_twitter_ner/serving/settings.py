"""What a service allows: limits on requests, who may send them, and where it listens."""

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
# A busy machine can delay a healthy worker this long.
_MIN_WORKER_TIMEOUT = 1.0


@dataclass(frozen=True)
class ServiceSettings:
    """Settings of a service.

    A text costs 1 per 1,000 characters or part of them, times 1 + alternatives. Batches, the queue
    and requests are limited by cost, so that none of them can occupy a worker for long.

    max_body (int): Maximum size of a request's body in bytes.
    max_texts (int): Maximum number of texts per request.
    max_text_length (int): Maximum number of characters per text.
    max_cost (int): Maximum cost of a request.
    max_batch (int): Maximum cost of a batch. Larger requests are split into several batches.
    max_waiting (int): Maximum cost of all texts that wait to be annotated.
    max_requests (int): Maximum number of requests to /annotate that are received or processed.
    max_client_requests (int): The same per client address.
    max_connections (int): Maximum number of connections.
    max_head (int): Maximum size of a request's head in bytes.
    head_timeout (float): Seconds within which a request's head has to arrive.
    body_timeout (float): Seconds within which a request's body has to arrive.
    send_timeout (float): Seconds after which a client that doesn't read its response is cut off.
    timeout (float): Seconds within which a request is answered. A worker that doesn't answer
        within half of them is replaced.
    grace (float): Seconds within which the service ends once it is stopped.
    token (Optional[str]): If set, requests need it: Authorization: Bearer TOKEN.
    cors_origins (tuple[str, ...]): Origins whose pages may send requests from a browser.
    allowed_hosts (tuple[str, ...]): Host names that requests may be addressed to. Any if empty.
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
        """RETURNS (float): Seconds after which a worker that doesn't answer is replaced. Half of
        the timeout, so that requests that wait can still be answered by the new one."""
        return max(_MIN_WORKER_TIMEOUT, self.timeout / 2)

    def __post_init__(self) -> None:
        """RAISES (ValueError): If a setting cannot be meant; the message names it."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and not value > 0:
                raise ValueError(f"{field.name} has to be above 0, not {value}")
        if self.max_waiting < self.max_texts:
            raise ValueError(
                f"max_waiting has to be at least max_texts, or no request of {self.max_texts} "
                f"texts could ever be taken, not {self.max_waiting}"
            )
        if self.token is not None and len(self.token) < _MIN_TOKEN_LENGTH:
            raise ValueError(f"a token has to have at least {_MIN_TOKEN_LENGTH} characters")
        for origin in self.cors_origins:
            if origin == "*" or "://" not in origin or origin.rstrip("/") != origin:
                raise ValueError(
                    f"an origin is a scheme, a host and maybe a port, as https://example.org, "
                    f"not {origin!r}"
                )
        for host in self.allowed_hosts:
            if parse_host(host) is None and parse_host(f"[{host}]") is None:
                raise ValueError(f"an allowed host is a name or an address, not {host!r}")


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
    """Only accept requests that are addressed to this machine, where nothing else protects a
    service from web pages: on a loopback address without a token, a page could reach it under a
    name of its own (DNS rebinding). Elsewhere, only if hosts are given.

    settings (ServiceSettings): The settings.
    host (str): The name or address that the service listens on.
    extra (Sequence[str]): Other names to accept. "*" accepts all.
    RETURNS (ServiceSettings): The settings with allowed_hosts.
    """
    is_open = is_loopback(host) and settings.token is None
    if "*" in extra or not (extra or is_open):
        return settings
    return replace(settings, allowed_hosts=tuple(dict.fromkeys((*LOCAL_HOSTS, host, *extra))))


def read_token(path: Path | None = None) -> str | None:
    """Read the token that requests need. It is never an argument, which other users could see.

    path (Optional[Path]): A file that holds it.
    RETURNS (Optional[str]): The token, from the file or else from the environment variable
        SPACY_TWITTER_NER_TOKEN; None if neither is given.
    RAISES (OSError): If the file cannot be read.
    RAISES (ValueError): If what is given is empty.
    """
    if path is None and TOKEN_VARIABLE not in os.environ:
        return None
    source = TOKEN_VARIABLE if path is None else str(path)
    text = os.environ[TOKEN_VARIABLE] if path is None else path.read_text(encoding="utf-8")
    if not text.strip():
        raise ValueError(f"{source} is empty: put a token there, or leave it away")
    return text.strip()


def is_loopback(host: str) -> bool:
    """RETURNS (bool): Whether only this machine can reach what listens there."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
