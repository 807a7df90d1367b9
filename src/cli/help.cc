// SPDX-License-Identifier: Apache-2.0
#include "cli/help.h"

#include <algorithm>
#include <ostream>

#include "base/json_writer.h"

namespace sallyport::cli {
namespace {

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

// A word and what it means, in two columns; a word that fills the first stands on a line of its
// own.
std::string row(std::string indent, std::string word, std::size_t width, std::string_view meaning) {
  std::string out = indent + padded(word, width);
  if (word.size() + 2 > width) out += "\n" + std::string(indent.size() + width, ' ');
  return out.append(meaning) + "\n";
}

std::string spelled(const Option& option) {
  std::string out = "--" + std::string(option.name);
  if (!option.value.empty()) out += " " + std::string(option.value);
  return out;
}

std::string usage(const Command& command) {
  std::string out = "sallyport " + std::string(command.path);
  for (const Argument& argument : command.arguments) {
    std::string name(argument.name);
    std::ranges::transform(name, name.begin(), [](char c) {
      return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    });
    out += argument.required ? " " + name : " [" + name + "]";
  }
  return command.options.empty() ? out : out + " [options]";
}

std::string_view noun_of(std::string_view path) { return path.substr(0, path.find(' ')); }
std::string_view verb_of(std::string_view path) {
  const std::size_t blank = path.find(' ');
  return blank == std::string_view::npos ? std::string_view() : path.substr(blank + 1);
}

std::vector<std::string_view> nouns() {
  std::vector<std::string_view> found;
  for (const Command& command : commands()) {
    const std::string_view noun = noun_of(command.path);
    if (std::ranges::find(found, noun) == found.end()) found.push_back(noun);
  }
  return found;
}

std::string verbs_of(std::string_view noun) {
  std::string out;
  for (const Command& command : commands()) {
    if (noun_of(command.path) != noun || verb_of(command.path).empty()) continue;
    out += (out.empty() ? "" : " ") + std::string(verb_of(command.path));
  }
  return out;
}

std::string flags_of(const Command& command) {
  std::string out;
  for (const Option& option : command.options) out += "--" + std::string(option.name) + " ";
  for (const Option& option : global_options()) out += "--" + std::string(option.name) + " ";
  out.pop_back();
  return out;
}

std::string words_of(const Command& command) {
  std::string out;
  for (const Argument& argument : command.arguments) {
    for (const std::string_view word : argument.words) out += std::string(word) + " ";
  }
  return out + flags_of(command);
}

std::string escape_cell(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

}  // namespace

std::string overview() {
  std::string out =
      "sallyport - a security gateway for the OpenAI API\n\n"
      "  sallyport demo                      see it work, without a key and without a network\n"
      "  sallyport serve -c sallyport.yaml   run the gateway\n"
      "  sallyport keys create app-chat      a key for an application\n\ncommands\n";
  for (const Command& command : commands()) {
    out += row("  ", std::string(command.path), 22, command.summary);
  }
  out += "\noptions everywhere\n";
  for (const Option& option : global_options()) {
    out += row("  ", spelled(option), 22, option.help);
  }
  return out + "\nsallyport help COMMAND explains one; sallyport help exit-codes the exit codes.\n";
}

std::string help_of(const Command& command) {
  std::string out = std::string(command.summary) + "\n\nusage\n  " + usage(command) + "\n";
  if (!command.examples.empty()) out += "\nexamples\n";
  for (const Example& example : command.examples) {
    if (!example.what.empty()) out += "  # " + std::string(example.what) + "\n";
    out += "  " + std::string(example.line) + "\n";
  }
  if (!command.arguments.empty()) out += "\narguments\n";
  for (const Argument& argument : command.arguments) {
    out += row("  ", std::string(argument.name), 24, argument.help);
  }
  if (!command.options.empty()) out += "\noptions\n";
  for (const Option& option : command.options) {
    const std::string help(option.help);
    out += row("  ", spelled(option), 24, option.many ? help + " May be repeated." : help);
  }
  out += "\noptions everywhere\n";
  for (const Option& option : global_options()) {
    out += row("  ", spelled(option), 24, option.help);
  }
  return out;
}

std::string help_of_noun(std::string_view noun) {
  std::string out;
  for (const Command& command : commands()) {
    if (noun_of(command.path) != noun || verb_of(command.path).empty()) continue;
    out += row("  sallyport ", std::string(command.path), 22, command.summary);
  }
  return out;
}

std::string exit_codes_text() {
  std::string out;
  for (const ExitMeaning& meaning : exit_meanings()) {
    out += padded(std::to_string(static_cast<int>(meaning.code)), 5) +
           std::string(meaning.meaning) + "\n";
  }
  return out;
}

std::string bash_completion() {
  std::string out =
      "# bash completion of sallyport; made by: sallyport completion bash\n"
      "_sallyport() {\n"
      "  local word=\"${COMP_WORDS[COMP_CWORD]}\" words=\"\"\n"
      "  case \"${COMP_WORDS[1]:-} ${COMP_WORDS[2]:-}\" in\n";
  for (const Command& command : commands()) {
    const bool two = !verb_of(command.path).empty();
    out += "    \"" + std::string(command.path) + (two ? "\"" : " \"*") + ") words=\"" +
           words_of(command) + "\" ;;\n";
  }
  for (const std::string_view noun : nouns()) {
    const std::string verbs = verbs_of(noun);
    if (!verbs.empty()) out += "    \"" + std::string(noun) + " \"*) words=\"" + verbs + "\" ;;\n";
  }
  std::string all;
  for (const std::string_view noun : nouns()) all += (all.empty() ? "" : " ") + std::string(noun);
  out += "  esac\n  if [ \"$COMP_CWORD\" -le 1 ]; then words=\"" + all +
         "\"; fi\n"
         "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n}\n"
         "complete -o default -F _sallyport sallyport\n";
  return out;
}

std::string zsh_completion() {
  std::string out =
      "#compdef sallyport\n# zsh completion of sallyport; made by: sallyport completion zsh\n"
      "_sallyport() {\n  local -a choices\n  if (( CURRENT == 2 )); then\n    choices=(";
  for (const std::string_view noun : nouns()) out += " " + std::string(noun);
  out += " )\n    compadd -a choices\n    return\n  fi\n  case \"$words[2] $words[3]\" in\n";
  for (const Command& command : commands()) {
    const bool two = !verb_of(command.path).empty();
    out += "    \"" + std::string(command.path) + (two ? "\"" : " \"*") + ") choices=( " +
           words_of(command) + " ) ;;\n";
  }
  for (const std::string_view noun : nouns()) {
    const std::string verbs = verbs_of(noun);
    if (!verbs.empty())
      out += "    \"" + std::string(noun) + " \"*) choices=( " + verbs + " ) ;;\n";
  }
  return out + "  esac\n  compadd -a choices\n  _files\n}\n_sallyport \"$@\"\n";
}

std::string commands_page() {
  std::string out =
      "# Commands\n\nGenerated from the table in `src/cli/command_table.cc`; a test fails when "
      "this page "
      "is stale.\n\nData goes to stdout, talk to stderr. `--json` gives both as JSON.\n";
  for (const Command& command : commands()) {
    out += "\n## sallyport " + std::string(command.path) + "\n\n" + std::string(command.summary) +
           "\n\n```\n" + usage(command) + "\n```\n";
    if (!command.arguments.empty() || !command.options.empty()) out += "\n| | |\n|---|---|\n";
    for (const Argument& argument : command.arguments) {
      out += "| `" + std::string(argument.name) + "` | " + escape_cell(argument.help) + " |\n";
    }
    for (const Option& option : command.options) {
      out += "| `" + spelled(option) + "` | " + escape_cell(option.help) +
             (option.many ? " May be repeated." : "") + " |\n";
    }
    for (const Example& example : command.examples) {
      out += "\n```\n" + (example.what.empty() ? "" : "# " + std::string(example.what) + "\n") +
             std::string(example.line) + "\n```\n";
    }
  }
  out += "\n## Everywhere\n\n| | |\n|---|---|\n";
  for (const Option& option : global_options()) {
    out += "| `" + spelled(option) + "` | " + escape_cell(option.help) + " |\n";
  }
  out += "\n## Exit codes\n\n| code | meaning |\n|---|---|\n";
  for (const ExitMeaning& meaning : exit_meanings()) {
    out += "| " + std::to_string(static_cast<int>(meaning.code)) + " | " +
           std::string(meaning.meaning) + " |\n";
  }
  return out;
}

int print_version(const Invocation& call, const Programs&) {
  if (!call.json) {
    call.out << "sallyport " << kVersion << "\n";
    return kOk;
  }
  std::string line;
  JsonWriter json(line);
  json.begin_object().field("version", kVersion).end_object();
  call.out << line << "\n";
  return kOk;
}

int print_completion(const Invocation& call, const Programs&) {
  call.out << (call.value("shell") == "zsh" ? zsh_completion() : bash_completion());
  return kOk;
}

int print_help(const Invocation& call, const Programs&) {
  const std::string topic = call.value("topic");
  if (topic.empty()) {
    call.out << overview();
    return kOk;
  }
  if (topic == "exit-codes") {
    call.out << exit_codes_text();
    return kOk;
  }
  const std::string path = call.has("verb") ? topic + " " + call.value("verb") : topic;
  if (const Command* command = find_command(path)) {
    call.out << help_of(*command);
    return kOk;
  }
  const std::string verbs = help_of_noun(topic);
  if (!verbs.empty() && !call.has("verb")) {
    call.out << verbs;
    return kOk;
  }
  return complain(call, kUsage, "unknown_topic", "there is no command or topic " + path,
                  "sallyport help lists all");
}

}  // namespace sallyport::cli
