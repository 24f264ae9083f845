"""Explain predicted entities by occluding tokens and features.

All features of a token, or a single one, are replaced by those of an unknown word. The rest of the
model is run on the modified token vectors, and the exact probabilities of the entity are compared
(occlusion, Zeiler & Fergus 2014; Li, Monroe & Jurafsky 2016). Effects are differences and need not
add up.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy
from spacy.language import Language
from spacy.tokens import Doc, Span
from thinc.api import Model
from thinc.types import Floats2d, Ints1d

from ..layers.spans import TypedSpans
from ..models.embed import NAME as TWEET_EMBED
from ..models.embed import feature_columns
from ..util import apply_preceding_pipes, get_ner
from .bilstm_ner import TwitterBiLSTMNER
from .constraints import entity_constraints, spans_to_entities
from .distribution import TagDistribution, entity_posteriors

# A character of the private use area, which no vocabulary contains.
UNKNOWN_WORD = "\ue000"
# Maximum number of tokens to run through the model at once.
_MAX_TOKENS = 2**14


@dataclass(frozen=True)
class Explanation:
    """The effects of tokens and features on an entity's probability: the probability minus the one
    without them. Positive effects support the entity.

    text (str): The entity's text.
    label (str): Its type.
    start (int): Index of its first token.
    end (int): Index after its last token.
    probability (float): Its probability.
    tokens (list[str]): The doc's tokens.
    features (list[str]): The features. Empty if the embedding doesn't distinguish any.
    by_token (list[float]): (nT,) effect of all features of each token.
    by_feature (list[float]): (features,) effect of each feature of all tokens.
    by_token_and_feature (list[list[float]]): (nT, features) effect of each feature of each token.
    """

    text: str
    label: str
    start: int
    end: int
    probability: float
    tokens: list[str]
    features: list[str]
    by_token: list[float]
    by_feature: list[float]
    by_token_and_feature: list[list[float]]

    def to_dict(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The explanation as JSON-serializable data."""
        return asdict(self)


def explain(
    nlp: Language, text: str | Doc, *, name: str | None = None, min_probability: float | None = None
) -> list[Explanation]:
    """Explain the entities of a text.

    nlp (Language): A trained pipeline.
    text (Union[str, Doc]): The text, or a doc without entities.
    name (Optional[str]): The component's name. Defaults to the first twitter_bilstm_ner.
    min_probability (Optional[float]): Explain all spans that are entities with at least this
        probability, rather than the predicted entities.
    RETURNS (list[Explanation]): One explanation per entity, from left to right.
    RAISES (ValueError): If there is no such component, or its model can't be explained.
    """
    ner = get_ner(nlp, name)
    doc = nlp.make_doc(text) if isinstance(text, str) else text
    (doc,) = apply_preceding_pipes(nlp, ner, [doc])
    if min_probability is not None:
        (group,) = ner.predict_spans([doc], min_probability, keep_ents=True)
        entities = list(group)
    else:
        (entities,) = spans_to_entities([doc], ner.predict([doc]).spans, ner.labels)
    return explain_spans(nlp, ner, doc, entities) if entities else []


def explain_spans(
    nlp: Language, ner: TwitterBiLSTMNER, doc: Doc, spans: Sequence[Span]
) -> list[Explanation]:
    """Explain the probabilities of spans.

    nlp (Language): The pipeline.
    ner (TwitterBiLSTMNER): Its component.
    doc (Doc): The doc, after all components before this one.
    spans (Sequence[Span]): Spans of the doc with labels of the component.
    RETURNS (list[Explanation]): One explanation per span.
    RAISES (ValueError): If the component's model can't be explained.
    """
    embed, layers = _split_model(nlp, ner)
    (known,) = embed.predict([doc])
    ((unknown,),) = embed.predict([Doc(doc.vocab, words=[UNKNOWN_WORD])])
    columns = feature_columns(embed) if embed.name == TWEET_EMBED else {}
    variants = _occlude(known, unknown, list(columns.values()))
    posteriors = _compute_posteriors(ner, layers, doc, variants, _to_arrays(ner, spans))
    n_tokens, n_features = len(doc), len(columns)
    effects = posteriors[0] - posteriors[1:]
    by_token = effects[:n_tokens]
    by_feature = effects[n_tokens : n_tokens + n_features]
    by_both = effects[n_tokens + n_features :].reshape(n_tokens, n_features, len(spans))
    return [
        Explanation(
            text=span.text,
            label=span.label_,
            start=span.start,
            end=span.end,
            probability=float(posteriors[0, index]),
            tokens=[token.text for token in doc],
            features=list(columns),
            by_token=by_token[:, index].tolist(),
            by_feature=by_feature[:, index].tolist(),
            by_token_and_feature=by_both[:, :, index].tolist(),
        )
        for index, span in enumerate(spans)
    ]


def _split_model(nlp: Language, ner: TwitterBiLSTMNER) -> tuple[Model, list[Model]]:
    """RETURNS (tuple[Model, list[Model]]): The model's embedding and the layers after it."""
    tok2vec, *rest = ner.model.layers
    upstream = getattr(tok2vec, "upstream_name", None)
    if upstream:
        shared = [
            getattr(pipe, "model")  # noqa: B009 (a Pipe's type has none)
            for name, pipe in nlp.pipeline
            if name == upstream or (upstream == "*" and hasattr(pipe, "add_listener"))
        ]
        tok2vec = shared[0] if shared else tok2vec
    if not (tok2vec.has_ref("embed") and tok2vec.has_ref("encode")):
        raise ValueError(
            f"cannot explain entities of component {ner.name!r}: its tok2vec has no `embed` and "
            "`encode` layers like those of spacy.Tok2Vec.v2"
        )
    return tok2vec.get_ref("embed"), [tok2vec.get_ref("encode"), *rest]


def _occlude(known: Floats2d, unknown: Floats2d, columns: Sequence[slice]) -> Iterator[Floats2d]:
    """Yield the token vectors unchanged, without each token, without each feature, and without
    each feature of each token."""
    everything = slice(None)
    tokens = range(len(known))
    yield known
    for rows, part in (
        *((row, everything) for row in tokens),
        *((everything, part) for part in columns),
        *((row, part) for row in tokens for part in columns),
    ):
        variant = known.copy()
        variant[rows, part] = unknown[part]
        yield variant


def _to_arrays(ner: TwitterBiLSTMNER, spans: Sequence[Span]) -> TypedSpans:
    rows = [(span.start, span.end, ner.labels.index(span.label_)) for span in spans]
    return TypedSpans(*numpy.asarray(rows, dtype="int64").reshape(-1, 3).T)


def _compute_posteriors(
    ner: TwitterBiLSTMNER,
    layers: Sequence[Model],
    doc: Doc,
    variants: Iterator[Floats2d],
    spans: TypedSpans,
) -> Floats2d:
    """RETURNS (Floats2d): (variants, S) the probability of each span with each variant."""
    masks = entity_constraints([doc])
    size = max(_MAX_TOKENS // len(doc), 1)
    posteriors = []
    while batch := list(islice(variants, size)):
        Y: Any = batch
        for layer in layers:
            Y = layer.predict(Y)
        repeated = (numpy.tile(mask, len(batch)) for mask in masks)
        distribution = TagDistribution(ner.to_lattice(Y), *repeated)
        distribution = distribution.apply_temperature(ner.settings["temperature"])
        offsets = numpy.repeat(len(doc) * numpy.arange(len(batch)), len(spans.starts))
        rows = entity_posteriors(distribution, distribution.make_chart(), _repeat(spans, offsets))
        posteriors.append(rows.reshape(len(batch), -1))
    return numpy.concatenate(posteriors)


def _repeat(spans: TypedSpans, offsets: Ints1d) -> TypedSpans:
    n_times = len(offsets) // len(spans.starts)
    starts, ends, types = (numpy.tile(array, n_times) for array in spans)
    return TypedSpans(starts + offsets, ends + offsets, types)
