/* Fibers: stacks that one thread of the host switches between. */
#ifndef WK_SHIM_FIBER_H
#define WK_SHIM_FIBER_H

#include <stddef.h>

struct fiber;
fiber *fiber_new(
    void (*fn)(void *arg));            /* fn never returns: it leaves through fiber_leave; NULL: no memory */
void fiber_start(fiber *f, void *arg); /* from its beginning, whatever it was in; comes back when it leaves */
void fiber_resume(fiber *f);           /* comes back when it leaves */
void fiber_leave(fiber *f, bool for_good);
void fiber_free(fiber *f);

#endif
