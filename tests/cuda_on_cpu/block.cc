/* Runs launches: each block's threads as fibers, in an order that may be permuted, with barriers and warp
 * operations as meeting points, shared memory checked and poisoned, asynchronous copies held back until
 * their wait. */
#include "tests/cuda_on_cpu/block.h"
#include "tests/cuda_on_cpu/fiber.h"

#include <mutex>
#include <stdio.h>
#include <vector>

namespace
{

enum state { NEW, READY, AT_BARRIER, IN_WARP, FINISHED };

struct pending {
    void       *to;
    const void *from;
    int         bytes;
};

struct thread {
    uint3       at; /* threadIdx */
    int         index;
    enum state  state;
    fiber      *on;
    const char *file; /* where it waits */
    int         line;
    int         kind, source; /* of the warp operation */
    unsigned    mask;
    uint64_t    value, result;
    void (*call)(void *const *lane);
    std::vector<pending> copies;
    std::vector<size_t>  groups; /* ends of committed groups in copies */
};

struct array {
    const void *key;
    char       *data;
    size_t      bytes;
};

struct machine {
    std::mutex                   lock;
    std::vector<thread>          threads;
    std::vector<int>             order;
    std::vector<fiber *>         idle;
    std::vector<array>           arrays;
    std::vector<char>            arena, dynamic;
    size_t                       arena_used;
    const std::function<void()> *body;
    int                          finished, at_barrier;
    bool                         failed, progress;
    uint64_t                     seed;
    char                         message[256];
} m;

const size_t ARENA = 228 << 10;

thread *running;

thread *self()
{
    return running;
}

void fiber_body(void *arg)
{
    thread *t = (thread *)arg;
    (*m.body)();
    t->state = FINISHED;
    m.finished++;
    m.progress = true;
    fiber_leave(t->on, true);
}

uint64_t next_random()
{
    m.seed = m.seed * 6364136223846793005u + 1442695040888963407u;
    return m.seed >> 33;
}

/* WK_SHIM_ORDER: forward, reverse, or a number that seeds a new order at each turn. */
enum order { FORWARD, REVERSE, SHUFFLED };

int order_kind()
{
    const char *text = getenv("WK_SHIM_ORDER");
    if (!text || !*text || !strcmp(text, "forward")) return FORWARD;
    if (!strcmp(text, "reverse")) return REVERSE;
    return SHUFFLED;
}

void arrange(std::vector<int> &order, int n, int kind)
{
    if ((int)order.size() != n || kind == SHUFFLED) {
        order.resize((size_t)n);
        for (int i = 0; i < n; i++) order[(size_t)i] = kind == REVERSE ? n - 1 - i : i;
    }
    for (int i = n - 1; kind == SHUFFLED && i > 0; i--)
        std::swap(order[(size_t)i], order[(size_t)(next_random() % (uint64_t)(i + 1))]);
}

void run(thread *t)
{
    running = t;
    threadIdx = t->at;
    if (t->state == NEW) {
        if (m.idle.empty()) m.idle.push_back(fiber_new(fiber_body));
        t->on = m.idle.back();
        m.idle.pop_back();
        fiber_start(t->on, t);
    } else {
        fiber_resume(t->on);
    }
    if (t->state == FINISHED) {
        m.idle.push_back(t->on);
        t->on = nullptr;
    }
}

/* The running thread waits until others make it ready. */
void wait(enum state s, const char *file, int line)
{
    thread *t = self();
    t->state = s;
    t->file = file;
    t->line = line;
    fiber_leave(t->on, false);
}

void no_progress()
{
    if (m.failed) return;
    m.failed = true;
    const thread *first = nullptr, *other = nullptr;
    int           waiting = 0;
    for (const thread &t : m.threads) {
        if (t.state == FINISHED) continue;
        waiting++;
        if (!first) first = &t;
        if (t.line != first->line || t.state != first->state) other = &t;
    }
    const int n =
        snprintf(m.message, sizeof m.message, "%d threads wait at %s:%d", waiting, first->file, first->line);
    if (other)
        snprintf(m.message + n, sizeof m.message - (size_t)n, " and %s:%d", other->file, other->line);
    else
        snprintf(m.message + n, sizeof m.message - (size_t)n, ", %d have ended", m.finished);
}

void run_block(const cudaLaunchConfig_t *c, uint3 at, int kind)
{
    const int n = (int)(c->blockDim.x * c->blockDim.y * c->blockDim.z);
    m.threads.resize((size_t)n);
    blockIdx = at;
    blockDim = c->blockDim;
    gridDim = c->gridDim;
    m.finished = m.at_barrier = 0;
    m.arrays.clear();
    m.arena_used = 0;
    if (!m.dynamic.empty()) memset(m.dynamic.data(), 0xff, m.dynamic.size()); /* NaN in every type */
    for (int i = 0; i < n; i++) {
        thread &t = m.threads[(size_t)i];
        t.at = {(unsigned)i % c->blockDim.x, (unsigned)i / c->blockDim.x % c->blockDim.y,
                (unsigned)i / c->blockDim.x / c->blockDim.y};
        t.index = i;
        t.state = NEW;
        t.copies.clear();
        t.groups.clear();
    }
    while (m.finished < n && !m.failed) {
        m.progress = false;
        arrange(m.order, n, kind);
        for (int i = 0; i < n && !m.failed; i++) {
            thread &t = m.threads[(size_t)m.order[(size_t)i]];
            if (t.state == NEW || t.state == READY) run(&t);
        }
        if (!m.progress) no_progress();
    }
    if (!m.failed) return;
    for (thread &t : m.threads) /* what stands in mid-kernel never goes on */
        if (t.on) {
            m.idle.push_back(t.on);
            t.on = nullptr;
        }
}

} // namespace

uint3 threadIdx, blockIdx;
dim3  blockDim, gridDim;

void shim_fault(const char *what, const char *file, int line)
{
    thread *t = self();
    m.failed = true;
    snprintf(m.message, sizeof m.message, "%s at %s:%d", what, file, line);
    for (;;) fiber_leave(t->on, false);
}

void shim_block_barrier(const char *file, int line)
{
    if (m.finished) shim_fault("barrier after a thread of the block has ended", file, line);
    m.progress = true;
    if (++m.at_barrier < (int)m.threads.size()) {
        wait(AT_BARRIER, file, line);
        return;
    }
    for (thread &t : m.threads) {
        if (t.state != AT_BARRIER) continue;
        if (t.line != line || strcmp(t.file, file) != 0)
            shim_fault("threads meet at different barriers", file, line);
        t.state = READY;
    }
    m.at_barrier = 0;
}

/* The last lane to come computes every lane's result. */
uint64_t shim_warp(int kind, unsigned mask, uint64_t value, int source, const char *file, int line)
{
    thread   *t = self();
    const int first = t->index / 32 * 32, lane = t->index % 32;
    if (!(mask >> lane & 1)) shim_fault("a warp operation without its own lane", file, line);
    t->kind = kind;
    t->mask = mask;
    t->value = value;
    t->source = source;
    m.progress = true;
    unsigned ballot = 0;
    for (int l = 0; l < 32; l++) {
        if (!(mask >> l & 1)) continue;
        if (first + l >= (int)m.threads.size())
            shim_fault("a warp operation waits for lanes that are not there", file, line);
        const thread &o = m.threads[(size_t)(first + l)];
        const bool    here =
            &o == t || (o.state == IN_WARP && o.mask == mask && o.kind == kind && o.line == line);
        if (!here) {
            wait(IN_WARP, file, line);
            return t->result;
        }
        ballot |= (unsigned)(o.value != 0) << l;
    }
    if (kind == SHIM_CALL) {
        void *lanes[32];
        for (int l = 0; l < 32; l++) lanes[l] = (void *)(uintptr_t)m.threads[(size_t)(first + l)].value;
        t->call(lanes);
    }
    for (int l = 0; l < 32; l++) {
        if (!(mask >> l & 1)) continue;
        thread &o = m.threads[(size_t)(first + l)];
        if (kind == SHIM_SHUFFLE && !(mask >> (o.source & 31) & 1))
            shim_fault("a shuffle reads a lane that takes no part", file, line);
        o.result = kind == SHIM_SHUFFLE ? m.threads[(size_t)(first + (o.source & 31))].value : ballot;
        if (&o != t) o.state = READY;
    }
    return t->result;
}

void shim_warp_call(void (*fn)(void *const *lane), void *own, const char *file, int line)
{
    self()->call = fn;
    shim_warp(SHIM_CALL, 0xffffffffu, (uint64_t)(uintptr_t)own, 0, file, line);
}

void *shim_shared(const void *key, size_t bytes)
{
    for (const array &a : m.arrays)
        if (a.key == key) return a.data;
    const size_t at = (m.arena_used + 15) / 16 * 16;
    if (at + bytes + m.dynamic.size() > ARENA)
        shim_fault("more shared memory than a block has", __FILE__, __LINE__);
    char *p = m.arena.data() + at;
    m.arena_used = at + bytes;
    memset(p, 0xff, bytes); /* NaN in every type */
    m.arrays.push_back({key, p, bytes});
    return p;
}

void *shim_dynamic(size_t *bytes)
{
    *bytes = m.dynamic.size();
    return m.dynamic.data();
}

void shim_copy_async(void *to, const void *from, int bytes)
{
    if (((uintptr_t)to | (uintptr_t)from) % (uintptr_t)bytes)
        shim_fault("an asynchronous copy of unaligned data", __FILE__, __LINE__);
    self()->copies.push_back({to, from, bytes});
}
void shim_copy_commit()
{
    self()->groups.push_back(self()->copies.size());
}
void shim_copy_wait(int groups_left)
{
    thread      *t = self();
    const size_t done = t->groups.size() > (size_t)groups_left ? t->groups.size() - (size_t)groups_left : 0;
    if (!done) return;
    const size_t end = t->groups[done - 1];
    for (size_t i = 0; i < end; i++) memcpy(t->copies[i].to, t->copies[i].from, (size_t)t->copies[i].bytes);
    t->copies.erase(t->copies.begin(), t->copies.begin() + (long)end);
    t->groups.erase(t->groups.begin(), t->groups.begin() + (long)done);
    for (size_t &g : t->groups) g -= end;
}

bool shim_run(const cudaLaunchConfig_t *c, const std::function<void()> &thread_body, char *message,
              size_t size)
{
    const std::lock_guard<std::mutex> hold(m.lock);
    const int                         kind = order_kind();
    const uint64_t                    n = (uint64_t)c->gridDim.x * c->gridDim.y * c->gridDim.z;
    const char                       *seed = getenv("WK_SHIM_ORDER");
    m.body = &thread_body;
    m.failed = false;
    m.arena.resize(ARENA);
    m.dynamic.resize(c->dynamicSmemBytes);
    m.order.clear();
    if (kind == SHUFFLED && m.seed == 0) m.seed = (uint64_t)strtoull(seed, nullptr, 10) * 2654435761u + 1;
    for (uint64_t i = 0; i < n && !m.failed; i++) {
        const uint64_t b = kind == REVERSE ? n - 1 - i : i;
        run_block(c,
                  {(unsigned)(b % c->gridDim.x), (unsigned)(b / c->gridDim.x % c->gridDim.y),
                   (unsigned)(b / c->gridDim.x / c->gridDim.y)},
                  kind);
    }
    if (m.failed) snprintf(message, size, "%s", m.message);
    return !m.failed;
}
