"""Generated documents through a trained pipeline: does anything break, is any entity illegal?

    python benchmarks/fuzz.py training/hse/bilstm_crf/model-best --docs 100000

The documents are tweets (of assets/unlabelled, or else of the bundled sample) that are cut,
spliced, shuffled, repeated and strewn with characters of all kinds, and strings of characters drawn
from all of Unicode, lone surrogates and NULs included; a few are thousands of tokens long. Half of
them already have some entities, blocked tokens or sentence starts. The same seed gives the same
documents. Prints what was read and what was wrong; the exit code is 1 if anything was.
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

from spacy_twitter_ner.corpus.tweets import read_tweets, tweet_files
from spacy_twitter_ner.iob import find_violations

ROOT = Path(__file__).parents[1]
COMPONENT = "twitter_bilstm_ner"
PRESET = "PRESET"
ZONE = 2_000
# Blocks from which characters are drawn, and characters that other programs trip over.
BLOCKS = ((0x20, 0x7F), (0x80, 0x250), (0x300, 0x370), (0x590, 0x780), (0x900, 0xE80))
BLOCKS += ((0x2000, 0x2070), (0x3040, 0xA000), (0xD800, 0xE000), (0xFE00, 0x10000))
BLOCKS += ((0x1F000, 0x20000), (0xE0000, 0xE0080), (0x0, 0x110000))
TRAPS = ("\x00", "\r\n", "\t", "\u200d", "\ufe0f", "\u202e", "\u2066", "\ufeff", "\ud83d", "\udc00")


def generate_texts(tweets: Sequence[str], seed: int) -> Iterator[str]:
    """Generate texts, without end.

    tweets (Sequence[str]): What to make them of.
    seed (int): The seed.
    YIELDS (str): The texts.
    """
    generator = random.Random(seed)  # noqa: S311 (no secret)
    makers = (splice, strew, shuffle, repeat, draw_characters, draw_characters)
    while True:
        text = generator.choice(makers)(tweets, generator)
        # Now and then a doc of thousands of tokens.
        yield " ".join([text] * 500) if generator.random() < 0.001 else text


def splice(tweets: Sequence[str], generator: random.Random) -> str:
    """RETURNS (str): Pieces of some tweets, cut anywhere."""
    pieces = []
    for _ in range(generator.randint(0, 4)):
        tweet = generator.choice(tweets)
        start = generator.randint(0, len(tweet))
        pieces.append(tweet[start : generator.randint(start, len(tweet))])
    return generator.choice(["", " ", "\n"]).join(pieces)


def strew(tweets: Sequence[str], generator: random.Random) -> str:
    """RETURNS (str): A tweet with odd characters in it, or some of its own left out."""
    characters = list(generator.choice(tweets))
    for _ in range(generator.randint(1, 10)):
        place = generator.randint(0, len(characters))
        if generator.random() < 0.7:
            odd = generator.random() < 0.5
            characters.insert(place, generator.choice(TRAPS) if odd else draw(generator))
        else:
            del characters[place : place + 1]
    return "".join(characters)


def shuffle(tweets: Sequence[str], generator: random.Random) -> str:
    """RETURNS (str): A tweet's words in another order and another case."""
    words = generator.choice(tweets).split(" ")
    generator.shuffle(words)
    return generator.choice((str.upper, str.lower, str.title, str))(" ".join(words))


def repeat(tweets: Sequence[str], generator: random.Random) -> str:
    """RETURNS (str): A word or a character again and again."""
    word = generator.choice([draw(generator), *generator.choice(tweets).split()])
    return (word + generator.choice(["", " "])) * generator.randint(1, 60)


def draw_characters(tweets: Sequence[str], generator: random.Random) -> str:
    """RETURNS (str): Characters that have nothing to do with one another."""
    return "".join(draw(generator) for _ in range(generator.randint(0, 60)))


def draw(generator: random.Random) -> str:
    """RETURNS (str): A character."""
    start, end = generator.choice(BLOCKS)
    return chr(generator.randrange(start, end))


def preannotate(doc: Doc, generator: random.Random) -> Doc:
    """RETURNS (Doc): The doc; every other one gets an entity, blocked tokens or sentence starts."""
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


def find_faults(doc: Doc, text: str, labels: Sequence[str]) -> list[str]:
    """RETURNS (list[str]): What is wrong with an annotated doc."""
    faults = []
    # A Doc cannot hold lone surrogates.
    if doc.text != re.sub("[\ud800-\udfff]", "\ufffd", text):
        faults.append("the text is not the one that was given")
    end = 0
    for ent in doc.ents:
        if not end <= ent.start < ent.end <= len(doc):
            faults.append("entities are not in order")
        end = ent.end
        if ent.label_ == PRESET:
            continue
        if ent.label_ not in labels:
            faults.append("an unknown type")
        if ent[0].is_space or ent[-1].is_space:
            faults.append("white space at an entity's edge")
        if any(token.is_sent_start for token in ent[1:]):
            faults.append("an entity crosses a sentence start")
    tags = [f"{t.ent_iob_}-{t.ent_type_}" if t.ent_type_ else t.ent_iob_ or "O" for t in doc]
    # A blocked token has a B without a type.
    if find_violations([tag if "-" in tag else "O" for tag in tags]):
        faults.append("invalid tags")
    return faults


def run(nlp: Language, texts: Iterator[str], n_docs: int, seed: int) -> tuple[Counter, Counter]:
    """Annotate generated texts in memory zones.

    nlp (Language): The pipeline.
    texts (Iterator[str]): The texts.
    n_docs (int): How many to read.
    seed (int): Seed of what is annotated beforehand.
    RETURNS (tuple[Counter, Counter]): Counts of docs, tokens and so on; and of what was wrong.
    """
    generator = random.Random(seed)  # noqa: S311 (no secret)
    counts: Counter = Counter()
    faults: Counter = Counter()
    labels = nlp.get_pipe(COMPONENT).labels

    def count_failure(name: str, pipe: object, docs: list[Doc], error: Exception) -> None:
        faults[f"{type(error).__name__} in {name}"] += len(docs)
        counts["failed"] += len(docs)

    def make_docs(zone: Iterable[str]) -> Iterator[tuple[Doc, str]]:
        for text in zone:
            try:
                doc = nlp.make_doc(text)
            except Exception as error:
                faults[f"{type(error).__name__} in the tokenizer"] += 1
                counts["failed"] += 1
            else:
                yield preannotate(doc, generator), text

    nlp.set_error_handler(count_failure)
    for zone in minibatch(islice(texts, n_docs), ZONE):
        with nlp.memory_zone():
            for doc, text in nlp.pipe(make_docs(zone), as_tuples=True):
                counts.update(docs=1, tokens=len(doc), entities=len(doc.ents))
                counts["longest"] = max(counts["longest"], len(doc))
                faults.update(find_faults(doc, text, labels))
    return counts, faults


def read_sources() -> list[str]:
    """RETURNS (list[str]): Tweets to make documents of."""
    if (ROOT / "assets" / "unlabelled").exists():
        return list(islice(read_tweets(tweet_files([ROOT / "assets" / "unlabelled"])), 20_000))
    blocks = (ROOT / "assets" / "sample" / "train.txt").read_text(encoding="utf8").split("\n\n")
    return [" ".join(line.split(" ")[0] for line in block.splitlines()) for block in blocks]


def fuzz_cli(
    model: Annotated[Path, typer.Argument(help="A trained pipeline")],
    n_docs: Annotated[int, typer.Option("--docs", "-n", min=1, help="How many")] = 100_000,
    seed: Annotated[int, typer.Option(help="Seed of the documents")] = 0,
) -> None:
    """Let a trained pipeline read generated documents."""
    nlp = spacy.load(model)
    start = time.perf_counter()
    counts, faults = run(nlp, generate_texts(read_sources(), seed), n_docs, seed)
    seconds = time.perf_counter() - start
    print(
        f"{counts['docs']:,} documents, {counts['tokens']:,} tokens (longest document "
        f"{counts['longest']:,}), {counts['entities']:,} entities, {seconds:,.0f} s"
    )
    if faults:
        for fault, count in faults.most_common():
            msg.fail(f"{count:,}: {fault}")
        raise typer.Exit(1)
    msg.good("No document failed, and no entity is illegal")


if __name__ == "__main__":
    typer.run(fuzz_cli)
