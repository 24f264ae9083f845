"""Initialize a model's embedding vocabularies and gazetteers from the training data."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

from spacy.language import Language
from spacy.training import Example
from spacy.util import logger
from thinc.api import Model

# Up to this many examples are treated as a sample of the training data. Embedding tables then have
# spare rows for words that first occur in an update.
MAX_SAMPLE_SIZE = 100


def init_embeddings(
    name: str,
    model: Model,
    nlp: Language | None,
    get_examples: Callable[[], Iterable[Example]],
    phrases: Mapping[str, Iterable[str]] | None,
) -> None:
    """Initialize the vocabularies and gazetteers of a component's model and of a shared tok2vec
    that it listens to, which only uses a sample of the training data itself.

    name (str): The component's name.
    model (Model): Its model.
    nlp (Optional[Language]): The pipeline.
    get_examples (Callable[[], Iterable[Example]]): Returns the training data.
    phrases (Optional[Mapping[str, Iterable[str]]]): Known phrases by type, for gazetteers.
    RAISES (ValueError): If there are phrases but no gazetteer.
    """
    # Imported here because spaCy imports factories, and so this module, for any blank pipeline.
    from ..models.interface import get_embed_part, get_phrase_part
    from ..models.tables import N_SPARE

    nodes = list(_embedding_nodes(model, nlp))
    sample = list(islice(get_examples(), MAX_SAMPLE_SIZE + 1))
    n_spare = N_SPARE if len(sample) <= MAX_SAMPLE_SIZE else 0
    for node in nodes:
        part = get_embed_part(node)
        if part and part.fit_vocabulary:
            docs = (eg.predicted for eg in get_examples())
            part.fit_vocabulary(node, docs, n_spare=n_spare)
    gazetteers = [(node, phrase) for node in nodes if (phrase := get_phrase_part(node))]
    if phrases and not gazetteers:
        raise ValueError(
            f"[initialize.components.{name}.phrases] is set, but the model of component {name!r} "
            f"has no gazetteer: add [components.{name}.model.tok2vec.embed.phrases] with "
            "spacy-twitter-ner.GazetteerEmbed.v1"
        )
    for node, phrase_part in gazetteers:
        phrase_part.fit_gazetteer(node, (eg.reference for eg in get_examples()), phrases)
    if n_spare and not any(example.reference.ents for example in sample):
        _warn_no_entities(name, nodes)


def is_listener(model: Model) -> bool:
    """RETURNS (bool): Whether the model reads the token vectors that another component, such as a
    shared tok2vec or a transformer, has stored in the doc."""
    return any(_get_upstream(node) for node in model.walk())


def _get_upstream(node: Model) -> str | None:
    """RETURNS (Optional[str]): The name of the component that the node listens to, or "*"."""
    return getattr(node, "upstream_name", None)


def _warn_no_entities(name: str, nodes: Iterable[Model]) -> None:
    """Warn about layers that are only initialized from training data, not by updates."""
    parts = {
        "phrases of the training data (GazetteerEmbed)": "from_training",
        "the words of hashtags written in one case (HashtagEmbed)": "segmenter",
    }
    lost = [part for part, attr in parts.items() if any(node.attrs.get(attr) for node in nodes)]
    if lost:
        logger.warning(
            "component %r was initialized without annotated examples. Updates add words, but not "
            "%s. To use these as well, initialize it with the training data: "
            "nlp.initialize(lambda: examples)",
            name,
            " or ".join(lost),
        )


def _embedding_nodes(model: Model, nlp: Language | None) -> Iterator[Model]:
    models = [model]
    for node in model.walk():
        upstream = _get_upstream(node)
        for name, pipe in nlp.pipeline if nlp is not None and upstream else ():
            if name == upstream or (upstream == "*" and hasattr(pipe, "add_listener")):
                models.append(getattr(pipe, "model"))  # noqa: B009 (a Pipe's type has none)
    for each in models:
        yield from each.walk()
