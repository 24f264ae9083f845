"""Score pipelines on the development data of all corpora of a config, as Markdown tables.

    python benchmarks/corpora.py training/release/model-best spacy_twitter_ner/en_tweet_ner

Types are folded to person, location and organization, so that corpora with different types can be
compared, and text is tokenized by the pipeline where the corpus has raw text. The first corpus also
gets a table of its own types. Development data only: the config names no test split.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import mean
from typing import Annotated

import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_twitter_ner.corpus.multi import MappedCorpus, load_readers
from spacy_twitter_ner.corpus.reader import make_example, read_docs
from spacy_twitter_ner.evaluation.scorer import score_entities
from spacy_twitter_ner.label_schemes import SCHEMES

COARSE = SCHEMES["coarse"]
SHOWN = ("person", "location", "organization")
Scores = Mapping[str, float]


def main(
    models: Annotated[list[Path], typer.Argument(help="Trained pipelines")],
    config: Annotated[Path, typer.Option(help="Config with the corpora")] = Path(
        "configs/en_tweet_ner.cfg"
    ),
) -> None:
    """Print tables of F1."""
    corpora = read_corpora(config)
    pipelines = {str(path): spacy.load(path) for path in models}
    names = [name.removeprefix("dev_") for name in corpora]
    print(f"| pipeline | {names[0]}, its types | {' | '.join(names)} | mean |")
    print(f"| --- |{' ---: |' * (len(names) + 2)}")
    per_type: dict[str, Mapping[str, Scores]] = {}
    for name, nlp in pipelines.items():
        first = next(iter(corpora.values()))
        own = score_entities(predict(nlp, read_docs(first.path, nlp.vocab)))
        per_type[name] = own["ents_per_type"]
        folded = [score_folded(nlp, corpus)["ents_f"] for corpus in corpora.values()]
        cells = [own["ents_f"], *folded, mean(folded)]
        print(f"| {name} | {' | '.join(f'{100 * cell:.1f}' for cell in cells)} |", flush=True)
    print_types(per_type)


def read_corpora(path: Path) -> dict[str, MappedCorpus]:
    """RETURNS (dict[str, MappedCorpus]): The config's readers whose names begin with "dev"."""
    return {name: reader for name, reader in load_readers(path).items() if name.startswith("dev")}


def predict(nlp: Language, docs: Iterable[Doc]) -> list[Example]:
    examples = [make_example(nlp, doc) for doc in docs]
    predicted = nlp.pipe([example.predicted for example in examples])
    return [Example(doc, eg.reference) for doc, eg in zip(predicted, examples, strict=True)]


def score_folded(nlp: Language, corpus: MappedCorpus) -> Scores:
    """Score a pipeline with types folded to those of SHOWN that the corpus annotates."""
    docs = list(read_docs(corpus.path, nlp.vocab))
    labels = corpus.resolve({ent.label_ for doc in docs for ent in doc.ents})
    fold = {label: COARSE.get(types[0], types[0]) for label, types in labels.items() if types}
    shown = {name for name in fold.values() if name in SHOWN}
    examples = predict(nlp, docs)
    for example in examples:
        keep(example.reference, fold, shown)
        keep(example.predicted, COARSE, shown)
    return score_entities(examples)


def keep(doc: Doc, fold: Mapping[str, str], shown: set[str]) -> None:
    """Fold the types of a doc's entities, and remove those that aren't shown."""
    entities = [(ent, fold.get(ent.label_, ent.label_)) for ent in doc.ents]
    doc.ents = [
        Span(doc, ent.start, ent.end, label=label) for ent, label in entities if label in shown
    ]


def print_types(per_type: Mapping[str, Mapping[str, Scores]]) -> None:
    """Print a table of F1 by type."""
    labels = sorted({label for scores in per_type.values() for label in scores})
    print(f"\n| type | {' | '.join(per_type)} |")
    print(f"| --- |{' ---: |' * len(per_type)}")
    for label in labels:
        cells = [scores[label]["f"] if label in scores else 0.0 for scores in per_type.values()]
        print(f"| {label} | {' | '.join(f'{100 * cell:.1f}' for cell in cells)} |")


if __name__ == "__main__":
    typer.run(main)
