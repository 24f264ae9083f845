"""Fitting of what a model knows of the words and phrases of its training data."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from spacy.language import Language
from spacy.training import Example
from thinc.api import Model


def fit_embeddings(
    name: str,
    model: Model,
    nlp: Language | None,
    get_examples: Callable[[], Iterable[Example]],
    phrases: Mapping[str, Iterable[str]] | None,
) -> None:
    """Fit the vocabularies and gazetteers of a component's model, and of a shared tok2vec that it
    listens to, which by itself sees but a sample of the training data.

    name (str): The component's name.
    model (Model): Its model.
    nlp (Optional[Language]): The pipeline.
    get_examples (Callable[[], Iterable[Example]]): Gives the training data.
    phrases (Optional[Mapping[str, Iterable[str]]]): Known phrases by type, for gazetteers.
    RAISES (ValueError): If there are phrases but no gazetteer.
    """
    nodes = list(_embedding_nodes(model, nlp))
    for node in nodes:
        if "fit_vocabulary" in node.attrs:
            node.attrs["fit_vocabulary"](node, (eg.predicted for eg in get_examples()))
    gazetteers = [node for node in nodes if "fit_gazetteer" in node.attrs]
    if phrases and not gazetteers:
        raise ValueError(
            f"[initialize.components.{name}.phrases] gives phrases, but the model of "
            f"component {name!r} has no gazetteer: add "
            "[components.….embed.phrases] with spacy-twitter-ner.GazetteerEmbed.v1"
        )
    for node in gazetteers:
        node.attrs["fit_gazetteer"](node, (eg.reference for eg in get_examples()), phrases)


def _embedding_nodes(model: Model, nlp: Language | None) -> Iterator[Model]:
    models = [model]
    for node in model.walk():
        upstream = getattr(node, "upstream_name", None)
        for name, pipe in nlp.pipeline if nlp is not None and upstream else ():
            if name == upstream or (upstream == "*" and hasattr(pipe, "add_listener")):
                models.append(getattr(pipe, "model"))  # noqa: B009 (a Pipe's type has none)
    for each in models:
        yield from each.walk()
