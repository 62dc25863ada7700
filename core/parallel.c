/* The thread pool. Work is cut into pieces that depend on its size alone; whoever is free takes the next one,
 * so a thread whose core is busy elsewhere holds up nobody. Workers spin briefly, then sleep. */
#include "ctx.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS 256
#define SPIN_NS     60000 /* longer than the serial gaps between the products of a decode step */

/* state: generation in the high half, OPEN while pieces may be taken, workers inside in the low half. */
#define OPEN       ((uint64_t)1 << 31)
#define GENERATION ((uint64_t)1 << 32)
#define INSIDE     (OPEN - 1)

struct wk_pool {
    _Alignas(64) _Atomic uint64_t state;
    _Alignas(64) _Atomic int64_t next; /* first piece not yet taken */
    /* the job; written by its owner before OPEN, read by workers that are inside */
    wk_device *device;
    wk_piece   fn;
    void      *arg;
    int64_t    n, grain, pieces;
    _Alignas(64) atomic_bool busy; /* one job at a time; who finds it busy works alone */
    _Atomic int     sleepers;
    atomic_bool     stop;
    pthread_mutex_t lock;
    pthread_cond_t  wake;
    _Atomic int     threads;
    int             started, cpus;
    struct worker {
        struct wk_pool *pool;
        pthread_t       thread;
        int             index;
    } workers[MAX_THREADS];
};

static void pause_cpu(void)
{
#if defined __x86_64__ || defined __i386__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ __volatile__("yield");
#endif
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* CPUs this process may use: the affinity mask, cut by the cgroup's quota. */
static int cpus_available(void)
{
    cpu_set_t set;
    int       n = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0) n = CPU_COUNT(&set);
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (f) {
        long long quota, period;
        if (fscanf(f, "%lld %lld", &quota, &period) == 2 && quota > 0 && period > 0) {
            const long long share = (quota + period - 1) / period;
            if (share < n) n = share < 1 ? 1 : (int)share;
        }
        fclose(f);
    }
    return n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : n;
}

static void take_pieces(struct wk_pool *p, int worker)
{
    const int64_t n = p->n, grain = p->grain, pieces = p->pieces;
    for (;;) {
        const int64_t i = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
        if (i >= pieces) return;
        const int64_t first = i * grain, last = n - first > grain ? first + grain : n;
        p->fn(p->arg, first, last, worker);
    }
}

/* Waits for an open job of a generation other than `seen`; enters it. Returns its generation, 0 on stop. */
static uint64_t enter(struct wk_pool *p, uint64_t seen)
{
    int64_t until = 0;
    for (unsigned round = 0;; round++) {
        uint64_t s = atomic_load_explicit(&p->state, memory_order_acquire);
        if (s & OPEN && s / GENERATION != seen) {
            if (atomic_compare_exchange_weak_explicit(&p->state, &s, s + 1, memory_order_acquire,
                                                      memory_order_relaxed))
                return s / GENERATION;
            continue;
        }
        if (atomic_load_explicit(&p->stop, memory_order_relaxed)) return 0;
        pause_cpu();
        if (round % 64 != 63) continue;
        const int64_t now = now_ns();
        if (until == 0) until = now + SPIN_NS;
        if (now < until) continue;
        pthread_mutex_lock(&p->lock);
        atomic_fetch_add(&p->sleepers, 1);
        s = atomic_load(&p->state);
        if (!(s & OPEN && s / GENERATION != seen) && !atomic_load(&p->stop))
            pthread_cond_wait(&p->wake, &p->lock);
        atomic_fetch_sub(&p->sleepers, 1);
        pthread_mutex_unlock(&p->lock);
        until = 0;
    }
}

static void *work(void *arg)
{
    struct worker  *me = arg;
    struct wk_pool *p = me->pool;
    uint64_t        seen = 0;
    while ((seen = enter(p, seen)) != 0) {
        if (me->index < p->threads) take_pieces(p, me->index);
        atomic_fetch_sub_explicit(&p->state, 1, memory_order_release);
    }
    return NULL;
}

struct wk_pool *wki_pool_new(void)
{
    if (!wki_alloc_allowed()) return NULL;
    struct wk_pool *p = wki_host_block(sizeof *p, 64);
    if (!p) return NULL;
    *p = (struct wk_pool){.cpus = cpus_available()};
    p->threads = p->cpus;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    return p;
}

static void stop_workers(struct wk_pool *p)
{
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->stop, true);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (int i = 1; i < p->started; i++) pthread_join(p->workers[i].thread, NULL);
    p->started = 0;
    atomic_store(&p->stop, false);
}

void wki_pool_free(struct wk_pool *p)
{
    stop_workers(p);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    wki_host_block_free(p);
}

static bool claim(struct wk_pool *p)
{
    bool expected = false;
    return atomic_compare_exchange_strong_explicit(&p->busy, &expected, true, memory_order_acquire,
                                                   memory_order_relaxed);
}

static void unclaim(struct wk_pool *p)
{
    atomic_store_explicit(&p->busy, false, memory_order_release);
}

void wki_pool_resize(wk_device *d, int threads)
{
    struct wk_pool *p = d->pool;
    if (!p) return;
    while (!claim(p)) sched_yield();
    p->threads = threads <= 0 || threads > p->cpus ? p->cpus : threads;
    unclaim(p);
}

int wki_workers(const wk_device *d)
{
    return d->pool ? d->pool->threads : 1;
}

/* Threads start with the first parallel job, so that small programs never have them. A thread that cannot be
 * started is done without. */
static void start_workers(struct wk_pool *p)
{
    if (p->started == 0) p->started = 1;
    while (p->started < p->threads) {
        struct worker *w = &p->workers[p->started];
        *w = (struct worker){.pool = p, .index = p->started};
        if (pthread_create(&w->thread, NULL, work, w) != 0) return;
        p->started++;
    }
}

static void run_alone(int64_t n, int64_t grain, wk_piece fn, void *arg)
{
    for (int64_t i = 0; i < n; i += grain) fn(arg, i, n - i > grain ? i + grain : n, 0);
}

void wki_parallel(wk_device *d, int64_t n, int64_t grain, wk_piece fn, void *arg)
{
    struct wk_pool *p = d->pool;
    if (grain < 1) grain = 1;
    if (n <= grain || !p || p->threads < 2 || !claim(p)) {
        run_alone(n, grain, fn, arg);
        return;
    }
    start_workers(p);
    p->fn = fn;
    p->arg = arg;
    p->n = n;
    p->grain = grain;
    p->pieces = (n - 1) / grain + 1;
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    uint64_t s = atomic_load_explicit(&p->state, memory_order_relaxed);
    s = (s / GENERATION + 1) * GENERATION;
    atomic_store(&p->state, (s ? s : GENERATION) | OPEN);
    if (atomic_load(&p->sleepers) > 0) {
        pthread_mutex_lock(&p->lock);
        pthread_cond_broadcast(&p->wake);
        pthread_mutex_unlock(&p->lock);
    }
    take_pieces(p, 0);
    atomic_fetch_and_explicit(&p->state, ~OPEN, memory_order_relaxed);
    for (unsigned round = 1; atomic_load_explicit(&p->state, memory_order_acquire) & INSIDE; round++) {
        pause_cpu();
        if (round % 1024 == 0) sched_yield(); /* the worker we wait for may need this core */
    }
    unclaim(p);
}
