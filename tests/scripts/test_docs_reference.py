import inspect
from importlib.metadata import distribution

import docs_reference
from docs_reference import Field, escape, parse_docstring


def example(text: str, k: int = 5) -> list[str]:
    """Split a text: see `split`.

    Two * paragraphs.

    text (str): The text, on
        two lines.
    k (int): A number.
    RETURNS (list[str]): The parts.
    RAISES (ValueError): If k is 0.
    """
    raise NotImplementedError


def test_docstring_is_parsed():
    docstring = parse_docstring(example.__doc__)
    assert docstring.text == "Split a text: see `split`.\n\nTwo \\* paragraphs."
    assert docstring.parameters == [
        Field("text", "str", "The text, on two lines."),
        Field("k", "int", "A number."),
    ]
    assert docstring.fields[2:] == [
        Field("RETURNS", "list[str]", "The parts."),
        Field("RAISES", "ValueError", "If k is 0."),
    ]


def test_markup_is_escaped_except_in_code():
    assert escape("a_b `c_d|<e>` #f <g>") == "a\\_b `c_d|<e>` \\#f \\<g\\>"


def test_configuration_reference_has_all_registered_functions_and_settings():
    page = docs_reference.make_config_reference()
    for entry_point in distribution("spacy-twitter-ner").entry_points:
        if entry_point.group not in docs_reference.REGISTRIES:
            continue
        heading = f"\n### {escape(entry_point.name)} {{"
        section = page.split(heading)[1].split("\n### ")[0]
        names = set(inspect.signature(entry_point.load()).parameters)
        names -= {"nlp", "name"} if entry_point.group == "spacy_factories" else set()
        assert all(f"| `{name}` |" in section for name in names), entry_point.name


def test_api_reference_has_methods_and_parameters():
    page = docs_reference.make_api_reference()
    assert "| `min_probability` | `float` | Minimum probability, above 0. |" in page
    assert "TwitterBiLSTMNER.predict\\_proba" in page
    assert all(line.count(" | ") >= 2 for line in page.split("\n") if line.startswith("| "))


def test_cli_reference_has_all_commands():
    page = docs_reference.make_cli_reference()
    assert "\n## annotate\n" in page
    assert "| `--output`, `-o` |" in page
    assert "/en_tweet_ner" not in page  # a path of this machine
