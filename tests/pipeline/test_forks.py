"""Prediction in a process that is forked while other threads predict."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_all_start_methods, get_context
from threading import Event, Thread

import pytest
from spacy.language import Language

from spacy_twitter_ner.models import inference
from spacy_twitter_ner.models.inference import LexemeCache

from .util import NAME, TEST_TEXTS, predicted_entities

pytestmark = [
    pytest.mark.skipif("fork" not in get_all_start_methods(), reason="requires fork"),
    # Python 3.12 and later warn about it, but gunicorn --preload does it.
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),
]
N_FORKS = 12
SECONDS = 60


@contextmanager
def busy(work: Callable[[], object], n_threads: int = 3) -> Iterator[None]:
    """Run threads that repeat some work. They switch often, so that a fork may happen anywhere."""
    done, interval = Event(), sys.getswitchinterval()

    def repeat() -> None:
        while not done.is_set():
            work()

    threads = [Thread(target=repeat, daemon=True) for _ in range(n_threads)]
    sys.setswitchinterval(1e-5)
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        done.set()
        for thread in threads:
            thread.join(SECONDS)


def exit_code_in_fork(work: Callable[[], bool]) -> int | None:
    """RETURNS (Optional[int]): 0 if work returned True in a fork; None if it timed out."""
    pid = os.fork()
    if pid == 0:
        code = 2
        try:
            code = 0 if work() else 1
        finally:
            os._exit(code)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        finished, status = os.waitpid(pid, os.WNOHANG)
        if finished:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def annotate_new_words(nlp: Language) -> Callable[[], object]:
    """RETURNS (Callable[[], object]): A function that predicts entities of new words."""
    numbers = iter(range(10**9))
    docs = [nlp.make_doc("so tired of London") for _ in range(200)]
    ner = nlp.get_pipe(NAME)

    def annotate() -> None:
        ner.predict([nlp.make_doc(f"so {next(numbers)} sings in London"), *docs])

    return annotate


@pytest.mark.slow
def test_fork_while_threads_predict(trained: Language) -> None:
    expected = predicted_entities(trained)
    with busy(annotate_new_words(trained)):
        codes = [
            exit_code_in_fork(lambda: predicted_entities(trained) == expected)
            for _ in range(N_FORKS)
        ]
    assert codes == [0] * N_FORKS


@pytest.mark.slow
def test_threads_in_fork(trained: Language) -> None:
    """As in a worker of a preloading server."""
    expected = predicted_entities(trained)

    def serve() -> bool:
        found: list[list] = []
        threads = [
            Thread(target=lambda: found.append(predicted_entities(trained))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        trained.get_pipe(NAME).clear_cache()
        return found == [expected] * 4

    with busy(annotate_new_words(trained)):
        assert [exit_code_in_fork(serve) for _ in range(N_FORKS // 2)] == [0] * (N_FORKS // 2)


def _check(nlp: Language, expected: list) -> None:
    assert predicted_entities(nlp) == expected


@pytest.mark.slow
def test_multiprocessing_fork(trained: Language) -> None:
    expected = predicted_entities(trained)
    context = get_context("fork")
    with busy(annotate_new_words(trained)):
        processes = [context.Process(target=_check, args=(trained, expected)) for _ in range(6)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(SECONDS)
            process.kill()
            process.join()
    assert [process.exitcode for process in processes] == [0] * 6


def test_fork_while_cache_is_locked() -> None:
    cache = LexemeCache(10)
    with inference._LOCK:
        assert exit_code_in_fork(lambda: cache.clear() is None) == 0


def test_fork_does_not_change_parent(trained: Language) -> None:
    expected = predicted_entities(trained)
    n_cached = len(trained.get_pipe(NAME).model.attrs["lexeme_cache"])
    assert exit_code_in_fork(lambda: len(list(trained.pipe(TEST_TEXTS))) == len(TEST_TEXTS)) == 0
    assert len(trained.get_pipe(NAME).model.attrs["lexeme_cache"]) == n_cached
    assert predicted_entities(trained) == expected
