// SPDX-License-Identifier: Apache-2.0
// A secret into a file, for a program that reads its key from there. The file appears whole or not
// at all, mode 0600, in a directory that others cannot write to; symbolic links are not followed,
// neither in the directory's path nor at its end, so that nobody can turn the write elsewhere.
#pragma once

#include <string>

#include "base/result.h"
#include "base/secret.h"

namespace sallyport::keys {

// `path` is absolute. Replaces the file that is there. Durable when it returns; blocks on the disk.
// kInvalid: the path; kDenied: the directory is not safe, kUnavailable: it is missing, or the disk
// failed; each names the place. The bytes are the secret's, no line feed is added.
Result<void> write_secret_file(const std::string& path, const Secret& secret);

}  // namespace sallyport::keys
