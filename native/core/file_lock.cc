#include "core/file_lock.h"

#include <sys/file.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "core/errors.h"

namespace resnet_torch {

Lock tryLock(int descriptor) {
  int failed = 0;
  do {
    failed = flock(descriptor, LOCK_EX | LOCK_NB);
  } while (failed != 0 && errno == EINTR);
  if (failed == 0) return Lock::kTaken;
  switch (errno) {
    case EWOULDBLOCK:
      return Lock::kHeld;
    case ENOLCK:
    case ENOSYS:
    case EOPNOTSUPP:
    case EINVAL:
      return Lock::kUnsupported;
    default:
      throw Error("ERR_FILE", std::string("A file could not be locked: ") + std::strerror(errno));
  }
}

}  // namespace resnet_torch
