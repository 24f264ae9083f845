import errno
import json
import os
import random
import signal
import time

import pytest

from spacy_twitter_ner.teaching import journal as module
from spacy_twitter_ner.teaching.journal import Journal, JournalError, read_journal


def answer(name: object) -> dict:
    return {"id": str(name), "text": "in Leeds 😂"}


def ids(path) -> list[str]:
    return [entry["id"] for entry in read_journal(path)]


def test_entries_are_read_again(tmp_path):
    journal = Journal(tmp_path / "answers.jsonl")
    assert journal.append(answer(1))
    assert journal.append(answer(2))
    journal.close()
    again = Journal(tmp_path / "answers.jsonl")
    assert again.entries == [answer(1), answer(2)]
    again.close()


def test_repeated_entries_are_stored_once(tmp_path):
    path = tmp_path / "answers.jsonl"
    journal = Journal(path)
    assert [journal.append(answer(name)) for name in "aab"] == [True, False, True]
    journal.close()
    journal = Journal(path)
    assert not journal.append(answer("a"))
    assert ids(path) == ["a", "b"]
    journal.close()


@pytest.mark.parametrize("cut", [1, 5, 12])
def test_torn_last_line_is_dropped(tmp_path, cut):
    path = tmp_path / "answers.jsonl"
    line = json.dumps(answer(2)) + "\n"
    path.write_text(json.dumps(answer(1)) + "\n" + line[:-cut])
    assert ids(path) == ["1"]
    journal = Journal(path)
    journal.append(answer(3))
    journal.close()
    assert ids(path) == ["1", "3"]


def test_damaged_line_is_an_error(tmp_path):
    path = tmp_path / "answers.jsonl"
    path.write_text('{"id": "1"}\n{"id"\n{"id": "3"}\n')
    with pytest.raises(ValueError, match=r"answers.jsonl:2: not an answer"):
        Journal(path)


def test_only_one_process_writes(tmp_path):
    journal = Journal(tmp_path / "answers.jsonl")
    with pytest.raises(JournalError, match="another process"):
        Journal(tmp_path / "answers.jsonl")
    journal.close()


def test_full_disk_leaves_no_part_of_an_entry(tmp_path, monkeypatch):
    path = tmp_path / "answers.jsonl"
    journal = Journal(path)
    journal.append(answer(1))
    write = os.write
    written = []

    def write_a_part(file, data):
        if written:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(write(file, data[:7]))
        return 7

    monkeypatch.setattr(module.os, "write", write_a_part)
    with pytest.raises(JournalError, match="No space left"):
        journal.append(answer(2))
    monkeypatch.setattr(module.os, "write", write)
    assert journal.append(answer(2))
    journal.close()
    assert ids(path) == ["1", "2"]


# A thousand take a minute: KILLS=1000 python -m pytest tests/teaching/test_journal.py
N_KILLS = int(os.environ.get("KILLS", "30"))


def append_forever(path, acknowledged: int, first: int) -> None:
    """The process to kill: acknowledges the number of each entry after it is stored."""
    journal = Journal(path)
    for number in range(first, first + 1000):
        journal.append(answer(number))
        os.write(acknowledged, b"%d\n" % number)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # fork with threads
def test_no_answer_is_lost_or_doubled_by_kills(tmp_path):
    path = tmp_path / "answers.jsonl"
    rng = random.Random(0)
    acknowledged: list[str] = []
    for kill in range(N_KILLS):
        read_end, write_end = os.pipe()
        child = os.fork()
        if not child:
            os.close(read_end)
            try:
                append_forever(path, write_end, kill * 1000)
            finally:
                os._exit(0)
        os.close(write_end)
        time.sleep(rng.uniform(0, 0.004))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with os.fdopen(read_end) as pipe:
            acknowledged += pipe.read().split()
    stored = ids(path)
    assert len(stored) == len(set(stored))
    assert set(acknowledged) <= set(stored)
    assert len(acknowledged) > N_KILLS / 10
    # At most the entry that was being acknowledged at each kill.
    assert len(stored) - len(acknowledged) <= N_KILLS
