/* Copies between contexts: there and back, between two devices, beside kernels, and what they refuse. */
#include "tests/optest/transfers.h"

#include "core/wick.h"
#include "tests/optest/counts.h"

#include <stdlib.h>
#include <string.h>

enum { N = 4096, BATCHES = 5 };

static bool told(bool ok, const char *what, const wk_ctx *c)
{
    if (!ok) printf("FAIL transfers, %s: %s\n", what, wk_ctx_message(c));
    return ok;
}

static bool holds(wk_ctx *c, wk_tensor x, float first, float step)
{
    float y[N];
    bool  ok = wk_count(x) == N && wk_read(c, x, y) == WK_OK;
    for (int i = 0; i < N && ok; i++) ok = y[i] == first + step * (float)i;
    return ok;
}

/* Through the host's memory, a strided one too, and the same device. */
static bool there_and_back(wk_ctx *cpu, wk_ctx *c, wk_ctx *other)
{
    const wk_tensor x = wk_arange(cpu, 0, N, 1, WK_f32);
    const wk_tensor turned = wk_transpose(cpu, wk_reshape(cpu, x, WK_SHAPE(2, N / 2)), 0, 1);
    const wk_tensor y = wk_transfer(c, cpu, turned);
    const wk_tensor z = wk_transfer(other, c, wk_transpose(c, y, 0, 1));
    const wk_tensor back = wk_transfer(cpu, other, wk_add(other, z, wk_scalar(other, 1)));
    return told(holds(cpu, back, 1, 1) && holds(c, wk_transpose(c, y, 0, 1), 0, 1), "there and back", cpu);
}

/* Work that alternates between two devices, each result from the other's. */
static bool in_turn(wk_ctx *cpu, wk_ctx *a, wk_ctx *b)
{
    wk_tensor x = wk_arange(a, 0, N, 1, WK_f32);
    for (int i = 0; i < 3; i++) {
        const wk_tensor y = wk_transfer(b, a, wk_add(a, x, wk_scalar(a, 1)));
        x = wk_transfer(a, b, wk_mul(b, y, wk_scalar(b, 1)));
    }
    return told(holds(cpu, wk_transfer(cpu, a, x), 3, 1), "two contexts in turn", a);
}

/* The next batch travels while this one is worked on; the host waits for the results alone. */
static bool beside(wk_ctx *cpu, wk_ctx *c)
{
    void           *in[BATCHES], *out;
    wk_tensor       batch[BATCHES], near[2];
    struct counts   from = {0}, to = {0};
    const wk_shape  shape = WK_SHAPE(N);
    const wk_tensor result = wk_empty_pinned(cpu, c, WK_f32, shape, &out);
    for (int i = 0; i < BATCHES; i++) {
        batch[i] = wk_empty_pinned(cpu, c, WK_f32, shape, &in[i]);
        for (int j = 0; j < N && in[i]; j++) ((float *)in[i])[j] = (float)(j * (i + 1));
    }
    wk_tensor sum = wk_zeros(c, WK_f32, shape);
    near[0] = wk_empty(c, WK_f32, shape);
    near[1] = wk_empty(c, WK_f32, shape);
    bool counted = false;
    for (int i = 0; i <= BATCHES; i++) {
        wk_transfer_end(c, cpu);
        if (i == 1) counted = device_counts(&from); /* streams and events are there */
        if (i < BATCHES) wk_transfer_into(c, near[i % 2], cpu, batch[i]);
        if (i > 0) sum = wk_add(c, sum, near[(i - 1) % 2]);
    }
    wk_transfer_into(cpu, result, c, sum);
    device_counts(&to);
    const bool quiet = !counted || (to.waits == from.waits);
    bool       ok = wk_transfer_end(cpu, c) == WK_OK && wk_ctx_status(c) == WK_OK && out;
    device_counts(&from);
    ok &= !counted || from.waits == to.waits + 1;
    for (int j = 0; j < N && ok; j++) ok = ((const float *)out)[j] == (float)(j * 15);
    if (!quiet) printf("FAIL transfers: %lld waits\n", (long long)(to.waits - from.waits));
    return told(ok, "beside kernels", c) && quiet;
}

/* What a copy uses stays until its end, whatever scopes do; or until its context goes. */
static bool dropped(const char *device, wk_ctx *cpu)
{
    wk_ctx         *c = wk_ctx_new(device);
    const wk_scope  s = wk_scope_begin(c), t = wk_scope_begin(cpu);
    const wk_tensor x = wk_empty_pinned(cpu, c, WK_f32, WK_SHAPE(N), NULL);
    wk_copy_into(cpu, x, wk_arange(cpu, 0, N, 1, WK_f32));
    wk_transfer_into(c, wk_empty(c, WK_f32, WK_SHAPE(N)), cpu, x);
    wk_scope_end(cpu, t, WK_NONE);
    wk_scope_end(c, s, WK_NONE);
    bool ok = wk_transfer_end(c, cpu) == WK_OK;
    wk_transfer_into(c, wk_empty(c, WK_f32, WK_SHAPE(N)), cpu, wk_arange(cpu, 0, N, 1, WK_f32));
    ok = told(ok && wk_ctx_status(c) == WK_OK, "dropped", c);
    wk_ctx_free(c);
    return ok;
}

static bool refuses(wk_ctx *c, const char *text)
{
    const bool ok = wk_ctx_status(c) != WK_OK && strstr(wk_ctx_message(c), text);
    if (!ok) printf("FAIL transfers: \"%s\" is wanted, not \"%s\"\n", text, wk_ctx_message(c));
    wk_ctx_clear(c);
    return ok;
}
static void captured(wk_ctx *c, void *state)
{
    wk_tensor *x = state;
    wk_transfer(c, c, *x);
}
static bool refusals(wk_ctx *cpu, wk_ctx *c)
{
    const wk_tensor x = wk_zeros(cpu, WK_f32, WK_SHAPE(N)), y = wk_zeros(c, WK_f32, WK_SHAPE(2));
    wk_transfer(c, c, x);
    bool ok = refuses(c, "transfer: the tensor is on cpu, the context on ");
    wk_transfer_into(c, y, cpu, x);
    ok &= refuses(c, "transfer: x is f32 [4096], y f32 [2]; a dense y like x is wanted");
    wk_transfer_into(c, x, cpu, x);
    ok &= refuses(c, "transfer: y is on cpu");
    wk_transfer(c, cpu, WK_NONE);
    ok &= refuses(c, "transfer: no tensor");
    wk_empty_pinned(c, c, WK_f32, WK_SHAPE(2), NULL);
    ok &= refuses(c, "empty_pinned: memory of the host is wanted");
    wk_tensor gathered = wk_gather(c, y, 0, wk_make(c, (const int64_t[]){9}, WK_i64, WK_SHAPE(1)));
    wk_transfer(cpu, c, gathered); /* what a kernel met comes with the wait */
    ok &= refuses(cpu, "index 9 of 2");
    wk_ctx_clear(c);
    wk_step *step = wk_capture(c, captured, (void *)(uintptr_t)&y);
    ok &= !step && refuses(c, "a captured step cannot hold one");
    wk_step_free(step);
    return ok;
}

/* Memory is counted, and limited, for each device by itself. */
static bool memory(wk_ctx *a, wk_ctx *b)
{
    const wk_memory m = wk_memory_stats(b);
    const wk_scope  s = wk_scope_begin(a);
    wk_memory_limit(b, m.in_use + m.cached + 4096);
    wk_empty(b, WK_f32, WK_SHAPE(1 << 20));
    bool ok =
        wk_ctx_status(b) == WK_ELIMIT && strstr(wk_ctx_message(b), "memory limit: 4194304 bytes wanted");
    wk_ctx_clear(b);
    wk_memory_limit(b, 0);
    const int64_t before = wk_memory_stats(a).in_use;
    ok &= !wk_is_none(wk_empty(a, WK_f32, WK_SHAPE(1 << 20)));
    ok &= wk_memory_stats(a).in_use == before + (1 << 22) && wk_memory_stats(a).peak >= before + (1 << 22);
    ok &= wk_memory_stats(b).in_use == m.in_use && m.peak >= m.in_use;
    wk_scope_end(a, s, WK_NONE);
    return told(ok, "memory of two devices", b);
}

static bool limits(wk_ctx *c)
{
    const wk_limits l = wk_measure_limits(c);
    return told(l.read > 1e6 && l.f32 > 1e6 && l.bf16 >= 0, "limits", c);
}

bool check_transfers(const char *device)
{
    char    name[32];
    wk_ctx *cpu = wk_ctx_new("cpu"), *c = wk_ctx_new(device), *same = wk_ctx_new(device);
    snprintf(name, sizeof name, "%.*s:1", (int)strcspn(device, ":"), device);
    wk_ctx *second = wk_ctx_new(name);
    bool    ok = there_and_back(cpu, c, same) && in_turn(cpu, c, same) && beside(cpu, c);
    if (wk_ctx_status(second) == WK_OK)
        ok = there_and_back(cpu, c, second) && in_turn(cpu, c, second) && in_turn(cpu, second, c) &&
             beside(cpu, second) && memory(c, second) && ok;
    else
        ok &= told(strstr(wk_ctx_message(second), "there are fewer CUDA devices") != NULL, name, second);
    ok = dropped(device, cpu) && refusals(cpu, c) && limits(c) && ok;
    wk_ctx_free(second);
    wk_ctx_free(same);
    wk_ctx_free(c);
    wk_ctx *none = wk_ctx_new("cuda:99");
    ok &= told(strstr(wk_ctx_message(none), "cuda:99") != NULL, "a device that is not there", none);
    wk_ctx_free(none);
    wk_ctx_free(cpu);
    return ok;
}
