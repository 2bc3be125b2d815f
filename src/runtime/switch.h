/*
 * Changing stacks: the only assembly of the project.
 *
 * A context that does not run is one pointer: its stack pointer, below which the registers lie
 * that a called function must preserve. switch__stack() is an ordinary call to the compiler, so
 * nothing else needs saving. The floating point control words are not switched: nobody here
 * changes them.
 */
#ifndef SWITCH_H
#define SWITCH_H

/* Save the running context's stack pointer in *save and continue the context `load`. */
void switch__stack(void **save, void *load);
/* Make a context that calls entry(argument), which must never return. `top` is the end of the
   stack, 16-byte aligned. */
void *switch__prepare(void *top, void (*entry)(void *argument), void *argument);
/* Call function(argument) on the stack that ends at `top` and come back. */
void switch__call(void *top, void (*function)(void *argument), void *argument);

#endif
