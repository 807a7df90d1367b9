// SPDX-License-Identifier: Apache-2.0
// For tests only: the provider without sockets, on a clock that stands still.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json_reader.h"
#include "sim/provider.h"

namespace sallyport::sim {

struct Got {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::vector<std::string> pieces;
  bool broke = false;
  bool done = false;
  bool waited_for = false;  // the loop runs until this call is done

  std::string header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return "";
  }
  // The text or number at "data.0.id"; empty if there is none.
  std::string at(std::string_view path) const;
};

class SimForTest {
 public:
  static constexpr std::int64_t kStart = 1'760'000'000;

  explicit SimForTest(SimOptions options = {})
      : clock_(UtcTime(std::chrono::seconds(kStart))),
        provider_(loop_, clock_, std::move(options)) {}

  // `pieces_max`: the client leaves after so many pieces of a stream.
  Got ask(std::string_view method, std::string_view path, std::string_view body,
          std::vector<std::pair<std::string, std::string>> headers = {},
          std::size_t pieces_max = SIZE_MAX) {
    net::ServerRequest request;
    request.method = method;
    request.path = path.substr(0, path.find('?'));
    if (path.contains('?')) request.query = path.substr(path.find('?') + 1);
    request.body = body;
    request.peer.address = IpAddress::v4(0xc0000207);  // 192.0.2.7
    request.headers = std::move(headers);
    const bool authorized = request.find("authorization") != nullptr;
    if (!authorized) request.headers.emplace_back("authorization", "Bearer sk-sim");
    Got got;
    loop_.spawn(call(loop_, provider_, std::move(request), got, pieces_max));
    got.waited_for = true;
    if (!got.done) loop_.run();
    return got;
  }
  Got with_key(std::string_view key, std::string_view method, std::string_view path,
               std::string_view body = "") {
    return ask(method, path, body, {{"authorization", "Bearer " + std::string(key)}});
  }
  Got admin(std::string_view method, std::string_view path, std::string_view body = "") {
    return with_key("sk-admin-sim", method, "/v1/organization" + std::string(path), body);
  }
  Got chat(std::string_view model, bool stream = true) {
    std::string body = R"({"model":")" + std::string(model) +
                       R"(","messages":[{"role":"user","content":"Hello 世界"}],"stream":)";
    return ask("POST", "/v1/chat/completions", body + (stream ? "true}" : "false}"));
  }

  std::string log() const { return provider_.log().json(); }
  Provider& provider() { return provider_; }
  void advance(std::chrono::seconds by) { clock_.advance(by); }

 private:
  static Task<void> call(net::Loop& loop, Provider& provider, net::ServerRequest request, Got& got,
                         std::size_t pieces_max) {
    net::ServerResponse response = co_await provider.handle(std::move(request));
    got.status = response.status;
    got.headers = std::move(response.headers);
    got.body = std::move(response.body);
    bool more = response.stream != nullptr;
    while (more && got.pieces.size() < pieces_max) {
      const Result<std::string_view> piece = co_await response.stream->pull();
      got.broke = !piece;
      more = piece && !piece->empty();
      if (!more) break;
      got.pieces.emplace_back(*piece);
      got.body += *piece;
    }
    got.done = true;
    if (got.waited_for) loop.stop();
  }

  net::Loop loop_;
  ManualClock clock_;
  Provider provider_;
};

inline std::string Got::at(std::string_view path) const {
  const auto parsed = JsonValue::parse(body);
  std::optional<JsonValue> here = parsed ? std::optional(*parsed) : std::nullopt;
  while (here && !path.empty()) {
    const std::string_view name = path.substr(0, path.find('.'));
    path.remove_prefix(std::min(name.size() + 1, path.size()));
    if (here->is_array()) {
      const std::vector<JsonValue> items = here->items();
      const auto index = static_cast<std::size_t>(std::stoul(std::string(name)));
      here = index < items.size() ? std::optional(items[index]) : std::nullopt;
    } else {
      here = here->at(name);
    }
  }
  if (!here) return "";
  if (const auto text = here->string()) return std::string(*text);
  if (const auto number = here->integer()) return std::to_string(*number);
  if (const auto number = here->number()) return std::to_string(*number);
  if (const auto flag = here->boolean()) return *flag ? "true" : "false";
  if (here->is_null()) return "null";
  return "#" + std::to_string(here->items().size());
}

}  // namespace sallyport::sim
