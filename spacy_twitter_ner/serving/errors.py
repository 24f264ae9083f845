"""Log errors without their messages, which may contain texts."""

import logging
import traceback

logger = logging.getLogger("spacy_twitter_ner.serving")


class RemoteError(Exception):
    """An error in another process.

    name (str): The error's type.
    trace (str): The formatted traceback.
    """

    def __init__(self, name: str, trace: str) -> None:
        super().__init__(name)
        self.name, self.trace = name, trace


def describe_error(error: BaseException) -> tuple[str, str]:
    """Return the type and the formatted traceback of an error, without its message."""
    if isinstance(error, RemoteError):
        return error.name, error.trace
    return type(error).__name__, "".join(traceback.format_tb(error.__traceback__))


def log_error(error: BaseException) -> None:
    """Log the error of a request."""
    logger.error("A request failed with %s:\n%s", *describe_error(error))
