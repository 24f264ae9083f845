"""A corpus reader for configs, so that a pipeline can be trained on token/tag files directly."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.augment import dont_augment
from spacy.util import logger

from .converting import docs_from_tweets
from .reading import AUTO, TaggedTweet, check_problems, read_tag_file, summarize_problems

Augmenter = Callable[[Language, Example], Iterator[Example]]


def create_tag_file_reader(
    path: Path | None,
    scheme: str = AUTO,
    repair: bool = False,
    limit: int = 0,
    max_length: int = 0,
    augmenter: Augmenter | None = None,
    raw: bool = False,
) -> Callable[[Language], Iterable[Example]]:
    """Create a reader of a token/tag file: "spacy-twitter-ner.TagFileCorpus.v1".

    path (Path | None): The file.
    scheme (str): Tag scheme of the file: BIO, IOB1 or BILUO; or "auto" to recognise it.
    repair (bool): Mend problems, with a warning, instead of stopping at them.
    limit (int): Read no more than so many tweets. Defaults to 0, which is no limit.
    max_length (int): Leave out tweets of more tokens. Defaults to 0, which is no limit.
    augmenter (Augmenter | None): Makes examples of an example, see spaCy's docs.
    raw (bool): Let the pipeline's tokenizer cut the text that the tokens were probably cut from,
        instead of taking the file's own tokens.
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
    ) -> None:
        """Initialize the reader; the file is read when examples are first asked for.

        For the arguments see create_tag_file_reader.
        """
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
            file = read_tag_file(self.path, scheme=self.scheme)
            check_problems(file.problems, repair=self.repair)
            if file.problems:
                summary = "\n".join(summarize_problems(file.problems))
                logger.warning(
                    "Mended %d problem(s) in the corpus:\n%s", len(file.problems), summary
                )
            tweets = [t for t in file.tweets if not 0 < self.max_length < len(t.tokens)]
            self._tweets = tweets[: self.limit] if self.limit >= 1 else tweets
        return self._tweets
