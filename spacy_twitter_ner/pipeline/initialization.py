"""What the parts of a model learn of the training data before training: their vocabularies and
gazetteers. They are built of all of it, while spaCy shows a component but a sample."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from spacy.language import Language
from spacy.training import Example
from thinc.api import Model


def embedding_nodes(model: Model, nlp: Language | None) -> Iterator[Model]:
    """Find all layers of a model, and of a shared tok2vec that it listens to: what they know of
    the training data is found here, as the tok2vec itself sees but a sample.

    model (Model): The model of a component.
    nlp (Optional[Language]): The pipeline the component is part of.
    YIELDS (Model): The layers.
    """
    models = [model]
    for node in model.walk():
        upstream = getattr(node, "upstream_name", None)
        for name, pipe in nlp.pipeline if nlp is not None and upstream else ():
            if name == upstream or (upstream == "*" and hasattr(pipe, "add_listener")):
                models.append(getattr(pipe, "model"))  # noqa: B009 (a Pipe's type has none)
    for found in models:
        yield from found.walk()


def fit_vocabularies(nodes: Iterable[Model], get_examples: Callable[[], Iterable[Example]]) -> None:
    """Build the vocabularies of the layers that have one.

    nodes (Iterable[Model]): The layers.
    get_examples (Callable[[], Iterable[Example]]): Gives the training data.
    """
    for node in nodes:
        if "fit_vocabulary" in node.attrs:
            node.attrs["fit_vocabulary"](node, (eg.predicted for eg in get_examples()))


def fit_gazetteers(
    name: str,
    nodes: Iterable[Model],
    get_examples: Callable[[], Iterable[Example]],
    phrases: Mapping[str, Iterable[str]] | None,
) -> None:
    """Fill the gazetteers of the layers that have one.

    name (str): The component's name.
    nodes (Iterable[Model]): The layers.
    get_examples (Callable[[], Iterable[Example]]): Gives the training data.
    phrases (Optional[Mapping[str, Iterable[str]]]): Other known phrases by type.
    RAISES (ValueError): If there are phrases but no gazetteer.
    """
    gazetteers = [node for node in nodes if "fit_gazetteer" in node.attrs]
    if phrases and not gazetteers:
        raise ValueError(
            f"[initialize.components.{name}.phrases] gives phrases, but the model of "
            f"component {name!r} has no gazetteer: add "
            "[components.….embed.phrases] with spacy-twitter-ner.GazetteerEmbed.v1"
        )
    for node in gazetteers:
        node.attrs["fit_gazetteer"](node, (eg.reference for eg in get_examples()), phrases)
