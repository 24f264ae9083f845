"""The strong baseline: CRFsuite, a linear-chain CRF over hand-made features.

    python benchmarks/crfsuite.py corpus/train.spacy corpus/validation.spacy corpus/test.spacy

A token is described by its lower-cased form, affixes, shape and flags, and by the form, shape
and flags of two tokens on either side; affixes of the neighbours made it worse on validation.
L-BFGS; the weights of the L1 and the L2 penalty are chosen on validation. Nothing is random.
Needs sklearn-crfsuite: pip install "spacy-twitter-ner[dev]".
"""

import time
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import spacy
import typer
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.vocab import Vocab
from wasabi import msg

from spacy_twitter_ner.iob import spans_to_bio, tags_to_spans
from spacy_twitter_ner.normalization import URL, USER, mask_user_and_url

WINDOW = 2
MAX_AFFIX = 4
MAX_ITERATIONS = 100
# Weights of the L1 and the L2 penalty.
GRID = tuple(product((0.03, 0.1, 0.3), (0.01, 0.1)))


class Choice(NamedTuple):
    """A setting of the grid and what became of it.

    c1 (float): Weight of the L1 penalty.
    c2 (float): Weight of the L2 penalty.
    f (float): F1 on validation, 0..1.
    seconds (float): Processor seconds of its training.
    """

    c1: float
    c2: float
    f: float
    seconds: float


class TokenFeatures(NamedTuple):
    """What a token alone tells, as strings of the form name=value.

    affixes (list[str]): Its first and last characters.
    others (list[str]): Its lower-cased form, its shape, and the flags that hold.
    """

    affixes: list[str]
    others: list[str]


class CRFTagger:
    """A trained CRF that annotates docs.

    crf (sklearn_crfsuite.CRF): The CRF.
    """

    def __init__(self, crf: Any) -> None:
        self.crf = crf

    def annotate(self, reference: Doc) -> Doc:
        """RETURNS (Doc): A copy of a doc's tokens with the CRF's entities."""
        doc = Doc(reference.vocab, words=[token.text for token in reference])
        spans = tags_to_spans(self.crf.predict_single(doc_features(doc)))
        doc.set_ents([Span(doc, start, end, label=label) for start, end, label in spans])
        return doc

    def score(self, references: Iterable[Doc]) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): spaCy's scores of entities, as fractions."""
        scores: dict[str, Any] = get_ner_prf(
            [Example(self.annotate(doc), doc) for doc in references]
        )
        return scores

    @property
    def n_bytes(self) -> int:
        """RETURNS (int): The size of CRFsuite's model file."""
        return Path(self.crf.modelfile.name).stat().st_size


def shape(text: str) -> str:
    """RETURNS (str): The kinds of a word's characters, a run of one kind written once."""
    kinds: list[str] = []
    for char in text:
        kind = "X" if char.isupper() else "x" if char.isalpha() else "d" if char.isdigit() else char
        if kinds[-1:] != [kind]:
            kinds.append(kind)
    return "".join(kinds)


def token_features(text: str) -> TokenFeatures:
    """RETURNS (TokenFeatures): The features of a token; user names and URLs share their form."""
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
    held = [name for name, holds in flags.items() if holds]
    return TokenFeatures(affixes, [f"lower={lower}", f"shape={shape(text)}", *held])


def doc_features(doc: Doc) -> list[list[str]]:
    """RETURNS (list[list[str]]): For each token, its features and those of its neighbours, led by
    the offset of whose they are; BOS and EOS stand where the text has begun or ended."""
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


def doc_tags(doc: Doc) -> list[str]:
    """RETURNS (list[str]): The BIO tag of each token."""
    return spans_to_bio([(ent.start, ent.end, ent.label_) for ent in doc.ents], len(doc))


def import_crf() -> Any:
    """RETURNS (type): The class sklearn_crfsuite.CRF.
    RAISES (ImportError): If it is not installed; the message says how to install it.
    """
    try:
        from sklearn_crfsuite import CRF
    except ImportError as error:
        raise ImportError(
            "CRFsuite needs sklearn-crfsuite, of the extra `dev`: "
            'pip install "spacy-twitter-ner[dev]", or pip install sklearn-crfsuite'
        ) from error
    return CRF


def train(
    docs: Sequence[Doc],
    validation: Sequence[Doc],
    grid: Sequence[tuple[float, float]] = GRID,
) -> tuple[CRFTagger, list[Choice]]:
    """Train a CRF with each setting of a grid and keep the best on validation.

    docs (Sequence[Doc]): The training corpus.
    validation (Sequence[Doc]): The corpus to choose by.
    grid (Sequence[tuple[float, float]]): Pairs of c1 and c2.
    RETURNS (tuple[CRFTagger, list[Choice]]): The best CRF, and all settings, the best first; of
        equals the one that stands first in the grid.
    RAISES (ImportError): If sklearn-crfsuite is not installed.
    """
    crf_class = import_crf()
    features, tags = [doc_features(doc) for doc in docs], [doc_tags(doc) for doc in docs]
    trained = []
    for c1, c2 in grid:
        start = time.thread_time()
        crf = crf_class(
            algorithm="lbfgs",
            c1=c1,
            c2=c2,
            max_iterations=MAX_ITERATIONS,
            all_possible_transitions=True,
        ).fit(features, tags)
        seconds = time.thread_time() - start
        tagger = CRFTagger(crf)
        f = tagger.score(validation)["ents_f"] or 0.0
        trained.append((tagger, Choice(c1, c2, f, seconds)))
    trained.sort(key=lambda pair: -pair[1].f)
    return trained[0][0], [choice for _, choice in trained]


def print_choices(choices: Sequence[Choice]) -> None:
    """Print the settings that were tried, the chosen one first."""
    msg.table(
        [(f"{c.c1:g}", f"{c.c2:g}", f"{100 * c.f:.2f}", f"{c.seconds:.0f}") for c in choices],
        header=("c1", "c2", "validation F1", "CPU s"),
        aligns=("r", "r", "r", "r"),
        title=f"CRFsuite: c1={choices[0].c1:g}, c2={choices[0].c2:g} chosen on validation",
    )


def read_docs(path: Path, vocab: Vocab) -> list[Doc]:
    """RETURNS (list[Doc]): The docs of a .spacy file."""
    return list(DocBin().from_disk(path).get_docs(vocab))


def crfsuite_cli(
    train_path: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Training corpus (.spacy)")
    ],
    validation_path: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Corpus to choose by (.spacy)")
    ],
    eval_paths: Annotated[
        list[Path] | None,
        typer.Argument(exists=True, dir_okay=False, help="Other corpora to score (.spacy)"),
    ] = None,
) -> None:
    """Train CRFsuite and print its F1."""
    vocab = spacy.blank("en").vocab
    validation = read_docs(validation_path, vocab)
    try:
        tagger, choices = train(read_docs(train_path, vocab), validation)
    except ImportError as error:
        msg.fail(str(error))
        raise typer.Exit(1) from error
    print_choices(choices)
    for path in (validation_path, *(eval_paths or ())):
        scores = tagger.score(read_docs(path, vocab))
        cells = (f"{100 * (scores[key] or 0.0):.2f}" for key in ("ents_p", "ents_r", "ents_f"))
        msg.text(f"{path.stem}: P, R, F1 {', '.join(cells)}")


if __name__ == "__main__":
    typer.run(crfsuite_cli)
