// SPDX-License-Identifier: Apache-2.0
// Rows of keys within a transaction, for the files of SqliteKeys.
#pragma once

#include <string_view>

#include "keys/key_store.h"

namespace sallyport::store {

class Sqlite;

// kNotFound: there is no such kid; kCorrupt: the row makes no sense.
Result<keys::KeyRow> find_key(Sqlite& database, std::string_view kid);

// With its root, if it has one; looks at no name.
Result<void> insert_key(Sqlite& database, const keys::KeyRow& row);

}  // namespace sallyport::store
