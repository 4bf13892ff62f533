#pragma once

// For loops that are plain enough for the compiler to vectorise: where the loader of programs can choose (glibc), a
// copy of the function is compiled for each of these levels of instructions. An `arch=` of one maker's would never be
// chosen on another's processors. ThreadSanitizer cannot start before the choice is made.
#if !defined(__x86_64__) || !defined(__linux__) || !defined(__GLIBC__) || defined(__SANITIZE_THREAD__)
#define RESNET_TORCH_WIDE
#elif !defined(__clang__) && __GNUC__ >= 12
#define RESNET_TORCH_WIDE __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define RESNET_TORCH_WIDE __attribute__((target_clones("avx2", "default")))
#endif
