"""Why an entity is one: how much less probable it would be, had the model known less.

What is known of a token, all of it or one feature, is taken away: its columns of the token's vector
are replaced by those of a word that nothing is known of. The rest of the model runs on, and the
entity's exact probability is compared (occlusion, Zeiler & Fergus 2014; Li, Monroe & Jurafsky
2016). What is found are differences, not shares: they need not add up.
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
from .annotation import entity_constraints, tags_to_entities
from .bilstm_ner import TwitterBiLSTMNER
from .confidence import DocLattice, trimmed_posteriors

# Of the private use area: no word has it.
UNKNOWN_WORD = "\ue000"
# How many tokens are run through the model at once.
_MAX_TOKENS = 2**14


@dataclass(frozen=True)
class Explanation:
    """What an entity's probability owes to what is known of the tokens. Each effect is that
    probability minus what it would be without: above 0 for what speaks for the entity.

    text (str): The entity's text.
    label (str): Its type.
    start (int): Its first token.
    end (int): The token after its last.
    probability (float): How probable it is.
    tokens (list[str]): The doc's tokens.
    features (list[str]): The features; empty if the embedding does not tell them apart.
    by_token (list[float]): (nT,) the effect of all that is known of each token.
    by_feature (list[float]): (features,) the effect of each feature of all tokens.
    by_token_and_feature (list[list[float]]): (nT, features) the effect of each feature of each
        token.
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
        """RETURNS (dict[str, Any]): The same for JSON."""
        return asdict(self)


def explain(
    nlp: Language, text: str | Doc, *, name: str | None = None, min_probability: float | None = None
) -> list[Explanation]:
    """Explain the entities of a text.

    nlp (Language): A trained pipeline.
    text (str | Doc): The text, or a doc that no entities are set of as yet.
    name (Optional[str]): The component; the first twitter_bilstm_ner if not given.
    min_probability (Optional[float]): Explain all spans that are entities with this probability,
        rather than the entities that are found.
    RETURNS (list[Explanation]): An explanation for each entity, from left to right.
    RAISES (ValueError): If there is no such component, or its model is none that can be explained.
    """
    component = _find_component(nlp, name)
    doc = nlp.make_doc(text) if isinstance(text, str) else text
    for _, pipe in nlp.pipeline:
        if pipe is component:
            break
        doc = pipe(doc)
    if min_probability is not None:
        (group,) = component.predict_spans([doc], min_probability, keep_ents=True)
        entities = list(group)
    else:
        (entities,) = tags_to_entities([doc], component.predict([doc]), component.labels)
    return explain_spans(nlp, component, doc, entities) if entities else []


def _find_component(nlp: Language, name: str | None) -> TwitterBiLSTMNER:
    for pipe_name, pipe in nlp.pipeline:
        if isinstance(pipe, TwitterBiLSTMNER) and name in (None, pipe_name):
            return pipe
    raise ValueError(
        f"the pipeline has no component twitter_bilstm_ner{f' named {name!r}' if name else ''}; "
        f"it has: {', '.join(nlp.pipe_names) or 'none'}"
    )


def explain_spans(
    nlp: Language, component: TwitterBiLSTMNER, doc: Doc, spans: Sequence[Span]
) -> list[Explanation]:
    """Explain why spans are entities, or are not.

    nlp (Language): The pipeline.
    component (TwitterBiLSTMNER): The component of it that finds entities.
    doc (Doc): The doc; what stands before the component in the pipeline has been applied.
    spans (Sequence[Span]): Spans of it, with labels that the component knows.
    RETURNS (list[Explanation]): An explanation for each.
    RAISES (ValueError): If the component's model is none that can be explained.
    """
    embed, layers = _split_model(nlp, component)
    (known,) = embed.predict([doc])
    ((unknown,),) = embed.predict([Doc(doc.vocab, words=[UNKNOWN_WORD])])
    columns = embed.attrs["feature_columns"](embed) if "feature_columns" in embed.attrs else {}
    variants = _occlude(known, unknown, list(columns.values()))
    found = _posteriors(component, layers, doc, variants, _as_arrays(component, spans))
    n_tokens, n_features = len(doc), len(columns)
    effects = found[0] - found[1:]
    by_token = effects[:n_tokens]
    by_feature = effects[n_tokens : n_tokens + n_features]
    by_both = effects[n_tokens + n_features :].reshape(n_tokens, n_features, len(spans))
    return [
        Explanation(
            text=span.text,
            label=span.label_,
            start=span.start,
            end=span.end,
            probability=float(found[0, number]),
            tokens=[token.text for token in doc],
            features=list(columns),
            by_token=by_token[:, number].tolist(),
            by_feature=by_feature[:, number].tolist(),
            by_token_and_feature=by_both[:, :, number].tolist(),
        )
        for number, span in enumerate(spans)
    ]


def _split_model(nlp: Language, component: TwitterBiLSTMNER) -> tuple[Model, list[Model]]:
    """The embedding of a component's model, and the layers that come after it."""
    tok2vec, *rest = component.model.layers
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
            f"cannot explain what component {component.name!r} finds: its token vectors are not "
            "made by layers `embed` and `encode`, as those of spacy.Tok2Vec.v2 are"
        )
    return tok2vec.get_ref("embed"), [tok2vec.get_ref("encode"), *rest]


def _occlude(known: Floats2d, unknown: Floats2d, columns: Sequence[slice]) -> Iterator[Floats2d]:
    """The tokens' vectors as they are; without each token; without each feature; without each
    feature of each token."""
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


def _as_arrays(component: TwitterBiLSTMNER, spans: Sequence[Span]) -> TypedSpans:
    types = {label: number for number, label in enumerate(component.labels)}
    rows = [(span.start, span.end, types[span.label_]) for span in spans]
    return TypedSpans(*numpy.asarray(rows, dtype="int64").reshape(-1, 3).T)


def _posteriors(
    component: TwitterBiLSTMNER,
    layers: Sequence[Model],
    doc: Doc,
    variants: Iterator[Floats2d],
    spans: TypedSpans,
) -> Floats2d:
    """RETURNS (Floats2d): (variants, S) the probability of each span with each of the vectors."""
    masks = entity_constraints([doc])
    size = max(_MAX_TOKENS // len(doc), 1)
    found = []
    while batch := list(islice(variants, size)):
        Y: Any = batch
        for layer in layers:
            Y = layer.predict(Y)
        lattice = component.lattice_of(Y)
        repeated = (numpy.tile(mask, len(batch)) for mask in masks)
        docs = DocLattice(lattice, *repeated).tempered(component.settings["temperature"])
        offsets = numpy.repeat(len(doc) * numpy.arange(len(batch)), len(spans.starts))
        posteriors = trimmed_posteriors(docs, docs.make_chart(), _repeat(spans, offsets))
        found.append(posteriors.reshape(len(batch), -1))
    return numpy.concatenate(found)


def _repeat(spans: TypedSpans, offsets: Ints1d) -> TypedSpans:
    n_times = len(offsets) // len(spans.starts)
    starts, ends, types = (numpy.tile(array, n_times) for array in spans)
    return TypedSpans(starts + offsets, ends + offsets, types)
