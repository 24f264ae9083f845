/* Included once for each type of numbers: REAL, with TANH of it; NAME makes the functions' names.
   Rows are those of one step; matrices lie row by row. H is n_hidden. */

/* A step of a prediction. A row's gates get their input from a table, and from another one where
   extra_rows is not negative.

   gates (n_rows, 4 H): the hidden state's part, of any value in the first step; overwritten.
   cells, hidden (n_rows, H): the state, which becomes the next one.
   outputs (?, H): the hidden states, each written to its row. */
VECTORISED static void NAME(predict_step)(
    int64_t n_rows, int64_t n_hidden, int is_first,
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
        /* The table is larger than the caches, and no processor can guess which row is next. */
        if (row + ROWS_AHEAD < n_rows) {
            const REAL *ahead = table + rows[row + ROWS_AHEAD] * 4 * n_hidden;
            for (int64_t k = 0; k < 4 * n_hidden; k += CACHE_LINE / sizeof(REAL)) PREFETCH(ahead + k);
        }
        if (is_first)
            for (int64_t k = 0; k < 4 * n_hidden; k++) o[k] = input[k];
        else
            for (int64_t k = 0; k < 4 * n_hidden; k++) o[k] += input[k];
        if (extra_rows && extra_rows[row] >= 0) {
            const REAL *restrict more = extra + extra_rows[row] * 4 * n_hidden;
            for (int64_t k = 0; k < 4 * n_hidden; k++) o[k] += more[k];
        }
        if (is_first)
            for (int64_t k = 0; k < n_hidden; k++) cell[k] = 0;
        for (int64_t k = 0; k < n_hidden; k++) {
            const REAL c = (TANH(f[k]) * half + half) * cell[k] + (TANH(i[k]) * half + half) * TANH(g[k]);
            const REAL h = (TANH(o[k]) * half + half) * TANH(c);
            cell[k] = c;
            state[k] = h;
            output[k] = h;
        }
    }
}

/* A step of a training, which keeps what backpropagation needs.

   gates (n_rows, 4 H): the inputs' part; becomes the gates' values.
   recurrent (n_rows, 4 H): the hidden state's part, NULL in the first step.
   before (n_rows, H): the cells of the step before, not read in the first step.
   cells, squashed, hidden (n_rows, H): the cells, their tanh, and the hidden state. */
VECTORISED static void NAME(train_step)(
    int64_t n_rows, int64_t n_hidden,
    REAL *restrict gates, const REAL *restrict recurrent, const REAL *restrict before,
    REAL *restrict cells, REAL *restrict squashed, REAL *restrict hidden)
{
    const REAL half = (REAL)0.5;
    for (int64_t row = 0; row < n_rows; row++) {
        REAL *restrict o = gates + row * 4 * n_hidden;
        REAL *restrict i = o + n_hidden, *restrict f = i + n_hidden, *restrict g = f + n_hidden;
        const REAL *restrict earlier = before + row * n_hidden;
        REAL *restrict cell = cells + row * n_hidden;
        REAL *restrict tanh_cell = squashed + row * n_hidden;
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

/* A step back.

   n_later: how many rows the next step has, the first ones of this.
   gates (n_rows, 4 H): the gates' values.
   before (n_rows, H): the cells of the step before, NULL in the first step.
   squashed (n_rows, H): tanh of the cells.
   d_hidden (n_rows, H): the gradient of the hidden states.
   d_later (n_later, H): what the next step adds to it.
   d_cells (n_rows, H): the gradient of the cells from the next step, of its rows; becomes that for
       the step before.
   d_gates (n_rows, 4 H): the gradient of the gates before their nonlinearity, written. */
VECTORISED static void NAME(backprop_step)(
    int64_t n_rows, int64_t n_later, int64_t n_hidden,
    const REAL *restrict gates, const REAL *restrict before, const REAL *restrict squashed,
    const REAL *restrict d_hidden, const REAL *restrict d_later,
    REAL *restrict d_cells, REAL *restrict d_gates)
{
    for (int64_t row = 0; row < n_rows; row++) {
        const REAL *restrict o = gates + row * 4 * n_hidden;
        const REAL *restrict i = o + n_hidden, *restrict f = i + n_hidden, *restrict g = f + n_hidden;
        const REAL *restrict tanh_cell = squashed + row * n_hidden;
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
