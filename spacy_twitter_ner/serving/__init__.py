"""A trained pipeline as a web service (extra `serve`): an API, metrics, and a page to try it."""
