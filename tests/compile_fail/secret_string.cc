// SPDX-License-Identifier: Apache-2.0
// error: no viable conversion from returned value of type 'const sallyport::Secret'
#include <string_view>

#include "base/secret.h"

std::string_view leak(const sallyport::Secret& secret) { return secret; }
