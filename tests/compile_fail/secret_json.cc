// SPDX-License-Identifier: Apache-2.0
// error: no matching member function for call to 'value'
#include "base/json_writer.h"
#include "base/secret.h"

void leak(std::string& out, const sallyport::Secret& s) { sallyport::JsonWriter(out).value(s); }
