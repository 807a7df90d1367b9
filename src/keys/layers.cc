// SPDX-License-Identifier: Apache-2.0
#include "keys/layers.h"

#include <algorithm>

#include "keys/key_info.h"

namespace sallyport::keys {
namespace {

std::size_t depth(std::string_view path) {
  return static_cast<std::size_t>(std::ranges::count(path, '/')) + 1;
}

}  // namespace

std::string_view name(LayerKind kind) {
  switch (kind) {
    case LayerKind::kOrganisation:
      return "organisation";
    case LayerKind::kProject:
      return "project";
    case LayerKind::kPrincipal:
      return "principal";
  }
  return "principal";
}

std::optional<LayerKind> layer_kind(std::string_view path) {
  if (path.size() > 3 * (kNameBytesMax + 1) || depth(path) > 3) return std::nullopt;
  for (std::string_view rest = path;;) {
    const std::size_t slash = rest.find('/');
    if (!valid_key_name(rest.substr(0, slash))) return std::nullopt;
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  return static_cast<LayerKind>(depth(path) - 1);
}

std::string layer_account(std::string_view path) {
  const std::optional<LayerKind> kind = layer_kind(path);
  return std::string(name(kind.value_or(LayerKind::kPrincipal))) + ":" + std::string(path);
}

std::string_view layer_parent(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string_view status(const LayerInfo& layer, UtcTime now) {
  if (layer.revoked) return "revoked";
  return layer.expires_at && now >= *layer.expires_at ? "expired" : "active";
}

Result<void> check_layer_spec(const LayerSpec& spec) {
  if (!layer_kind(spec.path)) {
    return fail(Code::kInvalid, "path is " + std::string(kLayerPathForm));
  }
  if (!spec.owner.empty() && !valid_label(spec.owner)) {
    return fail(Code::kInvalid, "not a valid owner");
  }
  return check_restrictions(spec.restrictions);
}

}  // namespace sallyport::keys
