// SPDX-License-Identifier: Apache-2.0
// error: overload resolution selected deleted operator '<<'
#include <iostream>

#include "base/secret.h"

void leak(const sallyport::Secret& secret) { std::cout << secret; }
