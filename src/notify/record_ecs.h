// SPDX-License-Identifier: Apache-2.0
// A record in the fields of the Elastic Common Schema; the whole record stands under `sallyport`.
#pragma once

#include <string>

#include "notify/sink.h"

namespace sallyport::notify {

inline constexpr std::string_view kEcsVersion = "9.1.0";

void append_ecs(std::string& out, const Outgoing& record);

}  // namespace sallyport::notify
