// SPDX-License-Identifier: Apache-2.0
// The provider's list of models, cut down to those a caller may use: what a key may not use it need
// not know.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "exchange/exchange.h"

namespace sallyport::policy {

using ModelAllowed = std::function<bool(std::string_view model)>;

// The list without what is not allowed, all else byte for byte. Nothing for what is no such list:
// {"data":[{"id":"..",..},..],..}.
std::optional<std::string> cut_model_list(std::string_view json, const ModelAllowed& allowed);

// The body that answers the cut list. One that is larger than 4 MiB or cannot be read fails (the
// answer breaks off): it is never passed on.
std::unique_ptr<net::BodySource> filter_model_list(std::unique_ptr<net::BodySource> list,
                                                   ModelAllowed allowed);

}  // namespace sallyport::policy
