"""The libraries of the extra `serve`: app.py, metrics.py and server.py, which import them, are
imported when a service is made."""

from importlib import import_module

_LIBRARIES = {
    "fastapi": "FastAPI",
    "uvicorn": "uvicorn",
    "httptools": "httptools",
    "prometheus_client": "prometheus-client",
}


class ServeError(ImportError):
    """A library that serves is not installed; the message says how to install it."""


def require_libraries() -> None:
    """RAISES (ServeError): If one of the libraries is not installed."""
    for module, name in _LIBRARIES.items():
        try:
            import_module(module)
        except ImportError as error:
            raise ServeError(
                f"{name} is not installed, which the service needs: run "
                '`python -m pip install "spacy-twitter-ner[serve]"`'
            ) from error
