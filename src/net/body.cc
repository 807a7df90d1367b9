// SPDX-License-Identifier: Apache-2.0
#include "net/body.h"

#include <string.h>

#include <utility>

namespace sallyport::net {

BytesBody::~BytesBody() {
  if (wiped_ == Wiped::kYes) explicit_bzero(bytes_.data(), bytes_.size());
}

Task<Result<std::string_view>> BytesBody::pull() {
  if (std::exchange(given_, true)) co_return std::string_view();
  co_return std::string_view(bytes_);
}

}  // namespace sallyport::net
