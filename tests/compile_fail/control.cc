// SPDX-License-Identifier: Apache-2.0
// All that the others may do: if this does not compile, their failures prove nothing.
#include <fmt/format.h>

#include <iostream>
#include <utility>

#include "base/json_writer.h"
#include "base/log.h"
#include "base/secret.h"

void allowed(sallyport::Secret secret) {
  const sallyport::Secret moved = std::move(secret);
  const sallyport::Secret second = moved.clone();
  std::cout << second.reveal().size() << fmt::format("{}", moved == second);
  sallyport::log::info("x", {{"bytes", second.reveal().size()}});
  std::string out;
  sallyport::JsonWriter(out).value(second.empty());
}
