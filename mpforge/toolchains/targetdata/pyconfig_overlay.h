/* pyconfig.h of a target: the host's, and what the compiler knows better.

   For Linux the pyconfig.h files of one CPython differ in these only (checked against Debian's for
   i686, armv7l, s390x, ppc64le and riscv64). Left over: HAVE_USABLE_WCHAR_T and a 32-bit time_t with
   64-bit glibc options on armv7l, where the C library of the old manylinux policies is right. */
#ifndef MPFORGE_PYCONFIG_H
#define MPFORGE_PYCONFIG_H

#include "pyconfig_host.h"

/* --- sizes and alignments --- */
#undef SIZEOF_LONG
#define SIZEOF_LONG __SIZEOF_LONG__
#undef SIZEOF_VOID_P
#define SIZEOF_VOID_P __SIZEOF_POINTER__
#undef SIZEOF_SIZE_T
#define SIZEOF_SIZE_T __SIZEOF_SIZE_T__
#undef SIZEOF_UINTPTR_T
#define SIZEOF_UINTPTR_T __SIZEOF_POINTER__
#undef SIZEOF_PTHREAD_T
#define SIZEOF_PTHREAD_T __SIZEOF_LONG__
#undef SIZEOF_LONG_DOUBLE
#define SIZEOF_LONG_DOUBLE __SIZEOF_LONG_DOUBLE__
#undef SIZEOF_WCHAR_T
#define SIZEOF_WCHAR_T __SIZEOF_WCHAR_T__
#undef SIZEOF_TIME_T
#if __SIZEOF_POINTER__ == 8 || defined(_TIME_BITS)
#define SIZEOF_TIME_T 8
#else
#define SIZEOF_TIME_T 4
#endif
#undef ALIGNOF_LONG
#define ALIGNOF_LONG __SIZEOF_LONG__
#undef ALIGNOF_SIZE_T
#define ALIGNOF_SIZE_T __SIZEOF_SIZE_T__
#undef ALIGNOF_MAX_ALIGN_T
#if defined(__arm__) || defined(__s390x__)
#define ALIGNOF_MAX_ALIGN_T 8
#else
#define ALIGNOF_MAX_ALIGN_T 16
#endif

/* --- 128-bit integers: the first name up to CPython 3.11, the second later --- */
#undef HAVE_GCC_UINT128_T
#undef HAVE___UINT128_T
#ifdef __SIZEOF_INT128__
#define HAVE_GCC_UINT128_T 1
#define HAVE___UINT128_T 1
#endif

/* --- byte order --- */
#undef WORDS_BIGENDIAN
#undef DOUBLE_IS_LITTLE_ENDIAN_IEEE754
#undef DOUBLE_IS_BIG_ENDIAN_IEEE754
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define WORDS_BIGENDIAN 1
#define DOUBLE_IS_BIG_ENDIAN_IEEE754 1
#else
#define DOUBLE_IS_LITTLE_ENDIAN_IEEE754 1
#endif

/* --- what only some machines have --- */
#undef HAVE_GCC_ASM_FOR_X64
#if defined(__x86_64__)
#define HAVE_GCC_ASM_FOR_X64 1
#endif
#undef HAVE_GCC_ASM_FOR_X87
#if defined(__x86_64__) || defined(__i386__)
#define HAVE_GCC_ASM_FOR_X87 1
#endif
#undef HAVE_GCC_ASM_FOR_MC68881
#undef X87_DOUBLE_ROUNDING
#if defined(__i386__) && !defined(__SSE2_MATH__)
#define X87_DOUBLE_ROUNDING 1
#endif
#if !defined(__x86_64__) && !defined(__aarch64__)
#undef PY_HAVE_PERF_TRAMPOLINE
#endif
#if __SIZEOF_POINTER__ == 4
#undef HAVE_LARGEFILE_SUPPORT
#define HAVE_LARGEFILE_SUPPORT 1
#endif

#endif
