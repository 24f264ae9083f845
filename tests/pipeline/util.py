"""Small pipelines and fake models."""

from collections.abc import Callable, Iterable, Sequence

import numpy
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Token
from spacy.training import Example
from thinc.api import Config, Model, Optimizer
from thinc.types import Floats2d

from spacy_twitter_ner.iob import bio_tags
from spacy_twitter_ner.layers.crf import Lattice
from spacy_twitter_ner.layers.heads import SoftmaxHead
from spacy_twitter_ner.pipeline.bilstm_ner import DEFAULT_MODEL, TwitterBiLSTMNER

NAME = "twitter_bilstm_ner"
SMALL = {
    "model": {
        "tok2vec": {
            "embed": {"widths": [16, 4, 4, 4], "unknown_rate": 0.0},
            "encode": {"hidden_width": 8},
        }
    }
}
CRF_TAGGER = "spacy-twitter-ner.BiLSTMCRFTagger.v1"
# Settings are only filled in for the default architecture.
SMALL_CRF = {
    "model": {
        "@architectures": CRF_TAGGER,
        "tok2vec": Config(DEFAULT_MODEL).merge(SMALL["model"])["tok2vec"],
    }
}
TOK2VEC = Config().from_str(
    """
    [model]
    @architectures = "spacy.Tok2Vec.v2"

    [model.embed]
    @architectures = "spacy-twitter-ner.WordEmbed.v1"
    width = 16

    [model.encode]
    @architectures = "spacy-twitter-ner.BiLSTMEncoder.v1"
    hidden_width = 8
    """
)
LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": 16, "upstream": "*"}

TRAIN_DATA: list[tuple[str, dict]] = [
    ("I like London and Berlin", {"entities": [(7, 13, "LOC"), (18, 24, "LOC")]}),
    ("Who is Shaka Khan ?", {"entities": [(7, 17, "PERSON")]}),
    ("so tired", {"entities": []}),
    ("Shaka Khan sings in London", {"entities": [(0, 10, "PERSON"), (20, 26, "LOC")]}),
]
NEW_DATA = [*TRAIN_DATA, ("they play Arsenal", {"entities": [(10, 17, "TEAM")]})]
TEXTS = [text for text, _ in TRAIN_DATA]
TEST_TEXTS = ["Who likes Shaka Khan in Berlin", "", "London", *TEXTS]

WORDS = ["I", "like", "New", "York", "and", "Bob"]
TAGS = ["O", "O", "B-LOC", "I-LOC", "O", "B-PERSON"]


def make_examples(nlp: Language, data: Iterable[tuple[str, dict]] = TRAIN_DATA) -> list[Example]:
    return [Example.from_dict(nlp.make_doc(text), annotation) for text, annotation in data]


def tagged_example(nlp: Language, words: Sequence[str], tags: Sequence[str | None]) -> Example:
    """Make an example from words and BIO tags. None is a missing tag."""
    ents = [tag or "" for tag in tags]
    return Example(Doc(nlp.vocab, words=words), Doc(nlp.vocab, words=words, ents=ents))


def add_small_ner(nlp: Language, name: str = NAME, **config: object) -> TwitterBiLSTMNER:
    return nlp.add_pipe(NAME, name=name, config={**SMALL, **config})


def add_shared_tok2vec(nlp: Language, *names: str, is_crf: bool = False) -> None:
    """Add a tok2vec and components that listen to it."""
    nlp.add_pipe("tok2vec", config=TOK2VEC)
    for name in names:
        architecture = {"@architectures": CRF_TAGGER} if is_crf and name == NAME else {}
        nlp.add_pipe(name, config={"model": {**architecture, "tok2vec": LISTENER}})


def train(
    nlp: Language,
    examples: list[Example],
    sgd: Optimizer | None = None,
    *,
    steps: int = 60,
    **settings: object,
) -> dict[str, float]:
    """Overfit to examples. Without an optimizer, initialize the pipeline first."""
    if sgd is None:
        sgd = nlp.initialize(lambda: examples)
    sgd.learn_rate = 0.02
    losses: dict[str, float] = {}
    for _ in range(steps):
        losses = {}
        nlp.update(examples, sgd=sgd, losses=losses, **settings)
    return losses


def trained_ner(**config: object) -> Language:
    nlp = spacy.blank("xx")
    add_small_ner(nlp, **config)
    train(nlp, make_examples(nlp))
    return nlp


def entities(docs: Iterable[Doc]) -> list[list[tuple[int, int, str]]]:
    return [[(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in docs]


def predicted_entities(nlp: Language, texts: Iterable[str] = TEST_TEXTS) -> list:
    return entities(nlp(text) for text in texts)


def predicted_spans(ner: TwitterBiLSTMNER, docs: Iterable[Doc]) -> list[tuple[int, int, str]]:
    """Predict spans over all tokens of a batch."""
    columns = (column.tolist() for column in ner.predict(docs).spans)
    return [(start, end, ner.labels[k]) for start, end, k in zip(*columns, strict=True)]


def gold_entities(examples: Iterable[Example]) -> list[list[tuple[int, int, str]]]:
    return entities(example.reference for example in examples)


def params(model: Model) -> dict[tuple[int, str], Floats2d]:
    """Copy all parameters, by index of the node and name."""
    return {
        (place, name): node.ops.to_numpy(node.get_param(name)).copy()
        for place, node in enumerate(model.walk())
        for name in node.param_names
        if node.has_param(name)
    }


def score_arrays(scores: list[Floats2d] | Lattice) -> list[Floats2d]:
    """The arrays in a model's output."""
    if isinstance(scores, Lattice):
        return [scores.emissions, scores.transitions, scores.start, scores.end]
    return scores


def gradients(model: Model) -> dict[tuple[int, str], Floats2d]:
    return {
        (place, name): node.ops.to_numpy(node.get_grad(name)).copy()
        for place, node in enumerate(model.walk())
        for name in node.param_names
        if node.has_grad(name)
    }


def clear_gradients(model: Model) -> None:
    for node in model.walk():
        for name in node.grad_names:
            node.get_grad(name)[...] = 0.0


def parameter_gradients(ner: TwitterBiLSTMNER, examples: list[Example]) -> dict:
    """The gradients of a single update."""
    clear_gradients(ner.model)
    ner.update(examples)
    return gradients(ner.model)


def assert_same_arrays(first: dict, second: dict) -> None:
    assert first
    assert first.keys() == second.keys()
    for key, array in first.items():
        numpy.testing.assert_array_equal(array, second[key], err_msg=str(key))


def fake_model(probabilities: Callable[[Doc], Floats2d], nO: int | None = None) -> Model:
    """Make a model that can't be trained or resized."""

    def forward(model: Model, docs: list[Doc], is_train: bool) -> tuple:
        Y = [numpy.asarray(probabilities(doc), dtype="float32") for doc in docs]
        return Y, lambda dY: []

    model: Model = Model("fake", forward, dims={"nO": nO})
    model.set_ref("output_layer", model)
    model.attrs["head"] = SoftmaxHead()
    return model


def add_fake_ner(
    nlp: Language,
    labels: Sequence[str],
    preferences: Callable[[Token], Sequence[str]],
    name: str = NAME,
) -> TwitterBiLSTMNER:
    """Add a component whose model prefers certain tags of each token: the first one most, then the
    next ones, then O."""
    tags = bio_tags(labels)

    def probabilities(doc: Doc) -> Floats2d:
        rows = numpy.full((len(doc), len(tags)), 1e-6)
        rows[:, 0] = 1e-3
        for token in doc:
            for rank, tag in enumerate(preferences(token)):
                rows[token.i, tags.index(tag)] = 2.0**-rank
        return rows / rows.sum(axis=1, keepdims=True) if len(doc) else rows

    ner = nlp.add_pipe(NAME, name=name)
    ner.model = fake_model(probabilities)
    for label in labels:
        ner.add_label(label)
    return ner
