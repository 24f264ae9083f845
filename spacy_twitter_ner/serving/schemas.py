"""Schemas of requests and responses, for validation and the OpenAPI document."""

import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, Protocol, TypedDict, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from .settings import ServiceSettings

MAX_ALTERNATIVES = 10
# Number of characters per unit of cost.
COST_LENGTH = 1000
# Maximum number of errors in a response.
MAX_DETAILS = 20
_MAX_NAME = 40
# The text around the results of an AnnotateResponse in JSON.
_RESULTS, _END = b'"results":[', b"]}"
_SURROGATE = re.compile(r"[\uD800-\uDFFF]")
EXAMPLE = {"text": "@kim saw Drake in Chicago last nite lol"}


class Problem(Exception):
    """An HTTP error.

    status (int): The HTTP status.
    code (str): A code for programs.
    message (str): What is wrong and what to do. Must not contain texts of the request.
    details (Optional[list[dict[str, Any]]]): Where the errors are.
    """

    def __init__(
        self, status: int, code: str, message: str, *, details: list[dict[str, Any]] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.details = details or []


def _as_integer(value: Any) -> Any:
    """Convert floats such as 3.0: JSON doesn't distinguish integers and floats."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class AnnotateRequest(BaseModel):
    """One or several texts to annotate, and options."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    # Defaults aren't validated, so omitting a field is valid, but null isn't.
    text: str = Field(default=cast(str, None), description="A tweet")
    texts: list[str] = Field(
        default=cast("list[str]", None), min_length=1, description="Several tweets"
    )
    threshold: float = Field(
        default=0.0, ge=0.0, le=1.0, description="Minimum confidence of entities"
    )
    probabilities: bool = Field(
        default=False, description="Whether to return the tag probabilities of each token"
    )
    alternatives: Annotated[int, BeforeValidator(_as_integer)] = Field(
        default=0,
        ge=0,
        le=MAX_ALTERNATIVES,
        description="Number of most probable entity predictions to return",
    )

    @model_validator(mode="after")
    def _validate_texts(self) -> "AnnotateRequest":
        if (self.text is None) == (self.texts is None):
            raise ValueError("pass either text or texts")
        return self

    @property
    def all_texts(self) -> list[str]:
        """The texts."""
        return [self.text] if self.texts is None else self.texts

    @property
    def cost(self) -> int:
        """The cost of all texts."""
        return sum(map(self._get_cost, self.all_texts))

    def split(self, max_cost: int) -> list[tuple["AnnotateRequest", int]]:
        """Split the request into requests of limited cost.

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


class EntitySpan(BaseModel):
    """The span and type of an entity. Offsets are in Unicode code points, as in Python, and not in
    UTF-16 code units, as in JavaScript."""

    start: int = Field(ge=0)
    end: int = Field(ge=0)
    type: str
    text: str


class Entity(EntitySpan):
    """An entity."""

    confidence: float | None = Field(
        ge=0.0, le=1.0, description="Probability, or null if the pipeline doesn't predict it"
    )


class Alternative(BaseModel):
    """A prediction of all entities of a text, and its probability."""

    probability: float = Field(ge=0.0, le=1.0)
    entities: list[EntitySpan]


class Token(BaseModel):
    """Offsets of a token, and the probability of each tag in `tags`."""

    start: int = Field(ge=0)
    end: int = Field(ge=0)
    probabilities: list[float]


class Annotation(BaseModel):
    """The annotation of a text."""

    entities: list[Entity]
    tokens: list[Token] | None = Field(default=None, description="Only if requested")
    alternatives: list[Alternative] | None = Field(default=None, description="Only if requested")


class AnnotateResponse(BaseModel):
    """The annotations of all texts, in order."""

    results: list[Annotation]
    tags: list[str] | None = Field(default=None, description="Only with probabilities")


class ErrorBody(BaseModel):
    """Description of an error."""

    code: str
    message: str
    details: list[dict[str, Any]] = Field(description="Locations of the errors in the request")


class ErrorResponse(BaseModel):
    """An error response."""

    error: ErrorBody


class Description(TypedDict):
    """Description of the pipeline."""

    name: str
    version: str
    labels: list[str]
    has_confidence: bool


class Worker(Protocol):
    """A worker that processes requests, in this process or another. Used by one thread at a
    time."""

    @property
    def is_ready(self) -> bool:
        """Whether the worker can process requests."""

    def describe(self) -> Description:
        """Describe the pipeline."""

    def annotate(self, requests: Sequence[AnnotateRequest]) -> list[bytes]:
        """Annotate the texts of several requests as one batch.

        requests (Sequence[AnnotateRequest]): The requests.
        RETURNS (list[bytes]): One response per request: an AnnotateResponse in JSON.
        """

    def kill(self) -> None:
        """Stop a call of annotate that hangs. Called from another thread."""

    def wait_until_ready(self) -> None:
        """Block until annotate can be called again after a failure.

        RAISES (Exception): If the worker can't be restarted.
        """

    def close(self) -> None:
        """Release the pipeline."""


def read_request(body: bytes, settings: ServiceSettings) -> AnnotateRequest:
    """Parse and validate a request, in time and memory linear in the size of the body.

    body (bytes): JSON in UTF-8.
    settings (ServiceSettings): The limits.
    RETURNS (AnnotateRequest): The request. Lone surrogates in its texts are replaced by U+FFFD.
    RAISES (Problem): If the body isn't a request, or exceeds a limit.
    """
    value = _parse_json(body)
    # These checks are cheap and bound the number of validation errors.
    _check_names(value)
    _check_counts(value, settings.max_texts)
    try:
        request = AnnotateRequest.model_validate(value)
    except ValidationError as error:
        # Without the errors' inputs, which are texts.
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
    # RecursionError: nested too deeply. ValueError: also integers of thousands of digits.
    except (ValueError, RecursionError) as error:
        details = []
        if isinstance(error, json.JSONDecodeError):
            details = [{"place": [error.pos], "message": error.msg}]
        raise Problem(
            400, "invalid_json", "The body isn't JSON in UTF-8", details=details
        ) from None
    # In UTF-8, lone surrogates can only come from escapes.
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
            f"{len(texts)} texts are more than {max_texts}: send several requests",
        )
    wrong = [i for i, text in enumerate(texts) if not isinstance(text, str)]
    if wrong:
        details = [
            {"place": ["texts", i], "message": "Input should be a valid string"}
            for i in wrong[:MAX_DETAILS]
        ]
        raise _invalid_request(details, len(wrong))


def _invalid_request(details: list[dict[str, Any]], count: int) -> Problem:
    message = "The body isn't a valid request: see details"
    if count > len(details):
        message += f", which contain the first {len(details)} of {count} errors"
    return Problem(422, "invalid_request", message, details=details)


def _shorten(name: str) -> str:
    return name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…"


def join_responses(responses: Sequence[bytes]) -> bytes:
    """Join the responses to the parts of a request.

    responses (Sequence[bytes]): The responses, in order.
    RETURNS (bytes): One response with all results.
    """
    if len(responses) == 1:
        return responses[0]
    # Everything before the results is the same.
    head = responses[0].partition(_RESULTS)[0] + _RESULTS
    return head + b",".join(response[len(head) : -len(_END)] for response in responses) + _END


def get_request_schema(settings: ServiceSettings) -> dict[str, Any]:
    """Return the JSON schema of requests, including the limits."""
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
