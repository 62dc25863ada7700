/* The CPU backend's table for one instruction set: complete, or it does not link. */
#include "cpu/cpu.h"
#include "cpu/kernel.h"

const wk_backend CPU(table);

#if defined             WK_SET_OF_F64
extern const wk_backend WK_PASTE(wki_cpu_, table, WK_SET_OF_F64);
#endif
#if defined             WK_SET_OF_I64
extern const wk_backend WK_PASTE(wki_cpu_, table, WK_SET_OF_I64);
#endif

const wk_backend CPU(table) = {
    .name = "cpu",
    .abi = WK_BACKEND_ABI,
    .open = wki_cpu_open,
    .close = wki_cpu_close,
    .alloc = wki_cpu_alloc,
    .free = wki_cpu_free,
    .to_host = wki_cpu_copy_out,
    .from_host = wki_cpu_copy_in,
    .sync = wki_cpu_sync,
    .describe = wki_cpu_describe,
    .limits = CPU(limits),
    .host_memory = true,
    .of_class =
        {
#if defined WK_SET_OF_F64
            [WK_CLASS_F64] = &WK_PASTE(wki_cpu_, table, WK_SET_OF_F64),
#endif
#if defined WK_SET_OF_I64
            [WK_CLASS_I64] = &WK_PASTE(wki_cpu_, table, WK_SET_OF_I64),
#endif
        },
    .kernels =
        {
#define WK_OP(name, cpu, cuda, grad, rows) [WK_OP_##name] = WK_SLOT_##cpu(CPU(name)),
#include "core/ops.def"
#undef WK_OP
        },
    .scratch =
        {
#define WK_SCRATCH(name) [WK_OP_##name] = CPU(name##_scratch),
#include "cpu/scratch.def"
#undef WK_SCRATCH
        },
};

const wk_backend *CPU(backend)(void);
const wk_backend *CPU(backend)(void)
{
    return &CPU(table);
}
