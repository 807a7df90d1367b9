// SPDX-License-Identifier: Apache-2.0
// From the words of a command line to a call. The command is found by its noun and verb first, so
// that a mistyped one gets a suggestion; CLI11 then reads only that command's own options.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <optional>

#include "base/json_writer.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "config/suggestion.h"

namespace sallyport::cli {
namespace {

constexpr std::size_t kArgumentsMax = 1000;

// Options that stand before the command and take a value.
bool takes_value(std::string_view word) { return word == "-c" || word == "--config"; }

struct Found {
  const Command* command = nullptr;
  std::string noun;  // as typed, also when there is no such command
  std::string verb;
  std::vector<std::string> rest;  // everything but noun and verb
};

bool is_noun_with_verbs(const std::string& noun) { return !help_of_noun(noun).empty(); }

Found find(const std::vector<std::string>& words) {
  Found found;
  bool value = false;
  for (const std::string& word : words) {
    const bool plain = !value && !word.starts_with('-');
    value = takes_value(word);
    const bool wants_verb = found.verb.empty() && is_noun_with_verbs(found.noun);
    if (plain && found.noun.empty()) {
      found.noun = word;
    } else if (plain && wants_verb) {
      found.verb = word;
    } else {
      found.rest.push_back(word);
    }
  }
  found.command = find_command(found.verb.empty() ? found.noun : found.noun + " " + found.verb);
  return found;
}

std::string suggestion(const Found& found) {
  std::vector<std::string> known;
  for (const Command& command : commands()) {
    const std::string path(command.path);
    const std::size_t blank = path.find(' ');
    if (found.verb.empty()) {
      known.push_back(path.substr(0, blank));
    } else if (path.starts_with(found.noun + " ")) {
      known.push_back(path.substr(blank + 1));
    }
  }
  const auto near = config::nearest(found.verb.empty() ? found.noun : found.verb, known);
  if (!near) return "sallyport help lists all commands";
  return "did you mean  sallyport " + (found.verb.empty() ? *near : found.noun + " " + *near) +
         " ?";
}

std::string default_config_file() {
  if (const char* named = std::getenv("SALLYPORT_CONFIG")) return named;
  if (::access("sallyport.yaml", F_OK) == 0) return "sallyport.yaml";
  return "/etc/sallyport/sallyport.yaml";
}

std::vector<std::string> to_strings(const std::vector<std::string_view>& words) {
  return {words.begin(), words.end()};
}

std::string any_of(const std::vector<std::string_view>& words) {
  std::string all;
  for (const std::string_view one : words) all += (all.empty() ? "" : " or ") + std::string(one);
  return all;
}

std::vector<std::string> known_options(const Command& command) {
  std::vector<std::string> known;
  for (const Option& option : command.options) known.push_back("--" + std::string(option.name));
  for (const Option& option : global_options()) known.push_back("--" + std::string(option.name));
  return known;
}

// "--stream takes only or never"; empty where `word` is no such option, or its value is one of
// them.
std::string word_hint(const Command& command, const std::string& word, const std::string& next) {
  const std::size_t sign = word.find('=');
  const std::string value = sign == std::string::npos ? next : word.substr(sign + 1);
  for (const Option& option : command.options) {
    const std::string name = "--" + std::string(option.name);
    if (option.words.empty() || word.substr(0, sign) != name) continue;
    if (std::ranges::find(option.words, value) != option.words.end()) continue;
    return name + " takes " + any_of(option.words);
  }
  return "";
}

// A flag or option that nobody knows: which one was meant?
std::string option_hint(const Command& command, const std::vector<std::string>& rest) {
  const std::vector<std::string> known = known_options(command);
  for (const std::string& word : rest) {
    const std::string name = word.substr(0, word.find('='));
    if (!name.starts_with("--") || std::ranges::find(known, name) != known.end()) continue;
    if (const auto near = config::nearest(name, known)) return "did you mean " + *near + "?";
  }
  for (std::size_t i = 0; i < rest.size(); ++i) {
    const std::string hint = word_hint(command, rest[i], i + 1 < rest.size() ? rest[i + 1] : "");
    if (!hint.empty()) return hint;
  }
  return "sallyport help " + std::string(command.path) + " lists its options";
}

// "--naem": letters alone, so that it is no key that stands in the wrong place.
bool is_option_name(std::string_view word) {
  constexpr std::size_t kNameBytesMax = 32;
  return word.starts_with("--") && word.size() > 2 && word.size() <= kNameBytesMax &&
         std::ranges::all_of(word, [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; });
}

// CLI11's messages quote what was typed, which may be a key in the wrong place: ours do not.
std::string message_of(const CLI::ParseError& error, const Command& command,
                       const std::vector<std::string>& rest) {
  switch (static_cast<CLI::ExitCodes>(error.get_exit_code())) {
    case CLI::ExitCodes::ExtrasError: {
      const std::vector<std::string> known = known_options(command);
      for (const std::string& word : rest) {
        const std::string name = word.substr(0, word.find('='));
        if (is_option_name(name) && std::ranges::find(known, name) == known.end()) {
          return "unknown option " + name;
        }
      }
      return "an argument or option is not known";
    }
    case CLI::ExitCodes::ArgumentMismatch:
      return "an option lacks its value, or has it twice";
    case CLI::ExitCodes::ValidationError:
      for (const Argument& argument : command.arguments) {
        const auto named = [&](const std::string& word) {
          return std::ranges::find(argument.words, word) != argument.words.end();
        };
        if (argument.words.empty() || std::ranges::any_of(rest, named)) continue;
        return std::string(argument.name) + " must be " + any_of(argument.words);
      }
      return "a value is none of the allowed ones";
    default:
      return "the arguments cannot be read";
  }
}

struct Parsed {
  std::map<std::string, std::vector<std::string>, std::less<>> values;
  std::string config_file = default_config_file();
  bool json = false, quiet = false, help = false;
};

std::optional<std::string> parse(const Found& found, Parsed& parsed) {
  const Command& command = *found.command;
  CLI::App app;
  app.set_help_flag();
  app.allow_extras(false);
  app.allow_windows_style_options(false);
  app.add_option("-c,--config", parsed.config_file);
  app.add_flag("--json", parsed.json);
  app.add_flag("-q,--quiet", parsed.quiet);
  app.add_flag("-h,--help", parsed.help);
  std::map<std::string, std::vector<std::string>, std::less<>> texts;
  std::map<std::string, bool> flags;
  for (const Option& option : command.options) {
    const std::string name(option.name);
    if (option.value.empty()) {
      app.add_flag("--" + name, flags[name]);
      continue;
    }
    CLI::Option* added = app.add_option("--" + name, texts[name]);
    added->expected(1)->allow_extra_args(false);
    added->multi_option_policy(option.many ? CLI::MultiOptionPolicy::TakeAll
                                           : CLI::MultiOptionPolicy::Throw);
    if (!option.words.empty()) added->check(CLI::IsMember(to_strings(option.words)));
  }
  for (const Argument& argument : command.arguments) {
    const std::string name(argument.name);
    CLI::Option* added = app.add_option(name, texts[name]);
    if (!argument.many) added->expected(1)->allow_extra_args(false);
    if (!argument.words.empty()) added->check(CLI::IsMember(to_strings(argument.words)));
  }
  std::vector<std::string> reversed(found.rest.rbegin(), found.rest.rend());  // as CLI11 wants them
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return message_of(error, command, found.rest);
  }
  for (auto& [name, values] : texts) {
    if (!values.empty()) parsed.values[name] = std::move(values);
  }
  for (const auto& [name, set] : flags) {
    if (set) parsed.values[name] = {};
  }
  if (parsed.help) return std::nullopt;
  for (const Argument& argument : command.arguments) {
    if (argument.required && !parsed.values.contains(argument.name)) {
      return std::string(argument.name) + " is missing";
    }
  }
  return std::nullopt;
}

}  // namespace

std::span<const ExitMeaning> exit_meanings() {
  static constexpr ExitMeaning kTable[] = {
      {kOk, "ok"},
      {kFailed, "failed"},
      {kUsage, "wrong usage, or the configuration is invalid"},
      {kFinding, "it worked, and the answer is bad news; all output was written"},
      {kNotPermitted, "not permitted"},
      {kNotFound, "not found"},
      {kConflict, "conflict, or already done"},
      {kUnreachable, "unreachable, or timed out"},
      {kInterrupted, "interrupted"},
  };
  return kTable;
}

Exit exit_of(const Error& error) {
  switch (error.code) {
    case Code::kInvalid:
      return kUsage;
    case Code::kNotFound:
      return kNotFound;
    case Code::kDenied:
      return kConflict;
    case Code::kExhausted:
    case Code::kUnavailable:
      return kUnreachable;
    case Code::kCorrupt:
      return kFailed;
  }
  return kFailed;
}

std::string Invocation::value(std::string_view name, std::string_view otherwise) const {
  const auto at = values.find(name);
  return at == values.end() || at->second.empty() ? std::string(otherwise) : at->second.front();
}

const std::vector<std::string>& Invocation::all(std::string_view name) const {
  static const std::vector<std::string> kNone;
  const auto at = values.find(name);
  return at == values.end() ? kNone : at->second;
}

int complain(const Invocation& call, Exit code, std::string_view word, std::string_view message,
             std::string_view hint) {
  if (!call.json) {
    call.err << "error: " << message << "\n";
    if (!hint.empty()) call.err << "hint: " << hint << "\n";
    return code;
  }
  std::string line;
  JsonWriter json(line);
  json.begin_object().key("error").begin_object().field("code", word).field("message", message);
  if (!hint.empty()) json.field("hint", hint);
  json.end_object().end_object();
  call.err << line << "\n";
  return code;
}

int complain(const Invocation& call, const Error& error, std::string_view hint) {
  return complain(call, exit_of(error), name(error.code), error.what, hint);
}

namespace {

// $SALLYPORT_LOG: "debug", "info" (the default), "warn" or "error", and ",json" for JSON lines.
bool log_as_the_environment_says() {
  const char* const set = std::getenv("SALLYPORT_LOG");
  if (set == nullptr || *set == '\0') return true;
  std::string_view text = set;
  const bool json = text == "json" || text.ends_with(",json");
  if (json) text.remove_suffix(text == "json" ? 4 : 5);
  constexpr std::pair<std::string_view, log::Level> kLevels[] = {{"", log::Level::kInfo},
                                                                 {"debug", log::Level::kDebug},
                                                                 {"info", log::Level::kInfo},
                                                                 {"warn", log::Level::kWarn},
                                                                 {"error", log::Level::kError}};
  for (const auto& [name, level] : kLevels) {
    if (name != text) continue;
    log::configure(level, json);
    return true;
  }
  return false;
}

}  // namespace

int run(std::vector<std::string> words, const Programs& programs, std::ostream& out,
        std::ostream& err) {
  const bool json = std::ranges::find(words, "--json") != words.end();
  Invocation call{.config_file = {}, .json = json, .values = {}, .out = out, .err = err};
  if (words.size() > kArgumentsMax) return complain(call, kUsage, "usage", "too many arguments");
  Found found = find(words);
  const bool help = std::ranges::any_of(
      words, [](const std::string& word) { return word == "-h" || word == "--help"; });
  if (found.noun.empty()) {
    if (words == std::vector<std::string>{"--version"}) found.command = find_command("version");
    if (found.command == nullptr) {
      (help ? out : err) << overview();
      return help ? kOk : kUsage;
    }
    found.rest.clear();
  }
  if (found.command == nullptr) {
    const std::string verbs = found.verb.empty() ? help_of_noun(found.noun) : "";
    if (!verbs.empty()) {
      (help ? out : err) << verbs;
      return help ? kOk : kUsage;
    }
    return complain(call, kUsage, "unknown_command", "there is no such command", suggestion(found));
  }
  Parsed parsed;
  const auto wrong = parse(found, parsed);
  if (wrong)
    return complain(call, kUsage, "usage", *wrong, option_hint(*found.command, found.rest));
  if (parsed.help) {
    out << help_of(*found.command);
    return kOk;
  }
  call.config_file = parsed.config_file;
  call.json = parsed.json;
  call.quiet = parsed.quiet;
  call.values = std::move(parsed.values);
  // What rooms tell an operator's log is noise for somebody who typed one command.
  if (!found.command->serves) log::configure(log::Level::kWarn, false);
  if (found.command->serves && !log_as_the_environment_says()) {
    return complain(call, kUsage, "usage",
                    "SALLYPORT_LOG is [LEVEL][,json] with debug, info, warn or error");
  }
  const int code = found.command->run(call, programs);
  out.flush();
  err.flush();
  return out.good() ? code : static_cast<int>(kFailed);
}

int run(int argc, const char* const* argv, const Programs& programs) {
  return run(std::vector<std::string>(argv + std::min(argc, 1), argv + argc), programs, std::cout,
             std::cerr);
}

}  // namespace sallyport::cli
