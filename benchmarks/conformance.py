"""Agreement of TweetTokenizer with Twitter's published conformance cases for extraction.

    python benchmarks/conformance.py assets/twitter/extract.yml

The file is conformance/extract.yml of twitter/twitter-text. A case passes if the tokens that the
tokenizer's rules MENTION, HASHTAG, CASHTAG or URL made are exactly the expected ones, in order.
List slugs and offsets aren't compared, and the section on replies is skipped: whether a tweet is
a reply isn't a property of its tokens.
"""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import spacy
import srsly
import typer
from wasabi import msg

from spacy_twitter_ner.tokenizer import TweetTokenizer

# The rule and the key of an expected entity, by the first word of the section's name.
RULES = {
    "mentions": ("MENTION", "screen_name"),
    "urls": ("URL", "url"),
    "hashtags": ("HASHTAG", "hashtag"),
    "cashtags": ("CASHTAG", "cashtag"),
}


class Case(NamedTuple):
    """A conformance case: what is expected of a text, and what the tokenizer finds."""

    section: str
    text: str
    expected: list[str]
    found: list[str]

    @property
    def passes(self) -> bool:
        """RETURNS (bool): Whether the tokenizer finds exactly what is expected."""
        return self.found == self.expected

    @property
    def n_expected_found(self) -> int:
        """RETURNS (int): The number of expected entities that the tokenizer finds."""
        return (Counter(self.found) & Counter(self.expected)).total()


def run_cases(path: Path) -> list[Case]:
    """Run the tokenizer on the cases of a file.

    path (Path): Twitter's file of conformance cases, extract.yml.
    RETURNS (list[Case]): The cases, in order.
    RAISES (ValueError): If the file contains no such cases.
    """
    tokenizer = TweetTokenizer(spacy.blank("xx").vocab)
    data: Any = srsly.read_yaml(path)
    sections = data.get("tests") if isinstance(data, dict) else None
    if not isinstance(sections, dict) or not set(RULES) & set(sections):
        raise ValueError(
            f"{path} has no sections {', '.join(RULES)} under 'tests'. Pass "
            f"conformance/extract.yml of twitter/twitter-text"
        )
    cases = []
    for section, tests in sections.items():
        rule, key = RULES.get(section.partition("_")[0], (None, ""))
        if rule is None:
            continue
        for test in tests:
            expected = [
                entity if isinstance(entity, str) else entity[key] for entity in test["expected"]
            ]
            tokens = [token for name, token in tokenizer.explain(test["text"]) if name == rule]
            found = tokens if rule == "URL" else [token[1:] for token in tokens]
            cases.append(Case(section, test["text"], expected, found))
    return cases


def conformance_cli(
    path: Annotated[
        Path, typer.Argument(help="Twitter's extract.yml", exists=True, dir_okay=False)
    ],
) -> None:
    """Compare TweetTokenizer with Twitter's conformance cases for extraction."""
    try:
        cases = run_cases(path)
    except ValueError as error:
        msg.fail(str(error), exits=1)
    rows = []
    for section in dict.fromkeys(case.section for case in cases):
        group = [case for case in cases if case.section == section]
        n_found = sum(case.n_expected_found for case in group)
        n_expected = sum(len(case.expected) for case in group)
        n_passed = sum(case.passes for case in group)
        rows.append((section, f"{n_passed} / {len(group)}", f"{n_found} / {n_expected}"))
    msg.table(rows, header=("section", "cases passed", "entities found"), aligns=("l", "r", "r"))
    for case in cases:
        if not case.passes:
            msg.warn(f"{case.section}: {case.text!r}")
            print(f"  expected: {case.expected}\n  found:    {case.found}")


if __name__ == "__main__":
    typer.run(conformance_cli)
