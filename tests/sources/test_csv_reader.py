import csv
import io
import random
from collections.abc import Iterator

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spacy_twitter_ner.sources import csv_reader
from spacy_twitter_ner.sources.csv_reader import read_table
from spacy_twitter_ner.sources.records import RawRecord

DELIMITERS = [",", ";", "\t", "|"]


def read(data: bytes | str, delimiter: str = ",", *, has_header: bool = True) -> list[RawRecord]:
    file = io.BytesIO(data if isinstance(data, bytes) else data.encode())
    return list(read_table(file, delimiter, has_header=has_header))


def good(records: list[RawRecord]) -> list[tuple]:
    return [tuple(record.data.values()) for record in records if not record.error]


def bad_lines(records: list[RawRecord]) -> list[int]:
    return [record.line for record in records if record.error]


def standard(data: str, delimiter: str) -> tuple[list[tuple], list[list[str]]]:
    """Read rows with csv.reader. Split them by whether they have as many fields as the header."""
    rows = [row for row in csv.reader(io.StringIO(data, newline=""), delimiter=delimiter) if row]
    header, *rest = rows
    fitting = [tuple(row) for row in rest if len(row) == len(header)]
    return fitting, [row for row in rest if len(row) != len(header)]


def written(rows: list[list[str]], **settings: object) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, **settings).writerows(rows)
    return file.getvalue()


FIELD = st.text(st.sampled_from("ab ,;\t|\"\\\n\r'😂\u2028\x0b"), max_size=8)


@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(FIELD, min_size=width, max_size=width), max_size=12)
    ),
    st.sampled_from(DELIMITERS),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from([5, 40, 2**20]),
)
def test_valid_rows_match_csv_reader(
    rows: list[list[str]], delimiter: str, end: str, quoting: int, block: int
) -> None:
    width = len(rows[0]) if rows else 1
    header = [f"column{number}" for number in range(width)]
    data = written([header, *rows], delimiter=delimiter, lineterminator=end, quoting=quoting)
    expected, others = standard(data, delimiter)
    # csv.writer doesn't quote a lone carriage return.
    assume(not others)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_reader, "BLOCK", block)
        found = read(data, delimiter)
    assert good(found) == expected
    assert not bad_lines(found)


@given(st.lists(st.text(st.sampled_from('ab,"\n\\'), max_size=30), max_size=8))
def test_read_any_text(lines: list[str]) -> None:
    data = "id,text\n" + "\n".join(lines)
    found = read(data)
    numbers = [record.line for record in found]
    assert numbers == sorted(numbers)


UNCLOSED = 'id,text\n1,"Rain in Oslo\n2,saw Drake in Chicago\n3,hi Mia\n'


@pytest.mark.parametrize(
    ("data", "rows", "bad"),
    [
        # A quote that isn't closed
        (UNCLOSED, [("2", "saw Drake in Chicago"), ("3", "hi Mia")], [2]),
        # ... or is closed by the quote of a later field
        ('id,text\n1,"Rain\n2,"hi, Mia"\n3,"a\nb"\n', [("2", "hi, Mia"), ("3", "a\nb")], [2]),
        ('id,text\n1,"Rain\n2,"",\n3,"a"\n4,z\n', [("3", "a"), ("4", "z")], [2, 3]),
        # ... in the first column and in the last row
        ('text,id\n"Rain,1\nhi Mia,2\n', [("hi Mia", "2")], [2]),
        ('id,text\n1,a\n2,"Rain', [("1", "a")], [3]),
        # ... twice
        ('id,text\n1,"Rain\n2,b\n3,"Sun\n4,d\n', [("2", "b"), ("4", "d")], [2, 4]),
        # Quotes within a field, as in csv.reader
        ('id,text\n1,"a "b" c"\n2,d\n', [("1", 'a b" c"'), ("2", "d")], []),
        ('id,text\n1,5" rain\n2,d\n', [("1", '5" rain'), ("2", "d")], []),
        # Quotes escaped by backslashes
        ('id,text\n1,"say \\"hi, Mia\\" now"\n2,b\n', [("1", 'say "hi, Mia" now'), ("2", "b")], []),
        ('id,text\n1,"\\"Rain\\"\nin Oslo"\n2,b\n', [("1", '"Rain"\nin Oslo'), ("2", "b")], []),
        # A backslash before the closing quote
        ('id,text\n1,"C:\\"\n2,b\n', [("1", "C:\\"), ("2", "b")], []),
        # A row of several lines with too many fields is one reject
        ('id,text\n1,"a\nb, c",d\n2,e\n', [("2", "e")], [2]),
        # Other line ends
        (UNCLOSED.replace("\n", "\r\n"), [("2", "saw Drake in Chicago"), ("3", "hi Mia")], [2]),
        (UNCLOSED.replace("\n", "\r"), [("2", "saw Drake in Chicago"), ("3", "hi Mia")], [2]),
        # The header itself
        ('id,"text\n1,a\n2,b\n', [("1", "a"), ("2", "b")], []),
    ],
)  # fmt: skip
def test_damaged_quotes(data: str, rows: list[tuple], bad: list[int]) -> None:
    found = read(data)
    assert good(found) == rows
    assert bad_lines(found) == bad


def test_tsv_quotes_are_text() -> None:
    data = 'id\ttext\n1\t"hi" she said\n2\t"open\n3\tan "x" y\n4\t"a\nb"\n5\t"whole"\n'
    assert good(read(data, "\t")) == [
        ("1", '"hi" she said'),
        ("2", '"open'),
        ("3", 'an "x" y'),
        ("4", "a\nb"),
        ("5", "whole"),
    ]


def damaged_tables(n: int) -> Iterator[tuple[int, list[list[str]], int, str]]:
    """Generate tables with a missing or additional quote in one row."""
    words = ["rain", "Oslo,", 'the "Globe"', "Mia", "so\ntired", "5'10", "😂", ""]
    for seed in range(n):
        rng = random.Random(seed)
        rows = [
            [str(number), " ".join(rng.choices(words, k=rng.randint(1, 5))), "en"]
            for number in range(rng.randint(3, 40))
        ]
        texts = [written([row]) for row in rows]
        row = rng.randrange(len(rows))
        text = texts[row]
        quotes = [place for place, char in enumerate(text) if char == '"']
        if quotes and rng.random() < 0.5:
            place = rng.choice(quotes)
            texts[row] = text[:place] + text[place + 1 :]
        else:
            place = rng.randrange(len(text) - 1)
            texts[row] = text[:place] + '"' + text[place:]
        yield seed, rows, row, written([["id", "text", "lang"]]) + "".join(texts)


@pytest.mark.parametrize("start", range(0, 1000, 250))
def test_damaged_row_does_not_affect_others(start: int) -> None:
    for seed, rows, row, data in damaged_tables(start + 250):
        if seed < start:
            continue
        found = good(read(data))
        missing = [
            other
            for number, other in enumerate(rows)
            if number != row and tuple(other) not in found
        ]
        assert not missing, (seed, rows[row], missing)
