"""The component: tags each token with a neural tagger and sets the entities of the tags."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy
from spacy.errors import Errors
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.util import minibatch
from spacy.vocab import Vocab
from thinc.api import Config, Model, Optimizer, set_dropout_rate
from thinc.types import Ints1d

from ..iob import bio_tags
from .annotation import set_entities, tags_to_entities
from .confidence import ScoredTags
from .fitting import fit_embeddings
from .gold import MISSING, gold_tags, warn_of_cut_entities
from .prediction import SequencePredictor
from .remembering import RememberingPipe
from .scores import register_confidence, set_scores
from .serialization import CheckedSerialization
from .settings import make_cfg, validate_cfg, validate_outputs

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

# How many docs the model is shown to find its widths, as spaCy's own components do.
_SAMPLE_SIZE = 10


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
        "spans_key": None,
        "extension": None,
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
    threshold: float | None,
    outside_bias: float | None,
    temperature: float | None,
    spans_key: str | None,
    extension: str | None,
    scorer: Callable | None,
) -> "TwitterBiLSTMNER":
    """Make a named entity recogniser that tags tokens with a BiLSTM.

    model (Model[list[Doc], Any]): Scores BIO tags, as spacy-twitter-ner.BiLSTMTagger.v1 does each
        token's, or spacy-twitter-ner.BiLSTMCRFTagger.v1 sequences of them.

    The next five settings are stored in the component's cfg. None means the stored value, or the
    default of a new component. A value given at load overrides the stored one.

    loss_reduction (Optional[str]): "mean", the default, divides the loss and gradient of a batch
        by its number of tokens, so that gradient clipping and learning rate don't depend on the
        batch size. "sum" doesn't, as in spaCy's own components, and suits a component that shares
        its tok2vec with them.
    window_length (Optional[int]): Maximum window size in tokens. Longer docs are predicted in
        overlapping windows, which bounds memory use. 0 disables windowing. Defaults to 500.
    threshold (Optional[float]): The minimum probability of an entity. Defaults to 0.
    outside_bias (Optional[float]): Bias added to the O score of every token. Positive values
        favor precision, negative values recall. Defaults to 0.
    temperature (Optional[float]): Divides the scores before probabilities are computed; values
        above 1 lower the confidence. `spacy-twitter-ner calibrate` fits it. Entities don't depend
        on it. Defaults to 1.
    spans_key (Optional[str]): The key of the span group in doc.spans where entities are stored
        with their probabilities in attrs["scores"]; none if not given.
    extension (Optional[str]): The name of an extension attribute of spans that has their score.
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
        spans_key=spans_key,
        extension=extension,
        scorer=scorer,
    )


class TwitterBiLSTMNER(SequencePredictor, RememberingPipe, CheckedSerialization):
    """Trainable pipeline component for named entity recognition in tweets."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], Any],
        name: str = "twitter_bilstm_ner",
        *,
        loss_reduction: str | None = None,
        window_length: int | None = None,
        threshold: float | None = None,
        outside_bias: float | None = None,
        temperature: float | None = None,
        spans_key: str | None = None,
        extension: str | None = None,
        scorer: Callable | None = None,
    ) -> None:
        """Make a named entity recogniser.

        vocab (Vocab): The shared vocabulary.
        model (Model[list[Doc], Any]): Scores BIO tags; its attribute "head" tells what the scores
            mean, see layers/heads.py.
        name (str): The component's name, under which its loss is recorded.
        loss_reduction (Optional[str]): "mean" or "sum", over the tokens of a batch.
        window_length (Optional[int]): Maximum window size in tokens; 0 for no windows.
        threshold (Optional[float]): The minimum probability of an entity.
        outside_bias (Optional[float]): Bias added to the O score of every token.
        temperature (Optional[float]): Divides the scores before probabilities are computed.
        spans_key (Optional[str]): Where in doc.spans entities and their probabilities are stored.
        extension (Optional[str]): The extension attribute of spans that has their probability.
        scorer (Optional[Callable]): The scoring method, as
            spacy-twitter-ner.entity_scorer.v1.
        RAISES (ValueError): If a setting is invalid or the extension name is already taken.
        """
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self.spans_key = spans_key
        self.extension = extension
        # Labels and what can be tuned are stored with the model.
        self.cfg: dict[str, Any] = make_cfg(
            {
                "loss_reduction": loss_reduction,
                "window_length": window_length,
                "threshold": threshold,
                "outside_bias": outside_bias,
                "temperature": temperature,
            }
        )
        validate_cfg(name, self.cfg)
        validate_outputs(name, spans_key, extension)
        if spans_key and extension:
            register_confidence(extension, spans_key)
        self._rehearsal_model: Model | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """RETURNS (tuple[str, ...]): The entity types, not their tags."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> tuple[str, ...]:
        """RETURNS (tuple[str, ...]): What `spacy init labels` stores: the entity types."""
        return self.labels

    @property
    def tags(self) -> tuple[str, ...]:
        """RETURNS (tuple[str, ...]): The BIO tags, in the order of the model's outputs."""
        return tuple(bio_tags(self.labels))

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Set the entities of a stream of docs. Where a batch fails, its docs are tried one by
        one: only those that fail by themselves go to the error handler, a doc a call.

        stream (Iterable[Doc]): The docs.
        batch_size (int): How many docs are read at once.
        YIELDS (Doc): The docs, in order, without those that failed.
        """
        for docs in minibatch(stream, size=batch_size):
            try:
                self.set_annotations(docs, self.predict(docs))
            except Exception:
                docs = [doc for doc in docs if self(doc) is not None]
            yield from docs

    def set_annotations(self, docs: Iterable[Doc], batch_tags: list[Ints1d]) -> None:
        """Set the entities of a batch of docs. Entities and blocked tokens that are there stay.

        docs (Iterable[Doc]): The docs to modify.
        batch_tags (list[Ints1d]): Each doc's tags, as predict returns them.
        """
        docs = list(docs)
        batch_entities = tags_to_entities(docs, batch_tags, self.labels)
        for doc, entities in zip(docs, batch_entities, strict=True):
            set_entities(doc, entities)
        if not self.spans_key or not isinstance(batch_tags, ScoredTags):
            return
        if self.extension:
            register_confidence(self.extension, self.spans_key)
        for doc, entities, confidences in zip(
            docs, batch_entities, batch_tags.confidences, strict=True
        ):
            set_scores(doc, self.spans_key, entities, confidences)

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from a batch of docs and gold-standard annotation.

        examples (Iterable[Example]): The batch.
        drop (float): The dropout rate.
        sgd (Optional[Optimizer]): The optimizer; without one, gradients only add up.
        losses (Optional[dict[str, float]]): The losses so far, by component.
        RETURNS (dict[str, float]): The losses, this one added.
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

    def rehearse(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn to predict what the model predicted before nlp.resume_training, so as not to
        forget it while learning something new.

        examples (Iterable[Example]): The batch; only the predicted docs are looked at.
        drop (float): The dropout rate.
        sgd (Optional[Optimizer]): The optimizer.
        losses (Optional[dict[str, float]]): The losses so far, by component.
        RETURNS (dict[str, float]): The losses, this one added.
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
        divisor = self._divisor(sum(len(doc) for doc in docs))
        backprop(self._head.scale(gradient, 1.0 / divisor))
        if sgd not in (None, False):
            self.finish_update(sgd)
        losses[self.name] += loss / divisor
        return losses

    def get_loss(self, examples: Iterable[Example], scores: Any) -> tuple[float, Any]:
        """Find how unlikely the gold tags are, and the gradient. Tokens whose gold tag is missing
        count for nothing: a softmax leaves them out, a CRF sums over all their tags.

        examples (Iterable[Example]): The batch.
        scores (Any): The model's output.
        RETURNS (tuple[float, Any]): The loss, and the gradient that the model's backpropagation
            expects.
        """
        examples = list(examples)
        validate_examples(examples, "TwitterBiLSTMNER.get_loss")
        gold = numpy.concatenate([self._gold_tags(example) for example in examples])
        loss, gradient = self._head.get_loss(scores, gold)
        if numpy.isnan(loss):
            raise ValueError(Errors.E940)
        divisor = self._divisor(int((gold != MISSING).sum()))
        return loss / divisor, self._head.scale(gradient, 1.0 / divisor)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Iterable[str] | None = None,
        phrases: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        """Find labels, vocabularies and widths in the training data and draw the weights.

        get_examples (Callable[[], Iterable[Example]]): Gives the training data.
        nlp (Optional[Language]): The pipeline this component is part of.
        labels (Optional[Iterable[str]]): The entity types, as `spacy init labels` stores them;
            without them they are read off the training data.
        phrases (Optional[Mapping[str, Iterable[str]]]): Known phrases by type, for the model's
            gazetteer, as spacy-twitter-ner.PhraseLists.v1 reads them from files.
        RAISES (TypeError): If there are no examples.
        RAISES (ValueError): If the examples have no labels or no tokens, or if there are phrases
            but no gazetteer.
        """
        validate_get_examples(get_examples, "TwitterBiLSTMNER.initialize")
        if labels is None:
            labels = sorted({ent.label_ for eg in get_examples() for ent in eg.reference.ents})
        for label in labels:
            self.add_label(label)
        self._require_labels()
        warn_of_cut_entities(self.name, get_examples())
        fit_embeddings(self.name, self.model, nlp, get_examples, phrases)
        # Docs without tokens tell nothing of widths.
        sample = list(islice((eg for eg in get_examples() if len(eg.predicted)), _SAMPLE_SIZE))
        if not sample:
            raise ValueError(Errors.E923.format(name=self.name))
        n_tags = len(self.tags)
        self.model.initialize(
            X=[example.predicted for example in sample],
            Y=[self.model.ops.alloc2f(len(example.predicted), n_tags) for example in sample],
        )
        self.forget_lexemes()

    def add_label(self, label: str) -> int:
        """Add an entity type. A model that is trained already keeps what it knows of the others.

        label (str): The entity type, without the prefix of a tag.
        RETURNS (int): 0 if the label is there already, otherwise 1.
        RAISES (ValueError): If the label is not a string, is empty, or the model's number of
            tags is fixed.
        """
        if not isinstance(label, str):
            raise ValueError(Errors.E187)
        if not label:
            raise ValueError("cannot add an empty string as an entity label")
        if label in self.labels:
            return 0
        self.cfg["labels"].append(label)
        self.vocab.strings.add(label)
        if self._n_outputs() is not None:
            self._resize_output()
        return 1

    def _n_outputs(self) -> int | None:
        return self.model.get_ref("output_layer").maybe_get_dim("nO")

    def _resize_output(self) -> None:
        if self.is_resizable:
            self.set_output(len(self.tags))
        elif (self._n_outputs() or 0) < len(self.tags):
            label = self.cfg["labels"].pop()
            raise ValueError(
                f"cannot add label {label!r} to component {self.name!r}: its model has "
                f"{self._n_outputs()} outputs and cannot be resized"
            )

    def _gold_tags(self, example: Example) -> Ints1d:
        type_index = {label: index for index, label in enumerate(self.labels)}
        try:
            return gold_tags(example, type_index)
        except KeyError as error:
            known = ", ".join(self.labels) or "none"
            raise ValueError(
                f"component {self.name!r} was not initialised with the entity label {error}, "
                f"which stands in the text {example.reference.text[:80]!r}. Its labels are: "
                f"{known}. Initialise it with data that has all labels, or add_label() it first"
            ) from None

    def _divisor(self, n_tokens: int) -> int:
        return max(n_tokens, 1) if self.settings["loss_reduction"] == "mean" else 1
