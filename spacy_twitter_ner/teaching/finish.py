"""Finish a session: write the pipeline, the data in several formats, a report and a model card.

python -m spacy_twitter_ner.teaching.finish OUTPUT
"""

import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from .. import __version__
from ..corpus.formats.registry import write_annotated
from ..util import plural
from .curve import make_curve, summarize
from .learner import MODEL, train_on_answers
from .learning import make_examples
from .session import PoolTweet, SessionFolder, Settings, State, to_gold

DATA = "data"
_FORMATS = {"train.spacy": "spacy", "train.jsonl": "spans"}


def finish(folder: SessionFolder) -> Path:
    """Train on all answers and write model/, data/ and report.md into the session's folder.

    folder (SessionFolder): The session.
    RETURNS (Path): The folder of the pipeline.
    RAISES (OSError): If a file can't be read or written.
    RAISES (ValueError): If there are too few answers to train on.
    """
    settings, tweets = folder.read_settings(), folder.read_tweets()
    entries = folder.read_entries()
    state = State.replay(settings, entries)
    nlp = train_on_answers(settings, tweets, state)
    if nlp is None or not state.accepted():
        raise ValueError("there are too few answers to train on: annotate more tweets first")
    docs = _make_docs(nlp, tweets, state)
    for name, target in _FORMATS.items():
        write_annotated(docs, folder.path / DATA / name, target)
    report = _describe(settings, state, entries)
    (folder.path / "report.md").write_text(f"# Teaching session\n\n{report}", encoding="utf-8")
    return _write_model(folder, nlp, report)


def _make_docs(nlp: Language, tweets: Sequence[PoolTweet], state: State) -> list[Doc]:
    """RETURNS (list[Doc]): The annotated tweets. Annotation that the annotator wasn't sure of is
    missing, and types that weren't annotated are named as in partial.py."""
    golds = [to_gold(entry, tweets[index].text) for index, entry in state.accepted().items()]
    return [example.reference for example in make_examples(nlp, golds)]


def _write_model(folder: SessionFolder, nlp: Language, report: str) -> Path:
    target = folder.path / MODEL
    temporary = folder.path / f".{MODEL}.tmp"
    old = folder.path / f".{MODEL}.old"
    for path in (temporary, old):
        shutil.rmtree(path, ignore_errors=True)
    nlp.to_disk(temporary)
    card = f"# {nlp.meta['lang']}_{nlp.meta['name']}, taught\n\n{_USE}\n{report}"
    (temporary / "README.md").write_text(card, encoding="utf-8")
    if target.exists():
        target.rename(old)
    temporary.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    return target


_USE = """A pipeline for named entities in tweets, taught by annotating tweets with
`spacy-twitter-ner teach`. Load it with `spacy.load` and this folder.
"""


def _describe(settings: Settings, state: State, entries: Sequence[dict]) -> str:
    accepted = state.accepted()
    counts = Counter(span[2] for entry in accepted.values() for span in entry["spans"])
    summary = summarize(entries)
    start = Path(settings.model).name if settings.model else "lexical knowledge only"
    lines = [
        f"- Started from: {start}",
        f"- Annotated: {plural(len(accepted), 'tweet')}, {sum(counts.values()):,} entities",
        f"- Tweets skipped or flagged: {summary['answers'] - summary['accepted']:,}",
        f"- Package: spacy-twitter-ner {__version__}, seed {settings.seed}",
    ]
    if summary["seconds"]:
        lines.append(f"- Median time per tweet: {summary['seconds']} s")
    if summary["unchanged"] is not None:
        lines.append(f"- Accepted unchanged: {summary['unchanged']:.0%}")
    agreement = state.agreement()
    if agreement:
        lines.append(f"- Agreement of annotators: F1 {agreement[1]:.3f} on {agreement[0]:,} tweets")
    lines += ["", "| type | entities |", "| --- | ---: |"]
    lines += [f"| {label} | {counts[label]:,} |" for label in state.labels]
    points = make_curve(entries)
    if points:
        lines += [
            "",
            "F1 on random tweets before they were trained on. Annotators saw the prediction, so "
            "the scores may be too high:",
            "",
            "| trained on | scored on | F1 |",
            "| ---: | ---: | ---: |",
        ]
        for point in points:
            f1 = "" if point.f1 is None else f"{100 * point.f1:.1f}"
            lines.append(f"| {point.n_trained:,} | {point.n_answers:,} | {f1} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    try:
        finish(SessionFolder(Path(sys.argv[1])))
    except (OSError, ValueError) as error:
        sys.exit(str(error))
