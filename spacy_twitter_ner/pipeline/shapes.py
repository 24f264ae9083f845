"""Check a loaded model's parameters. Thinc itself accepts arrays of any shape and type."""

from collections.abc import Callable

from thinc.api import Model

from ..layers.bigru import N_GATES as GRU_GATES
from ..layers.lstm import N_GATES as LSTM_GATES

# A parameter's shape: names of dimensions, or a function of the layer.
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


# By the name of the layer, as saved models have it: ours, and Thinc's that taggers are made of.
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


def check_params(model: Model) -> None:
    """Check that all parameters of an initialized model are there, and have the shape and type
    that its layers expect.

    model (Model): The model.
    RAISES (ValueError): If one doesn't. The message names the layer and the parameter.
    """
    for node in model.walk():
        shapes = SHAPES.get(node.name, {})
        if node.name in ("lexeme_features", "cluster_embed"):
            shapes = {name: _table(name) for name in node.param_names}
        for name in node.param_names:
            place = f"parameter {name!r} of layer {node.name!r}"
            if not node.has_param(name):
                if name in shapes:
                    raise ValueError(f"{place} is missing")
                continue
            param = node.get_param(name)
            if str(param.dtype) != "float32":
                raise ValueError(f"{place} must be float32, not {param.dtype}")
            if name in shapes:
                expected = _expected_shape(node, shapes[name])
                if tuple(param.shape) != expected:
                    raise ValueError(
                        f"{place} must have the shape {expected}, not {tuple(param.shape)}"
                    )


def _expected_shape(node: Model, shape: Shape) -> tuple[int, ...]:
    return shape(node) if callable(shape) else tuple(node.get_dim(dim) for dim in shape)
