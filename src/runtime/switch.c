#include "runtime/switch.h"

#include <stdint.h>

#if defined(__x86_64__)

/* The return goes by pop and jmp: a ret would be mispredicted, for the processor's return stack
   remembers the calls of the other fiber. */
__asm__(".text\n"
        ".p2align 4\n"
        ".globl switch__stack\n"
        ".type switch__stack, @function\n"
        "switch__stack:\n"
        "    .cfi_startproc\n"
        "    endbr64\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    popq %rcx\n"
        "    jmp *%rcx\n"
        "    .cfi_endproc\n"
        ".size switch__stack, .-switch__stack\n"

        /* First instruction of a new context: r12 is the entry, r13 its argument. The undefined
           return address ends backtraces here. */
        ".p2align 4\n"
        ".type switch_start, @function\n"
        "switch_start:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined rip\n"
        "    endbr64\n"
        "    movq %r13, %rdi\n"
        "    xorl %ebp, %ebp\n"
        "    call *%r12\n"
        "    ud2\n"
        "    .cfi_endproc\n"
        ".size switch_start, .-switch_start\n"

        ".p2align 4\n"
        ".globl switch__call\n"
        ".type switch__call, @function\n"
        "switch__call:\n"
        "    .cfi_startproc\n"
        "    endbr64\n"
        "    pushq %rbp\n"
        "    .cfi_def_cfa_offset 16\n"
        "    .cfi_offset rbp, -16\n"
        "    movq %rsp, %rbp\n"
        "    .cfi_def_cfa_register rbp\n"
        "    movq %rdi, %rsp\n"
        "    movq %rdx, %rdi\n"
        "    call *%rsi\n"
        "    movq %rbp, %rsp\n"
        "    popq %rbp\n"
        "    .cfi_def_cfa rsp, 8\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size switch__call, .-switch__call\n");

extern const char switch_start[] __attribute__((visibility("hidden")));

void *switch__prepare(void *top, void (*entry)(void *), void *argument) {
    uintptr_t *sp = (uintptr_t *)top;
    *--sp = 0; /* so that the stack is 16-byte aligned at switch_start's call */
    *--sp = 0;
    *--sp = (uintptr_t)switch_start;
    *--sp = 0;                   /* rbp */
    *--sp = 0;                   /* rbx */
    *--sp = (uintptr_t)entry;    /* r12 */
    *--sp = (uintptr_t)argument; /* r13 */
    *--sp = 0;                   /* r14 */
    *--sp = 0;                   /* r15 */
    return sp;
}

#elif defined(__aarch64__)

/* x19-x30 and d8-d15; "hint #34" is bti c, a no-op where branch targets are not enforced. */
__asm__(".text\n"
        ".p2align 4\n"
        ".globl switch__stack\n"
        ".type switch__stack, %function\n"
        "switch__stack:\n"
        "    .cfi_startproc\n"
        "    hint #34\n"
        "    stp x19, x20, [sp, #-160]!\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    ldp x19, x20, [sp], #160\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size switch__stack, .-switch__stack\n"

        ".p2align 4\n"
        ".type switch_start, %function\n"
        "switch_start:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined x30\n"
        "    hint #36\n"
        "    mov x0, x20\n"
        "    mov x29, #0\n"
        "    blr x19\n"
        "    brk #0\n"
        "    .cfi_endproc\n"
        ".size switch_start, .-switch_start\n"

        ".p2align 4\n"
        ".globl switch__call\n"
        ".type switch__call, %function\n"
        "switch__call:\n"
        "    .cfi_startproc\n"
        "    hint #34\n"
        "    stp x29, x30, [sp, #-16]!\n"
        "    .cfi_def_cfa_offset 16\n"
        "    .cfi_offset x29, -16\n"
        "    .cfi_offset x30, -8\n"
        "    mov x29, sp\n"
        "    .cfi_def_cfa_register x29\n"
        "    mov sp, x0\n"
        "    mov x0, x2\n"
        "    blr x1\n"
        "    mov sp, x29\n"
        "    ldp x29, x30, [sp], #16\n"
        "    .cfi_def_cfa sp, 0\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size switch__call, .-switch__call\n");

extern const char switch_start[] __attribute__((visibility("hidden")));

void *switch__prepare(void *top, void (*entry)(void *), void *argument) {
    uintptr_t *sp = (uintptr_t *)top - 20;
    for (int i = 0; i < 20; i++)
        sp[i] = 0;
    sp[0] = (uintptr_t)entry;         /* x19 */
    sp[1] = (uintptr_t)argument;      /* x20 */
    sp[11] = (uintptr_t)switch_start; /* x30 */
    return sp;
}

#else
#error "runtime: this processor has no fiber switch"
#endif
