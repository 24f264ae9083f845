"""What is logged of errors: where they come from, and never a text."""

import logging
import traceback

logger = logging.getLogger("spacy_twitter_ner.serving")


class RemoteError(Exception):
    """An error in another process.

    name (str): The type of the error there.
    places (str): Where it comes from there.
    """

    def __init__(self, name: str, places: str) -> None:
        super().__init__(name)
        self.name, self.places = name, places


def describe_error(error: BaseException) -> tuple[str, str]:
    """RETURNS (tuple[str, str]): The type of an error and where it comes from, but not its
    message: it may hold a text."""
    if isinstance(error, RemoteError):
        return error.name, error.places
    return type(error).__name__, "".join(traceback.format_tb(error.__traceback__))


def log_error(error: BaseException) -> None:
    """Log an error of a request."""
    logger.error("A request failed with %s:\n%s", *describe_error(error))
