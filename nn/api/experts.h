/* Mixtures of experts as a layer. Part of nn/nn.h. */
#ifndef WK_NN_EXPERTS_H
#define WK_NN_EXPERTS_H

#include "layers.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Each row goes to top_k of the experts, each an MLP, and their results are summed by the router's weights
 * (arXiv:1701.06538, 2401.04088). */
struct wk_moe {
    struct wk_linear router;
    wk_tensor        correction; /* [experts]: added to scores for the choice alone (DeepSeek V3); a buffer */
    wk_tensor gate, up, down; /* [experts, hidden, dim] twice, [experts, dim, hidden]; gate may be WK_NONE */
    struct wk_mlp    shared;  /* sees every row; up.weight WK_NONE: none */
    struct wk_linear shared_gate; /* [1, dim]: its sigmoid scales the shared one's result; or WK_NONE */
    int64_t          top_k;
    int64_t          groups, top_groups; /* only experts of the best groups are chosen; 0: all */
    bool             sigmoid;            /* scores are sigmoids of the router's logits; else their softmax */
    bool             renormalise;        /* the weights of a row sum to 1 */
    double           scale;              /* of the weights; 0: 1 */
    int              act;
};
typedef struct wk_moe_opts {
    int64_t     dim, hidden, experts, top_k;
    int64_t     shared_hidden; /* 0: no shared expert */
    int64_t     groups, top_groups;
    bool        sigmoid, renormalise, correction, shared_gate, plain; /* plain: experts without a gate */
    double      scale;
    int         act;
    const char *names[3];    /* of an expert's matrices; NULL: gate_proj, up_proj, down_proj */
    const char *shared_name; /* NULL: shared_expert */
} wk_moe_opts;
/* Names: gate.weight, gate.e_score_correction_bias; experts.gate_proj.weight and so on with all experts in one
 * tensor, else experts.0.gate_proj.weight, .., which are put together; shared_expert.gate_proj.weight, ..;
 * shared_expert_gate.weight. */
WK_API struct wk_moe wk_moe_load(wk_params p, const char *name, wk_moe_opts o);
struct wk_routing {
    wk_tensor scores;       /* [.., experts] of all experts */
    wk_tensor ids, weights; /* [.., top_k]: the chosen ones (i64) */
};
/* x [.., dim]. *routing, unless it is NULL: what the router decided. */
WK_API wk_tensor wk_moe(wk_ctx *c, const struct wk_moe *m, wk_tensor x, struct wk_routing *routing);
/* experts times the sum over experts of (choices per row) (mean score): top_k where all are used alike. To be
 * added to the loss (arXiv:2101.03961, equations 4 to 6). */
WK_API wk_tensor wk_moe_balance_loss(wk_ctx *c, const struct wk_routing *r);

#ifdef __cplusplus
}
#endif
#endif
