// SPDX-License-Identifier: Apache-2.0
// error: call to deleted constructor of 'sallyport::Secret'
#include "base/secret.h"

sallyport::Secret leak(const sallyport::Secret& secret) { return secret; }
