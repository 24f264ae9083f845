"""Check a loaded component. Thinc itself accepts parameters of any shape and type."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from thinc.api import Model

from ..layers.bigru import N_GATES as GRU_GATES
from ..layers.lstm_ops import N_GATES as LSTM_GATES

# A parameter's shape: names of dimensions, or a function that computes it from the layer.
Shape = tuple[str, ...] | Callable[[Model], tuple[int, ...]]


def _gates(n_gates: int) -> dict[str, Shape]:
    """RETURNS (dict[str, Shape]): The shapes of the weights of a bidirectional recurrent layer."""

    def shape(columns: str | None) -> Shape:
        def find(model: Model) -> tuple[int, ...]:
            nH = model.get_dim("nO") // 2
            width = {"nH": nH, "nI": model.get_dim("nI")}
            return (2, n_gates * nH, *([width[columns]] if columns else []))

        return find

    return {"W": shape("nI"), "U": shape("nH"), "b": shape(None)}


def _table(name: str) -> Shape:
    return lambda model: (len(model.attrs[f"vocabulary_{name}"]), model.get_dim(f"nO_{name}"))


# By layer name: our layers, and those of Thinc that taggers consist of.
SHAPES: dict[str, dict[str, Shape]] = {
    "bilstm": _gates(LSTM_GATES),
    "bigru": {**_gates(GRU_GATES), "d": lambda model: (2, model.get_dim("nO") // 2)},
    "crf": {"transitions": ("nO", "nO"), "start": ("nO",), "end": ("nO",)},
    "char_cnn": {
        "E": ("nV", "char_width"),
        "W": lambda model: (
            model.get_dim("nO"),
            (2 * model.attrs["window"] + 1) * model.get_dim("char_width"),
        ),
        "b": ("nO",),
    },
    "hashtag_embed": {
        "E": lambda model: (len(model.attrs["vocabulary"]), model.get_dim("nO")),
    },
    "gazetteer_embed": {
        "E": lambda model: (model.attrs["gazetteer"].n_features, model.get_dim("nO")),
    },
    "vector_embed": {"W": ("nO", "nV"), "b": ("nO",), "unknown": ("nO",)},
    "linear": {"W": ("nO", "nI"), "b": ("nO",)},
    "softmax": {"W": ("nO", "nI"), "b": ("nO",)},
    "maxout": {"W": ("nO", "nP", "nI"), "b": ("nO", "nP")},
    "layernorm": {"G": ("nI",), "b": ("nI",)},
    "hashembed": {"E": ("nV", "nO")},
}


@contextmanager
def loading_errors(name: str, source: str | Path) -> Iterator[None]:
    """Add the component's name and the source to errors raised while loading.

    name (str): The component's name.
    source (Union[str, Path]): What is loaded.
    RAISES (ValueError): If loading fails, except for an OSError, which names the file itself.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise ValueError(
            f"component {name!r} can't be loaded from {source}: {error or repr(error)}. It is "
            "damaged or was saved with another config"
        ) from error


def check_model(model: Model, n_labels: int) -> None:
    """Check the outputs and parameters of a component's model, if it is initialized.

    model (Model): The model.
    n_labels (int): Number of labels.
    RAISES (ValueError): If the number of outputs doesn't match the labels, or a parameter is
        invalid.
    """
    output_layer = model.get_ref("output_layer")
    if not output_layer.has_param("W"):
        return
    n_outputs, n_tags = output_layer.maybe_get_dim("nO"), 2 * n_labels + 1
    if n_outputs not in (None, n_tags):
        raise ValueError(
            f"the {n_labels} labels in cfg require {n_tags} outputs, but the model has {n_outputs}"
        )
    check_params(model)


def check_params(model: Model) -> None:
    """Check that an initialized model has all parameters, with the shape and type that its layers
    expect.

    model (Model): The model.
    RAISES (ValueError): If a parameter is missing or invalid. The message names it and its layer.
    """
    for node in model.walk():
        shapes = SHAPES.get(node.name, {})
        if node.name in ("lexeme_features", "cluster_embed"):
            shapes = {name: _table(name) for name in node.param_names}
        for name in node.param_names:
            description = f"parameter {name!r} of layer {node.name!r}"
            if not node.has_param(name):
                if name in shapes:
                    raise ValueError(f"{description} is missing")
                continue
            param = node.get_param(name)
            if str(param.dtype) != "float32":
                raise ValueError(f"{description} must be float32, not {param.dtype}")
            if name in shapes:
                expected = _expected_shape(node, shapes[name])
                if tuple(param.shape) != expected:
                    raise ValueError(
                        f"{description} must have the shape {expected}, not {tuple(param.shape)}"
                    )


def _expected_shape(node: Model, shape: Shape) -> tuple[int, ...]:
    return shape(node) if callable(shape) else tuple(node.get_dim(dim) for dim in shape)
