"""What tokenization costs: F1 of trained pipelines on gold tokens and on raw text.

    python benchmarks/raw_text.py training/hse/bilstm_crf/model-best

needs corpus/<corpus>/<split>.spacy and <split>_raw.spacy, as `python -m spacy project run convert`
makes them. Each pipeline reads the split as its gold tokens, and then the text that these were
probably cut from, with each tokenizer in place of its own. Entities are compared by the characters
they cover. Prints a Markdown table; in brackets stands what is lost against gold tokens.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example

from spacy_twitter_ner.evaluation.scorer import score_entities
from spacy_twitter_ner.tokenizer import TweetTokenizer

ROOT = Path(__file__).parents[1]
# How each makes a doc of a reference.
MakeDoc = Callable[[Doc], Doc]
GOLD = "gold tokens"


def doc_makers(nlp: Language) -> dict[str, MakeDoc]:
    """RETURNS (dict[str, Callable[[Doc], Doc]]): By name, the ways to make a doc of a reference:
    its own tokens, and those of each tokenizer."""
    ours, splitting = TweetTokenizer(nlp.vocab), TweetTokenizer(nlp.vocab, split_contractions=True)
    # Its tokens must have the strings of this pipeline's vocab.
    spacys = spacy.blank("en", vocab=nlp.vocab).tokenizer
    return {
        GOLD: lambda doc: Doc(nlp.vocab, words=[token.text for token in doc]),
        "`TweetTokenizer`": lambda doc: ours(doc.text),
        "`TweetTokenizer`, `split_contractions`": lambda doc: splitting(doc.text),
        "spaCy's for English": lambda doc: spacys(doc.text),
    }


def f1_by_tokenizer(nlp: Language, gold: Sequence[Doc], raw: Sequence[Doc]) -> dict[str, float]:
    """Score a pipeline on the tokens that each tokenizer finds.

    nlp (Language): The pipeline.
    gold (Sequence[Doc]): The tweets, on their gold tokens.
    raw (Sequence[Doc]): The same tweets on raw text.
    RETURNS (dict[str, float]): F1, 0..1, by the name of the tokens.
    """
    found = {}
    for name, make_doc in doc_makers(nlp).items():
        references = gold if name == GOLD else raw
        docs = nlp.pipe([make_doc(doc) for doc in references])
        examples = [Example(*pair) for pair in zip(docs, references, strict=True)]
        found[name] = score_entities(examples)["ents_f"] or 0.0
    return found


def to_markdown(scores: dict[str, dict[str, float]]) -> str:
    """RETURNS (str): A row for each kind of tokens and a column for each pipeline, in percent."""
    lines = [f"| tokens | {' | '.join(scores)} |", "|---|" + "---|" * len(scores)]
    for name in next(iter(scores.values())):
        cells = []
        for by_name in scores.values():
            loss = f" ({100 * (by_name[name] - by_name[GOLD]):+.2f})" if name != GOLD else ""
            cells.append(f"{100 * by_name[name]:.2f}{loss}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def read_docs(path: Path, nlp: Language) -> list[Doc]:
    """RETURNS (list[Doc]): The docs of a .spacy file.
    RAISES (SystemExit): If there is none.
    """
    if not path.exists():
        command = f"python -m spacy project run convert . --vars.corpus {path.parent.name}"
        raise SystemExit(f"no {path}: run `{command}`")
    return list(DocBin().from_disk(path).get_docs(nlp.vocab))


def raw_text_cli(
    models: Annotated[list[Path], typer.Argument(metavar="MODELS", help="Trained pipelines")],
    corpus: Annotated[str, typer.Option(help="Name of a folder in corpus/")] = "hse",
    split: Annotated[str, typer.Option(help="Which of its splits")] = "test",
) -> None:
    """Score trained pipelines on gold tokens and on raw text, with several tokenizers."""
    scores = {}
    for path in models:
        nlp = spacy.load(path)
        folder = ROOT / "corpus" / corpus
        gold, raw = (read_docs(folder / f"{split}{kind}.spacy", nlp) for kind in ("", "_raw"))
        name = path.parent.name if path.name in ("model-best", "model-last") else path.name
        scores[f"`{name}`"] = f1_by_tokenizer(nlp, gold, raw)
    print(to_markdown(scores))


if __name__ == "__main__":
    typer.run(raw_text_cli)
