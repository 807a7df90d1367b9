// SPDX-License-Identifier: Apache-2.0
// error: no matching constructor for initialization of 'const sallyport::log::Field'
#include "base/log.h"
#include "base/secret.h"

void leak(const sallyport::Secret& secret) { sallyport::log::info("x", {{"key", secret}}); }
