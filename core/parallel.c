/* The thread pool. Work is cut into pieces that depend on its size alone. Each thread has a run of them,
 * which it takes in order, since memory is read faster without jumps; who has no more takes the last ones of
 * others, so a slow thread holds up nobody. Workers spin briefly, then sleep. On a shared machine a thread
 * may lose its core in the middle of a piece: whoever waits for it gives it theirs. */
#include "ctx.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS 256
#define SPIN_NS     60000 /* longer than the serial gaps between the products of a decode step */
#define PATIENCE_NS 40000 /* how long a piece is waited for before its thread is looked at */
#define LOOK_NS     10000 /* a thread whose CPU clock stands still as long has no core */

/* state: generation in the high half, OPEN while pieces may be taken, workers inside in the low half. */
#define OPEN       ((uint64_t)1 << 31)
#define GENERATION ((uint64_t)1 << 32)
#define INSIDE     (OPEN - 1)

struct wk_pool {
    _Alignas(64) _Atomic uint64_t state;
    /* the job; written by its owner before OPEN, read by workers that are inside */
    wk_device *device;
    wk_piece   fn;
    void      *arg;
    int64_t    n, grain;
    int        n_runs;
    _Alignas(64) atomic_bool busy; /* one job at a time; who finds it busy works alone */
    _Atomic int     sleepers;
    atomic_bool     stop;
    pthread_mutex_t lock;
    pthread_cond_t  wake;
    _Atomic int     threads;
    int             started, cpus;
    _Atomic int     cpu; /* of the job's owner */
    pthread_t       owner;
    struct run {
        _Alignas(64) _Atomic uint64_t left; /* the first piece not yet taken; in the high half, the end */
    } runs[MAX_THREADS];
    struct worker {
        struct wk_pool *pool;
        pthread_t       thread;
        int             index;
        atomic_bool     inside;
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

/* The first or the last of the pieces that are left in a run; -1: none. */
static int64_t take(struct run *r, bool first)
{
    uint64_t left = atomic_load_explicit(&r->left, memory_order_relaxed);
    for (;;) {
        const uint32_t from = (uint32_t)left, to = (uint32_t)(left >> 32);
        if (from >= to) return -1;
        const uint64_t rest = first ? left + 1 : left - ((uint64_t)1 << 32);
        if (atomic_compare_exchange_weak_explicit(&r->left, &left, rest, memory_order_relaxed,
                                                  memory_order_relaxed))
            return first ? from : to - 1;
    }
}

static void take_pieces(struct wk_pool *p, int worker)
{
    for (int i = 0; i < p->n_runs; i++) {
        struct run *r = &p->runs[(worker + i) % p->n_runs];
        for (int64_t at; (at = take(r, i == 0)) >= 0;) {
            const int64_t first = at * p->grain, last = p->n - first > p->grain ? first + p->grain : p->n;
            p->fn(p->arg, first, last, worker);
        }
    }
}

static void share_out(struct wk_pool *p)
{
    const int64_t pieces = (p->n - 1) / p->grain + 1;
    p->n_runs = p->threads;
    for (int i = 0; i < p->n_runs; i++) {
        const int64_t from = pieces * i / p->n_runs, to = pieces * (i + 1) / p->n_runs;
        atomic_store_explicit(&p->runs[i].left, (uint64_t)to << 32 | (uint64_t)from, memory_order_relaxed);
    }
}

/* Whether a thread has work and no core to do it on: its CPU clock stands still. */
static bool preempted(pthread_t t)
{
    clockid_t       clock;
    struct timespec a, b;
    if (pthread_getcpuclockid(t, &clock) != 0 || clock_gettime(clock, &a) != 0) return false;
    for (const int64_t until = now_ns() + LOOK_NS; now_ns() < until;) pause_cpu();
    if (clock_gettime(clock, &b) != 0) return false;
    return (b.tv_sec - a.tv_sec) * 1000000000 + (b.tv_nsec - a.tv_nsec) < LOOK_NS / 4;
}

/* Moves a thread to one of the CPUs of `to` that it may use; where it may run stays as it was. */
static bool move(pthread_t t, const cpu_set_t *to)
{
    cpu_set_t was, now;
    if (pthread_getaffinity_np(t, sizeof was, &was) != 0) return false;
    CPU_AND(&now, &was, to);
    if (CPU_COUNT(&now) == 0 || CPU_EQUAL(&now, &was)) return false;
    if (pthread_setaffinity_np(t, sizeof now, &now) != 0) return false;
    return pthread_setaffinity_np(t, sizeof was, &was) == 0;
}

static bool bring(pthread_t t, int cpu)
{
    cpu_set_t to;
    CPU_ZERO(&to);
    CPU_SET((size_t)cpu, &to);
    return move(t, &to);
}

static void step_aside(int cpu)
{
    cpu_set_t all;
    memset(&all, 0xff, sizeof all);
    CPU_CLR((size_t)cpu, &all);
    move(pthread_self(), &all);
}

/* The owner waits for a worker that lost its core: the worker ends its piece on the owner's. */
static void help_workers(struct wk_pool *p)
{
    for (int i = 1; i < p->started; i++) {
        struct worker *w = &p->workers[i];
        if (atomic_load_explicit(&w->inside, memory_order_relaxed) && preempted(w->thread))
            bring(w->thread, sched_getcpu());
    }
}

/* Nothing is left of the job but what its owner does, who lost its core: it gets the worker's. The worker
 * counts as inside meanwhile, so that the owner's thread lives. */
static void help_owner(struct wk_pool *p)
{
    uint64_t s = atomic_load_explicit(&p->state, memory_order_relaxed);
    if (!(s & OPEN) || !atomic_compare_exchange_strong(&p->state, &s, s + 1)) return;
    const int  cpu = sched_getcpu();
    const bool moved = preempted(p->owner) && bring(p->owner, cpu);
    atomic_fetch_sub_explicit(&p->state, 1, memory_order_release);
    if (moved) step_aside(cpu);
}

/* Waits for an open job of a generation other than `seen`; enters it. Returns its generation, 0 on stop. */
static uint64_t enter(struct wk_pool *p, uint64_t seen)
{
    int64_t until = 0, patience = 0;
    if (seen && sched_getcpu() == atomic_load_explicit(&p->cpu, memory_order_relaxed)) step_aside(p->cpu);
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
        if (s & OPEN && s / GENERATION == seen) {
            if (patience == 0) patience = now + PATIENCE_NS;
            if (now > patience) help_owner(p), patience = 0;
            until = 0;
            continue;
        }
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
        atomic_store_explicit(&me->inside, true, memory_order_relaxed);
        if (me->index < p->threads) take_pieces(p, me->index);
        atomic_store_explicit(&me->inside, false, memory_order_relaxed);
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
    if (n <= grain || n / grain >= INT32_MAX || !p || p->threads < 2 || !claim(p)) {
        run_alone(n, grain, fn, arg);
        return;
    }
    start_workers(p);
    p->fn = fn;
    p->arg = arg;
    p->n = n;
    p->grain = grain;
    p->owner = pthread_self();
    atomic_store_explicit(&p->cpu, sched_getcpu(), memory_order_relaxed);
    share_out(p);
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
    int64_t patience = 0;
    for (unsigned round = 1; atomic_load_explicit(&p->state, memory_order_acquire) & INSIDE; round++) {
        pause_cpu();
        if (round % 64 != 0) continue;
        const int64_t now = now_ns();
        if (patience == 0) patience = now + PATIENCE_NS;
        if (now < patience) continue;
        help_workers(p);
        sched_yield(); /* the worker we wait for may need this core */
        patience = 0;
    }
    unclaim(p);
}
