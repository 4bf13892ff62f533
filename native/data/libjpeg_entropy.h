#pragma once

#include <cstdio>

// Needs <cstdio> before it.
#include <jpeglib.h>

/// libjpeg's own declaration, which it keeps in jpegint.h: the same since libjpeg 6b and in every libjpeg-turbo
/// to 3.1.
struct jpeg_entropy_decoder {
  void (*start_pass)(j_decompress_ptr info);
  boolean (*decode_mcu)(j_decompress_ptr info, JBLOCKROW* blocks);
  boolean insufficient_data;
};

#if LIBJPEG_TURBO_VERSION_NUMBER < 2000000 || LIBJPEG_TURBO_VERSION_NUMBER >= 3002000
#define RESNET_TORCH_KNOWS_LIBJPEG 0
#else
#define RESNET_TORCH_KNOWS_LIBJPEG 1
#endif

#if defined(__x86_64__) && defined(__linux__) && !defined(__SANITIZE_THREAD__)
/// Shifts by amounts that are not constant are one instruction there.
#define RESNET_TORCH_BITS __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define RESNET_TORCH_BITS
#endif
