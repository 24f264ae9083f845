# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=True
"""The steps of an LSTM as compiled loops, see lstm_kernel.h. lstm.py calls them where this module
could be built, and checks nothing twice: arrays have to be as it makes them."""

from libc.stdint cimport int64_t

cdef extern from "lstm_kernel.h" nogil:
    void predict_step_float(
        int64_t, int64_t, int, float*, const float*, const int64_t*, const float*, const int64_t*,
        float*, float*, float*, const int64_t*)
    void predict_step_double(
        int64_t, int64_t, int, double*, const double*, const int64_t*, const double*,
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


def predict_step(
    int64_t start,
    int64_t end,
    bint is_first,
    real[:, ::1] gates,
    const real[:, ::1] table,
    const int64_t[::1] rows,
    const real[:, ::1] extra,
    const int64_t[::1] extra_rows,
    real[:, ::1] cells,
    real[:, ::1] hidden,
    real[:, ::1] outputs,
    const int64_t[::1] output_rows,
):
    """Make one step of a prediction.

    start, end (int): Which of N rows, those of some steps in packed order, are the step's.
    is_first (bool): Whether there is no step before.
    gates (Floats2d): (n_first, 4 * nH) the hidden state's part of the gates. Overwritten.
    table (Floats2d): (n, 4 * nH) the inputs' part.
    rows (Ints1d): (N,) each row's place in the table.
    extra (Optional[Floats2d]): (m, 4 * nH) what some rows get besides.
    extra_rows (Optional[Ints1d]): (N,) each row's place in it, -1 for none.
    cells, hidden (Floats2d): (n_first, nH) the state, overwritten.
    outputs (Floats2d): (M, nH) where the hidden states go.
    output_rows (Ints1d): (N,) each row's place in it.
    """
    cdef int64_t size = end - start, n_hidden = cells.shape[1]
    cdef const real* extra_data = NULL
    cdef const int64_t* extra_places = NULL
    _check(
        0 <= start < end <= rows.shape[0] and end <= output_rows.shape[0]
        and size <= gates.shape[0] and size <= cells.shape[0] and size <= hidden.shape[0]
        and gates.shape[1] == table.shape[1] == 4 * n_hidden
        and hidden.shape[1] == outputs.shape[1] == n_hidden
        and table.shape[0] > 0 and outputs.shape[0] > 0
    )
    if extra is not None and extra.shape[0] > 0:
        _check(extra_rows.shape[0] >= end and extra.shape[1] == 4 * n_hidden)
        extra_data, extra_places = &extra[0, 0], &extra_rows[start]
    with nogil:
        if real is float:
            predict_step_float(
                size, n_hidden, is_first, &gates[0, 0], &table[0, 0], &rows[start], extra_data,
                extra_places, &cells[0, 0], &hidden[0, 0], &outputs[0, 0], &output_rows[start])
        else:
            predict_step_double(
                size, n_hidden, is_first, &gates[0, 0], &table[0, 0], &rows[start], extra_data,
                extra_places, &cells[0, 0], &hidden[0, 0], &outputs[0, 0], &output_rows[start])


def train_step(
    int64_t start,
    int64_t end,
    int64_t before,
    real[:, ::1] gates,
    const real[:, ::1] recurrent,
    real[:, ::1] cells,
    real[:, ::1] squashed,
    real[:, ::1] hidden,
):
    """Make one step and keep what came of it; the first one if start is 0.

    start, end (int): The step's rows, in packed order.
    before (int): Where the rows of the step before begin.
    gates (Floats2d): (N, 4 * nH) the inputs' part of the gates; becomes their values.
    recurrent (Floats2d): (n_first, 4 * nH) the hidden state's part, not read in the first step.
    cells, squashed, hidden (Floats2d): (N, nH) the cells, their tanh and the hidden states.
    """
    cdef int64_t size = end - start, n_hidden = cells.shape[1], n_rows = cells.shape[0]
    _check(
        0 <= before <= start < end <= n_rows and (start == 0 or before + size <= start)
        and gates.shape[0] == squashed.shape[0] == hidden.shape[0] == n_rows
        and size <= recurrent.shape[0]
        and gates.shape[1] == recurrent.shape[1] == 4 * n_hidden
        and squashed.shape[1] == hidden.shape[1] == n_hidden
    )
    cdef const real* from_hidden = NULL if start == 0 else &recurrent[0, 0]
    # Cells of the step before are other rows: they may be read while these are written.
    with nogil:
        if real is float:
            train_step_float(
                size, n_hidden, &gates[start, 0], from_hidden, &cells[before, 0],
                &cells[start, 0], &squashed[start, 0], &hidden[start, 0])
        else:
            train_step_double(
                size, n_hidden, &gates[start, 0], from_hidden, &cells[before, 0],
                &cells[start, 0], &squashed[start, 0], &hidden[start, 0])


def backprop_step(
    int64_t start,
    int64_t end,
    int64_t before,
    int64_t n_later,
    const real[:, ::1] gates,
    const real[:, ::1] cells,
    const real[:, ::1] squashed,
    const real[:, ::1] d_hidden,
    const real[:, ::1] d_later,
    real[:, ::1] d_cells,
    real[:, ::1] d_gates,
):
    """Go one step back; the first step if start is 0.

    start, end, before (int): As of train_step.
    n_later (int): How many rows the next step has, 0 if there is none.
    gates, cells, squashed (Floats2d): What train_step made.
    d_hidden (Floats2d): (N, nH) the gradient of the hidden states.
    d_later (Floats2d): (n_first, nH) what the next step adds to the gradient.
    d_cells (Floats2d): (n_first, nH) the gradient of the cells that the next step left there;
        becomes that for the step before.
    d_gates (Floats2d): (N, 4 * nH) where the gradient of the gates goes.
    """
    cdef int64_t size = end - start, n_hidden = cells.shape[1], n_rows = cells.shape[0]
    _check(
        0 <= before <= start < end <= n_rows and (start == 0 or before + size <= start)
        and 0 <= n_later <= size <= d_cells.shape[0] and size <= d_later.shape[0]
        and gates.shape[0] == squashed.shape[0] == d_hidden.shape[0] == d_gates.shape[0] == n_rows
        and gates.shape[1] == d_gates.shape[1] == 4 * n_hidden
        and squashed.shape[1] == d_hidden.shape[1] == d_later.shape[1] == n_hidden
        and d_cells.shape[1] == n_hidden
    )
    cdef const real* earlier = NULL if start == 0 else &cells[before, 0]
    with nogil:
        if real is float:
            backprop_step_float(
                size, n_later, n_hidden, &gates[start, 0], earlier, &squashed[start, 0],
                &d_hidden[start, 0], &d_later[0, 0], &d_cells[0, 0], &d_gates[start, 0])
        else:
            backprop_step_double(
                size, n_later, n_hidden, &gates[start, 0], earlier, &squashed[start, 0],
                &d_hidden[start, 0], &d_later[0, 0], &d_cells[0, 0], &d_gates[start, 0])


cdef inline int _check(bint is_fitting) except -1:
    """Memory of others must not be written over by a mistake of ours."""
    if not is_fitting:
        raise ValueError("lstm_kernel: arrays or steps that do not fit together")
    return 0
