/* RNN, LSTM, GRU and their cells against PyTorch's. */
#include "reference.h"

static const struct row {
    const char *name;
    wk_rnn_opts o;
} rows[] = {
    {"tanh", {.kind = WK_RNN_TANH}},
    {"relu", {.kind = WK_RNN_RELU}},
    {"gru", {.kind = WK_RNN_GRU}},
    {"lstm", {.kind = WK_RNN_LSTM}},
    {"tanh_no_state", {.kind = WK_RNN_TANH}},
    {"relu_no_state", {.kind = WK_RNN_RELU}},
    {"gru_no_state", {.kind = WK_RNN_GRU}},
    {"lstm_no_state", {.kind = WK_RNN_LSTM}},
    {"lstm_deep", {.kind = WK_RNN_LSTM, .layers = 2, .bidirectional = true, .batch_first = true}},
    {"lstm_projected", {.kind = WK_RNN_LSTM, .hidden = 5, .layers = 2, .bidirectional = true, .proj = 2}},
    {"gru_deep", {.kind = WK_RNN_GRU, .layers = 2, .bidirectional = true, .no_bias = true}},
    {"gru_single", {.kind = WK_RNN_GRU, .batch_first = true}},
    {"lstm_lengths", {.kind = WK_RNN_LSTM, .layers = 2, .bidirectional = true}},
};

Test(recurrent, as_pytorchs)
{
    struct reference r;
    reference_open(&r, "recurrent");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wk_rnn_opts o = rows[i].o;
        reference_case(&r, rows[i].name);
        o.input = 3;
        if (!o.hidden) o.hidden = 4;
        struct wk_rnn l = wk_rnn_load(r.p, "", o);
        cr_assert(l.cells, "%s", wk_ctx_message(r.c));
        reference_bind(&r, l.cells, (size_t)(l.layers * (l.bidirectional ? 2 : 1)) * sizeof *l.cells);
        reference_track(&r);
        const bool      lstm = o.kind == WK_RNN_LSTM;
        const wk_tensor lengths = reference_has(&r, "lengths") ? reference_get(&r, "lengths") : WK_NONE;
        const struct wk_rnn_state first = {r.n_x > 1 ? r.x[1] : WK_NONE, r.n_x > 2 ? r.x[2] : WK_NONE};
        struct wk_rnn_state       last;
        wk_tensor                 y[3];
        y[0] = wk_rnn(r.c, &l, r.x[0], first, lengths, &last);
        y[1] = last.h;
        y[2] = last.c;
        reference_check(&r, lstm ? 3 : 2, y);
        wk_rnn_free(&l);
    }
    reference_close(&r);
}

Test(recurrent, cells)
{
    static const struct {
        const char *name;
        wk_rnn_kind kind;
        bool        bias;
    } cells[] = {
        {"lstm_cell", WK_RNN_LSTM, true}, {"gru_cell", WK_RNN_GRU, true}, {"rnn_cell", WK_RNN_TANH, false}};
    struct reference r;
    reference_open(&r, "recurrent");
    for (int i = 0; i < 3; i++) {
        reference_case(&r, cells[i].name);
        struct wk_rnn_cell cell = wk_rnn_cell_load(r.p, "", cells[i].kind, 3, 4, cells[i].bias);
        reference_bind(&r, &cell, sizeof cell);
        reference_track(&r);
        struct wk_rnn_state s = {r.x[1], r.n_x > 2 ? r.x[2] : WK_NONE};
        s = wk_rnn_cell(r.c, &cell, r.x[0], s);
        const wk_tensor y[] = {s.h, s.c};
        reference_check(&r, cells[i].kind == WK_RNN_LSTM ? 2 : 1, y);
    }
    reference_close(&r);
}

Test(recurrent, dropout_between_layers_and_what_does_not_fit)
{
    wk_ctx       *c = wk_ctx_new("cpu");
    wk_params     p = wk_params_new(c, WK_f32, NULL);
    struct wk_rnn l = wk_rnn_load(
        p, "r", (wk_rnn_opts){.kind = WK_RNN_GRU, .input = 3, .hidden = 4, .layers = 2, .dropout = 1});
    const struct wk_rnn_state none = {WK_NONE, WK_NONE};
    wk_tensor                 x = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(5, 2, 3)),
              other = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(5, 2, 3));
    cr_assert(!wk_allclose(c, wk_rnn(c, &l, x, none, WK_NONE, NULL),
                           wk_rnn(c, &l, other, none, WK_NONE, NULL), 1e-3, 1e-3, false));
    wk_set_training(c, true); /* nothing passes to the second layer */
    wk_tensor y = wk_rnn(c, &l, x, none, WK_NONE, NULL);
    cr_assert(wk_equal(c, y, wk_rnn(c, &l, other, none, WK_NONE, NULL)) && wk_count(y) == 40);
    const double bound = wk_item(c, wk_amax(c, wk_abs(c, l.cells[0].weight_ih), WK_ALL_DIMS, false));
    cr_assert(bound <= 0.5 && bound > 0.4, "1 / sqrt(hidden)");
    wk_rnn(c, &l, wk_ones(c, WK_f32, WK_SHAPE(5, 2, 4)), none, WK_NONE, NULL);
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE);
    wk_ctx_clear(c);
    wk_rnn(c, &l, x, none, wk_arange(c, 0, 5, 1, WK_i64), NULL);
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE, "five lengths for two sequences");
    wk_ctx_clear(c);
    wk_rnn_free(&l);
    wk_rnn_load(p, "r", (wk_rnn_opts){.kind = WK_RNN_GRU, .input = 3, .hidden = 4, .proj = 2});
    cr_assert_eq(wk_ctx_status(c), WK_EARG, "only an LSTM projects");
    wk_ctx_free(c);
}
