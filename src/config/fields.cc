// SPDX-License-Identifier: Apache-2.0
#include "config/fields.h"

#include <algorithm>

#include "config/audit_fields.h"
#include "config/identity_fields.h"
#include "config/notify_fields.h"
#include "config/provider_fields.h"
#include "config/rotation_fields.h"
#include "config/values.h"

namespace sallyport::config {
namespace {

constexpr std::int64_t kSecond = 1000, kMinute = 60 * kSecond, kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;
constexpr std::int64_t kKiB = 1024, kMiB = 1024 * kKiB, kGiB = 1024 * kMiB;

// Listener, upstream and config fields: `&p.config->http.threads` as a Slot.
#define AT(expression) [](Place& p) -> Slot { return &p.expression; }

std::vector<Field> listener_fields() {
  using enum Type;
  constexpr Reload kRestart = Reload::kRestart;
  return {
      {"http.listeners[].name", kName, AT(listener->name),
       "Name of the listener in logs and metrics.", 0, 0, kRestart},
      {"http.listeners[].address", kAddress, AT(listener->address),
       "Address and port to listen on; port 0 lets the system choose.", 0, 0, kRestart},
      {"http.listeners[].tls.cert",
       kPath,
       AT(listener->tls_cert_file),
       "Certificate chain (PEM); the file is read again on reload.",
       0,
       0,
       kRestart,
       {},
       "file:/etc/sallyport/tls.crt"},
      {"http.listeners[].tls.key",
       kPath,
       AT(listener->tls_key_file),
       "Private key (PEM) of the certificate.",
       0,
       0,
       kRestart,
       {},
       "file:/etc/sallyport/tls.key"},
      {"http.listeners[].client_ca",
       kPath,
       AT(listener->client_ca_file),
       "Authorities (PEM) whose client certificates are accepted; clients are then asked for one.",
       0,
       0,
       kRestart,
       {},
       "file:/etc/sallyport/clients.crt"},
      {"http.listeners[].client_certificate_required", kBool,
       AT(listener->client_certificate_required),
       "Refuse clients without a certificate of client_ca.", 0, 0, kRestart},
  };
}

std::vector<Field> http_fields() {
  using enum Type;
  constexpr Reload kRestart = Reload::kRestart;
  return {
      {"http.threads", kInteger, AT(config->http.threads),
       "Threads that serve requests; 0 means one per core.", 0, 256, kRestart},
      {"http.head_bytes_max", kSize, AT(config->http.head_bytes_max),
       "Largest request head; 431 above it.", 4 * kKiB, 256 * kKiB},
      {"http.body_bytes_max", kSize, AT(config->http.body_bytes_max),
       "Largest JSON body, held in memory while it is inspected; 413 above it.", kKiB, kGiB},
      {"http.body_memory_max", kSize, AT(config->http.body_memory_max),
       "Memory for all JSON bodies together; reading a large one takes up to 15 times its size for "
       "a moment. 503 above it.",
       16 * kMiB, 1024 * kGiB},
      {"http.upload_bytes_max", kSize, AT(config->http.upload_bytes_max),
       "Largest file upload, spooled to disk; 413 above it.", kKiB, 64 * kGiB},
      {"http.spool.memory_bytes_max", kSize, AT(config->http.spool_memory_bytes_max),
       "Part of an upload that stays in memory before the spool goes to an encrypted file.",
       4 * kKiB, 64 * kMiB},
      {"http.spool.directory", kPath, AT(config->http.spool_directory),
       "Where spooled uploads lie: unlinked, and encrypted with a key that only the process "
       "knows."},
      {"http.connections_max", kInteger, AT(config->http.connections_max),
       "Client connections at one time; further ones are closed when accepted.", 1, 1'000'000},
      {"http.timeouts.head", kDuration, AT(config->http.head_ms),
       "For a whole request head, from its first byte.", 100, 10 * kMinute},
      {"http.timeouts.body", kDuration, AT(config->http.body_ms),
       "Between two pieces of a request body.", 100, kHour},
      {"http.timeouts.idle", kDuration, AT(config->http.idle_ms),
       "For a kept-alive connection without a request.", 100, kDay},
      {"http.timeouts.write", kDuration, AT(config->http.write_ms),
       "For a client that does not read its answer.", 100, kHour},
      {"http.timeouts.drain", kDuration, AT(config->http.drain_ms),
       "How long a stop waits for requests under way.", 0, kHour},
      {"http.timeouts.half_close_grace", kDuration, AT(config->http.half_close_grace_ms),
       "How long a client that has closed its sending side is still answered.", 0, kMinute},
      {"http.trusted_proxies",
       kNetworks,
       AT(config->http.trusted_proxies),
       "Networks whose X-Forwarded-For is believed; nobody's by default.",
       0,
       0,
       Reload::kLive,
       {},
       "[10.0.0.0/8]"},
      {"http.hosts",
       kTexts,
       AT(config->http.hosts),
       "Host names that a request target in absolute form may have.",
       0,
       0,
       Reload::kLive,
       {},
       "[gate.example.com]"},
      {"http.public_url",
       kUrl,
       AT(config->http.public_url),
       "How clients call this gate; proofs of possession (DPoP) are held against it.",
       0,
       0,
       Reload::kRestart,
       {},
       "https://gate.example.com"},
  };
}

std::vector<Field> key_fields() {
  using enum Type;
  constexpr Reload kLive = Reload::kLive, kRestart = Reload::kRestart;
  return {
      {"keys.required", kBool, AT(config->keys.required),
       "Every request needs a key; false opens the gate to everybody and is for measurements "
       "only."},
      {"keys.pepper",
       kSecret,
       AT(config->keys.pepper),
       "32 bytes or more that key the MACs of stored keys; losing it loses all keys.",
       32,
       0,
       kRestart,
       {},
       "${cred:key_pepper}"},
      {"keys.pepper_previous",
       kSecret,
       AT(config->keys.pepper_previous),
       "The pepper before: keys under it still count, and are rewritten when they are next used.",
       32,
       0,
       kRestart,
       {},
       "${cred:key_pepper_previous}"},
      {"keys.on_store_failure",
       kWord,
       AT(config->keys.keep_on_store_failure),
       "When the key store is silent for 5 s: refuse every key with 503, or keep serving what is "
       "known, deaf to what other processes revoke.",
       0,
       0,
       kLive,
       {"refuse", "keep"}},
      {"keys.life", kDuration, AT(config->keys.life), "Life of a new key that names none.", kSecond,
       30 * kDay},
      {"keys.life_max", kDuration, AT(config->keys.life_max),
       "No key lives longer, whatever is asked for.", kSecond, 30 * kDay},
  };
}

std::vector<Field> rule_fields() {
  using enum Type;
  constexpr Reload kLive = Reload::kLive, kRestart = Reload::kRestart;
  return {
      {"policy.models.allow",
       kPatterns,
       AT(config->policy.models_allow),
       "Models that may be asked for: exact names or prefixes ending in *; empty allows all.",
       0,
       0,
       kLive,
       {},
       "[gpt-5*, gpt-4.1-mini]"},
      {"policy.geo.country",
       kPath,
       AT(config->geo.country),
       "Database of countries: a MaxMind file (.mmdb), a CSV like tor-geoipdb's, or with auto "
       "the latter where it is installed.",
       0,
       0,
       kRestart,
       {"auto", "none"},
       "file:/etc/sallyport/GeoLite2-Country.mmdb"},
      {"policy.geo.network",
       kPath,
       AT(config->geo.network),
       "Database of networks: a MaxMind file (.mmdb) of autonomous systems.",
       0,
       0,
       kRestart,
       {"none"},
       "file:/etc/sallyport/GeoLite2-ASN.mmdb"},
      {"meter.prices",
       kPath,
       AT(config->meter.prices),
       "The price table: builtin, or file:/path of your own (docs/prices.md).",
       0,
       0,
       kLive,
       {"builtin"},
       "file:/etc/sallyport/prices.json"},
      {"meter.price_unknown.input", kUsd, AT(config->meter.price_unknown_input.nano),
       "US dollars for 1,000,000 tokens sent to a model that is not in the price table.", 0,
       1'000'000 * kNanoUsdPerUsd},
      {"meter.price_unknown.output", kUsd, AT(config->meter.price_unknown_output.nano),
       "The same for tokens that such a model makes.", 0, 1'000'000 * kNanoUsdPerUsd},
      {"meter.output_tokens_default_max", kInteger, AT(config->meter.output_tokens_default_max),
       "Written as maximum into requests that name none while a hard budget applies; 0 writes "
       "nothing and holds back the model's own maximum.",
       0, 10'000'000},
      {"meter.count",
       kWord,
       AT(config->meter.count),
       "Who counts the input of a call of /v1/responses before it is made, where a hard budget of "
       "money or tokens or a rate of tokens applies: we, or the provider (one more round trip).",
       0,
       0,
       kLive,
       {"local", "provider"}},
      {"meter.count_timeout", kDuration, AT(config->meter.count_timeout_ms),
       "How long the provider's count is waited for; then ours stands.", 100, 30'000},
      {"meter.unmeterable",
       kWord,
       AT(config->meter.unmeterable),
       "Calls whose cost cannot be bounded (batches, fine-tuning, background answers) while a hard "
       "budget of money or tokens applies: refuse them with 403, or pass and overrun it.",
       0,
       0,
       kLive,
       {"refuse", "pass"}},
  };
}

std::vector<Field> record_fields() {
  using enum Type;
  constexpr Reload kLive = Reload::kLive, kRestart = Reload::kRestart;
  return {
      {"audit.enabled", kBool, AT(config->audit.enabled),
       "Record every request; false is for measurements only, and doctor says so.", 0, 0, kRestart},
      {"audit.path", kPath, AT(config->audit.path),
       "Directory of the journal; created with mode 0700.", 0, 0, kRestart},
      {"audit.on_write_failure",
       kWord,
       AT(config->audit.refuse_on_write_failure),
       "What happens to requests while the journal cannot write: 503, or they pass unrecorded.",
       0,
       0,
       kLive,
       {"pass_unrecorded", "refuse"}},
      {"audit.outcome",
       kWord,
       AT(config->audit.outcome_synced),
       "Whether an answer's last byte waits until its record is written or also fsynced.",
       0,
       0,
       kLive,
       {"written", "synced"}},
      {"audit.segment_bytes", kSize, AT(config->audit.segment_bytes),
       "Size at which a segment of the journal is sealed and the next begun.", kMiB, 16 * kGiB,
       kRestart},
      {"audit.queue_records_max", kInteger, AT(config->audit.queue_records_max),
       "Records that may wait for the disk; beyond it requests are refused, records never dropped.",
       64, 16'777'216, kRestart},
  };
}

std::vector<Field> house_fields() {
  using enum Type;
  constexpr Reload kRestart = Reload::kRestart;
  return {
      {"store.type",
       kWord,
       AT(config->store.type),
       "The database of keys and settings.",
       0,
       0,
       kRestart,
       {"sqlite"}},
      {"store.path", kPath, AT(config->store.path), "The SQLite file; created with mode 0600.", 0,
       0, kRestart},
      {"admin.listener.address", kAddress, AT(config->admin.address),
       "Address of the admin API and the metrics; anything but loopback needs TLS.", 0, 0,
       kRestart},
      {"admin.listener.tls.cert",
       kPath,
       AT(config->admin.tls_cert_file),
       "Certificate chain (PEM) of the admin listener.",
       0,
       0,
       kRestart,
       {},
       "file:/etc/sallyport/tls.crt"},
      {"admin.listener.tls.key",
       kPath,
       AT(config->admin.tls_key_file),
       "Private key (PEM) of the certificate.",
       0,
       0,
       kRestart,
       {},
       "file:/etc/sallyport/tls.key"},
      {"admin.listener.hosts",
       kTexts,
       AT(config->admin.hosts),
       "Further names that Host may have, such as the one browsers use; others are refused.",
       0,
       0,
       kRestart,
       {},
       "[sallyport.example.com]"},
      {"admin.socket",
       kPath,
       AT(config->admin.socket),
       "UNIX socket of the local command line, mode 0600: file permissions are the login.",
       0,
       0,
       kRestart,
       {"none"}},
  };
}

std::vector<Field> admin_login_fields() {
  using enum Type;
  constexpr Reload kRestart = Reload::kRestart;
  return {
      {"admin.login.oidc.issuer",
       kUrl,
       AT(config->admin.oidc.issuer),
       "OpenID Connect provider that people log in with, exactly as it names itself. Nobody "
       "logs in without one.",
       0,
       0,
       kRestart,
       {},
       "https://login.example.com"},
      {"admin.login.oidc.client_id",
       kText,
       AT(config->admin.oidc.client_id),
       "Our name at the provider.",
       0,
       0,
       kRestart,
       {},
       "sallyport"},
      {"admin.login.oidc.client_secret",
       kSecret,
       AT(config->admin.oidc.client_secret),
       "Our secret at the provider; leave it out for a public client, which has PKCE alone.",
       1,
       0,
       kRestart,
       {},
       "${cred:oidc_client_secret}"},
      {"admin.login.oidc.redirect_url",
       kUrl,
       AT(config->admin.oidc.redirect_url),
       "Address of /admin/callback as browsers reach it; registered at the provider.",
       0,
       0,
       kRestart,
       {},
       "https://sallyport.example.com/admin/callback"},
      {"admin.login.oidc.ca",
       kPath,
       AT(config->admin.oidc.ca_file),
       "Authorities (PEM) to trust for the provider instead of the system's.",
       0,
       0,
       kRestart,
       {},
       "file:/etc/sallyport/idp-ca.crt"},
      {"admin.login.oidc.roles_claim", kText, AT(config->admin.oidc.roles_claim),
       "Claim of the ID token whose values admin.login.roles names.", 0, 0, kRestart},
      {"admin.login.roles.viewer",
       kTexts,
       AT(config->admin.viewers),
       "Who may read: values of the claim, email:ADDRESS (verified), or sub:SUBJECT.",
       0,
       0,
       kRestart,
       {},
       "[staff]"},
      {"admin.login.roles.operator",
       kTexts,
       AT(config->admin.operators),
       "Who may also act on keys, blocks and incidents.",
       0,
       0,
       kRestart,
       {},
       "[soc, \"email:op@example.com\"]"},
      {"admin.login.roles.admin",
       kTexts,
       AT(config->admin.admins),
       "Who may also decide who else may.",
       0,
       0,
       kRestart,
       {},
       "[security-leads]"},
      {"admin.compatible_with",
       kTexts,
       AT(config->admin.compatible_with),
       "Products whose admin routes are imitated on the admin listener: litellm.",
       0,
       0,
       kRestart,
       {},
       "[litellm]"},
  };
}

std::vector<Field> upstream_fields() {
  using enum Type;
  constexpr Reload kLive = Reload::kLive;
  return {
      {"upstream[].name", kName, AT(upstream->name),
       "Name of the upstream in keys, logs and metrics; the first one is the default."},
      {"upstream[].base_url", kUrl, AT(upstream->base_url),
       "What replaces /v1 of the client's path; configuration alone decides it."},
      {"upstream[].api_key",
       kSecret,
       AT(upstream->api_key),
       "The provider's key; leave it out for a server that needs none.",
       1,
       0,
       kLive,
       {},
       "${cred:openai_api_key}"},
      {"upstream[].api_key_id",
       kText,
       AT(upstream->api_key_id),
       "Public name of that key in the record; the upstream's name when left out.",
       0,
       0,
       kLive,
       {},
       "openai-prod"},
      {"upstream[].auth",
       kWord,
       AT(upstream->auth),
       "How the key is sent: Authorization: Bearer, or api-key (Azure OpenAI).",
       0,
       0,
       kLive,
       {"bearer", "api_key_header"}},
      {"upstream[].query",
       kText,
       AT(upstream->query),
       "Appended to the query of every request, for Azure's api-version.",
       0,
       0,
       kLive,
       {},
       "api-version=2024-10-21"},
      {"upstream[].organization",
       kText,
       AT(upstream->organization),
       "Sent as OpenAI-Organization.",
       0,
       0,
       kLive,
       {},
       "org-acme"},
      {"upstream[].project",
       kText,
       AT(upstream->project),
       "Sent as OpenAI-Project.",
       0,
       0,
       kLive,
       {},
       "proj_acme"},
      {"upstream[].ca",
       kPath,
       AT(upstream->ca_file),
       "Authorities (PEM) to trust for this upstream instead of the system's.",
       0,
       0,
       kLive,
       {},
       "file:/etc/sallyport/upstream-ca.crt"},
      {"upstream[].models",
       kPatterns,
       AT(upstream->models),
       "Requests for these models go here; the first upstream that names one wins.",
       0,
       0,
       kLive,
       {},
       "[llama-3*]"},
  };
}

std::vector<Field> upstream_call_fields() {
  using enum Type;
  return {
      {"upstream[].timeouts.connect", kDuration, AT(upstream->connect_ms),
       "For a TCP and TLS connection to stand.", 50, kMinute},
      {"upstream[].timeouts.first_byte", kDuration, AT(upstream->first_byte_ms),
       "From the end of the request to the head of the answer.", 100, kHour},
      {"upstream[].timeouts.idle", kDuration, AT(upstream->idle_ms),
       "Between two pieces of an answer.", 100, kHour},
      {"upstream[].retries.max", kInteger, AT(upstream->retries_max),
       "Further attempts, only where nothing was sent yet; 0 switches them off.", 0, 10},
      {"upstream[].pool.connections_max", kInteger, AT(upstream->connections_max),
       "Connections to this upstream per thread; further requests wait.", 1, 65'535},
      {"upstream[].pool.idle", kDuration, AT(upstream->pool_idle_ms),
       "How long an unused connection is kept; shorter than the provider keeps it.", 0, kHour},
      {"upstream[].breaker.error_rate", kPercent, AT(upstream->breaker_error_rate),
       "Share of failed calls in the window that opens the breaker.", 1, 100},
      {"upstream[].breaker.window", kDuration, AT(upstream->breaker_window_ms),
       "Time over which failures are counted.", kSecond, kHour},
      {"upstream[].breaker.calls_min", kInteger, AT(upstream->breaker_calls_min),
       "Fewer calls in the window prove nothing.", 1, 1'000'000},
      {"upstream[].breaker.open_for", kDuration, AT(upstream->breaker_open_ms),
       "How long an open breaker refuses before it lets one call try.", 100, kHour},
  };
}
#undef AT

template <class T>
std::string show_value(const Field& field, const T& v) {
  using Plain = std::remove_cvref_t<T>;
  if constexpr (std::is_same_v<Plain, bool>) {
    if (field.type == Type::kWord) return std::string(field.words[v ? 1 : 0]);
    return v ? "true" : "false";
  } else if constexpr (std::is_same_v<Plain, std::chrono::milliseconds>) {
    return write_duration(v.count());
  } else if constexpr (std::is_same_v<Plain, double>) {
    return std::to_string(static_cast<int>(v * 100 + 0.5)) + "%";
  } else if constexpr (std::is_integral_v<Plain>) {
    const auto number = static_cast<std::int64_t>(v);
    if (field.type == Type::kDuration) return write_duration(number);
    if (field.type == Type::kSize) return write_size(number);
    if (field.type == Type::kUsd) return usd_text({number});
    return std::to_string(number);
  } else if constexpr (std::is_same_v<Plain, std::string>) {
    return v;
  } else if constexpr (std::is_same_v<Plain, std::optional<std::string>>) {
    return v.value_or("");
  } else if constexpr (std::is_same_v<Plain, Secret>) {
    return v.empty() ? "" : "(set)";
  } else if constexpr (std::is_same_v<Plain, std::shared_ptr<const Secret>>) {
    return v ? "(set)" : "";
  } else if constexpr (std::is_same_v<Plain, upstream::UpstreamConfig::Auth>) {
    return std::string(field.words[static_cast<std::size_t>(v)]);
  } else if constexpr (std::is_same_v<Plain, std::vector<Cidr>>) {
    std::string out = "[";
    for (const Cidr& range : v) out += (out.size() > 1 ? ", " : "") + range.text();
    return out + "]";
  } else if constexpr (std::is_same_v<Plain, std::map<std::string, std::string>>) {
    std::string out = "{";
    for (const auto& [name, text] : v) out += (out.size() > 1 ? ", " : "") + name + ": " + text;
    return out + "}";
  } else {
    std::string out = "[";
    for (const std::string& text : v) out += (out.size() > 1 ? ", " : "") + text;
    return out + "]";
  }
}

// What belongs to one section stands together, whichever part of the table it comes from.
std::vector<Field> by_section(const std::vector<Field>& all) {
  const auto section = [](const Field& field) {
    return field.path.substr(0, field.path.find_first_of(".["));
  };
  std::vector<Field> grouped;
  for (const Field& first : all) {
    const auto same = [&](const Field& field) { return section(field) == section(first); };
    if (std::ranges::any_of(grouped, same)) continue;
    std::ranges::copy_if(all, std::back_inserter(grouped), same);
  }
  return grouped;
}

}  // namespace

std::span<const Field> fields() {
  static const std::vector<Field> table = [] {
    std::vector<Field> all;
    for (auto* part : {listener_fields, http_fields, key_fields, identity_exchange_fields,
                       leak_report_fields, rule_fields, record_fields, house_fields,
                       admin_login_fields, upstream_fields, upstream_call_fields}) {
      for (Field& field : part()) all.push_back(std::move(field));
    }
    for (auto* part :
         {rotation_fields, lease_fields, provider_fields, notify_fields, provable_log_fields}) {
      for (Field& field : part()) all.push_back(std::move(field));
    }
    return by_section(all);
  }();
  return table;
}

const Field* find_field(std::string_view path) {
  const auto at = std::ranges::find(fields(), path, &Field::path);
  return at == fields().end() ? nullptr : &*at;
}

std::span<const Unavailable> unavailable() {
  static constexpr Unavailable kTable[] = {
      {"privacy", "no personal data or secrets are masked"},
      {"guard", "prompts and answers are not checked for attacks"},
      {"vault", "no text is kept"},
      {"detect", "no detector runs"},
      {"respond", "no playbook acts"},
      {"cluster", "one node stands alone"},
      {"keys.accept_from", "keys are accepted from Authorization, api-key and x-api-key"},
      {"policy.scopes", "endpoints are limited per key only"},
      {"policy.hours", "requests are not limited to hours"},
      {"policy.consent", "consent is not checked"},
      {"policy.retention", "retention at the provider is not enforced"},
      {"policy.upstream_store", "\"store\" is not forced to false"},
      {"policy.blocks", "sources are not blocked"},
      {"meter.budget", "budgets are set on layers and keys"},
      {"upstream[].retries.causes", "only what was not sent is retried"},
      {"upstream[].retries.respect_retry_after", "only what was not sent is retried"},
      {"admin.console", "there is no console"},
  };
  return kTable;
}

std::string show(const Field& field, Place place) {
  const Slot slot = field.slot(place);
  return std::visit(
      [&](auto at) -> std::string {
        if constexpr (std::is_same_v<decltype(at), std::monostate>) {
          return "";
        } else {
          return show_value(field, *at);
        }
      },
      slot);
}

bool same(const Field& field, Place a, Place b) {
  const Slot slot_a = field.slot(a), slot_b = field.slot(b);
  if (auto* const* secret = std::get_if<Secret*>(&slot_a)) {
    return **secret == *std::get<Secret*>(slot_b);
  }
  if (auto* const* shared = std::get_if<std::shared_ptr<const Secret>*>(&slot_a)) {
    const auto& left = **shared;
    const auto& right = *std::get<std::shared_ptr<const Secret>*>(slot_b);
    return left && right ? *left == *right : left == right;
  }
  return show(field, a) == show(field, b);
}

void copy(const Field& field, Place from, Place to) {
  const Slot slot_from = field.slot(from), slot_to = field.slot(to);
  std::visit(
      [&](auto at) {
        using Pointer = decltype(at);
        if constexpr (std::is_same_v<Pointer, Secret*>) {
          *std::get<Pointer>(slot_to) = at->clone();
        } else if constexpr (!std::is_same_v<Pointer, std::monostate>) {
          *std::get<Pointer>(slot_to) = *at;
        }
      },
      slot_from);
}

}  // namespace sallyport::config
