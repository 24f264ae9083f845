import pytest

import conformance

from .util import run_command

# Invented cases, in the format of Twitter's file.
CASES = """
tests:
  mentions:
    - description: "Two users"
      text: "@ann and @bob_1: hi"
      expected: ["ann", "bob_1"]
  mentions_with_indices:
    - description: "One user"
      text: "hi @ann"
      expected:
        - screen_name: "ann"
          indices: [3, 7]
  replies:
    - description: "Not a token's business"
      text: "@ann hi"
      expected: "ann"
  hashtags:
    - description: "Expected wrongly"
      text: "#one #two"
      expected: ["two", "three"]
  urls:
    - description: "None"
      text: "no link"
      expected: []
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "extract.yml"
    path.write_text(CASES, encoding="utf-8")
    return path


def test_cases(path):
    cases = conformance.run_cases(path)
    assert [(case.section, case.passes, case.n_expected_found) for case in cases] == [
        ("mentions", True, 2),
        ("mentions_with_indices", True, 1),
        ("hashtags", False, 1),
        ("urls", True, 0),
    ]


def test_cli(path):
    result = run_command(conformance.conformance_cli, path)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.output.splitlines()]
    assert ["mentions", "1", "/", "1", "2", "/", "2"] in rows
    assert ["hashtags", "0", "/", "1", "1", "/", "2"] in rows
    assert "expected: ['two', 'three']" in result.output
    assert "found:    ['one', 'two']" in result.output
    assert "replies" not in result.output


@pytest.mark.parametrize("text", ["[]", "tests: {replies: []}", "{}"])
def test_another_file(path, text):
    path.write_text(text)
    result = run_command(conformance.conformance_cli, path)
    assert result.exit_code == 1
    assert "extract.yml has no sections mentions, urls" in result.output.replace("\n", " ")
