/* Tensors in wick: each line beside its PyTorch spelling. Prints what it makes; the first argument names a
 * file to save to, the second a device. */
#include "core/wick.h"
#include "nn/nn.h"

#include <stdio.h>

static void show(wk_ctx *c, const char *what, wk_tensor x)
{
    char text[2048];
    wk_format(c, x, text, sizeof text);
    printf("%s = %s\n", what, text);
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "tensors.safetensors";
    wk_ctx     *c = wk_ctx_new(argc > 2 ? argv[2] : "cpu"); /* torch.set_default_device("cpu") */
    wk_seed(c, 1);                                          /* torch.manual_seed(1) */

    /* creation */
    wk_tensor x =
        wk_make(c, (float[]){1, 2, 3, 4, 5, 6}, WK_f32, WK_SHAPE(2, 3)); /* x = torch.tensor([[..], [..]]) */
    wk_tensor zeros = wk_zeros(c, WK_f32, WK_SHAPE(2, 2));               /* torch.zeros(2, 2) */
    wk_tensor eye = wk_eye(c, 2, 2, WK_f32);                             /* torch.eye(2) */
    wk_tensor steps = wk_arange(c, 0, 10, 2, WK_i64);                    /* torch.arange(0, 10, 2) */
    wk_tensor line = wk_linspace(c, 0, 1, 5, WK_f32);                    /* torch.linspace(0, 1, 5) */
    wk_tensor noise = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(64));          /* torch.randn(64) */
    show(c, "x", x);
    show(c, "zeros + eye", wk_add(c, zeros, eye)); /* zeros + eye */
    show(c, "steps", steps);
    show(c, "line", line);

    /* shape, dtype, device */
    printf("x.shape = [%lld, %lld]\n", (long long)x->shape[0], (long long)wk_size(x, -1)); /* x.shape */
    printf("x.dtype = %s, x.device = %s\n", wk_dtype_name(x->dtype),
           wk_ctx_device(c));                   /* x.dtype, x.device */
    show(c, "x as f16", wk_cast(c, x, WK_f16)); /* x.to(torch.float16) */
    show(c, "1.0f's bits",
         wk_view_dtype(c, wk_ones(c, WK_f32, WK_SHAPE(1)), WK_i32)); /* .view(torch.int32) */

    /* indexing and views: no copies but for the last two */
    show(c, "x[1]", wk_select(c, x, 0, 1));                         /* x[1] */
    show(c, "x[:, -1]", wk_select(c, x, 1, -1));                    /* x[:, -1] */
    show(c, "x[:, ::2]", wk_slice(c, x, 1, 0, 3, 2));               /* x[:, ::2] */
    show(c, "x.T", wk_transpose(c, x, 0, 1));                       /* x.T */
    show(c, "x.reshape(3, -1)", wk_reshape(c, x, WK_SHAPE(3, -1))); /* x.reshape(3, -1) */
    show(c, "x[[1, 0]]",
         wk_index_select(c, x, 0, wk_make(c, (int64_t[]){1, 0}, WK_i64, WK_SHAPE(2)))); /* x[[1, 0]] */
    show(c, "x[x > 3]", wk_masked_select(c, x, wk_gt(c, x, wk_scalar(c, 3))));          /* x[x > 3] */

    /* arithmetic: broadcast, promoted as PyTorch does */
    show(c, "x * 2 + 1", wk_add(c, wk_mul(c, x, wk_scalar_int(c, 2)), wk_scalar_int(c, 1))); /* x * 2 + 1 */
    show(c, "x / x.sum(1)", wk_div(c, x, wk_sum(c, x, WK_DIMS(1), true))); /* x / x.sum(1, keepdim=True) */
    show(c, "steps / 4", wk_div(c, steps, wk_scalar_int(c, 4)));           /* steps / 4 */
    show(c, "x.clamp(2, 5)", wk_clamp(c, x, 2, 5));                        /* x.clamp(2, 5) */

    /* operations */
    show(c, "x @ x.T", wk_matmul(c, x, wk_transpose(c, x, 0, 1))); /* x @ x.T */
    show(c, "x.mean()", wk_mean(c, x, WK_ALL_DIMS, false));        /* x.mean() */
    show(c, "x.argmax(1)", wk_argmax(c, x, 1, false));             /* x.argmax(1) */
    show(c, "softmax(x)", wk_softmax(c, x, -1));                   /* torch.softmax(x, -1) */
    show(c, "gelu(x)", wk_gelu(c, x));                             /* torch.nn.functional.gelu(x) */
    show(c, "cat",
         wk_cat(c, 2, (wk_tensor[]){x, wk_zeros_like(c, x)}, 0)); /* torch.cat([x, torch.zeros_like(x)]) */
    show(c, "cumsum", wk_cumsum(c, steps, 0));                    /* steps.cumsum(0) */
    printf("noise: 64 values, |mean| < 1: %d\n",
           wk_item(c, wk_abs(c, wk_mean(c, noise, WK_ALL_DIMS, false))) < 1);

    /* gradients */
    wk_tape_begin(c);
    wk_tensor w = wk_track(c, x);                                   /* w = x.clone().requires_grad_() */
    wk_backward(c, wk_sum(c, wk_square(c, w), WK_ALL_DIMS, false)); /* w.square().sum().backward() */
    show(c, "w.grad", wk_grad(c, w));                               /* w.grad */
    wk_add_into(c, x, wk_grad(c, w), -0.1);                         /* x.add_(w.grad, alpha=-0.1) */
    show(c, "x after a step", x);
    wk_tape_end(c);

    /* saving and loading */
    wk_save(c, path, 2, (const char *[]){"x", "steps"}, (wk_tensor[]){x, steps}, 0,
            NULL); /* save_file({..}, path) */
    int64_t   n = 0;
    wk_named *all = wk_load(c, path, &n); /* load_file(path) */
    for (int64_t i = 0; i < n; i++) show(c, all[i].name, all[i].x);
    wk_free(all);

    const wk_status status = wk_ctx_status(c); /* the one check: the first error stuck */
    if (status) fprintf(stderr, "%s\n", wk_ctx_message(c));
    wk_ctx_free(c);
    return status != WK_OK;
}
