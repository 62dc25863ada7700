/* Recurrent layers: torch.nn.RNN, LSTM, GRU and their cells. Part of nn/nn.h. */
#ifndef WK_NN_RECURRENT_H
#define WK_NN_RECURRENT_H

#include "params.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum wk_rnn_kind { WK_RNN_TANH, WK_RNN_RELU, WK_RNN_LSTM, WK_RNN_GRU } wk_rnn_kind;
/* Gates lie one after another in the rows: i f g o of an LSTM, r z n of a GRU. */
struct wk_rnn_cell {
    wk_rnn_kind kind;
    wk_tensor   weight_ih, weight_hh, bias_ih, bias_hh; /* biases may be WK_NONE */
    wk_tensor   weight_hr;                              /* [proj, hidden] of an LSTM, or WK_NONE */
};
struct wk_rnn_state {
    wk_tensor h, c; /* c of an LSTM alone. Before the first step WK_NONE or NULL: zeros */
};
WK_API struct wk_rnn_cell wk_rnn_cell_load(wk_params p, const char *name, wk_rnn_kind kind, int64_t input,
                                           int64_t hidden, bool bias);
/* One step: x [N, input] or [input], h and c [N, hidden] or [hidden]. */
WK_API struct wk_rnn_state wk_rnn_cell(wk_ctx *c, const struct wk_rnn_cell *cell, wk_tensor x,
                                       struct wk_rnn_state s);

struct wk_rnn {
    struct wk_rnn_cell *cells; /* [layers * directions], the layer's own: free it */
    int64_t             hidden, proj, layers;
    bool                bidirectional, batch_first;
    double              dropout; /* between layers */
};
typedef struct wk_rnn_opts {
    wk_rnn_kind kind;
    int64_t     input, hidden, layers, proj; /* layers 0: 1; proj of an LSTM: size of h, 0: hidden */
    bool        bidirectional, batch_first, no_bias;
    double      dropout;
} wk_rnn_opts;
WK_API struct wk_rnn wk_rnn_load(wk_params p, const char *name, wk_rnn_opts o);
WK_API void          wk_rnn_free(struct wk_rnn *r);
/* x [T, N, input] (batch_first: [N, T, input]; or [T, input]); the result has directions times the size of h
 * for each position. h and c: [layers * directions, N, size]. lengths i64 [N] or WK_NONE: positions of each
 * sequence that count; results beyond are 0 (a packed sequence). *last (NULL: not wanted): the states after
 * the last position. */
WK_API wk_tensor wk_rnn(wk_ctx *c, const struct wk_rnn *r, wk_tensor x, struct wk_rnn_state first,
                        wk_tensor lengths, struct wk_rnn_state *last);

#ifdef __cplusplus
}
#endif
#endif
