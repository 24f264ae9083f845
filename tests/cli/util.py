"""Runs commands for the tests of the command line."""

from typer.testing import CliRunner, Result

from spacy_twitter_ner.cli import app


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])
