/* LSTM steps in a single pass over the gates, where NumPy needs a dozen, a whole BiLSTM direction
   for prediction, and the Viterbi search.

   The gates are stored in the order o, i, f, g, with halved inputs for the sigmoids. See lstm_ops.py
   and decoding.py for the equivalent NumPy code. */

#include <math.h>
#include <stdint.h>

/* Portable builds that select the widest vector instructions at run time. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__gnu_linux__)
#define VECTORIZED __attribute__((target_clones("avx512f", "fma", "default")))
#define INLINE static inline __attribute__((always_inline))
#else
#define VECTORIZED
#define INLINE static inline
#endif

/* Vector types, for floats, and prefetching into the second-level cache. */
#ifdef __GNUC__
#define HAS_VECTORS 1
#define VECTOR_TYPE __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias))
#define PREFETCH(address) __builtin_prefetch(address, 0, 2)
#else
#define HAS_VECTORS 0
#define PREFETCH(address)
#endif
#define VECTOR_BYTES 64
#define CACHE_LINE 64
#define ROWS_AHEAD 2
#define PADDING 8

#ifdef _MSC_VER
#define restrict __restrict
#endif

/* tanh as a rational function, with a relative error of at most 3e-7. The coefficients are those of
   Eigen's generic_fast_tanh_float (MathFunctionsImpl.h). */
INLINE float tanh_float(float x)
{
    const float largest = 7.90531110763549805f;
    x = x > largest ? largest : x;
    x = x < -largest ? -largest : x;
    const float x2 = x * x;
    float p = -2.76076847742355e-16f;
    p = p * x2 + 2.00018790482477e-13f;
    p = p * x2 + -8.60467152213735e-11f;
    p = p * x2 + 5.12229709037114e-08f;
    p = p * x2 + 1.48572235717979e-05f;
    p = p * x2 + 6.37261928875436e-04f;
    p = p * x2 + 4.89352455891786e-03f;
    float q = 1.19825839466702e-06f;
    q = q * x2 + 1.18534705686654e-04f;
    q = q * x2 + 2.26843463243900e-03f;
    q = q * x2 + 4.89352518554385e-03f;
    return x * p / q;
}

#define REAL float
#define TANH tanh_float
#define NAME(name) name##_float
#define IS_TILED HAS_VECTORS
#include "kernel_template.h"
#undef REAL
#undef TANH
#undef NAME
#undef IS_TILED

/* Exact but slow, for gradient checks. */
#define REAL double
#define TANH tanh
#define NAME(name) name##_double
#define IS_TILED 0
#include "kernel_template.h"
