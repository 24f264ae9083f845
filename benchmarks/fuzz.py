"""Run a trained pipeline on generated documents, to find crashes and invalid entities.

    python benchmarks/fuzz.py training/hse/bilstm_crf/model-best --docs 100000

The documents are tweets that are truncated, spliced, shuffled, repeated and mixed with odd
characters, and random characters from all of Unicode, including lone surrogates and NULs. A few
have thousands of tokens. Half of them have preset entities, blocked tokens or sentence starts. They
are determined by the seed. The exit code is 1 if there are failures.
"""

import random
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated

import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import minibatch
from wasabi import msg

from lib.project import COMPONENT
from lib.tweets import read_some
from spacy_twitter_ner.iob import find_violations

PRESET = "PRESET"
# Documents per memory zone.
ZONE = 2_000
N_TWEETS = 20_000
# Blocks of Unicode that characters are drawn from, and characters that often break programs.
BLOCKS = ((0x20, 0x7F), (0x80, 0x250), (0x300, 0x370), (0x590, 0x780), (0x900, 0xE80))
BLOCKS += ((0x2000, 0x2070), (0x3040, 0xA000), (0xD800, 0xE000), (0xFE00, 0x10000))
BLOCKS += ((0x1F000, 0x20000), (0xE0000, 0xE0080), (0x0, 0x110000))
TRAPS = ("\x00", "\r\n", "\t", "\u200d", "\ufe0f", "\u202e", "\u2066", "\ufeff", "\ud83d", "\udc00")


def generate_texts(tweets: Sequence[str], seed: int) -> Iterator[str]:
    """Generate endless texts.

    tweets (Sequence[str]): The tweets to modify.
    seed (int): The random seed.
    YIELDS (str): The texts.
    """
    generator = random.Random(seed)  # noqa: S311 (not a secret)
    makers = (splice, mutate, shuffle, repeat, draw_characters, draw_characters)
    while True:
        text = generator.choice(makers)(tweets, generator)
        # A few docs have thousands of tokens.
        yield " ".join([text] * 500) if generator.random() < 0.001 else text


def splice(tweets: Sequence[str], generator: random.Random) -> str:
    """RETURNS (str): Parts of several tweets, truncated anywhere."""
    pieces = []
    for _ in range(generator.randint(0, 4)):
        tweet = generator.choice(tweets)
        start = generator.randint(0, len(tweet))
        pieces.append(tweet[start : generator.randint(start, len(tweet))])
    return generator.choice(["", " ", "\n"]).join(pieces)


def mutate(tweets: Sequence[str], generator: random.Random) -> str:
    """RETURNS (str): A tweet with odd characters inserted or some characters removed."""
    characters = list(generator.choice(tweets))
    for _ in range(generator.randint(1, 10)):
        index = generator.randint(0, len(characters))
        if generator.random() < 0.7:
            odd = generator.random() < 0.5
            characters.insert(index, generator.choice(TRAPS) if odd else draw(generator))
        else:
            del characters[index : index + 1]
    return "".join(characters)


def shuffle(tweets: Sequence[str], generator: random.Random) -> str:
    """RETURNS (str): A tweet's words in another order and case."""
    words = generator.choice(tweets).split(" ")
    generator.shuffle(words)
    return generator.choice((str.upper, str.lower, str.title, str))(" ".join(words))


def repeat(tweets: Sequence[str], generator: random.Random) -> str:
    """RETURNS (str): A repeated word or character."""
    word = generator.choice([draw(generator), *generator.choice(tweets).split()])
    return (word + generator.choice(["", " "])) * generator.randint(1, 60)


def draw_characters(tweets: Sequence[str], generator: random.Random) -> str:
    """RETURNS (str): Random characters."""
    return "".join(draw(generator) for _ in range(generator.randint(0, 60)))


def draw(generator: random.Random) -> str:
    """RETURNS (str): A random character."""
    start, end = generator.choice(BLOCKS)
    return chr(generator.randrange(start, end))


def preannotate(doc: Doc, generator: random.Random) -> Doc:
    """RETURNS (Doc): The doc. Half of the docs get an entity, blocked tokens or sentence starts."""
    if not len(doc) or generator.random() < 0.5:
        return doc
    start = generator.randrange(len(doc))
    end = generator.randint(start + 1, len(doc))
    kind = generator.choice(("entity", "blocked", "sentences"))
    if kind == "entity":
        doc.set_ents([Span(doc, start, end, PRESET)], default="missing")
    elif kind == "blocked":
        doc.set_ents([], blocked=[doc[start:end]], default="missing")
    else:
        for token in doc:
            token.is_sent_start = generator.random() < 0.3
    return doc


def find_failures(doc: Doc, text: str, labels: Sequence[str]) -> list[str]:
    """RETURNS (list[str]): The failures in an annotated doc."""
    failures = []
    # A Doc can't store lone surrogates.
    if doc.text != re.sub("[\ud800-\udfff]", "\ufffd", text):
        failures.append("doc.text isn't the input")
    end = 0
    for ent in doc.ents:
        if not end <= ent.start < ent.end <= len(doc):
            failures.append("entities are out of order")
        end = ent.end
        if ent.label_ == PRESET:
            continue
        if ent.label_ not in labels:
            failures.append("an entity has an unknown type")
        if ent[0].is_space or ent[-1].is_space:
            failures.append("an entity starts or ends with whitespace")
        if any(token.is_sent_start for token in ent[1:]):
            failures.append("an entity crosses a sentence boundary")
    tags = [f"{t.ent_iob_}-{t.ent_type_}" if t.ent_type_ else t.ent_iob_ or "O" for t in doc]
    # Blocked tokens are B without a type.
    if find_violations([tag if "-" in tag else "O" for tag in tags]):
        failures.append("invalid tags")
    return failures


def run(nlp: Language, texts: Iterator[str], n_docs: int, seed: int) -> tuple[Counter, Counter]:
    """Annotate generated texts in memory zones.

    nlp (Language): The pipeline.
    texts (Iterator[str]): The texts.
    n_docs (int): Number of texts.
    seed (int): Seed of the preset annotation.
    RETURNS (tuple[Counter, Counter]): Counts of docs, tokens and entities; counts of failures.
    """
    generator = random.Random(seed)  # noqa: S311 (not a secret)
    counts: Counter = Counter()
    failures: Counter = Counter()
    labels = nlp.get_pipe(COMPONENT).labels

    def count_failure(name: str, pipe: object, docs: list[Doc], error: Exception) -> None:
        failures[f"{type(error).__name__} in {name}"] += len(docs)
        counts["failed"] += len(docs)

    def make_docs(zone: Iterable[str]) -> Iterator[tuple[Doc, str]]:
        for text in zone:
            try:
                doc = nlp.make_doc(text)
            except Exception as error:
                failures[f"{type(error).__name__} in the tokenizer"] += 1
                counts["failed"] += 1
            else:
                yield preannotate(doc, generator), text

    nlp.set_error_handler(count_failure)
    for zone in minibatch(islice(texts, n_docs), ZONE):
        with nlp.memory_zone():
            for doc, text in nlp.pipe(make_docs(zone), as_tuples=True):
                counts.update(docs=1, tokens=len(doc), entities=len(doc.ents))
                counts["longest"] = max(counts["longest"], len(doc))
                failures.update(find_failures(doc, text, labels))
    return counts, failures


def fuzz_cli(
    model: Annotated[Path, typer.Argument(help="A trained pipeline")],
    n_docs: Annotated[
        int, typer.Option("--docs", "-n", min=1, help="Number of documents")
    ] = 100_000,
    seed: Annotated[int, typer.Option(help="Random seed")] = 0,
) -> None:
    """Run a trained pipeline on generated documents."""
    nlp = spacy.load(model)
    start = time.perf_counter()
    tweets = [tweet.text for tweet in read_some(N_TWEETS).tweets]
    counts, failures = run(nlp, generate_texts(tweets, seed), n_docs, seed)
    seconds = time.perf_counter() - start
    print(
        f"{counts['docs']:,} documents, {counts['tokens']:,} tokens (longest document "
        f"{counts['longest']:,}), {counts['entities']:,} entities, {seconds:,.0f} s"
    )
    if failures:
        for failure, count in failures.most_common():
            msg.fail(f"{count:,}: {failure}")
        raise typer.Exit(1)
    msg.good("No document failed, and no entity is invalid")


if __name__ == "__main__":
    typer.run(fuzz_cli)
