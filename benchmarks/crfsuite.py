"""Baseline: CRFsuite, a linear-chain CRF with hand-crafted features.

    python benchmarks/crfsuite.py corpus/hse/train.spacy corpus/hse/validation.spacy

The features of a token are its lower-cased form, affixes, shape and flags, and form, shape and
flags of two tokens on either side. Training is L-BFGS, with L1 and L2 penalties chosen on
validation. It is deterministic.
"""

import shutil
import time
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import spacy
import typer
from sklearn_crfsuite import CRF
from spacy.language import Language
from spacy.tokens import Doc, Span

from lib.project import read_docs
from lib.scores import score, score_table
from lib.tables import Table, print_table
from spacy_twitter_ner.evaluation.predictions import doc_spans
from spacy_twitter_ner.iob import spans_to_bio, tags_to_spans
from spacy_twitter_ner.normalization import URL, USER, mask_user_and_url

WINDOW = 2
MAX_AFFIX = 4
MAX_ITERATIONS = 100
# Coefficients of the L1 and the L2 penalty.
GRID = tuple(product((0.03, 0.1, 0.3), (0.01, 0.1)))
# The best of these on validation of hse.
BEST = (0.03, 0.01)
MODEL_FILE = "crfsuite.model"


class Choice(NamedTuple):
    """A setting of the grid and its result.

    c1 (float): Coefficient of the L1 penalty.
    c2 (float): Coefficient of the L2 penalty.
    f (float): F1 on validation, 0..1.
    seconds (float): CPU seconds of the training.
    """

    c1: float
    c2: float
    f: float
    seconds: float


class TokenFeatures(NamedTuple):
    """Features of a token, as strings.

    affixes (list[str]): Prefixes and suffixes.
    others (list[str]): Lower-cased form, shape, and flags that are true.
    """

    affixes: list[str]
    others: list[str]


@Language.factory("crfsuite", assigns=["doc.ents"])
class CRFsuite:
    """Component that sets the entities predicted by CRFsuite."""

    def __init__(self, nlp: Language, name: str = "crfsuite") -> None:
        self.crf: CRF | None = None

    def __call__(self, doc: Doc) -> Doc:
        """Set a doc's entities.

        doc (Doc): The doc.
        RETURNS (Doc): The doc.
        """
        if self.crf is None:
            raise ValueError("[crfsuite] has no model: load it from disk, or use crfsuite.train")
        spans = tags_to_spans(self.crf.predict_single(doc_features(doc)))
        doc.set_ents([Span(doc, start, end, label=label) for start, end, label in spans])
        return doc

    def to_disk(self, path: Path, *, exclude: Iterable[str] = ()) -> None:
        """Save CRFsuite's model file in a folder.

        path (Path): The folder.
        exclude (Iterable[str]): Ignored.
        """
        path.mkdir(parents=True, exist_ok=True)
        if self.crf is not None:
            shutil.copy(self.crf.modelfile.name, path / MODEL_FILE)

    def from_disk(self, path: Path, *, exclude: Iterable[str] = ()) -> "CRFsuite":
        """Load CRFsuite's model file from a folder.

        path (Path): The folder.
        exclude (Iterable[str]): Ignored.
        RETURNS (CRFsuite): This component.
        """
        self.crf = CRF(model_filename=str(path / MODEL_FILE))
        return self


def shape(text: str) -> str:
    """RETURNS (str): The kinds of a word's characters, with runs of one kind shortened to one."""
    kinds: list[str] = []
    for char in text:
        kind = "X" if char.isupper() else "x" if char.isalpha() else "d" if char.isdigit() else char
        if kinds[-1:] != [kind]:
            kinds.append(kind)
    return "".join(kinds)


def token_features(text: str) -> TokenFeatures:
    """RETURNS (TokenFeatures): The features of a token; all user names, and all URLs, have the same
    form."""
    masked = mask_user_and_url(text)
    lower = text.lower() if masked == text else masked
    affixes = []
    for length in range(1, MAX_AFFIX + 1):
        affixes += [f"prefix{length}={lower[:length]}", f"suffix{length}={lower[-length:]}"]
    flags = {
        "upper": text.isupper(),
        "title": text.istitle(),
        "digit": text.isdigit(),
        "hashtag": len(text) > 1 and text.startswith("#"),
        "user": masked == USER,
        "url": masked == URL,
    }
    true_flags = [name for name, value in flags.items() if value]
    return TokenFeatures(affixes, [f"lower={lower}", f"shape={shape(text)}", *true_flags])


def doc_features(doc: Doc) -> list[list[str]]:
    """RETURNS (list[list[str]]): The features of each token and its neighbors, prefixed with the
    neighbor's offset; BOS and EOS are outside of the text."""
    tokens = [token_features(token.text) for token in doc]
    return [_window_features(tokens, index) for index in range(len(tokens))]


def _window_features(tokens: Sequence[TokenFeatures], index: int) -> list[str]:
    features = list(tokens[index].affixes)
    for offset in range(-WINDOW, WINDOW + 1):
        features += [f"{offset:+d}:{feature}" for feature in _others_at(tokens, index + offset)]
    return features


def _others_at(tokens: Sequence[TokenFeatures], index: int) -> list[str]:
    if index < 0:
        return ["BOS"]
    return tokens[index].others if index < len(tokens) else ["EOS"]


def train(
    docs: Sequence[Doc],
    validation: Sequence[Doc],
    grid: Sequence[tuple[float, float]] = GRID,
) -> tuple[Language, list[Choice]]:
    """Train a CRF with each setting of a grid and keep the best on validation.

    docs (Sequence[Doc]): The training corpus.
    validation (Sequence[Doc]): The validation corpus.
    grid (Sequence[tuple[float, float]]): Pairs of c1 and c2.
    RETURNS (tuple[Language, list[Choice]]): A pipeline with the best CRF, and all settings, best
        first; ties are in the order of the grid.
    """
    features = [doc_features(doc) for doc in docs]
    tags = [spans_to_bio(doc_spans(doc), len(doc)) for doc in docs]
    trained = []
    for c1, c2 in grid:
        start = time.thread_time()
        crf = CRF(
            algorithm="lbfgs",
            c1=c1,
            c2=c2,
            max_iterations=MAX_ITERATIONS,
            all_possible_transitions=True,
        ).fit(features, tags)
        seconds = time.thread_time() - start
        nlp = spacy.blank("xx")
        component: Any = nlp.add_pipe("crfsuite")
        component.crf = crf
        f = score(nlp, validation)["ents_f"] or 0.0
        trained.append((nlp, Choice(c1, c2, f, seconds)))
    trained.sort(key=lambda pair: -pair[1].f)
    return trained[0][0], [choice for _, choice in trained]


def choice_table(choices: Sequence[Choice]) -> Table:
    """RETURNS (Table): All settings, the chosen one first."""
    return Table(
        f"CRFsuite: c1={choices[0].c1:g}, c2={choices[0].c2:g} chosen on validation",
        ("c1", "c2", "validation F1", "CPU s"),
        [(f"{c.c1:g}", f"{c.c2:g}", f"{100 * c.f:.2f}", f"{c.seconds:.0f}") for c in choices],
        n_names=0,
    )


def crfsuite_cli(
    train_path: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Training corpus (.spacy)")
    ],
    validation_path: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Validation corpus (.spacy)")
    ],
    eval_paths: Annotated[
        list[Path] | None,
        typer.Argument(exists=True, dir_okay=False, help="Other corpora to score (.spacy)"),
    ] = None,
) -> None:
    """Train CRFsuite and print its scores."""
    nlp, choices = train(read_docs(train_path), read_docs(validation_path))
    print_table(choice_table(choices))
    for path in (validation_path, *(eval_paths or ())):
        print_table(score_table(path.stem, score(nlp, read_docs(path))))


if __name__ == "__main__":
    typer.run(crfsuite_cli)
