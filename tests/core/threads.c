/* Threads: the same bits for any number, contexts beside each other, fork, cancel. The suite runs under
 * ThreadSanitizer too. */
#include "core/wick.h"

#ifdef WK_PLAIN
#include "tests/plain/plain.h"
#else
#include <criterion/criterion.h>
#endif
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N = 300 };

/* Ops that cut work into pieces; writes N * N floats. */
static wk_status work(wk_ctx *c, float *out)
{
    const wk_scope s = wk_scope_begin(c);
    wk_seed(c, 5);
    wk_tensor x = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(N, N));
    wk_tensor y = wk_softmax(c, wk_matmul(c, x, wk_transpose(c, x, 0, 1)), -1);
    y = wk_add(c, wk_gelu(c, y), wk_sum(c, x, WK_DIMS(0), true));
    y = wk_mul(c, y, wk_sum(c, x, WK_ALL_DIMS, false));
    wk_read(c, y, out);
    wk_scope_end(c, s, wk_none());
    return wk_ctx_status(c);
}

Test(threads, do_not_change_bits)
{
    static float first[N * N], other[N * N];
    wk_ctx      *c = wk_ctx_new("cpu");
    wk_set_threads(c, 1);
    cr_assert_eq(work(c, first), WK_OK, "%s", wk_ctx_message(c));
    for (int threads = 0; threads < 4; threads++) {
        wk_set_threads(c, threads);
        for (int i = 0; i < 3; i++) {
            cr_assert_eq(work(c, other), WK_OK);
            cr_assert(memcmp(first, other, sizeof first) == 0, "%d threads", threads);
        }
    }
    wk_ctx_free(c);
}

static wk_tensor shared;
static float     expected[N * N];

static void *own_context(void *arg)
{
    float *out = arg;
    for (int i = 0; i < 3; i++) {
        wk_ctx *c = wk_ctx_new("cpu");
        if (work(c, out) || memcmp(out, expected, sizeof expected) != 0) return "wrong result";
        if (wk_item(c, wk_sum(c, shared, WK_ALL_DIMS, false)) != 7.0 * N)
            return "wrong sum of the shared tensor";
        wk_ctx_free(c);
    }
    return NULL;
}

Test(threads, contexts_beside_each_other)
{
    enum { THREADS = 8 };
    static float out[THREADS][N * N];
    pthread_t    t[THREADS];
    wk_ctx      *c = wk_ctx_new("cpu");
    shared = wk_full(c, 7, WK_f32, WK_SHAPE(N));
    cr_assert_eq(work(c, expected), WK_OK);
    for (int i = 0; i < THREADS; i++) pthread_create(&t[i], NULL, own_context, out[i]);
    for (int i = 0; i < THREADS; i++) {
        void *why;
        pthread_join(t[i], &why);
        cr_assert_null(why, "thread %d: %s", i, (const char *)why);
    }
    wk_ctx_free(c);
}

Test(threads, a_fork_computes)
{
    static float first[N * N], other[N * N];
    wk_ctx      *c = wk_ctx_new("cpu");
    cr_assert_eq(work(c, first), WK_OK);
    const pid_t child = fork();
    if (child == 0) _exit(work(c, other) == WK_OK && memcmp(first, other, sizeof first) == 0 ? 0 : 1);
    int status = -1;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child's status is %d", status);
    wk_ctx_free(c);
}

static void *spin(void *arg)
{
    while (!atomic_load((atomic_bool *)arg)) {}
    return NULL;
}

/* Threads lose their cores in the middle of pieces, and are helped out. */
Test(threads, a_machine_busy_with_others)
{
    enum { OTHERS = 3 };
    static float first[N * N], other[N * N];
    pthread_t    t[OTHERS];
    atomic_bool  stop = false;
    wk_ctx      *c = wk_ctx_new("cpu");
    cr_assert_eq(work(c, first), WK_OK);
    for (int i = 0; i < OTHERS; i++) pthread_create(&t[i], NULL, spin, &stop);
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(work(c, other), WK_OK);
        cr_assert(memcmp(first, other, sizeof first) == 0, "round %d", i);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < OTHERS; i++) pthread_join(t[i], NULL);
    wk_ctx_free(c);
}

static void *cancel(void *arg)
{
    usleep(20000);
    wk_cancel(arg);
    return NULL;
}

Test(threads, cancel_from_another)
{
    static float out[N * N];
    pthread_t    t;
    wk_ctx      *c = wk_ctx_new("cpu");
    pthread_create(&t, NULL, cancel, c);
    int rounds = 0;
    while (work(c, out) == WK_OK && rounds < 100000) rounds++;
    pthread_join(t, NULL);
    cr_assert_eq(wk_ctx_status(c), WK_ECANCELLED, "%s", wk_ctx_message(c));
    wk_ctx_clear(c);
    cr_assert_eq(work(c, out), WK_OK);
    cr_assert(!wk_cancelled(c));
    wk_cancel(c);
    cr_assert(wk_cancelled(c));
    cr_assert_eq(wk_ctx_status(c), WK_ECANCELLED);
    wk_ctx_free(c);
}
