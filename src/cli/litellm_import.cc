// SPDX-License-Identifier: Apache-2.0
#include "cli/litellm_import.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>

#include "config/values.h"
#include "config/yaml_tree.h"

namespace sallyport::cli {
namespace {

using config::YamlNode;

constexpr std::string_view kOpenAi = "https://api.openai.com/v1";
constexpr std::size_t kUpstreamsMax = 200;  // more is not a configuration, it is a mistake

// What stands in another product's file may hold anything: only what cannot break a line, a quote
// or a reference is repeated.
bool plain(std::string_view text, std::size_t bytes_max = 200) {
  return !text.empty() && text.size() <= bytes_max && std::ranges::all_of(text, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) ||
           std::string_view("-_./:*+@, ").contains(c);
  });
}

std::string safe(std::string_view text) { return plain(text, 64) ? std::string(text) : "(...)"; }

const YamlNode* member(const YamlNode& map, std::string_view name) {
  for (const config::YamlMember& entry : map.members) {
    if (entry.key.text == name) return &entry.value;
  }
  return nullptr;
}

std::string text_of(const YamlNode& map, std::string_view name) {
  const YamlNode* value = member(map, name);
  return value != nullptr ? value->text : "";
}

std::string name_from(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const char low = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const bool word = std::isalnum(static_cast<unsigned char>(low)) != 0;
    if (word) {
      out += low;
    } else if (!out.empty() && out.back() != '-') {
      out += '-';
    }
  }
  while (out.ends_with('-')) out.pop_back();
  return out.substr(0, 48);
}

// "OPENAI_API_KEY" of "os.environ/OPENAI_API_KEY".
std::optional<std::string> environment_name(std::string_view text) {
  constexpr std::string_view kMark = "os.environ/";
  if (!text.starts_with(kMark)) return std::nullopt;
  const std::string_view name = text.substr(kMark.size());
  const bool word = !name.empty() && name.size() <= 128 && std::ranges::all_of(name, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
  });
  if (!word) return std::nullopt;
  return std::string(name);
}

// Limits are not of a model here, but of those who call.
std::string_view limit_of(std::string_view param) {
  if (param == "rpm") return "set --rpm on keys or layers (docs/budgets.md)";
  if (param == "tpm") return "set --tpm on keys or layers (docs/budgets.md)";
  if (param == "max_parallel_requests") {
    return "set --parallel on keys or layers (docs/budgets.md)";
  }
  return {};
}

struct Upstream {
  std::string name, base_url, key_reference, organization;
  bool azure = false;
  std::vector<std::string> models;
  friend bool same_place(const Upstream& a, const Upstream& b) {
    return a.base_url == b.base_url && a.key_reference == b.key_reference &&
           a.organization == b.organization && a.azure == b.azure;
  }
};

class Import {
 public:
  explicit Import(LitellmImport& out) : out_(out) {}
  void read(const YamlNode& root);
  void write();

 private:
  void note(std::string text) { notes_.push_back(std::move(text)); }
  void no_counterpart(std::string_view path, std::string_view why = {}) {
    note(safe(path) +
         (why.empty() ? " has no counterpart; nothing does this here" : ": " + std::string(why)));
  }
  void models(const YamlNode& list);
  void model(const YamlNode& entry);
  void settings(std::string_view section, const YamlNode& map);
  std::string secret(std::string_view value, std::string_view otherwise, std::string_view what);
  void place(Upstream upstream, const std::string& model);

  LitellmImport& out_;
  std::vector<Upstream> upstreams_;
  std::vector<std::string> notes_;
  bool litellm_routes_ = false;
};

// A reference to a secret; the value itself is never repeated.
std::string Import::secret(std::string_view value, std::string_view otherwise,
                           std::string_view what) {
  if (const auto name = environment_name(value)) return "${env:" + *name + "}";
  const std::string reference = "${env:" + std::string(otherwise) + "}";
  out_.warnings.push_back(std::string(what) + " stands in the file in the clear; put it into " +
                          reference + ", and take it for known to whoever could read the file");
  return reference;
}

void Import::place(Upstream upstream, const std::string& model) {
  for (Upstream& known : upstreams_) {
    if (!same_place(known, upstream)) continue;
    if (std::ranges::find(known.models, model) == known.models.end()) {
      known.models.push_back(model);
    }
    return;
  }
  if (upstreams_.size() >= kUpstreamsMax)
    return no_counterpart("model_list", "more than 200 places");
  const std::string base = upstream.name;
  for (int n = 2; std::ranges::find(upstreams_, upstream.name, &Upstream::name) != upstreams_.end();
       ++n) {
    upstream.name = base + "-" + std::to_string(n);
  }
  upstream.models.push_back(model);
  upstreams_.push_back(std::move(upstream));
}

void Import::model(const YamlNode& entry) {
  static constexpr std::string_view kRead[] = {"model",   "api_base",    "base_url",
                                               "api_key", "api_version", "organization"};
  const YamlNode* params = member(entry, "litellm_params");
  const std::string asked = text_of(entry, "model_name");
  if (params == nullptr || !plain(asked))
    return no_counterpart("model_list", "an entry is unusable");
  const std::string target = text_of(*params, "model");
  const std::size_t slash = target.find('/');
  const std::string provider = slash == std::string::npos ? "openai" : target.substr(0, slash);
  std::string base = text_of(*params, "api_base");
  if (base.empty()) base = text_of(*params, "base_url");
  const bool azure = provider == "azure";
  static constexpr std::string_view kSpeak[] = {
      "openai", "azure", "custom_openai", "hosted_vllm", "text-completion-openai", "openai_like"};
  const bool speaks = std::ranges::find(kSpeak, provider) != std::end(kSpeak);
  if (!speaks && base.empty()) {
    return no_counterpart("model " + safe(asked),
                          "provider " + safe(provider) + " does not speak the OpenAI API here");
  }
  if (base.empty()) base = std::string(kOpenAi);
  if (const auto name = environment_name(base)) {
    return no_counterpart("model " + safe(asked), "its api_base is in the environment variable " +
                                                      *name + "; write the address into base_url");
  }
  while (base.ends_with('/')) base.pop_back();
  if (!config::parse_url(base) || !plain(base)) {
    return no_counterpart("model " + safe(asked), "its api_base is no usable address");
  }
  Upstream upstream;
  upstream.azure = azure;
  upstream.base_url = azure && !base.contains("/openai") ? base + "/openai/v1" : base;
  upstream.name = base == kOpenAi ? "openai" : name_from(config::parse_url(base)->host);
  if (const std::string key = text_of(*params, "api_key"); !key.empty()) {
    upstream.key_reference = secret(key, azure ? "AZURE_API_KEY" : "UPSTREAM_API_KEY",
                                    "api_key of model " + safe(asked));
  } else if (base == kOpenAi) {
    upstream.key_reference = "${env:OPENAI_API_KEY}";
  }
  if (azure && member(*params, "api_version") != nullptr) {
    note("model " + safe(asked) + ": Azure's v1 API needs no api_version");
  }
  if (const std::string org = text_of(*params, "organization"); plain(org, 64)) {
    upstream.organization = org;
  }
  const std::string rest = slash == std::string::npos ? target : target.substr(slash + 1);
  if (asked != rest && rest != "*") {
    note("model " + safe(asked) + " stood for " + safe(rest) +
         "; the gate forwards the name that was asked for, so clients must ask for the latter");
  }
  if (!config::is_pattern(rest)) {
    return no_counterpart("model " + safe(asked), "its name is none that can be configured");
  }
  place(std::move(upstream), rest);
  for (const config::YamlMember& param : params->members) {
    if (std::ranges::find(kRead, param.key.text) != std::end(kRead)) continue;
    no_counterpart("model " + safe(asked) + ", " + safe(param.key.text), limit_of(param.key.text));
  }
}

void Import::models(const YamlNode& list) {
  for (const YamlNode& entry : list.items) model(entry);
}

void Import::settings(std::string_view section, const YamlNode& map) {
  static const std::map<std::string, std::string, std::less<>> kKnown = {
      {"general_settings.master_key",
       "not needed; an admin token is made at the first start (sallyport admin token)"},
      {"general_settings.database_url",
       "not taken over; keys are made anew, since only hashes are there (store.path)"},
      {"general_settings.alerting", "alerts are not sent in this version"},
      {"general_settings.store_prompts_in_spend_logs", "never: text does not stand in the record"},
      {"general_settings.allow_requests_on_db_unavailable",
       "never: a store that is silent opens no door"},
      {"litellm_settings.max_budget", "set a budget on the outermost layer (docs/budgets.md)"},
      {"litellm_settings.budget_duration", "see max_budget"},
      {"litellm_settings.drop_params", "never: what was inspected is forwarded byte for byte"},
      {"litellm_settings.success_callback", "every call stands in the journal (audit)"},
      {"litellm_settings.failure_callback", "every call stands in the journal (audit)"},
      {"litellm_settings.callbacks", "every call stands in the journal (audit)"},
      {"router_settings.num_retries", "see upstream[].retries.max; only what was not sent"},
      {"router_settings.timeout", "see upstream[].timeouts"},
      {"router_settings.routing_strategy", "the first upstream that names a model gets its calls"},
      {"router_settings.fallbacks", "none: a model is never replaced by another one"},
      {"litellm_settings.fallbacks", "none: a model is never replaced by another one"},
      {"litellm_settings.request_timeout", "see upstream[].timeouts.first_byte"},
      {"litellm_settings.num_retries", "see upstream[].retries.max; only what was not sent"},
  };
  for (const config::YamlMember& entry : map.members) {
    const std::string path = std::string(section) + "." + safe(entry.key.text);
    if (path == "general_settings.master_key" || path == "general_settings.database_url") {
      litellm_routes_ = true;
      if (!environment_name(entry.value.text) && !entry.value.text.empty()) {
        out_.warnings.push_back(path +
                                " stands in the file in the clear; take it for known to whoever "
                                "could read the file");
      }
    }
    const auto known = kKnown.find(path);
    if (known != kKnown.end()) {
      no_counterpart(path, known->second);
    } else {
      no_counterpart(path);
    }
  }
}

void Import::read(const YamlNode& root) {
  static constexpr std::string_view kSections[] = {"litellm_settings", "general_settings",
                                                   "router_settings"};
  for (const config::YamlMember& section : root.members) {
    if (section.key.text == "model_list") {
      models(section.value);
    } else if (std::ranges::find(kSections, section.key.text) != std::end(kSections)) {
      settings(section.key.text, section.value);
    } else {
      no_counterpart(section.key.text);
    }
  }
}

void Import::write() {
  std::string& yaml = out_.yaml;
  yaml =
      "# Made from a LiteLLM configuration by  sallyport config import litellm.  Read it before "
      "you\n"
      "# use it; sallyport config check  tells what is wrong. What could not be taken over stands "
      "at\n"
      "# the end.\nversion: 1\n\nhttp:\n  listeners:\n    - {name: gate, address: "
      "\"127.0.0.1:4000\"}  # LiteLLM's port; add tls for other hosts\n\nkeys:\n  # make one with: "
      "openssl rand -base64 48\n  pepper: \"${env:SALLYPORT_KEY_PEPPER}\"\n\nupstream:\n";
  if (upstreams_.empty()) {
    yaml +=
        "  - {name: openai, base_url: \"https://api.openai.com/v1\", api_key: "
        "\"${env:OPENAI_API_KEY}\"}\n";
  }
  for (const Upstream& upstream : upstreams_) {
    yaml += "  - name: " + upstream.name + "\n    base_url: \"" + upstream.base_url + "\"\n";
    if (!upstream.key_reference.empty())
      yaml += "    api_key: \"" + upstream.key_reference + "\"\n";
    if (upstream.azure) yaml += "    auth: api_key_header\n";
    if (!upstream.organization.empty())
      yaml += "    organization: \"" + upstream.organization + "\"\n";
    yaml += "    models: [";
    for (std::size_t i = 0; i < upstream.models.size(); ++i) {
      yaml += (i > 0 ? ", \"" : "\"") + upstream.models[i] + "\"";
    }
    yaml += "]\n";
  }
  if (litellm_routes_)
    yaml += "\nadmin:\n  compatible_with: [litellm]  # /key/generate and its kin\n";
  if (!notes_.empty()) yaml += "\n# Not taken over:\n";
  for (const std::string& note : notes_) yaml += "#  - " + note + "\n";
}

}  // namespace

LitellmImport import_litellm(std::string_view text) {
  LitellmImport out;
  const YamlNode root = config::parse_yaml(text, out.problems);
  if (!out.problems.empty()) return out;
  if (root.kind != YamlNode::Kind::kMap) {
    out.problems.push_back({1, 1, "", "is not a LiteLLM configuration"});
    return out;
  }
  const YamlNode* const list = member(root, "model_list");
  if (list == nullptr || list->kind != YamlNode::Kind::kList || list->items.empty()) {
    out.problems.push_back({list ? list->line : root.line, list ? list->column : root.column,
                            "model_list",
                            "missing or without an entry; a LiteLLM configuration lists its models "
                            "there, and nothing can be made without one"});
    return out;
  }
  Import import(out);
  import.read(root);
  import.write();
  return out;
}

}  // namespace sallyport::cli
