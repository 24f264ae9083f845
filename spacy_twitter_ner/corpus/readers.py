"""Read annotated tweets: a corpus reader for configs, so that a pipeline can be trained on
token/tag files directly, and functions that read .spacy and token/tag files alike."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus, Example
from spacy.training.augment import dont_augment
from spacy.training.corpus import walk_corpus
from spacy.util import logger
from spacy.vocab import Vocab

from .converting import FILE_TYPE, docs_from_tweets
from .layout import DEFAULT_LABEL, FileFormat
from .reading import AUTO, TaggedTweet, check_problems, read_tag_file, summarize_problems

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
    repair (bool): Repair problems, with a warning, instead of stopping at them.
    limit (int): Read no more than so many tweets. Defaults to 0, which is no limit.
    max_length (int): Leave out tweets of more tokens. Defaults to 0, which is no limit.
    augmenter (Augmenter | None): Makes examples of an example, see spaCy's docs.
    raw (bool): Let the pipeline's tokenizer cut the text that the tokens were probably cut from,
        instead of taking the file's own tokens.
    token_column, tag_column, comments, label: See FileFormat.
    RETURNS (Callable[[Language], Iterable[Example]]): The reader.
    RAISES (ValueError): If the path is not set.
    """
    if path is None:
        raise ValueError(
            "TagFileCorpus: the setting 'path' is empty. Set it in the reader's block of the "
            "config, e.g. in [corpora.train], or where that refers to, e.g. --paths.train FILE"
        )
    return TagFileCorpus(
        path,
        scheme=scheme,
        repair=repair,
        limit=limit,
        max_length=max_length,
        augmenter=augmenter,
        raw=raw,
        file_format=FileFormat(token_column, tag_column, tuple(comments), label),
    )


class TagFileCorpus:
    """Yields the examples of a token/tag file. The predicted Docs have the file's own tokens, or
    those that the pipeline's tokenizer finds in raw text."""

    def __init__(
        self,
        path: Path,
        *,
        scheme: str = AUTO,
        repair: bool = False,
        limit: int = 0,
        max_length: int = 0,
        augmenter: Augmenter | None = None,
        raw: bool = False,
        file_format: FileFormat | None = None,
    ) -> None:
        """Initialize the reader. The file is read when examples are first requested.

        For the arguments see create_tag_file_reader and FileFormat.
        """
        self.file_format = file_format or FileFormat()
        self.path = Path(path)
        self.scheme = scheme
        self.repair = repair
        self.limit = limit
        self.max_length = max_length
        self.raw = raw
        self.augmenter: Augmenter = augmenter if augmenter is not None else dont_augment
        self._tweets: list[TaggedTweet] | None = None

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Yield the examples.

        nlp (Language): The pipeline, of which the vocab is used, and on raw text the tokenizer.
        YIELDS (Example): The examples.
        RAISES (CorpusError): If the file has problems; with repair only if some cannot be mended.
        RAISES (OSError): If the file cannot be read.
        """
        for reference in docs_from_tweets(self._read(), nlp.vocab, raw=self.raw):
            if self.raw:
                predicted = nlp.make_doc(reference.text)
            else:
                predicted = Doc(nlp.vocab, words=[token.text for token in reference])
            yield from self.augmenter(nlp, Example(predicted, reference))

    def _read(self) -> list[TaggedTweet]:
        # Kept, because spaCy asks for the evaluation corpus anew at every evaluation.
        if self._tweets is None:
            logger.debug("Loading corpus from path: %s", self.path)
            file = read_tag_file(self.path, scheme=self.scheme, file_format=self.file_format)
            check_problems(file.problems, repair=self.repair)
            for note in file.notes:
                logger.info(note)
            if file.problems:
                summary = "\n".join(summarize_problems(file.problems))
                logger.warning(
                    "Mended %d problem(s) in the corpus:\n%s", len(file.problems), summary
                )
            tweets = [t for t in file.tweets if not 0 < self.max_length < len(t.tokens)]
            self._tweets = tweets[: self.limit] if self.limit >= 1 else tweets
        return self._tweets


def read_examples(path: str | Path, nlp: Language) -> Iterator[Example]:
    """Read annotated tweets to evaluate a pipeline on.

    path (str | Path): A .spacy file, a folder of them, or a token/tag file.
    nlp (Language): The pipeline.
    YIELDS (Example): Unannotated docs and their annotation, as spacy.Corpus.v1 and
        TagFileCorpus.v1 read them.
    RAISES (CorpusError): If a token/tag file has problems.
    RAISES (OSError): If the file doesn't exist or can't be read.
    RAISES (ValueError): If it has no annotated tweets.
    """
    path = Path(path)
    if _is_binary(path):
        yield from _name_damaged(path, Corpus(path)(nlp))
    else:
        yield from TagFileCorpus(path)(nlp)


def read_docs(path: str | Path, vocab: Vocab) -> Iterator[Doc]:
    """Read annotated tweets.

    path (str | Path): A .spacy file, a folder of them, or a token/tag file.
    vocab (Vocab): The docs' vocab.
    YIELDS (Doc): The docs.
    RAISES (CorpusError): If a token/tag file has problems.
    RAISES (OSError): If the file doesn't exist or can't be read.
    RAISES (ValueError): If a file can't be read as docs.
    """
    path = Path(path)
    if _is_binary(path):
        bins = (DocBin().from_disk(file) for file in walk_corpus(path, FILE_TYPE))
        docs = (doc for doc_bin in bins for doc in doc_bin.get_docs(vocab))
        yield from _name_damaged(path, docs)
    else:
        file = read_tag_file(path)
        check_problems(file.problems, repair=False)
        yield from docs_from_tweets(file.tweets, vocab)


def _is_binary(path: Path) -> bool:
    """Whether a path is a .spacy file or a folder of them, and not a token/tag file."""
    if path.is_dir():
        if not any(path.rglob(f"*{FILE_TYPE}")):
            raise ValueError(
                f"{path} is a folder without {FILE_TYPE} files: name a {FILE_TYPE} or token/tag "
                "file, or convert token/tag files with `spacy-twitter-ner convert`"
            )
        return True
    if path.suffix != FILE_TYPE and not path.exists():
        raise ValueError(
            f"{path} is no {FILE_TYPE} file and does not exist: convert token/tag files with "
            "`spacy-twitter-ner convert`, or name one of them"
        )
    return path.suffix == FILE_TYPE


def _name_damaged(path: Path, items: Iterable[T]) -> Iterator[T]:
    """Name the path if a .spacy file in it is damaged."""
    try:
        yield from items
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a corpus of docs: {error}") from error
