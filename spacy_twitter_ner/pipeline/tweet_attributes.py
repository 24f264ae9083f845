"""The pipeline component tweet_attributes: attributes for hashtags, mentions, URLs and emoji."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from spacy.language import Language
from spacy.tokens import Doc, Span, Token

from ..normalization import normalize_word, token_kind

# The kinds of tokens with an attribute, and what token_kind calls them.
KINDS = {"hashtag": "hashtag", "mention": "user", "url": "url", "emoji": "emoji"}


@dataclass(frozen=True)
class KindGetter:
    """Getter of an extension attribute for a kind of token.

    kind (str): The kind, one of KINDS.
    """

    kind: str

    def __call__(self, token: Token) -> bool:
        """RETURNS (bool): Whether the token is of this kind."""
        found = token_kind(normalize_word(token.text))
        return found == KINDS[self.kind] or (self.kind == "url" and is_bare_url(token, found))


def is_bare_url(token: Token, kind: str) -> bool:
    """RETURNS (bool): Whether a token is a URL without a scheme, such as example.com/menu."""
    return kind == "word" and token.like_url


def set_token_extensions() -> None:
    """Set the extension attributes token._.is_hashtag, is_mention, is_url and is_emoji.

    RAISES (ValueError): If Token already has another extension attribute of such a name.
    """
    for kind in KINDS:
        name, getter = f"is_{kind}", KindGetter(kind)
        if not Token.has_extension(name):
            Token.set_extension(name, getter=getter)
        elif Token.get_extension(name)[2] != getter:
            raise ValueError(
                f"Token._.{name} already exists and isn't that of tweet_attributes: remove the "
                "component that sets it, or tweet_attributes"
            )


@Language.factory(
    "tweet_attributes",
    assigns=[f"token._.is_{kind}" for kind in KINDS] + ["doc.ents"],
    default_config={"entities": {}},
)
def make_tweet_attributes(nlp: Language, name: str, entities: dict[str, str]) -> "TweetAttributes":
    """Create a component that sets the extension attributes token._.is_hashtag, is_mention, is_url
    and is_emoji, and optionally marks such tokens as entities.

    entities (dict[str, str]): The entity type of each kind of token to mark: "hashtag", "mention",
        "url" or "emoji". Tokens of existing entities are kept.
    """
    return TweetAttributes(name, entities)


class TweetAttributes:
    """Pipeline component that sets extension attributes of tokens and marks kinds of tokens as
    entities."""

    def __init__(self, name: str, entities: Mapping[str, str]) -> None:
        """Initialize the component. See make_tweet_attributes for the settings.

        name (str): The component's name.
        entities (Mapping[str, str]): The entity type by kind of token.
        RAISES (ValueError): If a kind or type is invalid, or the name of an attribute is taken.
        """
        for kind, label in entities.items():
            if kind not in KINDS:
                raise ValueError(
                    f"[components.{name}] entities has the key {kind!r}, but the kinds of tokens "
                    f"are: {', '.join(KINDS)}"
                )
            if not isinstance(label, str) or not label:
                raise ValueError(
                    f"[components.{name}] entities.{kind} must be an entity type, not {label!r}"
                )
        set_token_extensions()
        self.entities = dict(entities)

    def __call__(self, doc: Doc) -> Doc:
        """Mark the tokens of a doc as entities, if there are settings for it.

        doc (Doc): The doc.
        RETURNS (Doc): The same doc.
        """
        found = list(self._find_entities(doc))
        if found:
            doc.set_ents(found, default="unmodified")
        return doc

    def _find_entities(self, doc: Doc) -> Iterator[Span]:
        getters = [(KindGetter(kind), label) for kind, label in self.entities.items()]
        for token in doc:
            if token.ent_iob_ in ("B", "I"):  # B without a type is a blocked token
                continue
            for is_kind, label in getters:
                if is_kind(token):
                    yield Span(doc, token.i, token.i + 1, label=label)
