/* Telling AddressSanitizer, ThreadSanitizer and valgrind about stacks. Nothing without them. */
#ifndef SANITIZER_H
#define SANITIZER_H

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define WITH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WITH_TSAN 1
#endif
#endif

/* A few instructions that do nothing when valgrind does not run the program. Without its header at
   build time it takes a switch of stacks for a wild stack pointer. */
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define STACK_REGISTER(low, size) (void)VALGRIND_STACK_REGISTER((low), (uint8_t *)(low) + (size))
#endif
#endif
#ifndef STACK_REGISTER
#define STACK_REGISTER(low, size) (void)(low)
#endif

#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#ifdef WITH_TSAN
#include <sanitizer/tsan_interface.h>
#define NO_TSAN __attribute__((no_sanitize("thread"), noinline))
#else
#define NO_TSAN
#endif

/* For what a fiber is in when it ends: clang notes entries all the same, and without an exit the
   notes of a stack that is used again and again overflow. */
#if defined(WITH_TSAN) && defined(__clang__)
#define NO_TSAN_NOTES __attribute__((disable_sanitizer_instrumentation, noinline))
#else
#define NO_TSAN_NOTES NO_TSAN
#endif

#endif
