import json

import pytest

from spacy_twitter_ner.counts.candidates import CountJob
from spacy_twitter_ner.counts.run import TOTAL, count_files, write_counts

from ..cli.util import run

TWEETS = [
    {"text": text, "created_at": f"2022-03-0{1 + k % 3}T12:00:00Z"}
    for k, text in enumerate(
        ["saw Drake in Chicago", "DRAKE is the best", "so tired", "Chicago, Chicago!"] * 6
    )
]


@pytest.fixture
def tweets(tmp_path):
    path = tmp_path / "tweets.jsonl"
    lines = [*map(json.dumps, TWEETS), "{broken", '{"text": "Drake again"}']
    path.write_text("\n".join(lines) + "\n", encoding="utf8")
    return path


def test_count_files(tweets, saved_pipeline):
    job = CountJob(str(saved_pipeline), None, by="day", min_probability=0.01)
    result = count_files([str(tweets)], job, shard_size=7)
    assert (result.tweets, result.rejects) == (25, 1)
    assert "invalid JSON" in result.examples[0].reason
    groups = {row.group: row.tweets for row in result.rows}
    assert groups == {TOTAL: 25, "2022-03-01": 8, "2022-03-02": 8, "2022-03-03": 8, "unknown": 1}
    rows = [row for row in result.rows if row.name == "chicago" and row.type == "geo-loc"]
    # The total is the sum over the days, and a tweet counts once.
    assert rows[0].group == TOTAL
    assert rows[0].expected == pytest.approx(sum(row.expected for row in rows[1:]), abs=0.05)
    assert 0 < rows[0].expected <= 12
    assert all(row.low <= row.expected + 1 and row.high >= row.expected - 1 for row in rows)

    # Shards make no difference.
    assert count_files([str(tweets)], job, shard_size=100).rows == result.rows


def test_aliases_are_counted_together(tweets, saved_pipeline):
    job = CountJob(str(saved_pipeline), None, min_probability=0.01)
    plain = count_files([str(tweets)], job)
    together = count_files(
        [str(tweets)],
        CountJob(str(saved_pipeline), None, min_probability=0.01, aliases={"drake": "chicago"}),
    )
    assert {row.name for row in plain.rows} >= {"drake", "chicago"}
    assert "drake" not in {row.name for row in together.rows}


def test_pipeline_without_the_component(tweets, ruler):
    with pytest.raises(ValueError, match="has no component twitter_bilstm_ner"):
        count_files([str(tweets)], CountJob(str(ruler), None))


def test_command(tweets, saved_pipeline, tmp_path):
    options = ["--by", "day", "--top", 5]
    for name in ("counts.csv", "counts.json", "counts.parquet"):
        pytest.importorskip("pyarrow")
        result = run("count", saved_pipeline, tweets, "-o", tmp_path / name, *options)
        assert result.exit_code == 0, result.output
    assert "25 tweets" in result.output
    assert "too narrow" in " ".join(result.output.split())
    data = json.loads((tmp_path / "counts.json").read_text(encoding="utf8"))
    assert data["tweets"] == 25
    assert data["labelled_tweets"] == 0
    lines = (tmp_path / "counts.csv").read_text(encoding="utf8").splitlines()
    assert len(lines) == len(data["counts"]) + 1
    assert lines[0].startswith("group,name,type,text,expected,low,high")


def test_command_with_labels_and_picture(tweets, saved_pipeline, tmp_path):
    pytest.importorskip("matplotlib")
    labelled = tmp_path / "labelled.jsonl"
    spans = [{"start": 4, "end": 9, "label": "musicartist"}]
    labelled.write_text(json.dumps({"text": "saw Drake in town", "spans": spans}) + "\n")
    options = ["--labelled", labelled, "--plot", tmp_path / "names.png", "--by", "day"]
    result = run("count", saved_pipeline, tweets, *options)
    assert result.exit_code == 0, result.output
    assert "too narrow" not in " ".join(result.output.split())
    assert (tmp_path / "names.png").stat().st_size > 5_000


def test_errors(tweets, saved_pipeline, tmp_path):
    result = run("count", saved_pipeline, tweets, "-o", tmp_path / "counts.xlsx")
    assert result.exit_code == 1
    assert "must end in .csv" in " ".join(result.output.split())
    assert run("count", saved_pipeline, tmp_path / "absent.txt").exit_code == 1


def test_cells_are_no_formulas(tmp_path, saved_pipeline, tweets):
    result = count_files([str(tweets)], CountJob(str(saved_pipeline), None))
    row = result.rows[0]._replace(text="=1+1", name="@kim")
    write_counts(result._replace(rows=[row]), tmp_path / "c.csv")
    assert "'@kim" in (tmp_path / "c.csv").read_text()
    assert "'=1+1" in (tmp_path / "c.csv").read_text()
