/* Included once per floating-point type: REAL and its TANH. NAME makes the function names.
   The rows are those of one step, matrices are row-major, H is n_hidden. */

/* Inference. The projected input of a row is looked up in a table, and in a second one if its
   extra_rows isn't negative.

   gates (n_rows, 4 H): U h', overwritten.
   cells, hidden (n_rows, H): the state, overwritten with the next one.
   outputs (?, H): the hidden state of row r is written to row output_rows[r]. */
VECTORIZED static void NAME(infer_step)(
    int64_t n_rows, int64_t n_hidden,
    REAL *restrict gates,
    const REAL *restrict table, const int64_t *restrict rows,
    const REAL *restrict extra, const int64_t *restrict extra_rows,
    REAL *restrict cells, REAL *restrict hidden,
    REAL *restrict outputs, const int64_t *restrict output_rows)
{
    const REAL half = (REAL)0.5;
    for (int64_t row = 0; row < n_rows; row++) {
        REAL *restrict o = gates + row * 4 * n_hidden;
        const REAL *restrict i = o + n_hidden, *restrict f = i + n_hidden, *restrict g = f + n_hidden;
        const REAL *restrict input = table + rows[row] * 4 * n_hidden;
        REAL *restrict cell = cells + row * n_hidden;
        REAL *restrict state = hidden + row * n_hidden;
        REAL *restrict output = outputs + output_rows[row] * n_hidden;
        /* The table is larger than the caches and its rows are accessed in random order. */
        if (row + ROWS_AHEAD < n_rows) {
            const REAL *ahead = table + rows[row + ROWS_AHEAD] * 4 * n_hidden;
            for (int64_t k = 0; k < 4 * n_hidden; k += CACHE_LINE / sizeof(REAL)) PREFETCH(ahead + k);
        }
        for (int64_t k = 0; k < 4 * n_hidden; k++) o[k] += input[k];
        if (extra_rows && extra_rows[row] >= 0) {
            const REAL *restrict more = extra + extra_rows[row] * 4 * n_hidden;
            for (int64_t k = 0; k < 4 * n_hidden; k++) o[k] += more[k];
        }
        for (int64_t k = 0; k < n_hidden; k++) {
            const REAL c = (TANH(f[k]) * half + half) * cell[k] + (TANH(i[k]) * half + half) * TANH(g[k]);
            const REAL h = (TANH(o[k]) * half + half) * TANH(c);
            cell[k] = c;
            state[k] = h;
            output[k] = h;
        }
    }
}

/* Training: compute the activations that backpropagation needs.

   gates (n_rows, 4 H): W x + b, overwritten with the gates.
   recurrent (n_rows, 4 H): U h', NULL in the first step.
   before (n_rows, H): the cells of the preceding step, ignored in the first step.
   cells, tanh_cells, hidden (n_rows, H): the cells, their tanh and the hidden states. */
VECTORIZED static void NAME(train_step)(
    int64_t n_rows, int64_t n_hidden,
    REAL *restrict gates, const REAL *restrict recurrent, const REAL *restrict before,
    REAL *restrict cells, REAL *restrict tanh_cells, REAL *restrict hidden)
{
    const REAL half = (REAL)0.5;
    for (int64_t row = 0; row < n_rows; row++) {
        REAL *restrict o = gates + row * 4 * n_hidden;
        REAL *restrict i = o + n_hidden, *restrict f = i + n_hidden, *restrict g = f + n_hidden;
        const REAL *restrict earlier = before + row * n_hidden;
        REAL *restrict cell = cells + row * n_hidden;
        REAL *restrict tanh_cell = tanh_cells + row * n_hidden;
        REAL *restrict state = hidden + row * n_hidden;
        if (recurrent) {
            const REAL *restrict more = recurrent + row * 4 * n_hidden;
            for (int64_t k = 0; k < 4 * n_hidden; k++) o[k] += more[k];
        }
        for (int64_t k = 0; k < 3 * n_hidden; k++) o[k] = TANH(o[k]) * half + half;
        for (int64_t k = 0; k < n_hidden; k++) g[k] = TANH(g[k]);
        if (recurrent)
            for (int64_t k = 0; k < n_hidden; k++) cell[k] = f[k] * earlier[k] + i[k] * g[k];
        else
            for (int64_t k = 0; k < n_hidden; k++) cell[k] = i[k] * g[k];
        for (int64_t k = 0; k < n_hidden; k++) {
            const REAL t = TANH(cell[k]);
            tanh_cell[k] = t;
            state[k] = o[k] * t;
        }
    }
}

/* Backpropagation.

   n_later: the number of rows of the following step.
   gates (n_rows, 4 H): the gates.
   before (n_rows, H): the cells of the preceding step, NULL in the first step.
   tanh_cells (n_rows, H): tanh of the cells.
   d_hidden (n_rows, H): the gradient of the hidden states.
   d_later (n_later, H): the following step's contribution to it.
   d_cells (n_rows, H): the following step's gradient of the cells, overwritten with that for the
       preceding step.
   d_gates (n_rows, 4 H): the gradient of the gates before their nonlinearity, written. */
VECTORIZED static void NAME(backprop_step)(
    int64_t n_rows, int64_t n_later, int64_t n_hidden,
    const REAL *restrict gates, const REAL *restrict before, const REAL *restrict tanh_cells,
    const REAL *restrict d_hidden, const REAL *restrict d_later,
    REAL *restrict d_cells, REAL *restrict d_gates)
{
    for (int64_t row = 0; row < n_rows; row++) {
        const REAL *restrict o = gates + row * 4 * n_hidden;
        const REAL *restrict i = o + n_hidden, *restrict f = i + n_hidden, *restrict g = f + n_hidden;
        const REAL *restrict tanh_cell = tanh_cells + row * n_hidden;
        const REAL *restrict dh = d_hidden + row * n_hidden;
        const REAL *restrict dh_later = d_later + row * n_hidden;
        REAL *restrict dc_row = d_cells + row * n_hidden;
        REAL *restrict d_o = d_gates + row * 4 * n_hidden;
        REAL *restrict d_i = d_o + n_hidden, *restrict d_f = d_i + n_hidden, *restrict d_g = d_f + n_hidden;
        const int is_last = row >= n_later;
        if (is_last)
            for (int64_t k = 0; k < n_hidden; k++) dc_row[k] = 0;
        for (int64_t k = 0; k < n_hidden; k++) {
            const REAL d = is_last ? dh[k] : dh[k] + dh_later[k];
            const REAL dc = dc_row[k] + d * o[k] * (1 - tanh_cell[k] * tanh_cell[k]);
            d_o[k] = d * tanh_cell[k] * o[k] * (1 - o[k]);
            d_i[k] = dc * g[k] * i[k] * (1 - i[k]);
            d_g[k] = dc * i[k] * (1 - g[k] * g[k]);
            d_f[k] = dc * f[k] * (1 - f[k]);
            dc_row[k] = dc * f[k];
        }
        if (before) {
            const REAL *restrict earlier = before + row * n_hidden;
            for (int64_t k = 0; k < n_hidden; k++) d_f[k] *= earlier[k];
        } else {
            for (int64_t k = 0; k < n_hidden; k++) d_f[k] = 0;
        }
    }
}
