"""What the two commands share: from options to tables."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from wasabi import msg

from .machine import describe_machine, import_torch, limit_threads, machine_line
from .tables import Table, print_table, split_at_block, to_markdown, write_block
from .texts import BenchmarkError, default_corpus, read_texts
from .workload import FULL, QUICK, Workload

DOCS = Path("docs/benchmarks.md")

Corpus = Annotated[
    str | None, typer.Option(help="Name of a folder in corpus/. Default: hse, or else sample")
]
Threads = Annotated[
    int, typer.Option(min=1, help="Threads of BLAS and PyTorch; our layer uses two at most")
]
Repeats = Annotated[int | None, typer.Option(min=1, help="Timed rounds of everything")]
Only = Annotated[str | None, typer.Option(help="Only these sections, separated by commas")]
Quick = Annotated[bool, typer.Option("--quick", help="Measure little: does everything run?")]
JSONPath = Annotated[
    Path | None, typer.Option("--json", dir_okay=False, help="File for all figures")
]
WriteDocs = Annotated[
    bool, typer.Option("--write-docs", help=f"Write the tables in {DOCS} as well")
]


class Section(NamedTuple):
    """A part of a benchmark.

    measure (Callable): Workload → figures that can be written as JSON.
    tables (Callable): Those figures → tables.
    page (Optional[Path]): A page besides docs/benchmarks.md that has the last of the tables.
    """

    measure: Callable[[Workload], dict[str, Any]]
    tables: Callable[[dict[str, Any]], list[Table]]
    page: Path | None = None


class Options(NamedTuple):
    """The options that both commands have; see above."""

    corpus: str | None = None
    threads: int = 1
    repeats: int | None = None
    only: str | None = None
    quick: bool = False
    json_path: Path | None = None
    write_docs: bool = False


def run_sections(
    name: str, sections: dict[str, Section], root: Path, options: Options, **effort: int | None
) -> None:
    """Measure the sections that were asked for, print their tables, and write them.

    name (str): The benchmark's name, in the markers of docs/benchmarks.md.
    sections (dict[str, Section]): All sections, by name.
    root (Path): The project's folder.
    options (Options): What the user wants.
    effort (Optional[int]): Fields of Effort to set, where not None.
    RAISES (typer.Exit): If something is wrong, after a message that says what to do.
    """
    chosen = choose_sections(options.only, list(sections))
    changes = {key: n for key, n in {"repeats": options.repeats, **effort}.items() if n is not None}
    blocks = {section: block_name(name, section, options.threads) for section in chosen}
    pages = {section: _pages(root, sections[section]) for section in chosen}
    try:
        if options.write_docs:
            # Rather than when all is measured.
            for section in chosen:
                for page in pages[section]:
                    split_at_block(page, blocks[section])
        work = make_workload(root, options, changes)
        with limit_threads(options.threads):
            machine = describe_machine()
            msg.text(machine_line(machine))
            result: dict[str, Any] = {"machine": machine, "corpus": work.corpus, "sections": {}}
            for section in chosen:
                figures = sections[section].measure(work)
                result["sections"][section] = figures
                tables = sections[section].tables(figures)
                for table in tables:
                    print_table(table)
                if options.write_docs:
                    line = f"{machine_line(machine)}."
                    texts = (join_paragraphs(line, *tables), join_paragraphs(line, tables[-1]))
                    for page, text in zip(pages[section], texts, strict=False):
                        write_block(page, blocks[section], text)
    except (BenchmarkError, ImportError) as error:
        msg.fail(str(error), exits=1)
    if options.json_path is not None:
        options.json_path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf8")


def _pages(root: Path, section: Section) -> list[Path]:
    """RETURNS (list[Path]): Where a section's tables stand, and where the last of them does."""
    return [root / page for page in (DOCS, section.page) if page is not None]


def block_name(name: str, section: str, threads: int) -> str:
    """RETURNS (str): The name of a section's block in the docs; figures with more threads have one
    of their own."""
    return f"{name}:{section}" + (f":{threads}-threads" if threads > 1 else "")


def join_paragraphs(line: str, *tables: Table) -> str:
    """RETURNS (str): What stands between a page's markers."""
    return "\n\n".join([line, *map(to_markdown, tables)])


def make_workload(root: Path, options: Options, changes: dict[str, Any]) -> Workload:
    """RETURNS (Workload): What to measure on.
    RAISES (BenchmarkError): If there is no corpus.
    """
    effort = (QUICK if options.quick else FULL)._replace(**changes)
    corpus = options.corpus or default_corpus(root)
    # The first round does not count.
    n_tweets = (effort.repeats + 1) * effort.pipeline_tweets + effort.warm_tweets
    return Workload(
        root, corpus, read_texts(root, corpus, n_tweets), effort, import_torch(), options.threads
    )


def choose_sections(only: str | None, names: Sequence[str]) -> list[str]:
    """RETURNS (list[str]): The sections that were asked for, in their own order.
    RAISES (typer.BadParameter): If there is no such section.
    """
    asked = {part.strip() for part in only.split(",")} if only else set(names)
    if unknown := asked - set(names):
        raise typer.BadParameter(
            f"no section {', '.join(sorted(unknown))}: there are {', '.join(names)}"
        )
    return [name for name in names if name in asked]
