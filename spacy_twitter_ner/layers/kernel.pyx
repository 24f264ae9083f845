# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=True
"""Bindings of kernel.h. See lstm_ops.py for the arrays of training steps, which lack the axis D here."""

import numpy

from libc.stdint cimport int64_t, uint8_t

cdef extern from "kernel.h" nogil:
    enum: PADDING
    void infer_float(
        int64_t, const int64_t*, const int64_t*, int, int64_t, int64_t, const float*,
        const int64_t*, const float*, const int64_t*, const float*, const float*, float*, float*,
        float*, float*, float*, int64_t)
    void infer_double(
        int64_t, const int64_t*, const int64_t*, int, int64_t, int64_t, const double*,
        const int64_t*, const double*, const int64_t*, const double*, const double*, double*,
        double*, double*, double*, double*, int64_t)
    int64_t viterbi_float(
        int64_t, const int64_t*, int64_t, const float*, const uint8_t*, const uint8_t*,
        const double*, int64_t, const double*, const double*, const double*, double*, double*,
        int64_t*, int64_t*, int64_t*)
    int64_t viterbi_double(
        int64_t, const int64_t*, int64_t, const double*, const uint8_t*, const uint8_t*,
        const double*, int64_t, const double*, const double*, const double*, double*, double*,
        int64_t*, int64_t*, int64_t*)
    void train_step_float(
        int64_t, int64_t, float*, const float*, const float*, float*, float*, float*)
    void train_step_double(
        int64_t, int64_t, double*, const double*, const double*, double*, double*, double*)
    void backprop_step_float(
        int64_t, int64_t, int64_t, const float*, const float*, const float*, const float*,
        const float*, float*, float*)
    void backprop_step_double(
        int64_t, int64_t, int64_t, const double*, const double*, const double*, const double*,
        const double*, double*, double*)

ctypedef fused real:
    float
    double


# Sequences whose states fit into the second-level cache.
BLOCK_SEQUENCES = 60


def infer(
    const int64_t[::1] lengths,
    const real[:, :, ::1] table,
    const int64_t[::1] rows,
    const real[:, :, ::1] extra,
    const int64_t[::1] extra_rows,
    const real[:, :, ::1] U,
    const real[:, :, ::1] readout,
    real[:, ::1] outputs,
    slice directions,
):
    """Compute the hidden states of an LSTM in both directions, or one of them, see `infer` in
    kernel_template.h. `extra` with its rows, and `readout`, may be None. Each direction has one
    half of the outputs' columns."""
    cdef int64_t n_hidden = U.shape[1], begin, n, d
    cdef int64_t n_outputs = n_hidden if readout is None else readout.shape[2]
    cdef const real* extra_data = NULL
    cdef const int64_t* extra_indices = NULL
    cdef const real* readout_data = NULL
    if rows.shape[0] == 0:
        return
    by_length = numpy.asarray(lengths)
    order = numpy.argsort(-by_length, kind="stable")
    cdef const int64_t[::1] firsts = (numpy.cumsum(by_length) - by_length)[order]
    cdef const int64_t[::1] longest = by_length[order]
    cdef int64_t n_sequences = numpy.count_nonzero(by_length)
    _check(
        by_length.sum() == rows.shape[0] == outputs.shape[0] and longest[len(longest) - 1] >= 0
        and U.shape[0] == table.shape[0] == 2 and U.shape[2] == table.shape[2] == 4 * n_hidden > 0
        and 0 < 2 * n_outputs == outputs.shape[1] and _are_indices(rows, 0, table.shape[1])
        and 0 <= directions.start <= directions.stop <= 2
    )
    if readout is not None:
        _check(readout.shape[0] == 2 and readout.shape[1] == n_hidden)
    if extra is not None and extra.shape[1] > 0:
        _check(
            extra_rows.shape[0] == rows.shape[0] and extra.shape[0] == 2
            and extra.shape[2] == 4 * n_hidden and _are_indices(extra_rows, -1, extra.shape[1])
        )
        extra_indices = &extra_rows[0]
    cdef int64_t size = min(n_sequences, BLOCK_SEQUENCES)
    dtype = numpy.float32 if real is float else numpy.float64
    cdef real[::1] memory = numpy.empty(size * (6 * n_hidden + n_outputs), dtype=dtype)
    cdef real* gates = &memory[0]
    cdef real* cells = gates + size * 4 * n_hidden
    cdef real* hidden = cells + size * n_hidden
    cdef real* products = hidden + size * n_hidden
    for d in range(directions.start, directions.stop):
        if extra_indices != NULL:
            extra_data = &extra[d, 0, 0]
        if readout is not None:
            readout_data = &readout[d, 0, 0]
        begin = 0
        with nogil:
            while begin < n_sequences:
                n = min(size, n_sequences - begin)
                if real is float:
                    infer_float(
                        n, &firsts[begin], &longest[begin], d, n_hidden, n_outputs,
                        &table[d, 0, 0], &rows[0], extra_data, extra_indices, &U[d, 0, 0],
                        readout_data, gates, cells, hidden, products, &outputs[0, d * n_outputs],
                        outputs.shape[1])
                else:
                    infer_double(
                        n, &firsts[begin], &longest[begin], d, n_hidden, n_outputs,
                        &table[d, 0, 0], &rows[0], extra_data, extra_indices, &U[d, 0, 0],
                        readout_data, gates, cells, hidden, products, &outputs[0, d * n_outputs],
                        outputs.shape[1])
                begin += n


def viterbi(
    const int64_t[::1] lengths,
    const real[:, ::1] emissions,
    const uint8_t[::1] no_begin,
    const uint8_t[::1] no_inside,
    const double[:, ::1] transitions,
    const double[::1] start,
    const double[::1] end,
):
    """Compute the most probable valid tags of some sequences. The masks may be None.

    RETURNS (tuple[Ints1d, int]): (N,) the tags, and the index of the first sequence with scores
        that are NaN or infinite, -1 if there is none.
    """
    cdef int64_t n_tokens = emissions.shape[0], n_tags = emissions.shape[1], unusable
    cdef const uint8_t* begin_mask = NULL
    cdef const uint8_t* inside_mask = NULL
    found = numpy.zeros(n_tokens, dtype=numpy.int64)
    if n_tokens == 0:
        return found, -1
    sizes = numpy.asarray(lengths)
    _check(
        sizes.sum() == n_tokens and sizes.min() >= 0 and n_tags % 2 == 1
        and n_tags == transitions.shape[0] == transitions.shape[1] == start.shape[0] == end.shape[0]
    )
    if no_begin is not None:
        _check(no_begin.shape[0] == n_tokens)
        begin_mask = &no_begin[0]
    if no_inside is not None:
        _check(no_inside.shape[0] == n_tokens)
        inside_mask = &no_inside[0]
    cdef int64_t n_entering = -(-(n_tags // 2 + 1) // PADDING) * PADDING
    cdef double[:, ::1] entering = numpy.full((n_tags, n_entering), -numpy.inf)
    cdef int64_t tag, target
    for tag in range(n_tags):
        entering[tag, 0] = transitions[tag, 0]
        for target in range(1, n_tags, 2):
            entering[tag, (target + 1) // 2] = transitions[tag, target]
    cdef double[::1] scores = numpy.empty(2 * n_tags + n_entering)
    cdef int64_t[::1] origins = numpy.empty(n_entering + sizes.max() * n_tags, dtype=numpy.int64)
    cdef int64_t[::1] tags = found
    with nogil:
        if real is float:
            unusable = viterbi_float(
                lengths.shape[0], &lengths[0], n_tags, &emissions[0, 0], begin_mask, inside_mask,
                &entering[0, 0], n_entering, &transitions[0, 0], &start[0], &end[0], &scores[0],
                &scores[2 * n_tags], &origins[0], &origins[n_entering], &tags[0])
        else:
            unusable = viterbi_double(
                lengths.shape[0], &lengths[0], n_tags, &emissions[0, 0], begin_mask, inside_mask,
                &entering[0, 0], n_entering, &transitions[0, 0], &start[0], &end[0], &scores[0],
                &scores[2 * n_tags], &origins[0], &origins[n_entering], &tags[0])
    return found, unusable


def train_step(
    int64_t start,
    int64_t end,
    int64_t before,
    real[:, ::1] gates,
    const real[:, ::1] recurrent,
    real[:, ::1] cells,
    real[:, ::1] tanh_cells,
    real[:, ::1] hidden,
):
    """NumpySteps.train for one direction."""
    cdef int64_t size = end - start, n_hidden = cells.shape[1], n_rows = cells.shape[0]
    _check(
        0 <= before <= start < end <= n_rows and (start == 0 or before + size <= start)
        and gates.shape[0] == tanh_cells.shape[0] == hidden.shape[0] == n_rows
        and size <= recurrent.shape[0]
        and gates.shape[1] == recurrent.shape[1] == 4 * n_hidden
        and tanh_cells.shape[1] == hidden.shape[1] == n_hidden
    )
    cdef const real* from_hidden = NULL if start == 0 else &recurrent[0, 0]
    # The cells of the preceding step are other rows, so the pointers don't alias.
    with nogil:
        if real is float:
            train_step_float(
                size, n_hidden, &gates[start, 0], from_hidden, &cells[before, 0],
                &cells[start, 0], &tanh_cells[start, 0], &hidden[start, 0])
        else:
            train_step_double(
                size, n_hidden, &gates[start, 0], from_hidden, &cells[before, 0],
                &cells[start, 0], &tanh_cells[start, 0], &hidden[start, 0])


def backprop_step(
    int64_t start,
    int64_t end,
    int64_t before,
    int64_t n_later,
    const real[:, ::1] gates,
    const real[:, ::1] cells,
    const real[:, ::1] tanh_cells,
    const real[:, ::1] d_hidden,
    const real[:, ::1] d_later,
    real[:, ::1] d_cells,
    real[:, ::1] d_gates,
):
    """NumpySteps.backprop for one direction."""
    cdef int64_t size = end - start, n_hidden = cells.shape[1], n_rows = cells.shape[0]
    _check(
        0 <= before <= start < end <= n_rows and (start == 0 or before + size <= start)
        and 0 <= n_later <= size <= d_cells.shape[0] and size <= d_later.shape[0]
        and gates.shape[0] == tanh_cells.shape[0] == d_hidden.shape[0] == d_gates.shape[0] == n_rows
        and gates.shape[1] == d_gates.shape[1] == 4 * n_hidden
        and tanh_cells.shape[1] == d_hidden.shape[1] == d_later.shape[1] == n_hidden
        and d_cells.shape[1] == n_hidden
    )
    cdef const real* earlier = NULL if start == 0 else &cells[before, 0]
    with nogil:
        if real is float:
            backprop_step_float(
                size, n_later, n_hidden, &gates[start, 0], earlier, &tanh_cells[start, 0],
                &d_hidden[start, 0], &d_later[0, 0], &d_cells[0, 0], &d_gates[start, 0])
        else:
            backprop_step_double(
                size, n_later, n_hidden, &gates[start, 0], earlier, &tanh_cells[start, 0],
                &d_hidden[start, 0], &d_later[0, 0], &d_cells[0, 0], &d_gates[start, 0])


cdef inline int _check(bint is_fitting) except -1:
    """Check bounds here: the C kernels don't."""
    if not is_fitting:
        raise ValueError("kernel: the shapes of arrays and steps do not match")
    return 0


cdef bint _are_indices(const int64_t[::1] rows, int64_t lowest, int64_t end) noexcept nogil:
    cdef int64_t i
    cdef bint is_valid = True
    for i in range(rows.shape[0]):
        is_valid &= lowest <= rows[i] < end
    return is_valid
