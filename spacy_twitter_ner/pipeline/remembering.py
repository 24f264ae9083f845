"""A trainable pipe whose model remembers what it computed of lexemes, and when it has to forget."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cymem.cymem import Pool
from spacy.pipeline.trainable_pipe import TrainablePipe
from thinc.api import Optimizer

from .zones import clear_removed


class RememberingPipe(TrainablePipe):
    """Forgets what its model remembers of lexemes whenever weights or vocabularies are replaced
    through the component. The model notices most other changes itself, but an array that is
    changed in place in a few entries it may not: after that, call forget_lexemes."""

    def forget_lexemes(self) -> None:
        """Forget all that the model has computed of lexemes. Predictions need not be told: this
        is for weights, vectors or lookups that were changed by hand."""
        cache = self.model.attrs.get("lexeme_cache")
        if cache is not None:
            cache.clear()

    @contextmanager
    def memory_zone(self, mem: Pool) -> Iterator[Pool]:
        """The component's part of nlp.memory_zone: clears away what earlier zones left in the
        vocab. What is remembered of lexemes refers to nothing of a zone, and stays.

        mem (Pool): The zone's memory.
        YIELDS (Pool): The same.
        """
        clear_removed(self.vocab)
        yield mem

    def finish_update(self, sgd: Optimizer) -> None:
        """Update the weights.

        sgd (Optimizer): The optimizer.
        """
        super().finish_update(sgd)
        self.forget_lexemes()

    def use_params(self, params: dict) -> Iterator[None]:
        """Use other weights for a while, as Language.use_params has it.

        params (dict): The weights, by layer and name.
        """
        self.forget_lexemes()
        yield from super().use_params(params)
        self.forget_lexemes()

    def set_output(self, nO: int) -> None:
        """Change the number of outputs.

        nO (int): The new number.
        """
        super().set_output(nO)
        self.forget_lexemes()

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> Any:
        """Load the component from bytes.

        bytes_data (bytes): What to_bytes gave.
        exclude (Iterable[str]): Fields to leave as they are.
        RETURNS (TrainablePipe): The component.
        """
        super().from_bytes(bytes_data, exclude=exclude)
        self.forget_lexemes()
        return self

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> Any:
        """Load the component from a folder.

        path (Union[str, Path]): What to_disk wrote.
        exclude (Iterable[str]): Fields to leave as they are.
        RETURNS (TrainablePipe): The component.
        """
        super().from_disk(path, exclude=exclude)
        self.forget_lexemes()
        return self
