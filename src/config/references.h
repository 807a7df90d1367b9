// SPDX-License-Identifier: Apache-2.0
// References in the configuration: ${env:NAME}, ${cred:NAME} (a systemd credential), file:/path.
// Secrets come only through them, so that the file itself may be read, copied and committed.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"

namespace sallyport::config {

// What the process stands in; tests give their own.
struct Surroundings {
  std::function<const char*(const char* name)> environment;  // null when the variable is not set
  std::string credentials_directory;                         // $CREDENTIALS_DIRECTORY, or empty
  std::string base_directory = ".";  // of the configuration file: paths count from here
  // False: secrets stay empty. For the command line, which asks the running server and needs none
  // of them (a systemd credential is not even there in an operator's shell).
  bool follow_secrets = true;
};
Surroundings process_surroundings(const std::string& config_file);

struct Reference {
  enum class Kind { kEnvironment, kCredential, kFile } kind = Kind::kEnvironment;
  std::string name;  // of the variable or credential, or the path
};

// Nothing when `text` is no reference; kInvalid when it tries to be one and is not, for example
// because it is only a part of the value.
Result<std::optional<Reference>> parse_reference(std::string_view text);

// What the reference points at; one trailing newline is stripped, an empty value is an error.
// `note` receives a warning for the operator (a secret file that everybody may read) or stays
// empty.
Result<Secret> resolve(const Reference& reference, const Surroundings& around, std::string& note);

// A path as written ("file:/x", "/x" or "x") as the program opens it.
std::string resolve_path(std::string_view text, const Surroundings& around);

// "sk-..." with a long tail, or OpenAI's marker: what must not stand in a configuration file.
bool looks_like_provider_key(std::string_view text);
// Offset of the first such token.
std::optional<std::size_t> find_provider_key(std::string_view text);

// `text` in quotes for a message: at most 40 bytes, control characters out, "***" if it might be a
// secret.
std::string printable(std::string_view text);

// The name of a field that is not known: as it stands when it is [a-z0-9_] and at most 32 bytes.
// Anything else may be a secret that was pasted in the wrong place, and is not shown.
std::string shown_name(std::string_view name);

}  // namespace sallyport::config
