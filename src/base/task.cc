// SPDX-License-Identifier: Apache-2.0
#include "base/task.h"

#include <algorithm>
#include <array>
#include <new>
#include <utility>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SALLYPORT_PLAIN_FRAMES 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define SALLYPORT_PLAIN_FRAMES 1
#endif
#endif

namespace sallyport::detail {

#ifdef SALLYPORT_PLAIN_FRAMES

// A sanitizer must see each frame's life.
void* allocate_frame(std::size_t size) { return ::operator new(size); }
void free_frame(void* frame, std::size_t size) { ::operator delete(frame, size); }

#else

namespace {

constexpr std::size_t kClassBytes = 64;
constexpr std::size_t kClasses = 64;   // frames up to 4 KiB; larger ones go to the heap
constexpr std::size_t kKeepMax = 512;  // of a class and thread, and
constexpr std::size_t kKeepBytesMax =
    256 * 1024;  // no more than this: a burst leaves little behind

// Freed frames are linked through their own first bytes: keeping one needs no memory and cannot
// fail.
class Frames {
 public:
  ~Frames() {
    for (Class& kept : classes_) {
      while (kept.first != nullptr) {
        Free* const frame = std::exchange(kept.first, kept.first->next);
        ::operator delete(frame);
      }
    }
  }
  void* take(std::size_t index) {
    Class& kept = classes_[index];
    if (kept.first == nullptr) return ::operator new((index + 1) * kClassBytes);
    --kept.count;
    return std::exchange(kept.first, kept.first->next);
  }
  void give(void* frame, std::size_t index) {
    Class& kept = classes_[index];
    const std::size_t keep = std::min(kKeepMax, kKeepBytesMax / ((index + 1) * kClassBytes));
    if (kept.count >= keep) {
      ::operator delete(frame);
      return;
    }
    ++kept.count;
    kept.first = ::new (frame) Free{kept.first};
  }

 private:
  struct Free {
    Free* next;
  };
  struct Class {
    Free* first = nullptr;
    std::size_t count = 0;
  };
  std::array<Class, kClasses> classes_;
};

Frames& frames() {
  thread_local Frames mine;
  return mine;
}

}  // namespace

void* allocate_frame(std::size_t size) {
  const std::size_t index = (size - 1) / kClassBytes;
  return index < kClasses ? frames().take(index) : ::operator new(size);
}

void free_frame(void* frame, std::size_t size) {
  const std::size_t index = (size - 1) / kClassBytes;
  if (index < kClasses) {
    frames().give(frame, index);
  } else {
    ::operator delete(frame);
  }
}

#endif

}  // namespace sallyport::detail
