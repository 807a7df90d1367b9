// SPDX-License-Identifier: Apache-2.0
// How many of something strangers may hold at one time, all together and each: one of them alone
// cannot take every place. IPv6 sources count by their /64, which one subscriber has whole. Any
// thread.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "base/ip_address.h"

namespace sallyport {

class SourcePlaces {
  struct Taken {
    std::mutex mutex;
    std::map<IpAddress, std::size_t> by_source;  // at most as many as there are places
    std::size_t all = 0;
  };

 public:
  SourcePlaces(std::size_t places_max, std::size_t per_source_max)
      : places_max_(places_max), per_source_max_(per_source_max) {}

  // Given back when it dies, also after the places themselves are gone.
  class Place {
   public:
    Place(Place&& other) noexcept : taken_(std::move(other.taken_)), source_(other.source_) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(taken_, other.taken_);
      std::swap(source_, other.source_);
      return *this;
    }
    ~Place();

   private:
    friend class SourcePlaces;
    Place(std::shared_ptr<Taken> taken, const IpAddress& source)
        : taken_(std::move(taken)), source_(source) {}
    std::shared_ptr<Taken> taken_;  // null: moved from
    IpAddress source_;
  };
  // Nothing: all are taken, or this source has its share.
  std::optional<Place> take(const IpAddress& source);

 private:
  const std::size_t places_max_, per_source_max_;
  std::shared_ptr<Taken> taken_ = std::make_shared<Taken>();
};

}  // namespace sallyport
