import pytest

from spacy_twitter_ner.serving.settings import (
    TOKEN_VARIABLE,
    ServiceSettings,
    is_loopback,
    read_token,
)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_body": 0}, "max_body must be greater than 0"),
        ({"timeout": float("nan")}, "timeout must be greater than 0"),
        ({"max_waiting": 5, "max_texts": 6}, "max_waiting must be at least max_texts"),
        ({"token": "short"}, "at least 8 characters"),
        ({"cors_origins": ("*",)}, "invalid origin"),
        ({"cors_origins": ("https://example.org/",)}, "invalid origin"),
        ({"cors_origins": ("example.org",)}, "invalid origin"),
    ],
)
def test_invalid_settings_raise(settings, message):
    with pytest.raises(ValueError, match=message):
        ServiceSettings(**settings)


def test_read_token(tmp_path, monkeypatch):
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    assert read_token() is None
    monkeypatch.setenv(TOKEN_VARIABLE, "of the environment")
    assert read_token() == "of the environment"
    path = tmp_path / "token"
    path.write_text("of the file\n")
    assert read_token(path) == "of the file"
    path.write_text("\n")
    with pytest.raises(ValueError, match="is empty"):
        read_token(path)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("example.org", False),
    ],
)
def test_is_loopback(host, expected):
    assert is_loopback(host) == expected
