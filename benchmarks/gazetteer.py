"""The reference baseline: the entities of the training corpus as a gazetteer.

    python benchmarks/gazetteer.py corpus/train.spacy corpus/validation.spacy corpus/test.spacy

A phrase is kept when it is an entity in enough of its occurrences in the training corpus, with
its most frequent type. Texts are matched lower-cased, left to right, the longest phrase first.
spaCy's scorer gives the scores.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import spacy
import srsly
import typer
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.vocab import Vocab
from wasabi import msg

Scores = dict[str, Any]


class PhraseNode:
    """A node of a trie over words: the phrase that the path from the root to it spells.

    children (dict[str, PhraseNode]): The nodes of the phrases that are one word longer.
    entity_types (Counter[str]): How often the phrase is an entity, by type.
    n_occurrences (int): How often the phrase occurs, as an entity or not.
    """

    __slots__ = ("children", "entity_types", "n_occurrences")

    def __init__(self) -> None:
        self.children: dict[str, PhraseNode] = {}
        self.entity_types: Counter[str] = Counter()
        self.n_occurrences = 0

    def find(self, words: Sequence[str], start: int) -> Iterator[tuple[int, "PhraseNode"]]:
        """Walk along the words from a position, as far as some phrase goes.

        words (Sequence[str]): The lower-cased words of a text.
        start (int): The position of a phrase's first word.
        YIELDS (tuple[int, PhraseNode]): The end of each phrase and its node, shortest first.
        """
        node = self
        for end in range(start, len(words)):
            next_node = node.children.get(words[end])
            if next_node is None:
                return
            node = next_node
            yield end + 1, node


class Gazetteer:
    """Phrases that were entities in a training corpus.

    docs (Sequence[Doc]): The training corpus.
    min_ratio (float): In which part of its occurrences a phrase has to be an entity, 0..1.
    """

    def __init__(self, docs: Sequence[Doc], min_ratio: float = 0.3) -> None:
        self.min_ratio = min_ratio
        self.root = PhraseNode()
        for doc in docs:
            for ent in doc.ents:
                self._add(lower_words(ent), ent.label_)
        # Counting takes a second pass: an occurrence may stand before the entity that names it.
        for doc in docs:
            words = lower_words(doc)
            for start in range(len(words)):
                for _, node in self.root.find(words, start):
                    node.n_occurrences += 1

    def _add(self, words: Sequence[str], label: str) -> None:
        node = self.root
        for word in words:
            node = node.children.setdefault(word, PhraseNode())
        node.entity_types[label] += 1

    def label(self, node: PhraseNode) -> str:
        """RETURNS (str): The entity type of a node's phrase; empty if it is not kept."""
        n_entities = node.entity_types.total()
        if not n_entities or n_entities / node.n_occurrences < self.min_ratio:
            return ""
        return node.entity_types.most_common(1)[0][0]

    def match(self, words: Sequence[str]) -> list[tuple[int, int, str]]:
        """Find the kept phrases, left to right, the longest first, without overlap.

        words (Sequence[str]): The lower-cased words of a text.
        RETURNS (list[tuple[int, int, str]]): Start, end (exclusive) and type of each match.
        """
        matches = []
        start = 0
        while start < len(words):
            end, label = start + 1, ""
            for phrase_end, node in self.root.find(words, start):
                if phrase_label := self.label(node):
                    end, label = phrase_end, phrase_label
            if label:
                matches.append((start, end, label))
            start = end
        return matches

    def annotate(self, reference: Doc) -> Doc:
        """RETURNS (Doc): A copy of a doc's tokens with the matches as its entities."""
        words = [token.text for token in reference]
        spaces = [bool(token.whitespace_) for token in reference]
        doc = Doc(reference.vocab, words=words, spaces=spaces)
        matches = self.match(lower_words(reference))
        doc.set_ents([Span(doc, start, end, label=label) for start, end, label in matches])
        return doc


def lower_words(tokens: Doc | Span) -> list[str]:
    """RETURNS (list[str]): The lower-cased words of a doc or span."""
    return [token.text.lower() for token in tokens]


def read_docs(path: Path, vocab: Vocab) -> list[Doc]:
    """RETURNS (list[Doc]): The docs of a .spacy file."""
    return list(DocBin().from_disk(path).get_docs(vocab))


def score(gazetteer: Gazetteer, references: Iterable[Doc]) -> Scores:
    """RETURNS (dict[str, Any]): The keys ents_p, ents_r, ents_f and ents_per_type of spaCy's
    scorer, as fractions."""
    scores: Scores = get_ner_prf(Example(gazetteer.annotate(doc), doc) for doc in references)
    return scores


def print_scores(name: str, scores: Scores) -> None:
    """Print the scores of one corpus, overall and by type, as percentages."""
    per_type = scores["ents_per_type"] or {}
    rows = [("all", scores["ents_p"], scores["ents_r"], scores["ents_f"])]
    rows += [(label, prf["p"], prf["r"], prf["f"]) for label, prf in sorted(per_type.items())]
    msg.table(
        [
            (label, *("-" if value is None else f"{value * 100:.2f}" for value in values))
            for label, *values in rows
        ],
        header=("", "P", "R", "F1"),
        aligns=("l", "r", "r", "r"),
        title=f"NER, {name}",
    )


def gazetteer_cli(
    train_path: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Training corpus (.spacy)")
    ],
    eval_paths: Annotated[
        list[Path], typer.Argument(exists=True, dir_okay=False, help="Corpora to score (.spacy)")
    ],
    min_ratio: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="Keep a phrase that is an entity in this part of its occurrences"
        ),
    ] = 0.3,
    json_path: Annotated[
        Path | None,
        typer.Option("--json", dir_okay=False, help="File for all scores, by name of the corpus"),
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="Folder for one JSON file a corpus, as `spacy evaluate --output` writes it",
        ),
    ] = None,
) -> None:
    """Score the entities of a training corpus, used as a gazetteer."""
    names = [path.stem for path in eval_paths]
    if len(set(names)) < len(names):
        raise typer.BadParameter(f"two corpora of the same name: {', '.join(names)}")
    vocab = spacy.blank("en").vocab
    train_docs = read_docs(train_path, vocab)
    if not any(doc.ents for doc in train_docs):
        raise typer.BadParameter(f"no entities in {train_path}")
    gazetteer = Gazetteer(train_docs, min_ratio)
    scores = {}
    for name, path in zip(names, eval_paths, strict=True):
        scores[name] = score(gazetteer, read_docs(path, vocab))
        print_scores(name, scores[name])
    if json_path is not None:
        srsly.write_json(json_path, scores)
    if output_dir is not None:
        output_dir.mkdir(parents=True, exist_ok=True)
        for name, values in scores.items():
            srsly.write_json(output_dir / f"{name}.json", values)


if __name__ == "__main__":
    typer.run(gazetteer_cli)
