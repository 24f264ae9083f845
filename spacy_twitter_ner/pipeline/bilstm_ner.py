"""The pipeline component twitter_bilstm_ner."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy
from spacy.errors import Errors
from spacy.language import Language
from spacy.pipeline.trainable_pipe import TrainablePipe
from spacy.tokens import Doc, SpanGroup
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.util import minibatch
from spacy.vocab import Vocab
from thinc.api import Config, Model, Optimizer, set_dropout_rate
from thinc.types import Floats1d, Floats2d

from ..iob import bio_tags
from ..layers.crf import Lattice
from ..layers.heads import Head
from ..layers.spans import TypedSpans
from ..layers.types import Bools2d
from ..partial import find_labels
from .checks import check_model, loading_errors
from .constraints import (
    entity_constraints,
    get_possible_tags,
    set_entities,
    spans_to_entities,
    split_rows,
    strip_whitespace,
    tags_to_spans,
    warn_misaligned_entities,
)
from .distribution import (
    EntityPrediction,
    TagDistribution,
    candidate_groups,
    find_candidates,
    folded_confidences,
    kbest_entities,
    set_score_extension,
    set_scores,
)
from .embeddings import init_embeddings, is_listener
from .folding import Folding
from .settings import (
    GIVEN,
    get_thresholds,
    make_cfg,
    override_stored,
    validate_cfg,
    validate_learn_rate_factor,
    validate_outputs,
)
from .windows import score_docs

default_model_config = """
[model]
@architectures = "spacy-twitter-ner.BiLSTMTagger.v1"

[model.tok2vec]
@architectures = "spacy.Tok2Vec.v2"

[model.tok2vec.embed]
@architectures = "spacy-twitter-ner.FeatureEmbed.v1"
features = ["norm", "prefix3", "suffix3", "shape"]
widths = [100, 30, 30, 30]
min_freq = 1
unknown_rate = 0.5

[model.tok2vec.encode]
@architectures = "spacy-twitter-ner.BiLSTMEncoder.v1"
hidden_width = 100
depth = 1
"""
DEFAULT_MODEL = Config().from_str(default_model_config)["model"]

# Number of docs for shape inference, as in spaCy's components.
_SAMPLE_SIZE = 10
_NO_SPANS = TypedSpans(*numpy.zeros((3, 0), dtype="int64"))
# The parts of a saved component, in the order in which they are loaded.
_FIELDS = ("cfg", "vocab", "model")


@Language.factory(
    "twitter_bilstm_ner",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type"],
    default_config={
        "model": DEFAULT_MODEL,
        "loss_reduction": None,
        "window_length": None,
        "threshold": None,
        "outside_bias": None,
        "temperature": None,
        "fold": None,
        "spans_key": None,
        "extension": None,
        "learn_rate_factor": 1.0,
        "scorer": {"@scorers": "spacy-twitter-ner.entity_scorer.v1"},
    },
    default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
)
def make_twitter_bilstm_ner(
    nlp: Language,
    name: str,
    model: Model[list[Doc], Any],
    loss_reduction: str | None,
    window_length: int | None,
    threshold: float | dict[str, float | None] | None,
    outside_bias: float | None,
    temperature: float | None,
    fold: dict[str, str] | None,
    spans_key: str | None,
    extension: str | None,
    learn_rate_factor: float,
    scorer: Callable | None,
) -> "TwitterBiLSTMNER":
    """Create a named entity recognizer for tweets.

    The settings from loss_reduction to fold are stored in the component's cfg. None means
    the stored value, or the default for a new component. A value given at load overrides the stored
    one.

    model (Model[list[Doc], Any]): A model that predicts scores for BIO tags, such as
        spacy-twitter-ner.BiLSTMTagger.v1 or spacy-twitter-ner.BiLSTMCRFTagger.v1.
    loss_reduction (Optional[str]): "mean" divides the loss and gradient of a batch by its number
        of tokens, so that gradient clipping and the learning rate don't depend on the batch size.
        "sum" is the behavior of spaCy's components. Use it to share a tok2vec with them. Defaults
        to "mean".
    window_length (Optional[int]): Maximum window size in tokens. Longer docs are predicted in
        overlapping windows, which bounds memory use. 0 disables windowing. Defaults to 500. Unused
        by a model that listens to a shared tok2vec or transformer.
    threshold (Optional[Union[float, dict[str, Optional[float]]]]): Minimum probability of an
        entity, or one per type of predicted entities: 0 for types that aren't named, and None for
        types that aren't predicted. `spacy-twitter-ner guarantee` finds it. Defaults to 0.
    outside_bias (Optional[float]): Bias added to the O score of every token. Positive values
        favor precision, negative values recall. Defaults to 0.
    temperature (Optional[float]): Divisor of the scores before probabilities are computed. Values
        above 1 lower the confidence without changing the entities. `spacy-twitter-ner calibrate`
        fits it. Defaults to 1.
    fold (Optional[dict[str, str]]): Coarser types of predicted entities, by type. Types that
        aren't named are kept. The probability of a folded entity is the sum over the types that
        are folded into it. Training isn't affected. Defaults to {}.
    spans_key (Optional[str]): Key of the span group in doc.spans to store entities in, with their
        probabilities in attrs["scores"]. By default they aren't stored.
    extension (Optional[str]): Name of an extension attribute of Span for the score.
    learn_rate_factor (float): Factor of the learning rate for this component's own weights. New
        weights on top of a pretrained encoder need a larger rate than the encoder. Ignored by
        RAdam.
    scorer (Optional[Callable]): The scoring method.
    """
    return TwitterBiLSTMNER(
        nlp.vocab,
        model,
        name,
        loss_reduction=loss_reduction,
        window_length=window_length,
        threshold=threshold,
        outside_bias=outside_bias,
        temperature=temperature,
        fold=fold,
        spans_key=spans_key,
        extension=extension,
        learn_rate_factor=learn_rate_factor,
        scorer=scorer,
    )


class Predictions(NamedTuple):
    """Predicted entities of a batch.

    spans (TypedSpans): S spans over all tokens of the batch, in order.
    scores (Optional[Floats1d]): (S,) their probabilities. None unless spans_key or threshold is
        set, or they were requested.
    lengths (list[int]): Number of tokens per doc.
    """

    spans: TypedSpans
    scores: Floats1d | None
    lengths: list[int]


class TwitterBiLSTMNER(TrainablePipe):
    """Trainable pipeline component for named entity recognition in tweets."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], Any],
        name: str = "twitter_bilstm_ner",
        *,
        loss_reduction: str | None = None,
        window_length: int | None = None,
        threshold: float | dict[str, float | None] | None = None,
        outside_bias: float | None = None,
        temperature: float | None = None,
        fold: dict[str, str] | None = None,
        spans_key: str | None = None,
        extension: str | None = None,
        learn_rate_factor: float = 1.0,
        scorer: Callable | None = None,
    ) -> None:
        """Initialize a named entity recognizer. See make_twitter_bilstm_ner for the settings.

        vocab (Vocab): The shared vocabulary.
        model (Model[list[Doc], Any]): A model whose attribute "head" (see layers/heads.py) defines
            loss and decoding.
        name (str): The component's name, used to add to the losses during training.
        RAISES (ValueError): If a setting is invalid or the extension name is already taken.
        """
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self.spans_key = spans_key
        self.extension = extension
        self.learn_rate_factor = learn_rate_factor
        self.cfg: dict[str, Any] = make_cfg(
            loss_reduction=loss_reduction,
            window_length=window_length,
            threshold=threshold,
            outside_bias=outside_bias,
            temperature=temperature,
            fold=fold,
        )
        validate_cfg(name, self.cfg)
        validate_outputs(name, spans_key, extension)
        validate_learn_rate_factor(name, learn_rate_factor)
        if spans_key and extension:
            set_score_extension(extension, spans_key)
        self._rehearsal_model: Model | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """RETURNS (tuple[str, ...]): The entity types."""
        return tuple(self.cfg["labels"])

    @property
    def output_labels(self) -> tuple[str, ...]:
        """RETURNS (tuple[str, ...]): The types of predicted entities: `labels`, folded."""
        return self._folding.labels

    @property
    def label_data(self) -> tuple[str, ...]:
        """RETURNS (tuple[str, ...]): The entity types, which `spacy init labels` saves."""
        return self.labels

    @property
    def tags(self) -> tuple[str, ...]:
        """RETURNS (tuple[str, ...]): The BIO tags, in the order of the model's outputs."""
        return tuple(bio_tags(self.labels))

    @property
    def settings(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The component's cfg.

        RAISES (ValueError): If labels or settings have been set to an invalid value.
        """
        validate_cfg(self.name, self.cfg)
        return self.cfg

    def clear_cache(self) -> None:
        """Clear the lexeme cache. Only needed after modifying weights, vectors or lookups in
        place."""
        cache = self.model.attrs.get("lexeme_cache")
        if cache is not None:
            cache.clear()

    def __call__(self, doc: Doc, *, spans_key: str | None = None) -> Doc | None:
        """Apply the component to a doc.

        doc (Doc): The doc.
        spans_key (Optional[str]): As in pipe.
        RETURNS (Optional[Doc]): The processed doc, or None if it was passed to the error handler.
        """
        try:
            self._annotate([doc], spans_key)
        except Exception as error:
            self.get_error_handler()(self.name, self, [doc], error)
            return None
        return doc

    def pipe(
        self, stream: Iterable[Doc], *, batch_size: int = 128, spans_key: str | None = None
    ) -> Iterator[Doc]:
        """Apply the component to a stream of docs. If a batch fails, its docs are processed one by
        one, so that only the docs that fail themselves are passed to the error handler.

        stream (Iterable[Doc]): The docs.
        batch_size (int): Number of docs per batch.
        spans_key (Optional[str]): Key for a component without spans_key, to store scores in this
            call only: nlp.pipe(texts, component_cfg={name: {"spans_key": key}}).
        YIELDS (Doc): The processed docs, in order.
        """
        for docs in minibatch(stream, size=batch_size):
            try:
                self._annotate(docs, spans_key)
            except Exception:
                docs = [doc for doc in docs if self(doc, spans_key=spans_key) is not None]
            yield from docs

    def predict(self, docs: Iterable[Doc], *, with_scores: bool = False) -> Predictions:
        """Predict the entities of a batch of docs, without modifying them.

        docs (Iterable[Doc]): The docs.
        with_scores (bool): Whether to compute the scores even if no setting needs them.
        RETURNS (Predictions): The entities of the most probable valid tags, without those below
            the threshold.
        """
        docs = list(docs)
        lengths = [len(doc) for doc in docs]
        if not any(lengths):
            return Predictions(_NO_SPANS, numpy.zeros(0), lengths)
        no_begin, no_inside, is_space = entity_constraints(docs)
        scores = self._get_scores(docs)
        threshold, folding = self.cfg["threshold"], self._folding
        with_scores = with_scores or bool(self.spans_key)
        if not with_scores and not threshold and folding.is_trivial:
            tags = self._head.decode(scores, no_begin, no_inside)
            if not tags.any():
                return Predictions(_NO_SPANS, None, lengths)
            spans = tags_to_spans(strip_whitespace(tags, is_space))
            return Predictions(spans, None, lengths)
        lattice = self._head.get_lattice(scores)
        distribution = TagDistribution(lattice, no_begin, no_inside, is_space)
        tempered = distribution.apply_temperature(self.cfg["temperature"])
        if folding.is_trivial:
            spans = tags_to_spans(distribution.decode())
        else:
            spans = tags_to_spans(tempered.decode_folded(folding))
        confidences = folded_confidences(tempered, spans, folding)
        is_kept = confidences >= get_thresholds(threshold, folding.labels)[spans.types]
        return Predictions(spans.select(is_kept), confidences[is_kept], lengths)

    def set_annotations(
        self, docs: Iterable[Doc], predictions: Predictions, *, spans_key: str | None = None
    ) -> None:
        """Set the entities of a batch of docs. Existing entities and blocked tokens are kept.

        docs (Iterable[Doc]): The docs to modify.
        predictions (Predictions): The entities, produced by predict.
        spans_key (Optional[str]): As in pipe.
        """
        docs = list(docs)
        entities = spans_to_entities(docs, predictions.spans, self.output_labels)
        for doc, doc_entities in zip(docs, entities, strict=True):
            set_entities(doc, doc_entities)
        spans_key = self.spans_key or spans_key
        if not spans_key or predictions.scores is None:
            return
        if self.extension:
            set_score_extension(self.extension, spans_key)
        scores = split_rows(predictions.scores, [len(doc_entities) for doc_entities in entities])
        for doc, doc_entities, doc_scores in zip(docs, entities, scores, strict=True):
            set_scores(doc, spans_key, doc_entities, doc_scores)

    def predict_proba(self, docs: Iterable[Doc]) -> list[Floats2d]:
        """Predict the posterior marginals of tags, given that tag sequences are valid BIO. Existing
        entities are ignored.

        docs (Iterable[Doc]): The docs.
        RETURNS (list[Floats2d]): One (nT, n_tags) array per doc, columns in the order of `tags`.
        """
        docs = list(docs)
        lengths = [len(doc) for doc in docs]
        if not any(lengths):
            return [numpy.zeros((0, len(self.tags))) for _ in docs]
        scores = self._get_scores(docs)
        if self.cfg["temperature"] != 1.0:
            scores = self._head.apply_temperature(scores, self.cfg["temperature"])
        return split_rows(self._head.get_posteriors(scores), lengths)

    def predict_kbest(
        self, docs: Iterable[Doc], k: int = 5, *, keep_ents: bool = False
    ) -> list[list[EntityPrediction]]:
        """Predict the k most probable sets of entities of each doc, without modifying it.

        docs (Iterable[Doc]): The docs.
        k (int): Number of predictions, at least 1.
        keep_ents (bool): Whether to treat existing entities and blocked tokens as certain and to
            predict entities of the other tokens only.
        RETURNS (list[list[EntityPrediction]]): Up to k predictions per doc, the most probable
            first.
        RAISES (ValueError): If k is less than 1.
        """
        docs = list(docs)
        if not any(len(doc) for doc in docs):
            return [[EntityPrediction([], 1.0)] for _ in docs]
        distribution = self._get_tempered_distribution(docs, keep_ents)
        return kbest_entities(docs, distribution, k, self._folding)

    def predict_candidates(
        self, docs: Iterable[Doc], min_probability: float = 0.05, *, keep_ents: bool = False
    ) -> Predictions:
        """Predict the spans of predict_spans as arrays, which is faster.

        docs, min_probability, keep_ents: As in predict_spans.
        RETURNS (Predictions): The spans, from left to right, with their probabilities.
        """
        docs = list(docs)
        lengths = [len(doc) for doc in docs]
        if not any(lengths):
            return Predictions(_NO_SPANS, numpy.zeros(0), lengths)
        distribution = self._get_tempered_distribution(docs, keep_ents)
        found = find_candidates(distribution, min_probability, self._folding)
        return Predictions(*found, lengths)

    def predict_spans(
        self, docs: Iterable[Doc], min_probability: float = 0.05, *, keep_ents: bool = False
    ) -> list[SpanGroup]:
        """Predict all spans that are entities with at least the given probability, without
        modifying the docs.

        docs (Iterable[Doc]): The docs.
        min_probability (float): Minimum probability, above 0.
        keep_ents (bool): Whether to treat existing entities and blocked tokens as certain, as in
            predict_kbest.
        RETURNS (list[SpanGroup]): One group of possibly overlapping spans per doc, from left to
            right, the more probable ones first. attrs["scores"] contains their probabilities. Like
            any span group, it is only valid as long as its doc exists.
        RAISES (ValueError): If min_probability isn't above 0.
        """
        docs = list(docs)
        if not any(len(doc) for doc in docs):
            attrs = {"scores": numpy.zeros(0)}
            return [SpanGroup(doc, name=self.name, attrs=attrs) for doc in docs]
        distribution = self._get_tempered_distribution(docs, keep_ents)
        return candidate_groups(docs, distribution, min_probability, self._folding, self.name)

    def get_distribution(self, docs: Sequence[Doc], *, keep_ents: bool = True) -> TagDistribution:
        """Get the distribution that is decoded, at temperature 1.

        docs (Sequence[Doc]): The docs. At least one has tokens.
        keep_ents (bool): Whether to respect existing entities and blocked tokens.
        RETURNS (TagDistribution): The distribution.
        """
        docs = list(docs)
        lattice = self._head.get_lattice(self._get_scores(docs))
        return TagDistribution(lattice, *entity_constraints(docs, keep_ents=keep_ents))

    def to_lattice(self, output: Any) -> Lattice:
        """RETURNS (Lattice): The model's output as scores of tag sequences, with outside_bias."""
        return self._head.get_lattice(self._apply_outside_bias(output))

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Update the model from a batch of examples.

        examples (Iterable[Example]): The batch.
        drop (float): The dropout rate.
        sgd (Optional[Optimizer]): The optimizer. Without one, gradients are accumulated.
        losses (Optional[dict[str, float]]): Losses to add to, by component.
        RETURNS (dict[str, float]): The updated losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "TwitterBiLSTMNER.update")
        if not any(len(example.predicted) for example in examples):
            return losses
        set_dropout_rate(self.model, drop)
        scores, backprop = self.model.begin_update([example.predicted for example in examples])
        loss, d_scores = self.get_loss(examples, scores)
        backprop(d_scores)
        if sgd not in (None, False):
            self.finish_update(sgd)
        losses[self.name] += loss
        return losses

    def finish_update(self, sgd: Optimizer) -> None:
        """Update the weights from the accumulated gradients.

        sgd (Optimizer): The optimizer. Its learning rate is multiplied by learn_rate_factor.
        """
        scaled: Any = partial(sgd, lr_scale=self.learn_rate_factor)
        self.model.finish_update(scaled)

    def rehearse(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Perform a rehearsal update: train the model to predict what it did before
        nlp.resume_training, to prevent catastrophic forgetting.

        examples (Iterable[Example]): The batch. Only the predicted docs are used.
        drop (float): The dropout rate.
        sgd (Optional[Optimizer]): The optimizer.
        losses (Optional[dict[str, float]]): Losses to add to, by component.
        RETURNS (dict[str, float]): The updated losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "TwitterBiLSTMNER.rehearse")
        docs = [example.predicted for example in examples]
        if self._rehearsal_model is None or not any(len(doc) for doc in docs):
            return losses
        set_dropout_rate(self.model, drop)
        targets = self._rehearsal_model.predict(docs)
        scores, backprop = self.model.begin_update(docs)
        loss, gradient = self._head.get_distillation_loss(scores, targets)
        divisor = self._get_divisor(sum(len(doc) for doc in docs))
        backprop(self._head.scale(gradient, 1.0 / divisor))
        if sgd not in (None, False):
            # Language.rehearse passes a function that doesn't take a learning rate.
            self.model.finish_update(sgd)
        losses[self.name] += loss / divisor
        return losses

    def get_loss(self, examples: Iterable[Example], scores: Any) -> tuple[float, Any]:
        """Compute the loss and its gradient: the negative log-likelihood of all tags that agree
        with the gold annotation, which may be missing or partial (see partial.py).

        examples (Iterable[Example]): The batch.
        scores (Any): The model's output.
        RETURNS (tuple[float, Any]): The loss and the gradient of the scores.
        """
        examples = list(examples)
        validate_examples(examples, "TwitterBiLSTMNER.get_loss")
        possible = numpy.concatenate([self._get_possible_tags(example) for example in examples])
        loss, gradient = self._head.get_loss(scores, possible)
        if numpy.isnan(loss):
            raise ValueError(Errors.E940)
        divisor = self._get_divisor(int((~possible.all(axis=1)).sum()))
        return loss / divisor, self._head.scale(gradient, 1.0 / divisor)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Iterable[str] | None = None,
        phrases: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        """Initialize labels, vocabularies and weights for training.

        get_examples (Callable[[], Iterable[Example]]): Function that returns the training data.
        nlp (Optional[Language]): The pipeline this component is part of.
        labels (Optional[Iterable[str]]): The entity types, as saved by `spacy init labels`.
            Inferred from the training data if not given.
        phrases (Optional[Mapping[str, Iterable[str]]]): Phrases by type for the model's gazetteer,
            as read by spacy-twitter-ner.PhraseLists.v1.
        RAISES (TypeError): If there are no examples.
        RAISES (ValueError): If the examples have no labels or no tokens, or if phrases are given
            but the model has no gazetteer.
        """
        validate_get_examples(get_examples, "TwitterBiLSTMNER.initialize")
        if labels is None:
            labels = find_labels(example.reference for example in get_examples())
        for label in labels:
            self.add_label(label)
        self._require_labels()
        warn_misaligned_entities(self.name, get_examples())
        init_embeddings(self.name, self.model, nlp, get_examples, phrases)
        # Shapes can't be inferred from empty docs.
        sample = list(islice((eg for eg in get_examples() if len(eg.predicted)), _SAMPLE_SIZE))
        if not sample:
            raise ValueError(Errors.E923.format(name=self.name))
        n_tags = len(self.tags)
        self.model.initialize(
            X=[example.predicted for example in sample],
            Y=[self.model.ops.alloc2f(len(example.predicted), n_tags) for example in sample],
        )

    def add_label(self, label: str) -> int:
        """Add an entity type. A trained model keeps its predictions for the others.

        label (str): The entity type, without the prefix of a tag.
        RETURNS (int): 0 if the label already exists, otherwise 1.
        RAISES (ValueError): If the label isn't a string or is empty, or the model can't be
            resized.
        """
        if not isinstance(label, str):
            raise ValueError(Errors.E187)
        if not label:
            raise ValueError("cannot add an empty string as an entity label")
        if label in self.labels:
            return 0
        n_outputs = self.model.get_ref("output_layer").maybe_get_dim("nO")
        n_tags = len(self.tags) + 2
        if n_outputs is not None and not self.is_resizable and n_outputs < n_tags:
            raise ValueError(
                f"cannot add label {label!r} to component {self.name!r}: its model has "
                f"{n_outputs} outputs and cannot be resized"
            )
        self.cfg["labels"].append(label)
        self.vocab.strings.add(label)
        if n_outputs is not None and self.is_resizable:
            self.set_output(n_tags)
        return 1

    def replace_labels(self, labels: Mapping[str, str | None]) -> None:
        """Replace the entity types of a trained component, to fine-tune it for other types.

        labels (Mapping[str, Optional[str]]): The new types, each with the current type that it
            starts from. None for a type that is learned from scratch.
        RAISES (ValueError): If there is no such current type, or the model can't be changed.
        """
        unknown = sorted({old for old in labels.values() if old} - set(self.labels))
        if unknown:
            raise ValueError(
                f"component {self.name!r} has no entity type {', '.join(unknown)}. Its types are: "
                f"{', '.join(self.labels)}"
            )
        if "select_tags" not in self.model.attrs:
            raise ValueError(
                f"cannot replace the labels of component {self.name!r}: only the tags of "
                "spacy-twitter-ner.BiLSTMTagger.v1 and BiLSTMCRFTagger.v1 can be replaced"
            )
        tags: list[int | None] = [0]
        for old in labels.values():
            begin = 1 + 2 * self.labels.index(old) if old else None
            tags += [begin, begin and begin + 1]
        self.model.attrs["select_tags"](self.model, tags)
        self.cfg["labels"] = list(labels)
        for label in labels:
            self.vocab.strings.add(label)
        self._rehearsal_model = None

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the component.

        path (Union[str, Path]): The folder.
        exclude (Iterable[str]): Fields to exclude: "vocab", "cfg" or "model".
        RAISES (ValueError): If a setting is invalid.
        """
        validate_cfg(self.name, self.cfg)
        super().to_disk(path, exclude=exclude)

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Serialize the component to bytes.

        exclude (Iterable[str]): Fields to exclude: "vocab", "cfg" or "model".
        RETURNS (bytes): The serialized component.
        RAISES (ValueError): If a setting is invalid.
        """
        validate_cfg(self.name, self.cfg)
        return super().to_bytes(exclude=exclude)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "TwitterBiLSTMNER":
        """Load the component in place. Settings given in the config override the stored ones,
        unless the component was saved with the same config.

        path (Union[str, Path]): The folder.
        exclude (Iterable[str]): Fields to exclude: "vocab", "cfg" or "model".
        RETURNS (TwitterBiLSTMNER): The component itself.
        RAISES (ValueError): If a file is damaged or doesn't match the config.
        RAISES (FileNotFoundError): If a file is missing.
        """
        path = Path(path)
        given = self._pop_given(exclude)
        for field in _FIELDS:
            if field in exclude:
                continue
            if not (path / field).exists():
                raise FileNotFoundError(
                    f"component {self.name!r} can't be loaded: {path / field} is missing"
                )
            others = [other for other in _FIELDS if other != field]
            with loading_errors(self.name, path / field):
                super().from_disk(path, exclude=[*exclude, *others])
        with loading_errors(self.name, path / "cfg"):
            self._check_cfg(given, path.parent)
        with loading_errors(self.name, path / "model"):
            check_model(self.model, len(self.labels))
        return self

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "TwitterBiLSTMNER":
        """Load the component from bytes, in place.

        bytes_data (bytes): The serialized component.
        exclude (Iterable[str]): Fields to exclude: "vocab", "cfg" or "model".
        RETURNS (TwitterBiLSTMNER): The component itself.
        RAISES (ValueError): If the bytes are damaged or don't match the config.
        """
        given = self._pop_given(exclude)
        with loading_errors(self.name, "these bytes"):
            super().from_bytes(bytes_data, exclude=exclude)
            self._check_cfg(given, None)
            check_model(self.model, len(self.labels))
        return self

    def _pop_given(self, exclude: Iterable[str]) -> dict[str, Any] | None:
        """RETURNS (Optional[dict[str, Any]]): The settings in the config that override the stored
        ones. None if cfg isn't loaded."""
        return None if "cfg" in exclude else self.cfg.pop(GIVEN, {})

    def _check_cfg(self, given: dict[str, Any] | None, folder: Path | None) -> None:
        if given is not None:
            override_stored(self.name, self.cfg, given, folder)
        validate_cfg(self.name, self.cfg)

    def _annotate(self, docs: list[Doc], spans_key: str | None) -> None:
        predictions = self.predict(docs, with_scores=spans_key is not None)
        self.set_annotations(docs, predictions, spans_key=spans_key)

    @property
    def _folding(self) -> Folding:
        return Folding.make(self.labels, self.cfg["fold"])

    @property
    def _head(self) -> Head:
        return self.model.attrs["head"]

    def _get_scores(self, docs: list[Doc]) -> Any:
        """Compute the model's output with outside_bias. At least one doc must have tokens. All
        predictions start here, so that cfg is validated once."""
        window_length = self.settings["window_length"]
        if max(map(len, docs)) > window_length > 0 and is_listener(self.model):
            # Windows are new docs, without the vectors that listeners read.
            window_length = 0
        scores = score_docs(self.model.predict, self._head, docs, window_length)
        return self._apply_outside_bias(scores)

    def _apply_outside_bias(self, scores: Any) -> Any:
        bias = self.cfg["outside_bias"]
        return self._head.add_outside_bias(scores, bias) if bias else scores

    def _get_tempered_distribution(self, docs: list[Doc], keep_ents: bool) -> TagDistribution:
        distribution = self.get_distribution(docs, keep_ents=keep_ents)
        return distribution.apply_temperature(self.cfg["temperature"])

    def _get_possible_tags(self, example: Example) -> Bools2d:
        type_index = {label: index for index, label in enumerate(self.labels)}
        n_tags = self.model.get_ref("output_layer").get_dim("nO")
        try:
            return get_possible_tags(example, type_index, n_tags)
        except KeyError as error:
            labels = ", ".join(self.labels) or "none"
            raise ValueError(
                f"component {self.name!r} was not initialized with the entity label {error}, found "
                f"in the text {example.reference.text[:80]!r}. Its labels are: {labels}. "
                "Initialize it with data that has all labels, or call add_label() first"
            ) from None

    def _get_divisor(self, n_tokens: int) -> int:
        return max(n_tokens, 1) if self.settings["loss_reduction"] == "mean" else 1
