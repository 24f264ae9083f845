import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from wasabi import Printer

from ..corpus.check import (
    DUPLICATES,
    LABELS,
    LOW_LABEL_COUNT,
    SIZE,
    CorpusCheck,
    Duplicate,
    Lengths,
    SplitStats,
    check_corpus,
)
from ..corpus.layout import DEFAULT_LABEL, FileFormat
from ..corpus.splits import split_name
from ..corpus.tagfile import AUTO, PROBLEMS_SHOWN, summarize_problems
from ..util import plural
from ._util import (
    Arg,
    Comments,
    Label,
    Opt,
    Scheme,
    TagColumn,
    TokenColumn,
    app,
    errors_as_messages,
    printable,
)

if TYPE_CHECKING:
    from ..corpus.map_check import MapCheck

_MAX_COLUMN = 60


# fmt: off
@app.command("check")
def check_cli(
    files: Annotated[list[Path], Arg(metavar="FILES", help="Token/tag files: the splits of a corpus. The training split is the one with 'train' in its name, or else the first. Or a training config: check the label maps of its corpora")],
    scheme: Scheme = AUTO,
    token_column: TokenColumn = None,
    tag_column: TagColumn = None,
    comments: Comments = None,
    label: Label = DEFAULT_LABEL,
    json_path: Annotated[Path | None, Opt("--json", "-j", allow_dash=True, help="Write the results as JSON to this file, or with '-' to standard output instead of the report")] = None,
    ignore_warnings: Annotated[bool, Opt("--ignore-warnings", "-IW", help="Ignore warnings, only show stats and errors")] = False,
    verbose: Annotated[bool, Opt("--verbose/--no-verbose", help="List all problems, and print additional information and explanations")] = False,
    no_format: Annotated[bool, Opt("--no-format", "-NF", help="Don't pretty-print the results")] = False,
) -> None:
    # fmt: on
    """
    Analyze and validate the token/tag files of a corpus. Outputs useful stats, and can help
    you find problems like invalid tag sequences, overlapping splits, entity types that are missing
    from the training split, low data labels and more. Also shows the agreement of tokenizers with
    the tokens of the corpus.

    If there are problems that `convert` would stop at, the exit code is 1.

    For the config of a training on several corpora, it shows what their labels are mapped to,
    which types they don't annotate, and likely mistakes in the maps.
    """
    to_stdout = json_path is not None and str(json_path) == "-"
    msg = Printer(no_print=to_stdout, pretty=not no_format, ignore_warnings=ignore_warnings)
    check: CorpusCheck | MapCheck
    with errors_as_messages(msg):
        if len(files) == 1 and files[0].suffix == ".cfg":
            # Imported here because importing spaCy takes seconds.
            from ..corpus.map_check import check_maps

            check = check_maps(files[0])
        else:
            file_format = FileFormat(token_column, tag_column, tuple(comments or ()), label)
            check = check_corpus(files, scheme, file_format)
        if json_path is not None:
            text = json.dumps(check.to_dict(), indent=2)
            if to_stdout:
                print(text)
            else:
                json_path.write_text(f"{text}\n", encoding="utf-8")
    if not isinstance(check, CorpusCheck):
        print_maps(check, msg)
        return
    if not to_stdout:
        print_check(check, msg, verbose=verbose)
    if check.problems:
        raise typer.Exit(1)


def print_maps(check: "MapCheck", msg: Printer) -> None:
    """Print the label maps of a config.

    check (MapCheck): The results.
    msg (Printer): The printer.
    """
    for corpus in check.corpora:
        msg.divider(printable(corpus.name))
        weight = f", weight {corpus.weight:g}" if corpus.weight != 1 else ""
        msg.info(printable(f"{corpus.path}: {corpus.tweets:,} tweets{weight}"))
        rows = [
            (printable(label), f"{corpus.counts[label]:,}", printable(" or ".join(types) or "none"))
            for label, types in corpus.labels.items()
        ]
        header = ("Label", "Entities", "Type")
        msg.table(rows, header=header, divider=True, aligns=("l", "r", "l"), max_col=_MAX_COLUMN)
        msg.text(f"Not annotated: {printable(', '.join(corpus.unannotated)) or 'nothing'}")
    msg.divider("Summary")
    for warning in check.warnings:
        msg.warn(printable(warning))
    if not check.warnings:
        msg.good("No likely mistakes in the label maps")


def print_check(check: CorpusCheck, msg: Printer, *, verbose: bool = False) -> None:
    """Print a report in the format of `spacy debug data`.

    check (CorpusCheck): The results.
    msg (Printer): The printer.
    verbose (bool): Whether to list all problems and explain the figures.
    """
    _print_validation(check, msg, verbose)
    _print_stats(check, msg)
    _print_labels(check, msg, verbose)
    _print_duplicates(check, msg, verbose)
    if len(check.splits) > 1:
        _print_unseen(check.splits, msg, verbose)
    _print_conflicts(check, msg, verbose)
    _print_tokenizers(check, msg, verbose)
    _print_summary(check, msg)


def _print_validation(check: CorpusCheck, msg: Printer, verbose: bool) -> None:
    msg.divider("Data file validation")
    for stats in check.splits:
        if not any(str(problem.path) == stats.path for problem in check.problems):
            msg.good(f"{printable(stats.path)} is valid ({stats.scheme})")
    if check.problems:
        msg.fail(f"Found {plural(len(check.problems), 'problem')} that convert would stop at")
        shown = len(check.problems) if verbose else PROBLEMS_SHOWN
        for line in summarize_problems(check.problems, shown):
            print(f"  {printable(line)}")


def _print_stats(check: CorpusCheck, msg: Printer) -> None:
    msg.divider("Stats")
    splits = check.splits
    rows = [
        ("Tweets", *(f"{stats.tweets:,}" for stats in splits)),
        ("Tokens", *(f"{stats.tokens:,}" for stats in splits)),
        ("Entities", *(f"{stats.entities:,}" for stats in splits)),
        ("Tweets without entities", *(_percent(stats.without_entities) for stats in splits)),
        ("Tokens per tweet", *(_range(stats.tweet_lengths) for stats in splits)),
        ("Characters per token", *(_range(stats.token_lengths) for stats in splits)),
        ("Tag scheme", *(stats.scheme for stats in splits)),
    ]
    _print_table(msg, rows, splits)
    msg.text("Lengths are minimum / median / maximum.")
    _print_warnings(check, SIZE, msg)


def _print_labels(check: CorpusCheck, msg: Printer, verbose: bool) -> None:
    msg.divider("Named Entity Recognition")
    splits = check.splits
    labels = list(dict.fromkeys(label for stats in splits for label in stats.labels))
    msg.info(f"{len(labels)} label(s)")
    if labels:
        counts = [[stats.labels.get(label, 0) for stats in splits] for label in labels]
        rows = [(label, *map(str, row)) for label, row in zip(labels, counts, strict=True)]
        _print_table(msg, rows, splits)
    for stats in splits:
        lengths = stats.entity_lengths.items()
        freqs = ", ".join(f"{length} ({_percent(n / stats.entities)})" for length, n in lengths)
        msg.text(
            f"Entity lengths in {printable(stats.path)}, in tokens: {freqs}",
            show=verbose and bool(freqs),
        )
    for note in check.notes:
        msg.info(printable(note))
    if not _print_warnings(check, LABELS, msg) and labels:
        msg.good("Good amount of examples for all labels")
    msg.text(
        f"To train a new entity type, your data should include at least {LOW_LABEL_COUNT} "
        "instances of the new label",
        show=verbose,
    )


def _print_duplicates(check: CorpusCheck, msg: Printer, verbose: bool) -> None:
    msg.divider("Duplicates")
    if not check.duplicates_within:
        msg.good("No duplicates within a split")
    if len(check.splits) > 1 and not check.overlaps:
        msg.good("No overlap between the splits")
    _print_warnings(check, DUPLICATES, msg)
    _print_pairs("First duplicates within a split:", check.duplicates_within, msg)
    _print_pairs("First duplicates across splits:", check.duplicates_across, msg)
    msg.text(
        "Tweets with the same tokens count as duplicates. Overlap with the training split "
        "inflates scores.",
        show=verbose,
    )


def _print_unseen(splits: list[SplitStats], msg: Printer, verbose: bool) -> None:
    msg.divider("Unseen in training")
    rows = [
        ("Entities", *(_percent(stats.unseen_entities) for stats in splits[1:])),
        ("Tokens", *(_percent(stats.unseen_tokens) for stats in splits[1:])),
    ]
    _print_table(msg, rows, splits, first=1)
    msg.text(
        f"Shares of entities (surface form and type) and tokens that don't occur in "
        f"{printable(splits[0].path)}, case-sensitive.",
        show=verbose,
    )


def _print_conflicts(check: CorpusCheck, msg: Printer, verbose: bool) -> None:
    msg.divider("Ambiguous entities")
    if not check.conflicts:
        msg.good("No surface form has more than one entity type")
        return
    msg.info(f"{check.conflicting_forms} surface form(s) have more than one entity type")
    rows = [
        (
            printable(conflict.form),
            ", ".join(f"{label} ({n})" for label, n in conflict.labels.items()),
        )
        for conflict in check.conflicts
    ]
    msg.table(rows, header=("Form", "Labels"), divider=True, max_col=_MAX_COLUMN)
    msg.text(
        "Case-insensitive, sorted by the errors that always predicting the most frequent type "
        "would make. Either the names are ambiguous or the annotation is inconsistent.",
        show=verbose,
    )


def _print_tokenizers(check: CorpusCheck, msg: Printer, verbose: bool) -> None:
    msg.divider("Tokenization of raw text")
    rows = []
    for name, agreements in check.tokenizers.items():
        rows.append((f"{name}: F1 of tokens", *(_percent(each.f1) for each in agreements)))
        found = (_percent(each.entity_recall) for each in agreements)
        rows.append((f"{name}: entities", *found))
    _print_table(msg, rows, check.splits)
    msg.text(
        "Agreement between tokenizers and the corpus's tokens on the probable raw text. "
        "Entities that aren't aligned with tokens can't be predicted from raw text.",
        show=verbose,
    )


def _print_summary(check: CorpusCheck, msg: Printer) -> None:
    msg.divider("Summary")
    if check.problems:
        msg.fail(plural(len(check.problems), "error"))
    if check.warnings:
        msg.warn(plural(len(check.warnings), "warning"))
    if not check.problems:
        msg.good("The corpus can be converted")


def _print_warnings(check: CorpusCheck, topic: str, msg: Printer) -> bool:
    """Print a topic's warnings.

    RETURNS (bool): Whether there are any.
    """
    messages = [warning.message for warning in check.warnings if warning.topic == topic]
    for message in messages:
        msg.warn(printable(message))
    return bool(messages)


def _print_pairs(title: str, pairs: list[Duplicate], msg: Printer) -> None:
    if pairs:
        msg.text(title)
    for pair in pairs:
        # The printer would wrap the line and break the links.
        difference = "" if pair.same_tags else " (tagged differently)"
        print(f"  {printable(f'{pair.first} = {pair.second}')}{difference}")


def _print_table(
    msg: Printer, rows: Sequence[tuple[str, ...]], splits: list[SplitStats], first: int = 0
) -> None:
    """Print a table with one column per split, starting at index `first`."""
    stems = [split_name(Path(stats.path)) for stats in splits]
    distinct = len(set(stems)) == len(stems)
    names = [printable(name) for name in (stems if distinct else [s.path for s in splits])]
    aligns = ("l", *("r" for _ in names[first:]))
    msg.table(rows, header=("", *names[first:]), divider=True, aligns=aligns, max_col=_MAX_COLUMN)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _range(lengths: Lengths | None) -> str:
    return "-" if lengths is None else f"{lengths.min} / {lengths.median:g} / {lengths.max}"
