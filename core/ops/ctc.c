/* Connectionist temporal classification (Graves et al., ICML 2006): the forward variables as ordinary ops, a
 * few per step over all sequences and states at once. */
#include "loss.h"

#include <math.h>

#define IMPOSSIBLE (-1e30) /* finite, so that sums of exponentials keep their slopes */

/* Targets [N, S] from one row after another. */
static wk_tensor unpacked(wk_ctx *c, wk_tensor targets, wk_tensor lengths)
{
    const int64_t n = wk_count(lengths);
    int64_t      *length = wk_alloc((size_t)n * sizeof *length), most = 0, total = 0;
    if (!length || wk_read(c, wk_cast(c, lengths, WK_i64), length) != WK_OK) {
        wk_free(length);
        if (!wki_failed(c)) wk_fail(c, WK_ENOMEM, "ctc_loss: out of memory");
        return WK_NONE;
    }
    for (int64_t i = 0; i < n; i++) {
        if (length[i] > most) most = length[i];
        total += length[i];
    }
    wk_free(length);
    WK_REQUIRE(c, total == wk_count(targets), WK_ESHAPE, "ctc_loss: %lld targets, lengths sum to %lld",
               (long long)wk_count(targets), (long long)total);
    if (total == 0) return wk_zeros(c, WK_i64, WK_SHAPE(n, 1));
    /* row i begins where the lengths before it end */
    const wk_tensor place = wk_arange(c, 0, (double)n, 1, WK_i64);
    const wk_tensor before = wk_lt(c, place, wk_unsqueeze(c, place, 1));
    const wk_tensor starts = wk_sum(c, wk_where(c, before, lengths, wk_scalar_int(c, 0)), WK_DIMS(-1), true);
    const wk_tensor at = wk_add(c, starts, wk_arange(c, 0, (double)most, 1, WK_i64));
    const wk_tensor safe = wk_clamp(c, at, 0, (double)(total - 1));
    return wk_reshape(c, wk_index_select(c, targets, 0, wk_reshape(c, safe, WK_SHAPE(-1))),
                      WK_SHAPE(n, most));
}

/* x [N, L] moved right by n states. */
static wk_tensor moved(wk_ctx *c, wk_tensor x, int64_t n)
{
    return wk_pad(c, x, 2, (const int64_t[]){n, -n}, IMPOSSIBLE);
}

/* Log-probability of all alignments, [N]. states [N, L] are the classes with blanks between, skip [N, L]
 * where a state may follow the one two before. */
static wk_tensor forward(wk_ctx *c, wk_tensor log_p, wk_tensor states, wk_tensor skip, wk_tensor inputs,
                         wk_tensor last)
{
    const int64_t   steps = log_p->shape[0], n = states->shape[0], l = states->shape[1];
    const wk_tensor none = wk_full(c, IMPOSSIBLE, log_p->dtype, WK_SCALAR_SHAPE);
    wk_shape        all = WK_SHAPE(steps, n, l);
    const wk_tensor p = wk_gather(c, log_p, -1, wk_expand(c, wk_unsqueeze(c, states, 0), all));
    const wk_tensor start = wk_lt(c, wk_arange(c, 0, (double)l, 1, WK_i64), wk_scalar_int(c, 2));
    wk_tensor       alpha = wk_where(c, start, wk_select(c, p, 0, 0), none);
    /* without any input only the empty target is possible */
    const wk_tensor empty = wk_eq(c, wk_arange(c, 0, (double)l, 1, WK_i64), wk_scalar_int(c, 0));
    const wk_tensor nothing = wk_where(c, empty, wk_zeros(c, p->dtype, WK_SCALAR_SHAPE), none);
    alpha = wk_where(c, wk_gt(c, inputs, wk_scalar_int(c, 0)), alpha, nothing);
    for (int64_t t = 1; t < steps && !wki_failed(c); t++) {
        const wk_tensor two = wk_where(c, skip, moved(c, alpha, 2), none);
        const wk_tensor ways = wk_stack(c, 3, (const wk_tensor[]){alpha, moved(c, alpha, 1), two}, 0);
        const wk_tensor next = wk_add(c, wk_logsumexp(c, ways, WK_DIMS(0), false), wk_select(c, p, 0, t));
        alpha = wk_where(c, wk_gt(c, inputs, wk_scalar_int(c, t)), next, alpha);
    }
    const wk_tensor before = wk_sub(c, last, wk_scalar_int(c, 1));
    const wk_tensor ends = wk_cat(c, 2, (const wk_tensor[]){last, wk_clamp(c, before, 0, 9e18)}, 1);
    wk_tensor       y = wk_gather(c, alpha, 1, ends);
    /* an empty target has one end */
    const wk_tensor two_ends = wk_cat(
        c, 2, (const wk_tensor[]){wk_ge(c, last, wk_scalar_int(c, 0)), wk_ge(c, before, wk_scalar_int(c, 0))},
        1);
    return wk_logsumexp(c, wk_where(c, two_ends, y, none), WK_DIMS(1), false);
}

/* 0, whose gradient is the probabilities of the steps that count: what log_softmax takes away again, and so
 * part of the gradient where log_p is its result. PyTorch adds it always. */
static wk_tensor normalisation(wk_ctx *c, wk_tensor log_p, wk_tensor inputs)
{
    const wk_tensor step = wk_unsqueeze(c, wk_arange(c, 0, (double)log_p->shape[0], 1, WK_i64), 1);
    const wk_tensor used = wk_cast(c, wk_lt(c, step, wk_transpose(c, inputs, 0, 1)), log_p->dtype);
    const wk_tensor sum =
        wk_sum(c, wk_mul(c, wk_sum(c, wk_exp(c, log_p), WK_DIMS(2), false), used), WK_DIMS(0), false);
    return wk_sub(c, sum, wk_detach(c, sum));
}

static wk_tensor batch(wk_ctx *c, wk_tensor log_p, wk_tensor targets, wk_tensor inputs, wk_tensor lengths,
                       int64_t blank)
{
    const int64_t n = targets->shape[0], s = targets->shape[1], l = 2 * s + 1;
    /* blank, class, blank, class .. blank */
    const wk_tensor blanks = wk_full(c, (double)blank, WK_i64, WK_SHAPE(n, s, 1));
    const wk_tensor inner = wk_cat(c, 2, (const wk_tensor[]){blanks, wk_unsqueeze(c, targets, 2)}, 2);
    wk_tensor       states = wk_reshape(c, inner, WK_SHAPE(n, 2 * s));
    states = wk_pad(c, states, 2, (const int64_t[]){0, 1}, (double)blank);
    /* what lies behind a short target is not looked at, but must be a class */
    const wk_tensor last = wk_mul(c, wk_unsqueeze(c, lengths, 1), wk_scalar_int(c, 2));
    const wk_tensor there = wk_le(c, wk_arange(c, 0, (double)l, 1, WK_i64), last);
    states = wk_where(c, there, states, wk_scalar_int(c, blank));
    const wk_tensor two_before = wk_pad(c, states, 2, (const int64_t[]){2, -2}, (double)blank);
    const wk_tensor skip =
        wk_logical_and(c, wk_ne(c, states, wk_scalar_int(c, blank)), wk_ne(c, states, two_before));
    inputs = wk_unsqueeze(c, inputs, 1);
    const wk_tensor y = wk_neg(c, forward(c, log_p, states, skip, inputs, last));
    return log_p->node ? wk_add(c, y, normalisation(c, log_p, inputs)) : y;
}

wk_tensor wk_ctc_loss(wk_ctx *c, wk_tensor log_p, wk_tensor targets, wk_tensor input_lengths,
                      wk_tensor target_lengths, int64_t blank, bool zero_infinity, wk_reduction r)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c,
               !wk_is_none(log_p) && !wk_is_none(targets) && !wk_is_none(input_lengths) &&
                   !wk_is_none(target_lengths),
               WK_EARG, "ctc_loss: no tensor");
    WK_REQUIRE(c, wki_dtype_class(log_p->dtype) == 'F' && wki_dtype_class(targets->dtype) == 'I', WK_EDTYPE,
               "ctc_loss: log-probabilities of %s, targets of %s", wk_dtype_name(log_p->dtype),
               wk_dtype_name(targets->dtype));
    const bool one = log_p->ndim == 2;
    if (one) log_p = wk_unsqueeze(c, log_p, 1);
    const wk_dtype  t = log_p->dtype;
    const int64_t   n = log_p->ndim == 3 ? log_p->shape[1] : 0;
    const wk_tensor inputs = wk_reshape(c, wk_cast(c, input_lengths, WK_i64), WK_SHAPE(-1));
    const wk_tensor lengths = wk_reshape(c, wk_cast(c, target_lengths, WK_i64), WK_SHAPE(-1));
    WK_REQUIRE(c, log_p->ndim == 3 && log_p->shape[0] > 0 && wk_count(inputs) == n && wk_count(lengths) == n,
               WK_ESHAPE, "ctc_loss: log-probabilities %s, lengths %s and %s", WKI_TEXT(log_p),
               WKI_TEXT(inputs), WKI_TEXT(lengths));
    WK_REQUIRE(c, blank >= 0 && blank < log_p->shape[2], WK_EINDEX, "ctc_loss: blank %lld of %lld classes",
               (long long)blank, (long long)log_p->shape[2]);
    targets = wk_cast(c, targets, WK_i64);
    if (targets->ndim == 1) targets = one ? wk_unsqueeze(c, targets, 0) : unpacked(c, targets, lengths);
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, targets->ndim == 2 && targets->shape[0] == n, WK_ESHAPE,
               "ctc_loss: %lld sequences, targets %s", (long long)n, WKI_TEXT(targets));
    wk_tensor       y = batch(c, wk_cast(c, log_p, wki_loss_dtype(log_p)), targets, inputs, lengths, blank);
    const wk_tensor lost = wk_gt(c, y, wk_scalar(c, -IMPOSSIBLE / 2));
    y = wk_where(c, lost, wk_scalar(c, zero_infinity ? 0 : (double)INFINITY), y);
    if (r == WK_MEAN) y = wk_div(c, y, wk_cast(c, wk_clamp(c, lengths, 1, 9e18), wki_loss_dtype(log_p)));
    if (one && r == WK_EACH) y = wk_reshape(c, y, WK_SCALAR_SHAPE);
    return wki_loss_reduce(c, y, r, t);
}
