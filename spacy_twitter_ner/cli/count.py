from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from wasabi import msg

from ._util import Arg, Opt, Silent, app, errors_as_messages, fail, printable, split_model
from .annotate import InputFormat, show_progress
from .report import print_tables

if TYPE_CHECKING:
    from ..counts.calibration import CountCalibration
    from ..counts.run import CountResult
    from ..evaluation.tables import Table


# fmt: off
@app.command("count")
def count_cli(
    arguments: Annotated[list[str], Arg(metavar="[MODEL] INPUT...", help="Folder or package of a trained pipeline, by default the pretrained pipeline; then inputs, as for `annotate`")],
    output: Annotated[Path | None, Opt("--output", "-o", help="File for the counts: .csv, .parquet or .json")] = None,
    plot: Annotated[Path | None, Opt("--plot", "-p", help="Picture of the most frequent names: .png or .svg (extra `viz`)")] = None,
    by: Annotated[str | None, Opt("--by", "-b", help="Count by hour, day, week, month or year; or by a field, such as user.lang")] = None,
    date_field: Annotated[str, Opt("--date-field", help="Field with the date")] = "created_at",
    labelled: Annotated[Path | None, Opt("--labelled", "-l", help="Labelled tweets that the pipeline wasn't trained on, to correct the counts and widen the intervals by the calibration error: a .spacy file, token/tag file or JSON lines with spans")] = None,
    aliases: Annotated[Path | None, Opt("--aliases", "-a", help="File with an alias, a tab and a name per line, which are counted together")] = None,
    top: Annotated[int, Opt("--top", "-n", min=1, help="Number of names")] = 100,
    text_field: Annotated[str | None, Opt("--text-field", "-t", help="Field with the text, such as text or a.b")] = None,
    input_format: Annotated[InputFormat | None, Opt("--input-format", "-i", help="Input format. Default: by file name")] = None,
    delimiter: Annotated[str | None, Opt("--delimiter", "-d", help="CSV delimiter: a character, or tab. Default: tab for .tsv, comma otherwise")] = None,
    no_header: Annotated[bool, Opt("--no-header", help="CSV files have no header. Columns are named by number")] = False,
    encoding: Annotated[str | None, Opt("--encoding", help="Encoding of text, JSON and CSV files. Default: UTF-8, or UTF-16 with a byte order mark")] = None,
    workers: Annotated[int, Opt("--workers", "-w", min=1, help="Processes")] = 1,
    scheduler: Annotated[str | None, Opt("--scheduler", help="Address of a Dask scheduler")] = None,
    silent: Silent = False,
) -> None:
    # fmt: on
    """
    Count the tweets that name each entity, with 90% intervals. Adds up the probabilities of all
    candidates instead of counting predicted entities, in constant memory. Names are grouped by
    type and normal form: case, hashtags, spaces and elongation don't matter.
    """
    # Imported here because spaCy takes seconds to import.
    from ..annotate.run import Workers
    from ..counts.candidates import CountJob
    from ..counts.names import read_aliases
    from ..counts.run import count_files, require_format, write_counts
    from ..sources.records import ReadOptions

    model, inputs = split_model(arguments)
    with errors_as_messages(msg):
        if not inputs:
            fail(msg, "pass files to count names in")
        if output is not None:
            require_format(output)
        known = read_aliases(aliases) if aliases else {}
        job = CountJob(model, None, text_field=text_field, by=by, date_field=date_field, aliases=known)
        calibration = _calibrate(model, labelled, known)
        with show_progress(inputs, silent) as on_outcome:
            result = count_files(
                inputs,
                job,
                calibration=calibration,
                top=top,
                input_format=input_format and input_format.value,
                options=ReadOptions(delimiter, encoding, header=not no_header),
                workers=Workers(workers, "dask" if scheduler else "local", scheduler),
                on_outcome=on_outcome,
            )
        if output is not None:
            write_counts(result, output)
        if plot is not None:
            _draw(result, plot)
    if not silent:
        print_tables([_count_table(result)])
        _warn(result)


def _calibrate(
    model: str, labelled: Path | None, aliases: dict[str, str]
) -> "CountCalibration | None":
    """RETURNS (Optional[CountCalibration]): The calibration, if there are labelled tweets."""
    from ..corpus.reader import read_examples
    from ..counts.calibration import calibrate_counts
    from ..loading import load_pipeline
    from ..training.guarantees import drop_copies

    if labelled is None:
        return None
    nlp = load_pipeline(model)
    return calibrate_counts(nlp, drop_copies(read_examples(labelled, nlp)), aliases)


def _count_table(result: "CountResult") -> "Table":
    from ..counts.run import TOTAL
    from ..evaluation.tables import Table

    header = ("Name", "Type", "Tweets", "Low", "High", "Predicted")
    rows = [
        (row.text, row.type, f"{row.expected:,.1f}", *(f"{x:,.0f}" for x in row[5:8]))
        for row in result.rows
        if row.group == TOTAL and row.name
    ]
    note = f"{result.tweets:,} tweets, {result.model}. Predicted: probability of at least 0.5"
    return Table("Names", header, rows, note)


def _warn(result: "CountResult") -> None:
    if not result.labelled:
        msg.warn(
            "Without --labelled, the intervals assume that the probabilities are right, so they "
            "are too narrow"
        )
    if result.rejects:
        first = result.examples[0]
        msg.warn(f"{result.rejects:,} rejects, such as {printable(f'{first.place}: {first.reason}')}")


def _draw(result: "CountResult", path: Path) -> None:
    from ..counts.run import make_series
    from ..viz.counts import draw_counts

    names, groups = make_series(result)
    by = f" by {result.by}" if result.by else ""
    draw_counts(names, groups, path, title=f"Names in {result.tweets:,} tweets{by}")
