// SPDX-License-Identifier: Apache-2.0
// Layers as the admin API and the command line write and read them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json_reader.h"
#include "base/result.h"
#include "keys/layers.h"

namespace sallyport::admin {

// {"path","owner","expires_at","restrictions":{..}}; only `path` must be there, unless it is given.
// Unknown members are kInvalid.
Result<keys::LayerSpec> read_layer_spec(const JsonValue& object, std::string_view path = {});
std::string write_layer_spec(const keys::LayerSpec& spec);

// A whole tree: {"layers":{"acme":{"owner","expires_at","restrictions","layers":{..}},..}}.
// kInvalid names the layer.
// At most 10,000 layers.
inline constexpr std::size_t kTreeBytesMax = 4 * 1024 * 1024;  // 10,000 of 400 bytes each
Result<std::vector<keys::LayerSpec>> read_layer_tree(std::string_view json);

std::string layer_json(const keys::LayerInfo& layer, UtcTime now);

}  // namespace sallyport::admin
