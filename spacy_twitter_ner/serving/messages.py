"""What is sent to the service and what it answers: the models that requests are read with and that
the OpenAPI document shows."""

from collections.abc import Sequence
from typing import Annotated, Any, Protocol, TypedDict, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from .settings import ServiceSettings

MAX_ALTERNATIVES = 10
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
    """What answers requests, in this process or in another. It is used by one thread at a time."""

    @property
    def is_ready(self) -> bool:
        """RETURNS (bool): Whether it can answer at once."""

    def describe(self) -> Description:
        """RETURNS (Description): What the service tells of the pipeline."""

    def annotate(self, requests: Sequence[AnnotateRequest]) -> list[bytes]:
        """Answer requests, whose texts go through the pipeline together.

        requests (Sequence[AnnotateRequest]): The requests.
        RETURNS (list[bytes]): Each one's answer, an AnnotateResponse in JSON.
        """

    def close(self) -> None:
        """End, once what is being done is finished."""


def read_request(body: bytes, settings: ServiceSettings) -> AnnotateRequest:
    """Read a request.

    body (bytes): JSON in UTF-8.
    settings (ServiceSettings): The limits.
    RETURNS (AnnotateRequest): The request.
    RAISES (Problem): If it is none, or is above a limit.
    """
    try:
        request = AnnotateRequest.model_validate_json(body)
    except ValidationError as error:
        # The errors' inputs are left out: they are texts.
        errors = error.errors(include_url=False, include_context=False, include_input=False)
        details = [{"place": list(one["loc"]), "message": one["msg"]} for one in errors]
        if errors[0]["type"] == "json_invalid":
            raise Problem(
                400, "invalid_json", "The body is not JSON in UTF-8", details=details
            ) from None
        raise Problem(
            422, "invalid_request", "The body is not a request: see details", details=details
        ) from None
    texts = request.all_texts
    if len(texts) > settings.max_texts:
        raise Problem(
            413,
            "too_many_texts",
            f"{len(texts)} texts are more than {settings.max_texts}: send them in several requests",
        )
    for i, text in enumerate(texts):
        if len(text) > settings.max_text_length:
            raise Problem(
                413,
                "text_too_long",
                f"A text has {len(text)} characters, more than {settings.max_text_length}",
                details=[{"place": ["texts", i] if request.texts else ["text"]}],
            )
    return request


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
