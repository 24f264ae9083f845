"""Generate the reference pages of the documentation site from docstrings, signatures, the entry
points in pyproject.toml and the command line application."""

import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from importlib import import_module
from importlib.metadata import distribution
from typing import Any, NamedTuple

import typer
from typer.core import TyperArgument, TyperOption

from spacy_twitter_ner.cli import app

PACKAGE = "spacy_twitter_ner"

# The public API: a heading, and names by module.
API: dict[str, dict[str, list[str]]] = {
    "Pretrained pipeline": {PACKAGE: ["load"]},
    "Component": {
        f"{PACKAGE}.pipeline.bilstm_ner": ["TwitterBiLSTMNER", "Predictions"],
        f"{PACKAGE}.pipeline.distribution": [
            "EntityPrediction",
            "request_scores",
            "get_confidence",
        ],
        f"{PACKAGE}.pipeline.explain": ["Explanation", "explain", "explain_spans"],
        f"{PACKAGE}.pipeline.onnx_export": ["export_onnx", "embed_docs"],
        f"{PACKAGE}.pipeline.tweet_attributes": ["TweetAttributes", "set_token_extensions"],
    },
    "Text": {
        f"{PACKAGE}.tokenizer": ["TweetTokenizer"],
        f"{PACKAGE}.normalization": [
            "normalize_word",
            "normal_form",
            "token_kind",
            "split_hashtag",
        ],
        f"{PACKAGE}.iob": ["tags_to_spans", "spans_to_bio", "to_bio", "find_violations"],
    },
    "Batch annotation": {
        f"{PACKAGE}.annotate": ["annotate_batch", "Annotator"],
        f"{PACKAGE}.annotate.spark": ["annotate_dataframe"],
    },
    "Corpora": {
        f"{PACKAGE}.corpus.convert": ["convert"],
        f"{PACKAGE}.corpus.check": ["check_corpus"],
        f"{PACKAGE}.corpus.reader": ["read_docs", "read_examples"],
    },
    "Training": {
        f"{PACKAGE}.training.configs": ["list_configs", "make_config"],
        f"{PACKAGE}.training.silver": ["annotate_silver"],
        f"{PACKAGE}.training.calibration": ["calibrate", "measure_reliability"],
        f"{PACKAGE}.training.guarantees": ["guarantee", "check_guarantee"],
    },
    "Teaching": {
        f"{PACKAGE}.teaching.learning": ["Gold", "teach", "teach_blank"],
        f"{PACKAGE}.corpus.spanfile": ["CharSpan"],
    },
    "Evaluation": {
        f"{PACKAGE}.evaluation.evaluate": ["evaluate", "Evaluation"],
        f"{PACKAGE}.evaluation.metrics": ["compute_metrics", "Metrics"],
        f"{PACKAGE}.evaluation.matching": ["match_spans", "Match"],
        f"{PACKAGE}.evaluation.report": ["make_report", "report_to_markdown", "write_report"],
    },
    "Service": {
        f"{PACKAGE}.serving.app": ["create_app"],
        f"{PACKAGE}.serving.settings": ["ServiceSettings"],
    },
}
# The registries of the entry points, in the order of the page.
REGISTRIES = {
    "spacy_factories": "Components",
    "spacy_tokenizers": "Tokenizers",
    "spacy_architectures": "Architectures",
    "thinc_layers": "Layers",
    "spacy_readers": "Corpus readers",
    "spacy_batchers": "Batchers",
    "spacy_callbacks": "Callbacks",
    "spacy_misc": "Lexical knowledge and other functions",
    "spacy_loggers": "Loggers",
    "thinc_schedules": "Schedules",
    "spacy_scorers": "Scorers",
}
_FIELD = re.compile(r"(\*{0,2}\w+) \((.+?)\): (.+)")
_OUTCOMES = ("RETURNS", "YIELDS", "RAISES")


class Field(NamedTuple):
    """A documented parameter or outcome.

    name (str): The parameter's name, or "RETURNS", "YIELDS" or "RAISES".
    type (str): Its type.
    text (str): Its description.
    """

    name: str
    type: str
    text: str


class Docstring(NamedTuple):
    """A parsed docstring.

    text (str): The description, as Markdown.
    fields (list[Field]): The parameters and outcomes.
    """

    text: str
    fields: list[Field]

    @property
    def parameters(self) -> list[Field]:
        """RETURNS (list[Field]): The fields that aren't outcomes."""
        return [field for field in self.fields if field.name not in _OUTCOMES]


def parse_docstring(docstring: str | None) -> Docstring:
    """Parse a docstring in spaCy's format.

    docstring (Optional[str]): The docstring.
    RETURNS (Docstring): The description and the fields.
    """
    text, fields = [], []
    # Descriptions continue on indented lines.
    joined = re.sub(r"\n {4}(?=\S)", " ", inspect.cleandoc(docstring or ""))
    for line in joined.split("\n"):
        match = _FIELD.match(line)
        if match:
            name, type_name, description = match.groups()
            fields.append(Field(name, type_name, escape(description)))
        else:
            text.append(line)
    return Docstring(escape("\n".join(text).strip()), fields)


def make_api_reference() -> str:
    """RETURNS (str): The page with the public functions and classes."""
    lines = [
        "# API reference",
        "",
        "Everything on this page is public: see [compatibility](compatibility.md). Registered "
        "functions, such as architectures, are in the [configuration reference](configuration.md).",
    ]
    for heading, modules in API.items():
        lines += ["", f"## {heading}"]
        for module, names in modules.items():
            for name in names:
                lines += _describe_object(module, name, getattr(import_module(module), name))
    return "\n".join(lines) + "\n"


def _describe_object(module: str, name: str, value: Any) -> Iterator[str]:
    kind = "class" if inspect.isclass(value) else "function"
    yield from ("", f"### {escape(name)}", "", f"*{kind}*, `from {module} import {name}`", "")
    if not inspect.isclass(value):
        yield from _describe_call(name, value)
        return
    docstring = parse_docstring(value.__doc__)
    yield from (docstring.text, "")
    yield from field_table(docstring.fields)
    if "__init__" in vars(value) and value.__init__.__doc__:
        yield from _describe_call(name, value.__init__)
    for method, function in vars(value).items():
        if method.startswith("_") and method != "__call__":
            continue
        if isinstance(function, property):
            found = parse_docstring(function.fget.__doc__)
            returned = next((f for f in found.fields if f.name == "RETURNS"), Field("", "", ""))
            yield from (
                "",
                _method_heading(name, method),
                "",
                f"*property*, `{returned.type}`",
                "",
            )
            yield " ".join(filter(None, [found.text, returned.text]))
        elif isinstance(function, classmethod | staticmethod) or inspect.isfunction(function):
            yield from ("", _method_heading(name, method), "")
            yield from _describe_call(method, getattr(value, method))


def _method_heading(name: str, method: str) -> str:
    return f'#### {escape(name)}.{escape(method)} {{ data-toc-label="{escape(method)}" }}'


def _describe_call(name: str, function: Callable) -> Iterator[str]:
    docstring = parse_docstring(function.__doc__)
    yield from ("```text", _signature(name, function), "```", "", docstring.text, "")
    yield from field_table(docstring.fields)


def _signature(name: str, function: Callable) -> str:
    shown = []
    is_keyword_only = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind == parameter.KEYWORD_ONLY and not is_keyword_only:
            shown.append("*")
            is_keyword_only = True
        prefix = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(
            parameter.kind, ""
        )
        default = parameter.default
        suffix = "" if default is parameter.empty else f"={_show_default(default)}"
        shown.append(f"{prefix}{parameter.name}{suffix}")
    line = f"{name}({', '.join(shown)})"
    return line if len(line) < 80 else f"{name}(\n    " + ",\n    ".join(shown) + ",\n)"


def field_table(fields: Sequence[Field]) -> list[str]:
    """Format parameters and outcomes as a table.

    fields (Sequence[Field]): The fields.
    RETURNS (list[str]): Lines of Markdown, empty without fields.
    """
    if not fields:
        return []
    rows = []
    for field in fields:
        is_outcome = field.name in _OUTCOMES
        name = f"*{field.name.lower()}*" if is_outcome else f"`{field.name}`"
        rows.append((name, f"`{field.type}`", field.text))
    return _table(("name", "type", "description"), rows)


def make_config_reference() -> str:
    """RETURNS (str): The page with all registered functions and their settings."""
    entry_points = distribution("spacy-twitter-ner").entry_points
    lines = [
        "# Configuration reference",
        "",
        "Every function that this package registers, with its settings as they are written in a "
        "training config. Settings without a default are required.",
    ]
    for group, heading in REGISTRIES.items():
        lines += ["", f"## {heading}"]
        for entry_point in entry_points.select(group=group):
            lines += _describe_registered(group, entry_point.name, entry_point.load())
    return "\n".join(lines) + "\n"


def _describe_registered(group: str, name: str, function: Callable) -> Iterator[str]:
    docstring = parse_docstring(function.__doc__)
    if group == "spacy_factories":
        line = f'factory = "{name}"'
    else:
        line = f'@{group.partition("_")[2]} = "{name}"'
    label = escape(name.removeprefix("spacy-twitter-ner."))
    heading = f'### {escape(name)} {{ data-toc-label="{label}" }}'
    yield from ("", heading, "", "```ini", line, "```", "", docstring.text, "")
    texts = {field.name: field for field in docstring.parameters}
    rows = []
    for parameter in inspect.signature(function).parameters.values():
        if group == "spacy_factories" and parameter.name in ("nlp", "name"):
            continue
        annotation = inspect.formatannotation(parameter.annotation)
        field = texts.get(parameter.name, Field(parameter.name, annotation, ""))
        default = _find_default(group, name, parameter)
        rows.append((f"`{field.name}`", f"`{field.type}`", default, field.text))
    if rows:
        yield from _table(("setting", "type", "default", "description"), rows)
    else:
        yield "No settings."


def _find_default(group: str, name: str, parameter: inspect.Parameter) -> str:
    default = parameter.default
    if group == "spacy_factories":
        from spacy.language import Language

        meta = Language.get_factory_meta(name)
        default = meta.default_config.get(parameter.name, parameter.empty)
    if default is parameter.empty:
        return "required"
    if isinstance(default, dict) and default:
        function = next((value for key, value in default.items() if key[0] == "@"), None)
        return f"`{function}`" if function else f"`{json.dumps(default)}`"
    return f"`{json.dumps(default)}`"  # as in a config


def _show_default(default: object) -> str:
    if default is None or isinstance(default, str | int | float | tuple | list | dict):
        return repr(default)
    return getattr(default, "__name__", type(default).__name__)


def make_cli_reference() -> str:
    """RETURNS (str): The page with all commands and their options."""
    group: Any = typer.main.get_command(app)
    lines = [
        "# Command line reference",
        "",
        "All commands also work as `python -m spacy twitter-ner COMMAND`. `--help` describes each.",
    ]
    for name, command in group.commands.items():
        if not command.hidden:
            lines += _describe_command(group.name, name, command)
    return "\n".join(lines) + "\n"


def _describe_command(group: str, name: str, command: Any) -> Iterator[str]:
    context = command.make_context(f"{group} {name}", [], resilient_parsing=True)
    arguments = [_metavar(each) for each in command.params if isinstance(each, TyperArgument)]
    usage = " ".join([f"{group} {name}", "[OPTIONS]", *arguments])
    yield from ("", f"## {name}", "", "```text", usage, "```", "")
    yield escape(inspect.cleandoc(command.help or ""))
    rows = []
    for parameter in command.get_params(context):
        if isinstance(parameter, TyperOption) and parameter.hidden:
            continue
        shown = ", ".join(f"`{option}`" for option in (*parameter.opts, *parameter.secondary_opts))
        if isinstance(parameter, TyperArgument):
            shown = f"`{_metavar(parameter)}`"
        rows.append(
            (
                shown,
                _show_option_default(parameter),
                escape(" ".join((parameter.help or "").split())),
            )
        )
    yield ""
    yield from _table(("argument or option", "default", "description"), rows)


def _metavar(argument: Any) -> str:
    return argument.metavar or argument.name.upper()


def _show_option_default(parameter: Any) -> str:
    if isinstance(parameter, TyperArgument) and parameter.required:
        return "required"
    default = parameter.default
    if default is None or default is False or default == () or callable(default):
        return ""
    if isinstance(default, Enum):
        default = default.value
    if PACKAGE in str(default):  # the path of the pretrained pipeline
        return "`en_tweet_ner`"
    return f"`{default}`"


def escape(text: str) -> str:
    """RETURNS (str): The text with its characters of Markdown escaped, except for code spans."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([*_<>\[\]|#])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    cells = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(row)} |" for row in cells]
