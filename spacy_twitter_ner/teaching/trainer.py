"""Run the learner in background processes."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from ..util import one_blas_thread

_LEARNER = "spacy_twitter_ner.teaching.learner"
_FINISH = "spacy_twitter_ner.teaching.finish"
_MAX_MESSAGE = 300


class Trainer:
    """At most one background process: training, or finishing the session.

    folder (Path): The session.
    """

    def __init__(self, folder: Path) -> None:
        self.error: str | None = None
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self.task: str | None = None

    def start(self, task: str) -> bool:
        """Start a process.

        task (str): "train" or "finish".
        RETURNS (bool): Whether it was started. It isn't if another one is running.
        """
        if self.poll():
            return False
        module = _FINISH if task == "finish" else _LEARNER
        self._run([sys.executable, "-m", module, str(self._folder)])
        self.task, self.error = task, None
        return True

    def _run(self, command: Sequence[str]) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed in poll)
        with one_blas_thread():
            self._process = subprocess.Popen(  # noqa: S603 (our own module, no shell)
                command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT
            )

    def poll(self) -> bool:
        """Check on the process. If it failed, `error` is the last line of its output.

        RETURNS (bool): Whether it's still running.
        """
        if self._process is None:
            return False
        code = self._process.poll()
        if code is None:
            return True
        self._process = None
        if self._log is not None:
            self._log.seek(0)
            lines = self._log.read().decode("utf-8", errors="replace").split("\n")
            self._log.close()
            self._log = None
            last = next((line for line in reversed(lines) if line.strip()), "")
            self.error = f"exit code {code}: {last[:_MAX_MESSAGE]}" if code else None
        return False

    def wait(self) -> None:
        """Wait for the process, if there is one. Afterwards, `error` is as after poll()."""
        if self._process is not None:
            self._process.wait()
        self.poll()

    def stop(self) -> None:
        """Stop the process, if there is one. Its result is incomplete, so it's never used."""
        if self._process is not None:
            self._process.terminate()
        self.wait()


def run_finish(folder: Path) -> None:
    """Write the pipeline, data and report of a session in a process, as the page does.

    folder (Path): The session.
    RAISES (ValueError): If it failed.
    """
    trainer = Trainer(folder)
    trainer.start("finish")
    try:
        trainer.wait()
    finally:
        trainer.stop()
    if trainer.error:
        raise ValueError(trainer.error)
