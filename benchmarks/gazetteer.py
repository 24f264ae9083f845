"""Baseline: the entities of the training corpus as a gazetteer.

    python benchmarks/gazetteer.py corpus/hse/train.spacy corpus/hse/validation.spacy

A phrase is kept if it is an entity in enough of its occurrences in the training corpus, with its
most frequent type. Text is matched in lower case, from left to right, longest phrase first.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import spacy
import srsly
import typer
from spacy.language import Language
from spacy.matcher import PhraseMatcher
from spacy.tokens import Doc, Span
from wasabi import msg

from lib.project import read_docs
from lib.scores import score, score_table
from lib.tables import print_table

# Minimum fraction of a phrase's occurrences that are entities.
MIN_RATIO = 0.3


@Language.factory("phrase_gazetteer", assigns=["doc.ents"])
class Gazetteer:
    """Component that sets the entities of a training corpus."""

    def __init__(self, nlp: Language, name: str = "phrase_gazetteer") -> None:
        self.matcher = PhraseMatcher(nlp.vocab, attr="LOWER")
        self.labels: dict[str, str] = {}

    def fit(self, docs: Sequence[Doc]) -> None:
        """Collect the phrases of a training corpus.

        docs (Sequence[Doc]): The corpus.
        """
        types: dict[str, Counter[str]] = defaultdict(Counter)
        for doc in docs:
            for ent in doc.ents:
                phrase = " ".join(token.lower_ for token in ent)
                if phrase not in types:
                    words = [token.text for token in ent]
                    self.matcher.add(phrase, [Doc(self.matcher.vocab, words=words)])
                types[phrase][ent.label_] += 1
        occurrences: Counter[str] = Counter()
        for doc in docs:
            occurrences.update(phrase for phrase, *_ in self._match(doc))
        for phrase, counts in types.items():
            if counts.total() / occurrences[phrase] >= MIN_RATIO:
                self.labels[phrase] = counts.most_common(1)[0][0]
            else:
                self.matcher.remove(phrase)

    def __call__(self, doc: Doc) -> Doc:
        """Set a doc's entities.

        doc (Doc): The doc.
        RETURNS (Doc): The doc.
        """
        ents: list[Span] = []
        for phrase, start, end in sorted(self._match(doc), key=lambda match: (match[1], -match[2])):
            if not ents or start >= ents[-1].end:
                ents.append(Span(doc, start, end, label=self.labels[phrase]))
        doc.set_ents(ents)
        return doc

    def _match(self, doc: Doc) -> list[tuple[str, int, int]]:
        strings = self.matcher.vocab.strings
        # The pattern's vocab may differ from the doc's, but equal words have equal hashes.
        return [(strings[key], start, end) for key, start, end in self.matcher(doc)]


def train(docs: Sequence[Doc]) -> Language:
    """RETURNS (Language): A pipeline with the gazetteer of a training corpus."""
    nlp = spacy.blank("xx")
    gazetteer: Any = nlp.add_pipe("phrase_gazetteer")
    gazetteer.fit(docs)
    return nlp


def gazetteer_cli(
    train_path: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Training corpus (.spacy)")
    ],
    eval_paths: Annotated[
        list[Path], typer.Argument(exists=True, dir_okay=False, help="Corpora to score (.spacy)")
    ],
    output_dir: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="Folder for one JSON file per corpus, as written by `spacy evaluate --output`",
        ),
    ] = None,
) -> None:
    """Score a gazetteer of the training entities."""
    docs = read_docs(train_path)
    if not any(doc.ents for doc in docs):
        raise typer.BadParameter(f"{train_path} has no entities")
    nlp = train(docs)
    for path in eval_paths:
        scores = score(nlp, read_docs(path))
        print_table(score_table(path.stem, scores))
        if output_dir is not None:
            output_dir.mkdir(parents=True, exist_ok=True)
            srsly.write_json(output_dir / f"{path.stem}.json", scores)
    if output_dir is not None:
        msg.good(f"Saved the scores to {output_dir}")


if __name__ == "__main__":
    typer.run(gazetteer_cli)
