"""What a service allows: limits on requests, who may send them, and where it listens."""

import os
from dataclasses import dataclass, fields
from ipaddress import ip_address
from pathlib import Path

TOKEN_VARIABLE = "SPACY_TWITTER_NER_TOKEN"  # noqa: S105 (a name, not a token)
_MIN_TOKEN_LENGTH = 8


@dataclass(frozen=True)
class ServiceSettings:
    """Settings of a service.

    max_body (int): Bytes of a request's body.
    max_texts (int): Texts of a request.
    max_text_length (int): Characters of a text.
    max_batch (int): Texts that are annotated together; a request of more is a batch by itself.
    max_waiting (int): Texts that may wait to be annotated, of all requests.
    max_requests (int): Requests that may be worked on at a time, those being received included.
    body_timeout (float): Seconds in which a request's body has to arrive.
    timeout (float): Seconds in which a request has to be answered.
    grace (float): Seconds that requests have to be finished in when the service is stopped.
    token (Optional[str]): If set, requests need it: Authorization: Bearer TOKEN.
    cors_origins (tuple[str, ...]): Origins whose pages may send requests from a browser.
    """

    max_body: int = 262_144
    max_texts: int = 128
    max_text_length: int = 10_000
    max_batch: int = 256
    max_waiting: int = 4096
    max_requests: int = 512
    body_timeout: float = 10.0
    timeout: float = 30.0
    grace: float = 30.0
    token: str | None = None
    cors_origins: tuple[str, ...] = ()

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
