// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "net/webhook_signature.h"

namespace sallyport::keys {

using net::webhook_signature;

}  // namespace sallyport::keys
