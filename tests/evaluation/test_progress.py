import json

import pytest

from spacy_twitter_ner.evaluation.progress import read_progress


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "JSONDecodeError"),
        ("[]", "TypeError"),
        (json.dumps({"step": 1}), "train"),
        (
            json.dumps({"train": None, "validation": {"p": 1, "r": 1, "f": 48.8, "per_type": {}}}),
            "48.8",
        ),
    ],
)
def test_read_progress_raises_error_with_file_and_line(tmp_path, line, reason):
    path = tmp_path / "progress.jsonl"
    good = {"step": 0, "epoch": 0, "seconds": 0, "score": 0, "losses": {}, "train": None}
    good["validation"] = {"p": None, "r": None, "f": None, "per_type": {}}
    path.write_text(f"{json.dumps(good)}\n{line}\n")
    with pytest.raises(ValueError, match=rf"progress\.jsonl:2: .*{reason}"):
        read_progress(path)


def test_read_progress_raises_error_if_empty(tmp_path):
    (tmp_path / "progress.jsonl").write_text("")
    with pytest.raises(ValueError, match="contains no evaluation"):
        read_progress(tmp_path / "progress.jsonl")
