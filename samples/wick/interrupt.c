/* Ctrl-C: the first cancels what runs, the second ends the program. */
#include "wick.h"

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static struct {
    _Atomic(wk_ctx *) c;
    atomic_int        count;
} state;

static void on_signal(int number)
{
    (void)number;
    if (atomic_fetch_add(&state.count, 1) >= 1) _exit(EXIT_INTERRUPTED);
    wk_ctx *c = atomic_load(&state.c);
    if (c) wk_cancel(c);
}

void interrupt_watch(wk_ctx *c)
{
    atomic_store(&state.c, c);
    struct sigaction act = {.sa_handler = on_signal};
    sigaction(SIGINT, &act, NULL);
}

bool interrupted(void)
{
    return atomic_load(&state.count) > 0;
}
void interrupt_reset(void)
{
    atomic_store(&state.count, 0);
}
