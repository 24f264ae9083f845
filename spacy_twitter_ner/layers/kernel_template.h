/* Included once per floating-point type: REAL and its TANH. NAME makes the function names.
   The rows are those of one step, matrices are row-major, H is n_hidden. */

/* C += A B, with A (n_rows, depth), B (depth, width) and C (n_rows, width).

   A tile of C stays in registers while it is summed up. Each element is summed in the same order in
   tiles of any size, so a row's result doesn't depend on the other rows. */
#if IS_TILED
typedef REAL NAME(vector) VECTOR_TYPE;
#define LANES ((int64_t)(VECTOR_BYTES / sizeof(REAL)))

/* Add to the columns of C from `first` on; earlier ones belong to another tile. */
INLINE void NAME(tile)(
    const int n_rows, const int n_vectors, int64_t depth, int64_t width,
    const REAL *restrict A, const REAL *restrict B, REAL *restrict C, int64_t first)
{
    NAME(vector) sums[6][4];
    for (int r = 0; r < n_rows; r++)
        for (int v = 0; v < n_vectors; v++) sums[r][v] = (NAME(vector)){0};
    for (int64_t k = 0; k < depth; k++)
        for (int v = 0; v < n_vectors; v++) {
            const NAME(vector) b = *(const NAME(vector) *)(B + k * width + v * LANES);
            for (int r = 0; r < n_rows; r++) sums[r][v] += A[r * depth + k] * b;
        }
    for (int r = 0; r < n_rows; r++)
        for (int v = 0; v < n_vectors; v++)
            for (int64_t lane = first; lane < LANES; lane++)
                C[r * width + v * LANES + lane] += sums[r][v][lane];
}

INLINE void NAME(multiply_rows)(
    const int n_rows, int64_t depth, int64_t width,
    const REAL *restrict A, const REAL *restrict B, REAL *restrict C)
{
    const int n_vectors = 4 / n_rows;
    int64_t j = 0;
    for (; j + n_vectors * LANES <= width; j += n_vectors * LANES)
        NAME(tile)(n_rows, n_vectors, depth, width, A, B + j, C + j, 0);
    for (; j + LANES <= width; j += LANES) NAME(tile)(n_rows, 1, depth, width, A, B + j, C + j, 0);
    const int64_t last = width - LANES;
    if (j < width) NAME(tile)(n_rows, 1, depth, width, A, B + last, C + last, j - last);
}
#endif

INLINE void NAME(multiply_add)(
    int64_t n_rows, int64_t depth, int64_t width,
    const REAL *restrict A, const REAL *restrict B, REAL *restrict C)
{
#if IS_TILED
    if (width >= LANES) {
        const int64_t n_grouped = n_rows - n_rows % 6, last = width - LANES;
        /* Columns first, so that those of B stay in the cache. */
        for (int64_t j = 0; j < width; j += LANES) {
            const int64_t begin = j < last ? j : last;
            for (int64_t r = 0; r < n_grouped; r += 6)
                NAME(tile)(6, 1, depth, width, A + r * depth, B + begin, C + r * width + begin, j - begin);
        }
        for (int64_t r = n_grouped; r < n_rows;) {
            const int64_t n_left = n_rows - r;
            const REAL *rest = A + r * depth;
            if (n_left >= 4) NAME(multiply_rows)(4, depth, width, rest, B, C + r * width), r += 4;
            else if (n_left >= 2) NAME(multiply_rows)(2, depth, width, rest, B, C + r * width), r += 2;
            else NAME(multiply_rows)(1, depth, width, rest, B, C + r * width), r += 1;
        }
        return;
    }
#endif
    for (int64_t r = 0; r < n_rows; r++)
        for (int64_t k = 0; k < depth; k++)
            for (int64_t j = 0; j < width; j++) C[r * width + j] += A[r * depth + k] * B[k * width + j];
}
#undef LANES

/* Inference: one direction of an LSTM for some sequences, longest first.

   firsts, lengths (n_sequences,): the first token and the number of tokens of each sequence.
   table (?, 4 H), rows (N,): the projected input of token t is table[rows[t]].
   extra (?, 4 H), extra_rows (N,): so is what is added to it, if extra_rows[t] isn't negative.
   U (H, 4 H): recurrent weights.
   readout (H, n_outputs): weights that the hidden states are multiplied by; NULL for none.
   gates (n_sequences, 4 H), cells, hidden (n_sequences, H), products (n_sequences, n_outputs):
       working memory.
   outputs (N, stride): the result of token t is written to the first columns of row t. */
VECTORIZED static void NAME(infer)(
    int64_t n_sequences, const int64_t *restrict firsts, const int64_t *restrict lengths,
    int is_backward, int64_t n_hidden, int64_t n_outputs,
    const REAL *restrict table, const int64_t *restrict rows,
    const REAL *restrict extra, const int64_t *restrict extra_rows,
    const REAL *restrict U, const REAL *restrict readout,
    REAL *restrict gates, REAL *restrict cells, REAL *restrict hidden, REAL *restrict products,
    REAL *restrict outputs, int64_t stride)
{
    const REAL half = (REAL)0.5;
    const int64_t width = 4 * n_hidden;
    for (int64_t k = 0; k < n_sequences * n_hidden; k++) cells[k] = 0;
    for (int64_t step = 0; step < lengths[0]; step++) {
        while (lengths[n_sequences - 1] <= step) n_sequences--;
#define TOKEN(row) (firsts[row] + (is_backward ? lengths[row] - 1 - step : step))
        for (int64_t row = 0; row < n_sequences; row++) {
            const int64_t token = TOKEN(row);
            /* The table is larger than the caches and its rows are accessed in random order. */
            if (row + ROWS_AHEAD < n_sequences) {
                const REAL *ahead = table + rows[TOKEN(row + ROWS_AHEAD)] * width;
                for (int64_t k = 0; k < width; k += CACHE_LINE / sizeof(REAL)) PREFETCH(ahead + k);
            }
            const REAL *restrict input = table + rows[token] * width;
            REAL *restrict gate = gates + row * width;
            for (int64_t k = 0; k < width; k++) gate[k] = input[k];
            if (extra && extra_rows[token] >= 0) {
                const REAL *restrict more = extra + extra_rows[token] * width;
                for (int64_t k = 0; k < width; k++) gate[k] += more[k];
            }
        }
        if (step) NAME(multiply_add)(n_sequences, n_hidden, width, hidden, U, gates);
        for (int64_t row = 0; row < n_sequences; row++) {
            const REAL *restrict o = gates + row * width, *restrict i = o + n_hidden;
            const REAL *restrict f = i + n_hidden, *restrict g = f + n_hidden;
            REAL *restrict cell = cells + row * n_hidden, *restrict state = hidden + row * n_hidden;
            for (int64_t k = 0; k < n_hidden; k++) {
                const REAL c = (TANH(f[k]) * half + half) * cell[k] + (TANH(i[k]) * half + half) * TANH(g[k]);
                cell[k] = c;
                state[k] = (TANH(o[k]) * half + half) * TANH(c);
            }
        }
        const REAL *results = hidden;
        if (readout) {
            for (int64_t k = 0; k < n_sequences * n_outputs; k++) products[k] = 0;
            NAME(multiply_add)(n_sequences, n_hidden, n_outputs, hidden, readout, products);
            results = products;
        }
        for (int64_t row = 0; row < n_sequences; row++) {
            REAL *restrict output = outputs + TOKEN(row) * stride;
            for (int64_t k = 0; k < n_outputs; k++) output[k] = results[row * n_outputs + k];
        }
#undef TOKEN
    }
}

/* The most probable valid BIO tags of some sequences (see decoding.py).

   lengths (n_sequences,): the number of tokens of each sequence.
   n_tags: T, O and then B and I of each type.
   emissions (N, T): each token's scores.
   no_begin, no_inside (N,): where no entity may begin or continue; NULL for nowhere.
   entering (T, n_entering): transition scores to O and to B of each type, padded with -inf to a
       multiple of PADDING columns.
   transitions (T, T), start, end (T,): the other transition scores.
   best (2, T), top, from (n_entering,), origins (longest sequence, T): working memory.
   tags (N,): the tags, written.
   Returns the first sequence with scores that are NaN or infinite; -1 if there is none. */
VECTORIZED static int64_t NAME(viterbi)(
    int64_t n_sequences, const int64_t *restrict lengths, int64_t n_tags,
    const REAL *restrict emissions, const uint8_t *restrict no_begin, const uint8_t *restrict no_inside,
    const double *restrict entering, int64_t n_entering,
    const double *restrict transitions, const double *restrict start, const double *restrict end,
    double *restrict best, double *restrict top, int64_t *restrict from, int64_t *restrict origins,
    int64_t *restrict tags)
{
    int64_t first = 0;
    for (int64_t sequence = 0; sequence < n_sequences; sequence++) {
        const int64_t length = lengths[sequence];
        int is_unusable = 0;
        double *old = best, *new = best + n_tags;
        for (int64_t step = 0; step < length; step++) {
            const int64_t token = first + step;
            const REAL *restrict emission = emissions + token * n_tags;
            int64_t *restrict origin = origins + step * n_tags;
            const int may_begin = !(no_begin && no_begin[token]);
            const int may_continue = step && !(no_inside && no_inside[token]);
            for (int64_t j = 0; j < n_entering; j++) {
                top[j] = -INFINITY;
                from[j] = 0;
            }
            for (int64_t tag = 0; step && tag < n_tags; tag++) {
                const double path = old[tag];
                const double *restrict to = entering + tag * n_entering;
                for (int64_t k = 0; k < n_entering / PADDING; k++)
                    for (int64_t j = k * PADDING; j < (k + 1) * PADDING; j++) {
                        const double score = path + to[j];
                        const int is_better = score > top[j];
                        top[j] = is_better ? score : top[j];
                        from[j] = is_better ? tag : from[j];
                        is_unusable |= !(score < INFINITY);
                    }
            }
            for (int64_t tag = 0; tag < n_tags; tag++) {
                const int is_inside = tag && tag % 2 == 0;
                double score = step ? top[(tag + 1) / 2] : start[tag];
                origin[tag] = step ? from[(tag + 1) / 2] : 0;
                if (is_inside) {
                    score = -INFINITY;
                    origin[tag] = 0;
                    for (int64_t other = tag - 1; may_continue && other <= tag; other++) {
                        const double path = old[other] + transitions[other * n_tags + tag];
                        is_unusable |= !(path < INFINITY);
                        if (path > score) {
                            score = path;
                            origin[tag] = other;
                        }
                    }
                } else if (tag && !may_begin) score = -INFINITY;
                const int is_possible = !tag || (is_inside ? may_continue : may_begin);
                new[tag] = is_possible ? score + emission[tag] : -INFINITY;
                is_unusable |= !(new[tag] < INFINITY);
            }
            double *swapped = old;
            old = new;
            new = swapped;
        }
        int64_t tag = 0;
        double highest = -INFINITY;
        for (int64_t last = 0; length && last < n_tags; last++) {
            const double score = old[last] + end[last];
            is_unusable |= !(score < INFINITY);
            if (score > highest) {
                highest = score;
                tag = last;
            }
        }
        if (is_unusable) return sequence;
        for (int64_t step = length - 1; step >= 0; step--) {
            tags[first + step] = tag;
            tag = origins[step * n_tags + tag];
        }
        first += length;
    }
    return -1;
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
