"""Small data: training on a few tweets, and teaching a trained pipeline a new type.

    python benchmarks/fine_tuning.py sizes --corpus sample
    python benchmarks/fine_tuning.py new-type --corpus hse --label sportsteam

Both need corpus/<corpus>/{train,validation,test}.spacy, written by
`python -m spacy project run convert . --vars.corpus <corpus>`.

`sizes` trains configs on random tweets of the training split and prints F1 by number of tweets.

`new-type` trains `bilstm_crf` on the corpus without a type, in training/<corpus>/without_<type>. It
then teaches the type with nlp.update, on tweets in which nothing else is annotated: tokens that the
pipeline predicts as other types have missing annotation, all others are outside. It does so without
rehearsal, and with nlp.rehearse on other tweets of the training split, without their annotation.
Weights are averaged, as in `spacy train`. Prints F1 by type.
"""

import random
import statistics
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Annotated, Any

import spacy
import typer
from spacy.cli.train import train
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.util import minibatch
from thinc.api import fix_random_seed
from wasabi import msg

from spacy_twitter_ner.evaluation.scorer import score_entities

ROOT = Path(__file__).parents[1]
COMPONENT = "twitter_bilstm_ner"
ALL = "all known types"
# Tweets rehearsed after each update, chosen on validation of hse.
REHEARSAL_SIZE = 128
BEFORE, ALONE, REHEARSED = "before", "without rehearsal", "with rehearsal"

SIZES = [50, 200, 1000]
CONFIGS = ["finetune", "bilstm_crf_lexical", "bilstm_crf"]

app = typer.Typer(help="Small data", rich_markup_mode=None)


def without_type(doc: Doc, label: str) -> Doc:
    """RETURNS (Doc): A copy of a doc in which nobody annotated a type."""
    copied = bare_copy(doc)
    ents = [Span(copied, e.start, e.end, e.label_) for e in doc.ents if e.label_ != label]
    copied.set_ents(ents, default="outside")
    return copied


def bare_copy(doc: Doc) -> Doc:
    """RETURNS (Doc): A doc of the same words without annotation."""
    return Doc(doc.vocab, words=[token.text for token in doc])


def train_without(label: str, corpus: Path, output: Path, max_steps: int) -> Path:
    """Train the default config on a corpus in which a type is not annotated.

    label (str): The type.
    corpus (Path): The folder of the corpus's .spacy files.
    output (Path): The folder for the pipeline and the corpus without the type.
    max_steps (int): The number of updates.
    RETURNS (Path): The trained pipeline; one that is there already is taken as it is.
    """
    path = output / "model-best"
    if path.exists():
        msg.info(f"{path} is there already")
        return path
    output.mkdir(parents=True, exist_ok=True)
    vocab = spacy.blank("en").vocab
    for split in ("train", "validation"):
        docs = (without_type(doc, label) for doc in read_docs(corpus / f"{split}.spacy", vocab))
        DocBin(docs=docs).to_disk(output / f"{split}.spacy")
    overrides = {
        "paths.train": str(output / "train.spacy"),
        "paths.dev": str(output / "validation.spacy"),
        "training.max_steps": max_steps,
    }
    train(ROOT / "configs" / "bilstm_crf.cfg", output, overrides=overrides)
    return path


def read_docs(path: Path, vocab: spacy.vocab.Vocab) -> list[Doc]:
    """RETURNS (list[Doc]): The docs of a .spacy file.
    RAISES (SystemExit): If there is none.
    """
    if not path.exists():
        command = f"python -m spacy project run convert . --vars.corpus {path.parent.name}"
        raise SystemExit(f"no {path}: run `{command}`")
    return list(DocBin().from_disk(path).get_docs(vocab))


def annotate_new_type(nlp: Language, docs: Sequence[Doc], label: str) -> Iterator[Example]:
    """Make examples in which one type is annotated and nothing else.

    nlp (Language): The pipeline; what it takes for entities of other types is left missing.
    docs (Sequence[Doc]): Tweets with gold annotation, of which that of the type is taken.
    label (str): The type.
    YIELDS (Example): The examples.
    """
    for doc, predicted in zip(docs, nlp.pipe([bare_copy(doc) for doc in docs]), strict=True):
        reference = bare_copy(doc)
        new = [Span(reference, e.start, e.end, label) for e in doc.ents if e.label_ == label]
        taken = {index for ent in new for index in range(ent.start, ent.end)}
        unsure = [
            reference[token.i : token.i + 1]
            for token in predicted
            if token.ent_type_ and token.i not in taken
        ]
        reference.set_ents(new, missing=unsure, default="outside")
        yield Example(bare_copy(doc), reference)


def teach(
    nlp: Language,
    examples: Sequence[Example],
    label: str,
    rehearsal: Sequence[Doc],
    *,
    epochs: int,
    learn_rate: float | None = None,
    seed: int = 0,
) -> None:
    """Teach a trained pipeline a new type.

    nlp (Language): The pipeline.
    examples (Sequence[Example]): Tweets in which the type is annotated.
    label (str): The type.
    rehearsal (Sequence[Doc]): Tweets to rehearse on, a batch after each update; none, if empty.
    epochs (int): How often to go through the examples.
    learn_rate (Optional[float]): The learn rate; that of the pipeline's config, if not given.
    seed (int): Seed of the order of the examples.
    """
    fix_random_seed(seed)
    optimizer = nlp.resume_training()
    if learn_rate is not None:
        optimizer.learn_rate = learn_rate
    nlp.get_pipe(COMPONENT).add_label(label)
    batches = cycle(minibatch(rehearsal, REHEARSAL_SIZE)) if rehearsal else None
    shuffled = list(examples)
    for _ in range(epochs):
        random.shuffle(shuffled)
        for batch in minibatch(shuffled, 10):
            nlp.update(batch, sgd=optimizer, drop=0.2)
            if batches is not None:
                known = [Example(bare_copy(doc), bare_copy(doc)) for doc in next(batches)]
                nlp.rehearse(known, sgd=optimizer)
    # As `spacy train` does: averaged weights depend less on the last batches.
    with nlp.use_params(optimizer.averages):
        averaged = nlp.to_bytes()
    nlp.from_bytes(averaged)


def f1_by_type(nlp: Language, docs: Sequence[Doc], new: str) -> dict[str, float]:
    """RETURNS (dict[str, float]): F1 on gold tokens by type, and of all but the new one."""
    predicted = list(nlp.pipe([bare_copy(doc) for doc in docs]))
    pairs = list(zip(predicted, docs, strict=True))
    by_type = score_entities(Example(*pair) for pair in pairs)["ents_per_type"]
    old = [(without_type(x, new), without_type(y, new)) for x, y in pairs]
    overall = score_entities(Example(*pair) for pair in old)["ents_f"]
    return {ALL: overall, **{label: scores["f"] for label, scores in sorted(by_type.items())}}


def to_markdown(columns: dict[str, dict[str, float]], new: str) -> str:
    """RETURNS (str): A row for each type, the new one last; in brackets what has changed."""
    labels = list(dict.fromkeys(label for scores in columns.values() for label in scores))
    rows = [f"| type | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    for label in sorted(labels, key=lambda label: (label == new, label != ALL, label)):
        cells = []
        for name, scores in columns.items():
            value = 100 * scores.get(label, 0.0)
            change = value - 100 * columns[BEFORE].get(label, 0.0)
            cells.append(f"{value:.1f}" + (f" ({change:+.1f})" if name != BEFORE else ""))
        rows.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(rows)


def choose_tweets(docs: Iterable[Doc], label: str, n_tweets: int) -> tuple[list[Doc], list[Doc]]:
    """RETURNS (tuple[list[Doc], list[Doc]]): The first tweets with the type, and all others."""
    chosen, others = [], []
    for doc in docs:
        has_type = any(ent.label_ == label for ent in doc.ents)
        (chosen if has_type and len(chosen) < n_tweets else others).append(doc)
    return chosen, others


@app.command("new-type")
def new_type_cli(
    corpus: Annotated[str, typer.Option(help="Name of a folder in corpus/")] = "hse",
    label: Annotated[str, typer.Option(help="Type to learn later")] = "sportsteam",
    n_tweets: Annotated[int, typer.Option(min=1, help="Tweets to learn it from")] = 100,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs on these tweets")] = 10,
    max_steps: Annotated[int, typer.Option(min=1, help="Updates of the first training")] = 1800,
    split: Annotated[str, typer.Option(help="Split to score")] = "test",
    seed: Annotated[int, typer.Option(help="Seed of the order of these tweets")] = 0,
) -> None:
    """Teach a trained pipeline a new type, with and without rehearsal, and score all types."""
    folder = ROOT / "corpus" / corpus
    output = ROOT / "training" / corpus / f"without_{label}"
    path = train_without(label, folder, output, max_steps)
    columns = {}
    for name in (BEFORE, ALONE, REHEARSED):
        nlp = spacy.load(path)
        docs, others = choose_tweets(read_docs(folder / "train.spacy", nlp.vocab), label, n_tweets)
        if name != BEFORE:
            examples = list(annotate_new_type(nlp, docs, label))
            rehearsal = others if name == REHEARSED else []
            teach(nlp, examples, label, rehearsal, epochs=epochs, seed=seed)
        columns[name] = f1_by_type(nlp, read_docs(folder / f"{split}.spacy", nlp.vocab), label)
    msg.good(f"{corpus}, {split}: {label} learned from {len(docs)} tweets in {epochs} epochs")
    print(to_markdown(columns, label))


def train_on_sample(
    config: Path, corpus: Path, n_tweets: int, seed: int, overrides: Mapping[str, Any]
) -> Language:
    """Train a config on random tweets of a corpus.

    config (Path): The config.
    corpus (Path): The folder of the corpus's .spacy files.
    n_tweets (int): The number of tweets.
    seed (int): Seed of the sample and of the training.
    overrides (Mapping[str, Any]): Other settings.
    RETURNS (Language): The pipeline with the best score on validation.
    """
    docs = read_docs(corpus / "train.spacy", spacy.blank("en").vocab)
    random.Random(seed).shuffle(docs)  # noqa: S311
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        DocBin(docs=docs[:n_tweets]).to_disk(path / "train.spacy")
        settings = {
            "paths.train": str(path / "train.spacy"),
            "paths.dev": str(corpus / "validation.spacy"),
            "system.seed": seed,
            **overrides,
        }
        train(config, path, overrides=settings)
        return spacy.load(path / "model-best")


def f1(nlp: Language, path: Path) -> float:
    """RETURNS (float): Micro-averaged F1 on gold tokens, in percent."""
    examples = [Example(bare_copy(doc), doc) for doc in read_docs(path, nlp.vocab)]
    return 100 * nlp.evaluate(examples)["ents_f"]


@app.command("sizes")
def sizes_cli(
    corpus: Annotated[str, typer.Option(help="Name of a folder in corpus/")] = "sample",
    sizes: Annotated[list[int], typer.Option("--size", help="Number of tweets")] = SIZES,
    configs: Annotated[list[str], typer.Option("--config", help="Name of a config")] = CONFIGS,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds")] = 3,
    split: Annotated[str, typer.Option(help="Split to score")] = "validation",
    max_steps: Annotated[int | None, typer.Option(min=1, help="Maximum number of updates")] = None,
) -> None:
    """Train configs on a few tweets, and print F1 by number of tweets."""
    folder = ROOT / "corpus" / corpus
    overrides = {} if max_steps is None else {"training.max_steps": max_steps}
    print(f"| tweets | {' | '.join(f'`{config}`' for config in configs)} |")
    print("|---:|" + "---:|" * len(configs))
    for n_tweets in sizes:
        cells = []
        for config in configs:
            path = ROOT / "configs" / f"{config}.cfg"
            scores = [
                f1(
                    train_on_sample(path, folder, n_tweets, seed, overrides),
                    folder / f"{split}.spacy",
                )
                for seed in range(seeds)
            ]
            deviation = f" ± {statistics.stdev(scores):.1f}" if seeds > 1 else ""
            cells.append(f"{statistics.mean(scores):.1f}{deviation}")
        print(f"| {n_tweets:,} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    app()
