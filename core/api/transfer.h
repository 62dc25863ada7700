/* Tensors between contexts: of the CPU, of a GPU, of several. Part of wick.h. */
#ifndef WK_API_TRANSFER_H
#define WK_API_TRANSFER_H

#include "../types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* x, a tensor of `from`, in c: dense, of the same dtype, not on c's tape. Whatever devices they are on:
 * where they differ, the host waits only if c is in its own memory or x lies there and is not pinned.
 * Errors: those of `from`, WK_EDEVICE for a tensor that is not on from's device, WK_EARG in a captured
 * step, WK_ENOGRAD for a tracked x while `from` records: tapes belong to one context. */
WK_API wk_tensor wk_transfer(wk_ctx *c, wk_ctx *from, wk_tensor x);

/* Begins to copy x, a tensor of `from`, into y, a dense one of c with as many elements and x's dtype. The
 * copy follows what both contexts have queued, and runs beside what they queue next: until wk_transfer_end
 * y holds nothing, and neither is to be written. Between a GPU and memory of the host that is not pinned
 * the host may wait. Both stay in memory until the end, whatever their scopes do. */
WK_API void wk_transfer_into(wk_ctx *c, wk_tensor y, wk_ctx *from, wk_tensor x);
/* Ends what was begun from `from` to c: work that they queue after it waits for the copies, on the device;
 * the host waits where c is in its memory. Call it before either context is freed. */
WK_API wk_status wk_transfer_end(wk_ctx *c, wk_ctx *from);

/* A tensor of c, whose memory is the host's, in memory pinned for `device`: copies to and from it run at
 * full speed and beside other work. Not initialised; *memory, if given, is where its elements lie. Where
 * `device` knows no such memory (the CPU), it is like any other. It is slow to get: to be used again and
 * again. */
WK_API wk_tensor wk_empty_pinned(wk_ctx *c, wk_ctx *device, wk_dtype t, wk_shape shape, void **memory);

#ifdef __cplusplus
}
#endif
#endif
