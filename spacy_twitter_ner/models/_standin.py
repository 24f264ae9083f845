import numpy

from ..layers.bilstm import N_GATES, N_SIGMOIDS
from ..layers.packing import pack_sequences


def _halve(U):
    nH = U.shape[2]
    h = numpy.ones((N_GATES, nH), dtype="float32")
    h[:N_SIGMOIDS] = 0.5
    return h.reshape(-1)


def input_projection(model, X):
    W, U, b = (model.get_param(n) for n in "WUb")
    h = _halve(U)
    P = numpy.matmul(X, (W * h[:, None]).transpose(0, 2, 1))
    P += (b * h)[:, None]
    return P


def predict_projected(model, projected, rows, lengths, tokens, added):
    xp = numpy
    U = model.get_param("U")
    nH = U.shape[2]
    h = _halve(U)
    U_t = numpy.ascontiguousarray((U * h[:, None]).transpose(0, 2, 1))
    packing = pack_sequences(model.ops, lengths)
    n_rows = len(rows)
    gates = numpy.empty((2, n_rows, 4 * nH), dtype="float32")
    for d, order in enumerate((packing.left_to_right, packing.right_to_left)):
        numpy.take(projected[d], rows[order], axis=0, out=gates[d], mode="clip")
        if added is not None:
            place = numpy.empty(n_rows, dtype="int64")
            place[order] = numpy.arange(n_rows)
            gates[d, place[tokens]] += added[d]
    cells, hidden = (xp.empty((2, n_rows, nH), dtype=gates.dtype) for _ in range(2))
    from_hidden = xp.empty((2, packing.first_step, N_GATES * nH), dtype=gates.dtype)
    before = 0
    for start, end in packing.bounds:
        size = end - start
        step_gates = gates[:, start:end]
        if start:
            step_gates += xp.matmul(
                hidden[:, before : before + size], U_t, out=from_hidden[:, :size]
            )
        xp.tanh(step_gates, out=step_gates)
        step_gates[..., : N_SIGMOIDS * nH] *= 0.5
        step_gates[..., : N_SIGMOIDS * nH] += 0.5
        o, i, f, g = (step_gates[..., k * nH : (k + 1) * nH] for k in range(N_GATES))
        cell = xp.multiply(i, g, out=cells[:, start:end])
        if start:
            cell += f * cells[:, before : before + size]
        xp.multiply(o, xp.tanh(cell), out=hidden[:, start:end])
        before = start
    return packing.unpack_concat(model.ops, hidden)
