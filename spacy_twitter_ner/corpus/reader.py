"""Read annotated tweets: a corpus reader for training on token/tag files directly, and functions
that read .spacy files, token/tag files and JSON lines with spans."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus, Example
from spacy.training.augment import dont_augment
from spacy.training.corpus import walk_corpus
from spacy.util import logger
from spacy.vocab import Vocab

from ..util import plural
from . import spanfile
from .convert import FILE_TYPE, docs_from_tweets
from .layout import DEFAULT_LABEL, FileFormat
from .spanfile import read_span_file
from .tagfile import (
    AUTO,
    DEFAULT_FORMAT,
    TaggedTweet,
    check_problems,
    read_tag_file,
    summarize_problems,
)

T = TypeVar("T")
Augmenter = Callable[[Language, Example], Iterator[Example]]


def create_tag_file_reader(
    path: Path | None,
    scheme: str = AUTO,
    repair: bool = False,
    limit: int = 0,
    max_length: int = 0,
    augmenter: Augmenter | None = None,
    raw: bool = False,
    token_column: int | None = None,
    tag_column: int | None = None,
    comments: Sequence[str] = (),
    label: str = DEFAULT_LABEL,
) -> Callable[[Language], Iterable[Example]]:
    """Create a reader of a token/tag file: "spacy-twitter-ner.TagFileCorpus.v1".

    path (Path | None): The file.
    scheme (str): Tag scheme of the file: BIO, IOB1, BILUO or IO; or "auto" to recognize it.
    repair (bool): Repair problems and log a warning, instead of raising an error.
    limit (int): Maximum number of tweets to read. Defaults to 0, which means no limit.
    max_length (int): Skip tweets with more tokens. Defaults to 0, which means no limit.
    augmenter (Augmenter | None): Data augmentation callback, as in spaCy's corpus readers.
    raw (bool): Tokenize the guessed raw text with the pipeline's tokenizer, instead of using the
        file's tokens.
    token_column, tag_column, comments, label: See FileFormat.
    RETURNS (Callable[[Language], Iterable[Example]]): The reader.
    RAISES (ValueError): If the path is not set.
    """
    if path is None:
        raise ValueError(
            "TagFileCorpus: the setting 'path' is empty. Set it in the reader's block of the "
            "config, e.g. in [corpora.train], or in the variable it refers to, e.g. with "
            "--paths.train FILE"
        )
    return TagFileCorpus(
        Path(path),
        scheme=scheme,
        repair=repair,
        limit=limit,
        max_length=max_length,
        augmenter=augmenter or dont_augment,
        raw=raw,
        file_format=FileFormat(token_column, tag_column, tuple(comments), label),
    )


@dataclass
class TagFileCorpus:
    """Iterate over the examples in a token/tag file, which is read when they are first requested.
    See create_tag_file_reader for the arguments."""

    path: Path
    scheme: str = AUTO
    repair: bool = False
    limit: int = 0
    max_length: int = 0
    augmenter: Augmenter = dont_augment
    raw: bool = False
    file_format: FileFormat = DEFAULT_FORMAT

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Yield the examples.

        nlp (Language): The pipeline, for its vocab and tokenizer.
        YIELDS (Example): The examples.
        RAISES (CorpusError): If the file has problems that are not repaired.
        RAISES (OSError): If the file can't be read.
        """
        for reference in docs_from_tweets(self._tweets, nlp.vocab, raw=self.raw):
            yield from self.augmenter(nlp, make_example(nlp, reference))

    @cached_property
    def _tweets(self) -> list[TaggedTweet]:
        # Cached, since spaCy iterates over the dev corpus at each evaluation.
        logger.debug("Loading corpus from path: %s", self.path)
        file = read_tag_file(self.path, scheme=self.scheme, file_format=self.file_format)
        check_problems(file.problems, repair=self.repair)
        for note in file.notes:
            logger.info(note)
        if file.problems:
            summary = "\n".join(summarize_problems(file.problems))
            n_problems = plural(len(file.problems), "problem")
            logger.warning("Repaired %s in the corpus:\n%s", n_problems, summary)
        tweets = [t for t in file.tweets if not 0 < self.max_length < len(t.tokens)]
        return tweets[: self.limit] if self.limit >= 1 else tweets


def read_examples(path: str | Path, nlp: Language) -> Iterator[Example]:
    """Read annotated tweets as examples.

    path (str | Path): A .spacy file, a folder of them, a token/tag file, or JSON lines with spans.
    nlp (Language): The pipeline.
    YIELDS (Example): Unannotated docs and their references, as in spacy.Corpus.v1 and
        TagFileCorpus.v1.
    RAISES (CorpusError): If a token/tag file or a line of JSON has problems.
    RAISES (OSError): If the file doesn't exist or can't be read.
    RAISES (ValueError): If it has no annotated tweets.
    """
    path = Path(path)
    if _is_binary(path):
        yield from _name_damaged(path, Corpus(path)(nlp))
    elif path.suffix == spanfile.FILE_TYPE:
        yield from (make_example(nlp, doc) for doc in read_span_file(path, nlp.vocab))
    else:
        yield from TagFileCorpus(path)(nlp)


def make_example(nlp: Language, reference: Doc) -> Example:
    """Make an example from an annotated doc, as spacy.Corpus.v1 does.

    nlp (Language): The pipeline.
    reference (Doc): The doc.
    RETURNS (Example): The example. Its predicted doc has the same tokens if the reference has no
        spaces, or else those of the pipeline's tokenizer.
    """
    if reference.has_unknown_spaces:
        predicted = Doc(nlp.vocab, words=[token.text for token in reference])
    else:
        predicted = nlp.make_doc(reference.text)
    return Example(predicted, reference)


def read_docs(path: str | Path, vocab: Vocab) -> Iterator[Doc]:
    """Read annotated tweets as docs.

    path (str | Path): A .spacy file, a folder of them, a token/tag file, or JSON lines with spans.
    vocab (Vocab): The docs' vocab.
    YIELDS (Doc): The docs.
    RAISES (CorpusError): If a token/tag file or a line of JSON has problems.
    RAISES (OSError): If the file doesn't exist or can't be read.
    RAISES (ValueError): If a file can't be read as docs.
    """
    path = Path(path)
    if _is_binary(path):
        bins = (DocBin().from_disk(file) for file in walk_corpus(path, FILE_TYPE))
        docs = (doc for doc_bin in bins for doc in doc_bin.get_docs(vocab))
        yield from _name_damaged(path, docs)
    elif path.suffix == spanfile.FILE_TYPE:
        yield from read_span_file(path, vocab)
    else:
        file = read_tag_file(path)
        check_problems(file.problems, repair=False)
        yield from docs_from_tweets(file.tweets, vocab)


def _is_binary(path: Path) -> bool:
    """RETURNS (bool): Whether a path is a .spacy file or a folder of them."""
    if path.is_dir():
        if not any(path.rglob(f"*{FILE_TYPE}")):
            raise ValueError(
                f"{path} is a folder without {FILE_TYPE} files: name a {FILE_TYPE} or token/tag "
                "file, or convert token/tag files with `spacy-twitter-ner convert`"
            )
        return True
    if path.suffix != FILE_TYPE and not path.exists():
        raise ValueError(
            f"{path} isn't a {FILE_TYPE} file and doesn't exist: convert token/tag files with "
            "`spacy-twitter-ner convert`, or name one of them"
        )
    return path.suffix == FILE_TYPE


def _name_damaged(path: Path, items: Iterable[T]) -> Iterator[T]:
    """Add the path to errors from damaged .spacy files."""
    try:
        yield from items
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} can't be read as a corpus of docs: {error}") from error
