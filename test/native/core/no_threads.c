// Preloaded: threads cannot be made while the file that NO_THREADS names is there.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*), void* argument) {
  static int (*create)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  if (!create) *(void**)&create = dlsym(RTLD_NEXT, "pthread_create");
  const char* file = getenv("NO_THREADS");
  if (file && access(file, F_OK) == 0) return EAGAIN;
  return create(thread, attributes, run, argument);
}
