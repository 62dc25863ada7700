/* Fibers: a switch of twenty instructions on x86-64, ucontext elsewhere; AddressSanitizer is told of each
 * switch. */
#include "tests/cuda_on_cpu/fiber.h"

#include <stdint.h>
#include <stdlib.h>
#if !defined __x86_64__
#include <ucontext.h>
#endif

#if defined __SANITIZE_ADDRESS__
#define WITH_ASAN 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif

#ifdef WITH_ASAN
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/asan_interface.h>
#define STACK ((size_t)256 << 10)
#else
#define STACK ((size_t)96 << 10)
#endif

struct fiber {
    void (*fn)(void *arg);
    void *arg;
    char *stack;
#if defined __x86_64__
    void *self, *caller; /* stack pointers */
#else
    ucontext_t self, caller;
#endif
    const void *caller_stack;
    size_t      caller_size;
};

#if defined __x86_64__
/* Saves what a call must keep, changes stacks, restores. */
extern "C" void shim_switch(void **save, void *to);
__asm__(".text\n.globl shim_switch\n.hidden shim_switch\n.type shim_switch,@function\nshim_switch:\n"
        "    pushq %rbp\n    pushq %rbx\n    pushq %r12\n    pushq %r13\n    pushq %r14\n    pushq %r15\n"
        "    movq %rsp, (%rdi)\n    movq %rsi, %rsp\n"
        "    popq %r15\n    popq %r14\n    popq %r13\n    popq %r12\n    popq %rbx\n    popq %rbp\n"
        "    ret\n.size shim_switch, .-shim_switch\n");
#endif

static fiber *starting;

static void trampoline()
{
    fiber *f = starting;
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &f->caller_stack, &f->caller_size);
#endif
    f->fn(f->arg);
    abort(); /* fn leaves through fiber_leave */
}

fiber *fiber_new(void (*fn)(void *arg))
{
    fiber *f = new fiber();
    f->fn = fn;
    f->stack = (char *)aligned_alloc(64, STACK);
    return f;
}

static void enter(fiber *f)
{
#ifdef WITH_ASAN
    void *fake = nullptr;
    __sanitizer_start_switch_fiber(&fake, f->stack, STACK);
#endif
#if defined __x86_64__
    shim_switch(&f->caller, f->self);
#else
    swapcontext(&f->caller, &f->self);
#endif
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
}

void fiber_start(fiber *f, void *arg)
{
    f->arg = arg;
    starting = f;
#ifdef WITH_ASAN
    __asan_unpoison_memory_region(f->stack, STACK);
#endif
#if defined __x86_64__
    uint64_t *top = (uint64_t *)(void *)(f->stack + STACK);
    top[-1] = 0;
    top[-2] = (uint64_t)(uintptr_t)&trampoline;
    for (int i = 3; i <= 8; i++) top[-i] = 0;
    f->self = top - 8;
#else
    getcontext(&f->self);
    f->self.uc_stack.ss_sp = f->stack;
    f->self.uc_stack.ss_size = STACK;
    f->self.uc_link = nullptr;
    makecontext(&f->self, trampoline, 0);
#endif
    enter(f);
}

void fiber_resume(fiber *f)
{
    enter(f);
}

void fiber_leave(fiber *f, bool for_good)
{
#ifdef WITH_ASAN
    void *fake = nullptr;
    __sanitizer_start_switch_fiber(for_good ? nullptr : &fake, f->caller_stack, f->caller_size);
#else
    (void)for_good;
#endif
#if defined __x86_64__
    shim_switch(&f->self, f->caller);
#else
    swapcontext(&f->self, &f->caller);
#endif
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(fake, &f->caller_stack, &f->caller_size);
#endif
}

void fiber_free(fiber *f)
{
    free(f->stack);
    delete f;
}
