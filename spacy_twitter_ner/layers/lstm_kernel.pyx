# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=True
"""Bindings of the LSTM steps in lstm_kernel.h for one direction. See lstm_ops.py for the arrays, which
lack the axis D here."""

from libc.stdint cimport int64_t

cdef extern from "lstm_kernel.h" nogil:
    void infer_step_float(
        int64_t, int64_t, float*, const float*, const int64_t*, const float*, const int64_t*,
        float*, float*, float*, const int64_t*)
    void infer_step_double(
        int64_t, int64_t, double*, const double*, const int64_t*, const double*,
        const int64_t*, double*, double*, double*, const int64_t*)
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


def infer_step(
    int64_t start,
    int64_t end,
    const real[:, ::1] table,
    const int64_t[::1] rows,
    const real[:, ::1] extra,
    const int64_t[::1] extra_rows,
    real[:, ::1] gates,
    real[:, ::1] cells,
    real[:, ::1] hidden,
    real[:, ::1] outputs,
    const int64_t[::1] output_rows,
):
    """NumpySteps.infer for one direction. `extra` may be None."""
    cdef int64_t size = end - start, n_hidden = cells.shape[1]
    cdef const real* extra_data = NULL
    cdef const int64_t* extra_indices = NULL
    _check(
        0 <= start < end <= rows.shape[0] and end <= output_rows.shape[0]
        and size <= gates.shape[0] and size <= cells.shape[0] and size <= hidden.shape[0]
        and gates.shape[1] == table.shape[1] == 4 * n_hidden
        and hidden.shape[1] == outputs.shape[1] == n_hidden
        and table.shape[0] > 0 and outputs.shape[0] > 0
    )
    if extra is not None and extra.shape[0] > 0:
        _check(extra_rows.shape[0] >= end and extra.shape[1] == 4 * n_hidden)
        extra_data, extra_indices = &extra[0, 0], &extra_rows[start]
    with nogil:
        if real is float:
            infer_step_float(
                size, n_hidden, &gates[0, 0], &table[0, 0], &rows[start], extra_data,
                extra_indices, &cells[0, 0], &hidden[0, 0], &outputs[0, 0], &output_rows[start])
        else:
            infer_step_double(
                size, n_hidden, &gates[0, 0], &table[0, 0], &rows[start], extra_data,
                extra_indices, &cells[0, 0], &hidden[0, 0], &outputs[0, 0], &output_rows[start])


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
        raise ValueError("lstm_kernel: the shapes of arrays and steps do not match")
    return 0
