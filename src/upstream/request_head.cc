// SPDX-License-Identifier: Apache-2.0
#include "upstream/request_head.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "net/http1_head.h"

namespace sallyport::upstream {
namespace {

constexpr std::string_view kPrefix = "/v1";
constexpr std::size_t kHeadSlackBytes = 512;  // for what is not counted one by one

// What of the client's head may go up as it is. Prefixes end in '-'. Accept, User-Agent and the
// organisation have rules of their own below.
constexpr std::string_view kPassed[] = {"openai-beta", "idempotency-key", "x-stainless-"};

bool passes(std::string_view name) {
  const std::string lower = lower_ascii(name);
  return std::ranges::any_of(kPassed, [&](std::string_view allowed) {
    return allowed.ends_with('-') ? lower.starts_with(allowed) : lower == allowed;
  });
}

std::string decode_name(std::string_view name) {
  std::string out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '%' && i + 2 < name.size()) {
      if (const auto byte = from_hex(name.substr(i + 1, 2))) {
        out += *byte;
        i += 2;
        continue;
      }
    }
    out += name[i] == '+' ? ' ' : name[i];
  }
  return out;
}

std::string_view parameter_name(std::string_view parameter) {
  return parameter.substr(0, parameter.find('='));
}

template <class Each>
void for_each_parameter(std::string_view query, Each each) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    each(query.substr(0, end));
    query.remove_prefix(std::min(end + 1, query.size()));
  }
}

class HeadWriter {
 public:
  explicit HeadWriter(std::size_t bytes) { head_.reserve(bytes); }
  void add(std::string_view text) { head_ += text; }
  void field(std::string_view name, std::string_view value) {
    // The parser refused control characters long ago; this is the last look before they would
    // count.
    clean_ = clean_ && net::is_field_value(value);
    head_ += name;
    head_ += ": ";
    head_ += value;
    head_ += "\r\n";
  }
  bool clean() const { return clean_; }
  std::string take() { return std::move(head_); }

 private:
  std::string head_;
  bool clean_ = true;
};

// The configuration says who pays; a client may only if its key says so.
void add_payer(HeadWriter& head, const Exchange& x, std::string_view name,
               const std::optional<std::string>& configured) {
  const bool may = x.principal && x.principal->may_name_organization;
  const std::optional<std::string_view> named = may ? x.header(name) : std::nullopt;
  if (named && !named->empty()) {
    head.field(name, *named);
  } else if (configured) {
    head.field(name, *configured);
  }
}

void add_credential(HeadWriter& head, const UpstreamConfig& config,
                    const provider::Credential& credential) {
  if (!credential.secret) return;
  const bool azure = config.auth == UpstreamConfig::Auth::kApiKeyHeader;
  head.add(azure ? "api-key: " : "authorization: Bearer ");
  head.add(credential.secret->reveal());  // checked when it was read or received
  head.add("\r\n");
}

void add_content(HeadWriter& head, const Exchange& x) {
  const bool has_body = x.body.kind != BodyKind::kNone;
  if (has_body && !x.body.content_type.empty()) head.field("content-type", x.body.content_type);
  const bool length_expected = x.method == "POST" || x.method == "PUT" || x.method == "PATCH";
  if (!has_body && !length_expected) return;
  head.field("content-length", std::to_string(has_body ? x.body.sent_size() : 0));
}

// Only openai-beta is a list; of the others the first counts, as everywhere in the gate.
void add_passed(HeadWriter& head, const Exchange& x) {
  for (const net::Header& field : x.headers) {
    if (!passes(field.name)) continue;
    const std::string name = lower_ascii(field.name);
    const bool first = x.header(name)->data() == field.value.data();
    if (first || name == "openai-beta") head.field(name, field.value);
  }
}

// Enough that the string never grows: a grown string leaves the credential behind in freed memory.
std::size_t size_of_head(const Exchange& x, const Upstream& upstream,
                         const provider::Credential& credential) {
  std::size_t size = kHeadSlackBytes + x.method.size() + x.path.size() + x.query.size() +
                     upstream.url.path.size() + upstream.config.query.size() +
                     2 * upstream.url.host.size() + x.body.content_type.size() +
                     x.request_id.size();
  if (credential.secret) size += credential.secret->reveal().size();
  if (upstream.config.organization) size += upstream.config.organization->size();
  if (upstream.config.project) size += upstream.config.project->size();
  for (const net::Header& field : x.headers) size += field.name.size() + field.value.size() + 4;
  return size;
}

bool is_target_char(char c) { return c > ' ' && c < 0x7f && c != '#'; }

}  // namespace

std::string join_query(std::string_view client, std::string_view configured) {
  if (configured.empty()) return std::string(client);
  std::string out;
  for_each_parameter(client, [&](std::string_view parameter) {
    const std::string name = decode_name(parameter_name(parameter));
    bool ours = false;
    for_each_parameter(configured, [&](std::string_view set) {
      ours = ours || equal_ascii_nocase(decode_name(parameter_name(set)), name);
    });
    if (ours) return;
    out += parameter;
    out += '&';
  });
  out += configured;
  return out;
}

bool names_own_organization(const Exchange& x) {
  if (!x.principal || !x.principal->may_name_organization) return false;
  return x.header("openai-organization") || x.header("openai-project");
}

std::expected<std::string, Refusal> write_request_head(const Exchange& x, const Upstream& upstream,
                                                       const provider::Credential& credential) {
  const bool known = x.path.starts_with(kPrefix) && x.path.size() > kPrefix.size() + 1 &&
                     x.path[kPrefix.size()] == '/';
  if (!known) {
    return std::unexpected(Refusal{.status = 404,
                                   .code = "unknown_url",
                                   .message = "Unknown request URL: paths begin with /v1/."});
  }
  if (!net::is_token(x.method) || !std::ranges::all_of(x.path, is_target_char) ||
      x.path.contains('?') || !std::ranges::all_of(x.query, is_target_char)) {
    return std::unexpected(Refusal{.message = "The request line is malformed."});
  }

  const UpstreamConfig& config = upstream.config;
  HeadWriter head(size_of_head(x, upstream, credential));
  head.add(x.method);
  head.add(" ");
  head.add(upstream.url.path);
  head.add(std::string_view(x.path).substr(kPrefix.size()));
  const std::string query = join_query(x.query, config.query);
  if (!query.empty()) head.add("?");
  head.add(query);
  head.add(" HTTP/1.1\r\n");
  head.field("host", upstream.url.authority());
  add_credential(head, config, credential);
  add_payer(head, x, "openai-organization", config.organization);
  add_payer(head, x, "openai-project", config.project);
  add_content(head, x);
  head.field("accept", x.header("accept").value_or("*/*"));
  head.field("accept-encoding", "identity");
  head.field("user-agent", x.header("user-agent").value_or("sallyport"));
  head.field("x-client-request-id", x.request_id);
  add_passed(head, x);
  head.add("\r\n");
  if (!head.clean()) {
    return std::unexpected(Refusal{.code = "invalid_header", .message = "A header is malformed."});
  }
  return head.take();
}

std::string write_count_head(const Exchange& x, const Upstream& upstream,
                             const provider::Credential& credential, std::size_t body_bytes) {
  const UpstreamConfig& config = upstream.config;
  HeadWriter head(size_of_head(x, upstream, credential));
  head.add("POST ");
  head.add(upstream.url.path);
  head.add("/responses/input_tokens");
  if (!config.query.empty()) head.add("?");
  head.add(config.query);
  head.add(" HTTP/1.1\r\n");
  head.field("host", upstream.url.authority());
  add_credential(head, config, credential);
  add_payer(head, x, "openai-organization", config.organization);
  add_payer(head, x, "openai-project", config.project);
  head.field("content-type", "application/json");
  head.field("content-length", std::to_string(body_bytes));
  head.field("accept", "application/json");
  head.field("accept-encoding", "identity");
  head.field("user-agent", "sallyport");
  head.field("x-client-request-id", x.request_id);
  head.add("\r\n");
  return head.clean() ? head.take() : std::string();
}

}  // namespace sallyport::upstream
