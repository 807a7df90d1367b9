// SPDX-License-Identifier: Apache-2.0
#include "base/task.h"

#include <array>
#include <new>
#include <vector>

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
constexpr std::size_t kKeepMax = 512;  // of a class and thread

class Frames {
 public:
  ~Frames() {
    for (auto& frames : free_) {
      for (void* frame : frames) ::operator delete(frame);
    }
  }
  void* take(std::size_t index) {
    auto& frames = free_[index];
    if (frames.empty()) return ::operator new((index + 1) * kClassBytes);
    void* const frame = frames.back();
    frames.pop_back();
    return frame;
  }
  void give(void* frame, std::size_t index) {
    auto& frames = free_[index];
    if (frames.size() < kKeepMax) {
      frames.push_back(frame);
    } else {
      ::operator delete(frame);
    }
  }

 private:
  std::array<std::vector<void*>, kClasses> free_;
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
