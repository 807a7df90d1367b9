// SPDX-License-Identifier: Apache-2.0
// error: call to deleted constructor of 'conditional_t<has_formatter
#include <fmt/format.h>

#include "base/secret.h"

std::string leak(const sallyport::Secret& secret) { return fmt::format("{}", secret); }
