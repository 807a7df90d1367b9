// SPDX-License-Identifier: Apache-2.0
// THE table of commands. The parser, the help, the shell completions and docs/commands.md come from
// it. stdout is data, stderr is talk; exit codes are those of exit_codes.h.
#pragma once

#include <functional>
#include <iosfwd>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/exit_codes.h"

namespace sallyport::cli {

inline constexpr std::string_view kVersion = "0.1.0";  // a test compares it with CMakeLists.txt

// One command as it was called.
struct Invocation {
  std::string config_file;
  bool json = false;
  bool quiet = false;
  std::map<std::string, std::vector<std::string>, std::less<>> values;  // options and arguments
  std::ostream& out;
  std::ostream& err;

  bool has(std::string_view name) const { return values.contains(name); }
  // The first value, or `otherwise`.
  std::string value(std::string_view name, std::string_view otherwise = {}) const;
  const std::vector<std::string>& all(std::string_view name) const;
};

// Long-running programs that other rooms bring; null: not in this build.
using Program = int (*)(const Invocation&);
struct Programs {
  Program serve = nullptr;
  Program sim = nullptr;
  Program demo = nullptr;
};

struct Option {
  std::string_view name;   // "life" for --life
  std::string_view value;  // "DURATION"; empty for a flag
  std::string_view help;
  bool many = false;
  std::vector<std::string_view> words = {};  // the only values, if any are listed
};

struct Argument {
  std::string_view name;
  std::string_view help;
  bool required = true;
  std::vector<std::string_view> words = {};
  bool many = false;  // the last one takes all that follow
};

struct Example {
  std::string_view line;
  std::string_view what;
};

struct Command {
  std::string_view path;  // "keys create"
  std::string_view summary;
  std::vector<Argument> arguments = {};
  std::vector<Option> options = {};
  std::vector<Example> examples = {};
  int (*run)(const Invocation&, const Programs&) = nullptr;
  bool serves = false;  // a program with an operator's log; the others only talk
};

std::span<const Command> commands();
std::span<const Option> global_options();
const Command* find_command(std::string_view path);

// Parses, runs, and returns the exit code. `main` hands over stdout and stderr; tests their own.
// The simulated provider, and the demonstration; handed to run() by main.
int simulate(const Invocation& call);
int demonstrate(const Invocation& call, Program serve);

int run(int argc, const char* const* argv, const Programs& programs);
int run(std::vector<std::string> arguments, const Programs& programs, std::ostream& out,
        std::ostream& err);

// "error: ...", "hint: ..." on stderr, or a JSON object with --json. Returns `code`.
int complain(const Invocation& call, Exit code, std::string_view word, std::string_view message,
             std::string_view hint = {});
int complain(const Invocation& call, const Error& error, std::string_view hint = {});

// The commands, one file each.
int keys_create(const Invocation& call, const Programs& programs);
int keys_list(const Invocation& call, const Programs& programs);
int keys_show(const Invocation& call, const Programs& programs);
int keys_revoke(const Invocation& call, const Programs& programs);
int keys_update(const Invocation& call, const Programs& programs);
int keys_block(const Invocation& call, const Programs& programs);
int keys_unblock(const Invocation& call, const Programs& programs);
int layers_create(const Invocation& call, const Programs& programs);
int layers_set(const Invocation& call, const Programs& programs);
int layers_list(const Invocation& call, const Programs& programs);
int layers_show(const Invocation& call, const Programs& programs);
int layers_revoke(const Invocation& call, const Programs& programs);
int layers_reissue(const Invocation& call, const Programs& programs);
int layers_apply(const Invocation& call, const Programs& programs);
int keys_derive(const Invocation& call, const Programs& programs);
int keys_rotate(const Invocation& call, const Programs& programs);
int keys_which(const Invocation& call, const Programs& programs);
int revoke_token(const Invocation& call);  // keys revoke KEY --token TID
int admin_token(const Invocation& call, const Programs& programs);
int admin_tokens(const Invocation& call, const Programs& programs);
int admin_sessions(const Invocation& call, const Programs& programs);
int server_status(const Invocation& call, const Programs& programs);
int budgets_show(const Invocation& call, const Programs& programs);
int budgets_reset(const Invocation& call, const Programs& programs);
int audit_query(const Invocation& call, const Programs& programs);
int audit_ask(const Invocation& call, const Programs& programs);
int audit_verify(const Invocation& call, const Programs& programs);
int audit_prove(const Invocation& call, const Programs& programs);
int audit_check_proof(const Invocation& call, const Programs& programs);
int audit_consistency(const Invocation& call, const Programs& programs);
int audit_export(const Invocation& call, const Programs& programs);
int audit_rotate_key(const Invocation& call, const Programs& programs);
int audit_prune(const Invocation& call, const Programs& programs);
int audit_erase(const Invocation& call, const Programs& programs);
int audit_accept_state(const Invocation& call, const Programs& programs);
int config_check(const Invocation& call, const Programs& programs);
int config_import(const Invocation& call, const Programs& programs);
int config_schema(const Invocation& call, const Programs& programs);
int config_explain(const Invocation& call, const Programs& programs);
int doctor(const Invocation& call, const Programs& programs);
int replay_log(const Invocation& call, const Programs& programs);
int detect_explain(const Invocation& call, const Programs& programs);

}  // namespace sallyport::cli
