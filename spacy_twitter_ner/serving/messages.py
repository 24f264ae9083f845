"""What is sent to the service and what it answers: the models that requests are read with and that
the OpenAPI document shows."""

import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, Protocol, TypedDict, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from .settings import ServiceSettings

MAX_ALTERNATIVES = 10
# Characters that a text may have per unit of cost.
COST_LENGTH = 1000
# Errors that a response describes.
MAX_DETAILS = 20
_MAX_NAME = 40
# What an AnnotateResponse in JSON has before and after its results.
_RESULTS, _END = b'"results":[', b"]}"
_SURROGATE = re.compile(r"[\uD800-\uDFFF]")
EXAMPLE = {"text": "@kim saw Drake in Chicago last nite lol"}


class Problem(Exception):
    """A request that is not answered; becomes an HTTP error.

    status (int): The HTTP status.
    code (str): What is wrong, for programs.
    message (str): What is wrong and what to do, for people. Never holds a text of the request.
    """

    def __init__(
        self, status: int, code: str, message: str, *, details: list[dict[str, Any]] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.details = details or []


def _as_integer(value: Any) -> Any:
    """JSON knows one kind of numbers: 3.0 is an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class AnnotateRequest(BaseModel):
    """One text or several, and what is wanted of them besides their entities."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    # A default is not validated: null is no text, and leaving it away is no null.
    text: str = Field(default=cast(str, None), description="A tweet")
    texts: list[str] = Field(
        default=cast("list[str]", None), min_length=1, description="Several tweets"
    )
    threshold: float = Field(
        default=0.0, ge=0.0, le=1.0, description="Leave out entities that are less probable"
    )
    probabilities: bool = Field(
        default=False, description="Whether to tell each token's probabilities of tags"
    )
    alternatives: Annotated[int, BeforeValidator(_as_integer)] = Field(
        default=0,
        ge=0,
        le=MAX_ALTERNATIVES,
        description="How many of the most probable analyses to tell",
    )

    @model_validator(mode="after")
    def _validate_texts(self) -> "AnnotateRequest":
        if (self.text is None) == (self.texts is None):
            raise ValueError("give either text or texts")
        return self

    @property
    def all_texts(self) -> list[str]:
        """RETURNS (list[str]): The texts."""
        return [self.text] if self.texts is None else self.texts

    @property
    def cost(self) -> int:
        """RETURNS (int): The cost of all texts."""
        return sum(map(self._get_cost, self.all_texts))

    def split(self, max_cost: int) -> list[tuple["AnnotateRequest", int]]:
        """Split the request into requests that can be processed one after the other.

        max_cost (int): Maximum cost of each. A single text may exceed it.
        RETURNS (list[tuple[AnnotateRequest, int]]): The requests and their costs.
        """
        groups: list[tuple[list[str], int]] = []
        texts: list[str] = []
        total = 0
        for text in self.all_texts:
            cost = self._get_cost(text)
            if texts and total + cost > max_cost:
                groups.append((texts, total))
                texts, total = [], 0
            texts.append(text)
            total += cost
        if not groups:
            return [(self, total)]
        groups.append((texts, total))
        return [
            (self.model_copy(update={"text": None, "texts": group}), cost) for group, cost in groups
        ]

    def _get_cost(self, text: str) -> int:
        return max(1, -(-len(text) * (1 + self.alternatives) // COST_LENGTH))


class Entity(BaseModel):
    """An entity. Its place is counted in Unicode code points, as in Python; JavaScript counts
    others."""

    start: int = Field(ge=0)
    end: int = Field(ge=0)
    label: str
    text: str
    confidence: float | None = Field(
        ge=0.0, le=1.0, description="How probable it is; null if the pipeline does not tell"
    )


class Alternative(BaseModel):
    """All entities of a text, and the probability that exactly these are right."""

    probability: float = Field(ge=0.0, le=1.0)
    entities: list[Entity]


class Token(BaseModel):
    """Where a token stands, and how probable each tag is, in the order of `tags`."""

    start: int = Field(ge=0)
    end: int = Field(ge=0)
    probabilities: list[float]


class Annotation(BaseModel):
    """What was found in a text."""

    entities: list[Entity]
    tokens: list[Token] | None = Field(default=None, description="Only if asked for")
    alternatives: list[Alternative] | None = Field(default=None, description="Only if asked for")


class AnnotateResponse(BaseModel):
    """What was found in each text, in their order."""

    results: list[Annotation]
    tags: list[str] | None = Field(default=None, description="Only with probabilities")


class ErrorBody(BaseModel):
    """What is wrong."""

    code: str
    message: str
    details: list[dict[str, Any]] = Field(description="Where: the places in the request")


class ErrorResponse(BaseModel):
    """An answer that is none."""

    error: ErrorBody


class Description(TypedDict):
    """What the service tells of its pipeline."""

    name: str
    version: str
    labels: list[str]
    has_confidence: bool


class Annotates(Protocol):
    """A worker: answers requests, in this process or in another. Used by one thread at a time."""

    @property
    def is_ready(self) -> bool:
        """RETURNS (bool): Whether it can answer at once."""

    def describe(self) -> Description:
        """RETURNS (Description): What the service tells of the pipeline."""

    def annotate(self, requests: Sequence[AnnotateRequest]) -> list[bytes]:
        """Annotate the texts of several requests as one batch.

        requests (Sequence[AnnotateRequest]): The requests.
        RETURNS (list[bytes]): The answer to each, an AnnotateResponse in JSON.
        """

    def kill(self) -> None:
        """Stop a call of annotate that takes too long, from another thread."""

    def wait_until_ready(self) -> None:
        """Block until annotate can be called again after it has failed.

        RAISES (Exception): If it never can.
        """

    def close(self) -> None:
        """Release the pipeline."""


def read_request(body: bytes, settings: ServiceSettings) -> AnnotateRequest:
    """Parse and validate a request. Takes time and memory in proportion to the body at most.

    body (bytes): JSON in UTF-8.
    settings (ServiceSettings): The limits.
    RETURNS (AnnotateRequest): The request. Lone surrogates in its texts are replaced by U+FFFD.
    RAISES (Problem): If the body isn't a request, or exceeds a limit.
    """
    value = _parse_json(body)
    # Both are cheap to check, and bound the number of errors that validation can find.
    _check_names(value)
    _check_counts(value, settings.max_texts)
    try:
        request = AnnotateRequest.model_validate(value)
    except ValidationError as error:
        # The errors' inputs are left out: they are texts.
        errors = error.errors(include_url=False, include_context=False, include_input=False)
        details = [{"place": list(one["loc"]), "message": one["msg"]} for one in errors]
        raise _invalid_request(details, len(details)) from None
    texts = request.all_texts
    for i, text in enumerate(texts):
        if len(text) > settings.max_text_length:
            raise Problem(
                413,
                "text_too_long",
                f"A text has {len(text)} characters, more than {settings.max_text_length}",
                details=[{"place": ["texts", i] if request.texts else ["text"]}],
            )
    limit = min(settings.max_cost, settings.max_waiting)
    if request.cost > limit:
        raise Problem(
            413,
            "too_costly",
            f"The request costs {request.cost}, more than {limit}: a text costs 1 per "
            f"{COST_LENGTH} characters, times 1 + alternatives. Send several requests, or ask for "
            "fewer alternatives",
        )
    return request


def _parse_json(body: bytes) -> Any:
    try:
        value = json.loads(body.decode("utf-8"))
    # Deep nesting is a RecursionError; an integer of thousands of digits, a ValueError.
    except (ValueError, RecursionError) as error:
        details = []
        if isinstance(error, json.JSONDecodeError):
            details = [{"place": [error.pos], "message": error.msg}]
        raise Problem(
            400, "invalid_json", "The body is not JSON in UTF-8", details=details
        ) from None
    # UTF-8 has no surrogates: lone ones come from escapes.
    if b"\\u" in body and isinstance(value, dict):
        if isinstance(value.get("text"), str):
            value["text"] = _replace_surrogates(value["text"])
        if isinstance(value.get("texts"), list):
            value["texts"] = [
                _replace_surrogates(one) if isinstance(one, str) else one for one in value["texts"]
            ]
    return value


def _replace_surrogates(text: str) -> str:
    return _SURROGATE.sub("\ufffd", text)


def _check_names(value: Any) -> None:
    if not isinstance(value, dict):
        raise _invalid_request([{"place": [], "message": "Input should be an object"}], 1)
    unknown = [name for name in value if name not in AnnotateRequest.model_fields]
    if unknown:
        details = [
            {"place": [_shorten(name)], "message": "Extra inputs are not permitted"}
            for name in unknown[:MAX_DETAILS]
        ]
        raise _invalid_request(details, len(unknown))


def _check_counts(value: dict[str, Any], max_texts: int) -> None:
    texts = value.get("texts")
    if not isinstance(texts, list):
        return
    if len(texts) > max_texts:
        raise Problem(
            413,
            "too_many_texts",
            f"{len(texts)} texts are more than {max_texts}: send them in several requests",
        )
    wrong = [i for i, text in enumerate(texts) if not isinstance(text, str)]
    if wrong:
        details = [
            {"place": ["texts", i], "message": "Input should be a valid string"}
            for i in wrong[:MAX_DETAILS]
        ]
        raise _invalid_request(details, len(wrong))


def _invalid_request(details: list[dict[str, Any]], count: int) -> Problem:
    message = "The body is not a request: see details"
    if count > len(details):
        message += f", which hold the first {len(details)} of {count} errors"
    return Problem(422, "invalid_request", message, details=details)


def _shorten(name: str) -> str:
    return name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…"


def join_answers(answers: Sequence[bytes]) -> bytes:
    """Join the answers to the parts of a request.

    answers (Sequence[bytes]): The answers, in order.
    RETURNS (bytes): One answer with all results.
    """
    if len(answers) == 1:
        return answers[0]
    # Up to the results they are the same.
    head = answers[0].partition(_RESULTS)[0] + _RESULTS
    return head + b",".join(answer[len(head) : -len(_END)] for answer in answers) + _END


def request_schema(settings: ServiceSettings) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The JSON schema of requests, limits included."""
    schema = AnnotateRequest.model_json_schema()
    properties = schema["properties"]
    for name in ("text", "texts"):
        del properties[name]["default"]
    properties["text"]["maxLength"] = settings.max_text_length
    properties["texts"]["items"]["maxLength"] = settings.max_text_length
    properties["texts"]["maxItems"] = settings.max_texts
    return {
        **schema,
        "oneOf": [{"required": ["text"]}, {"required": ["texts"]}],
        "example": EXAMPLE,
    }
