/* wick-optest: the op cases without a test framework, for machines that have none. */
#include "tests/ops/block_products.h"
#include "tests/ops/block_uses.h"
#include "tests/ops/cases.h"
#include "tests/ops/quant_golden.h"

#include <stdio.h>
#include <string.h>

/* The bits of the block dtypes, on the instruction set that is chosen by itself. */
static bool quantised_rows(const char *device)
{
    char          message[256];
    wk_ctx       *c = wk_ctx_new(device);
    const int64_t n =
        check_quant_golden(c, WK_SOURCE_DIR "/tests/golden/quant.safetensors", message, sizeof message);
    wk_ctx_free(c);
    if (n) printf("%lld block dtypes agree with the reference\n", (long long)n);
    if (!n) printf("FAIL\n%s\n", message);
    return n > 0;
}

/* Products with them, on every instruction set there is. */
static bool block_products(void)
{
    char          message[256];
    const int64_t n = check_block_products(message, sizeof message);
    if (n) printf("%lld products with block weights agree with sums in double\n", (long long)n);
    if (!n) printf("FAIL\n%s\n", message);
    return n > 0;
}

/* A bad index is the next read's failure, which names it; the context is usable afterwards. */
static bool bad_index(wk_ctx *c)
{
    const wk_scope  s = wk_scope_begin(c);
    float           y[2] = {0};
    const wk_tensor x = wk_make(c, (const float[]){3, 4, 5, 6}, WK_f32, WK_SHAPE(4));
    const wk_tensor bad = wk_make(c, (const int64_t[]){1, 9}, WK_i64, WK_SHAPE(2));
    const wk_tensor good = wk_make(c, (const int64_t[]){1, 3}, WK_i64, WK_SHAPE(2));
    const wk_status failed = wk_read(c, wk_gather(c, x, 0, bad), y);
    bool            ok = failed == WK_EINDEX && strstr(wk_ctx_message(c), "index 9 of 4");
    if (!ok) printf("FAIL a bad index gives \"%s\"\n", wk_ctx_message(c));
    wk_ctx_clear(c);
    ok = wk_read(c, wk_gather(c, x, 0, good), y) == WK_OK && y[0] == 4 && y[1] == 6 && ok;
    if (!ok) printf("FAIL after a bad index: %g %g %s\n", (double)y[0], (double)y[1], wk_ctx_message(c));
    wk_scope_end(c, s, WK_NONE);
    return ok;
}

/* x = softmax(x + 1) w, step by step. */
struct stepping {
    wk_tensor x, w;
};
static void step(wk_ctx *c, void *state)
{
    const struct stepping *s = state;
    const wk_tensor        y = wk_softmax(c, wk_add(c, s->x, wk_scalar(c, 1)), -1);
    wk_copy_into(c, s->x, wk_matmul(c, y, s->w));
}

/* A captured step gives what the same step gives when it is called. */
static bool replayed(wk_ctx *c)
{
    static const float start[6] = {1, 2, 3, 4, 5, 6}, weights[9] = {1, 2, 0, -1, 1, 3, 0.5f, 1, 2};
    float              called[6], got[6];
    const wk_scope     s = wk_scope_begin(c);
    struct stepping    state = {wk_make(c, start, WK_f32, WK_SHAPE(2, 3)),
                                wk_make(c, weights, WK_f32, WK_SHAPE(3, 3))};
    for (int i = 0; i < 3; i++) step(c, &state);
    bool ok = wk_read(c, state.x, called) == WK_OK;
    wk_copy_into(c, state.x, wk_make(c, start, WK_f32, WK_SHAPE(2, 3)));
    wk_step *captured = wk_capture(c, step, &state); /* calls it twice */
    ok = ok && captured && wk_replay(captured) == WK_OK && wk_read(c, state.x, got) == WK_OK;
    wk_step_free(captured);
    for (int i = 0; i < 6; i++) ok = ok && got[i] == called[i];
    if (!ok) printf("FAIL a captured step: %s\n", wk_ctx_message(c));
    wk_scope_end(c, s, WK_NONE);
    return ok;
}

/* The block dtypes there: their bits, what is done with them, products. */
static bool on_blocks(const char *device)
{
    char          message[256] = "";
    const bool    bits = quantised_rows(device);
    const int64_t uses = check_block_uses(device, message, sizeof message);
    const int64_t products = uses ? check_block_products_on(device, message, sizeof message) : 0;
    if (uses && products)
        printf("%lld uses of block dtypes agree with the CPU, %lld products with sums in double\n",
               (long long)uses, (long long)products);
    else
        printf("FAIL\n%s\n", message);
    return bits && uses && products;
}

/* wick-optest DEVICE FAMILY...: the cases on another device, against the CPU; "blocks": the block dtypes. */
static int on_device(const char *device, int n, char **families)
{
    struct tally t = {0};
    char         text[1024] = "";
    wk_ctx      *c = wk_ctx_new(device);
    wk_ctx_describe(c, text, sizeof text);
    const bool indices = bad_index(c), steps = replayed(c);
    wk_ctx_free(c);
    printf("%.*s\n", (int)strcspn(text, "\n"), text);
    bool blocks = n == 0;
    for (int i = 0; i < n; i++) blocks |= strcmp(families[i], "blocks") == 0;
    blocks = !blocks || on_blocks(device);
    run_on_device(device, n, families, &t);
    if (t.failed) printf("FAIL\n%s", t.message);
    printf("%lld passed, %lld failed, %lld have no kernel there\n", (long long)t.passed, (long long)t.failed,
           (long long)t.left);
    return t.failed != 0 || t.passed == 0 || !indices || !steps || !blocks;
}

int main(int argc, char **argv)
{
    if (argc > 1) return on_device(argv[1], argc - 2, argv + 2);
    struct tally t = {0};
    char         missing[512];
    run_everywhere(&t);
    if (!check_coverage(missing, sizeof missing)) printf("no case: %s\n", missing);
    if (t.failed) printf("FAIL\n%s", t.message);
    printf("%lld passed, %lld failed\n", (long long)t.passed, (long long)t.failed);
    const bool ok = quantised_rows("cpu") && t.failed == 0;
    return !(block_products() && ok);
}
