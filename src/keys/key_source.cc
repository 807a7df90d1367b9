// SPDX-License-Identifier: Apache-2.0
#include "keys/key_source.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include "base/json_reader.h"
#include "base/log.h"
#include "net/http_client.h"

namespace sallyport::keys {
namespace {

constexpr std::int64_t kLookAgainMs = 50;   // whether another thread's fetch has ended
constexpr std::int64_t kUpkeepMs = 30'000;  // between two looks at all sources
constexpr std::size_t kDiscoveryBytesMax = 64 * 1024;
constexpr std::string_view kDiscovery = "/.well-known/openid-configuration";

bool is_loopback(const std::string& host) {
  const auto address = IpAddress::parse(host);
  return host == "localhost" || (address && address->is_loopback());
}

// Where keys come from decides who may sign: nobody on the way may change it.
Result<net::Url> safe_url(const std::string& text) {
  Result<net::Url> url = net::parse_url(text);
  if (!url) return url;
  if (!url->tls && !is_loopback(url->host)) {
    return fail(Code::kInvalid, "keys are fetched over https only: " + url->host);
  }
  return url;
}

std::string file_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text(kKeySetBytesMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

std::string told(const KeySource::Place& place) {
  if (place.file) return *place.file;
  return place.url ? *place.url : place.issuer.value_or("");
}

}  // namespace

class KeySource::Waiter {
 public:
  explicit Waiter(std::atomic<int>& count) : count_(count), admitted_(count++ < kWaitersMax) {}
  Waiter(const Waiter&) = delete;
  ~Waiter() { --count_; }
  bool admitted() const { return admitted_; }

 private:
  std::atomic<int>& count_;
  const bool admitted_;
};

// Whoever holds the turn fetches; it is given back also if the coroutine is destroyed.
class KeySource::Turn {
 public:
  explicit Turn(KeySource& source) : source_(source) {}
  Turn(const Turn&) = delete;
  ~Turn() {
    const std::lock_guard lock(source_.mutex_);
    source_.fetching_ = false;
  }

 private:
  KeySource& source_;
};

KeySource::KeySource(Place place, FetchParts parts, std::shared_ptr<const net::TlsContext> tls)
    : place_(std::move(place)), parts_(parts), tls_(std::move(tls)) {}

Result<std::unique_ptr<KeySource>> KeySource::make(Place place, FetchParts parts) {
  std::shared_ptr<const net::TlsContext> tls;
  if (!place.file) {
    const std::optional<std::string>& text = place.url ? place.url : place.issuer;
    if (!text) return fail(Code::kInvalid, "no place to take keys from");
    const Result<net::Url> url = safe_url(*text);
    if (!url) return std::unexpected(url.error());
    if (url->tls) {
      auto context = net::TlsContext::client(place.ca_file.value_or(""));
      if (!context) return std::unexpected(context.error());
      tls = std::move(*context);
    }
  }
  return std::unique_ptr<KeySource>(new KeySource(std::move(place), parts, std::move(tls)));
}

std::shared_ptr<const KeySet> KeySource::current() const {
  const std::lock_guard lock(mutex_);
  if (!set_ || parts_.clock.steady_us() - fetched_us_ > kStaleMaxUs) return nullptr;
  return set_;
}

// True at most once until the fetch has ended, and then not again before kAskAgainUs: of its kind.
bool KeySource::may_fetch(std::int64_t now_us, bool due_only) {
  const std::lock_guard lock(mutex_);
  const std::optional<std::int64_t>& last = due_only ? attempted_us_ : asked_us_;
  if (fetching_ || (last && now_us - *last < kAskAgainUs)) return false;
  if (due_only && set_ && now_us - fetched_us_ < kFreshUs) return false;
  attempted_us_ = now_us;
  if (!due_only) asked_us_ = now_us;
  return fetching_ = true;
}

Task<Result<std::shared_ptr<const KeySet>>> KeySource::find(net::Loop& loop, std::string kid) {
  std::shared_ptr<const KeySet> set = current();
  if (set && set->knows(kid)) co_return set;
  if (may_fetch(parts_.clock.steady_us(), false)) {
    co_await fetch(loop);
  } else {
    co_await wait_for_fetch(loop);
  }
  set = current();
  if (!set) co_return fail(Code::kUnavailable, "no keys of the issuer: " + told(place_));
  co_return set;
}

// Perhaps somebody else is fetching it just now.
Task<void> KeySource::wait_for_fetch(net::Loop& loop) {
  const Waiter waiter(waiting_);
  if (!waiter.admitted()) co_return;
  const net::Deadline until = loop.now_ms() + kFetchMs;
  while (loop.now_ms() < until) {
    {
      const std::lock_guard lock(mutex_);
      if (!fetching_) co_return;
    }
    co_await loop.sleep_for(kLookAgainMs);
  }
}

Task<void> KeySource::refresh_if_due(net::Loop& loop) {
  if (may_fetch(parts_.clock.steady_us(), true)) co_await fetch(loop);
}

Task<void> KeySource::fetch(net::Loop& loop) {
  const Turn turn(*this);
  Result<std::string> text = co_await read(loop);
  take(std::move(text));
}

void KeySource::take(Result<std::string> text) {
  Result<std::shared_ptr<const KeySet>> set = nullptr;
  if (!text) {
    set = std::unexpected(std::move(text).error());
  } else {
    set =
        place_.format == Format::kGithub ? KeySet::parse_github(*text) : KeySet::parse_jwks(*text);
  }
  if (!set) {
    log::warn("keys.source_failed", {{"source", told(place_)}, {"reason", set.error().what}});
    return;  // the old set serves on
  }
  if ((*set)->left_out() > 0) {
    log::info("keys.source_left_out",
              {{"source", told(place_)}, {"keys", std::uint64_t{(*set)->left_out()}}});
  }
  const std::lock_guard lock(mutex_);
  set_ = std::move(*set);
  fetched_us_ = parts_.clock.steady_us();
}

Task<Result<std::string>> KeySource::read_file(net::Loop& loop) {
  auto text = std::make_shared<std::string>();
  std::function<void()> work = [text, path = *place_.file] { *text = file_text(path); };
  co_await parts_.offload.run(loop, std::move(work));
  if (text->empty()) co_return fail(Code::kUnavailable, "the file cannot be read or is empty");
  co_return std::move(*text);
}

Task<Result<std::string>> KeySource::get(net::Loop& loop, std::string url) {
  net::Question question;
  question.url = std::move(url);
  question.headers = {{"accept", "application/json"}};
  question.answer_bytes_max = kKeySetBytesMax;
  question.timeout_ms = kFetchMs;
  Result<net::Reply> reply = co_await net::ask(loop, parts_.resolver, tls_, std::move(question));
  if (!reply) co_return std::unexpected(std::move(reply).error());
  if (reply->status != 200) {  // a redirect is no answer either
    co_return fail(Code::kUnavailable, "answered " + std::to_string(reply->status));
  }
  co_return std::move(reply->body);
}

// The address of the keys, as the issuer's discovery document tells it. It may not lead elsewhere:
// whoever can write that document must not be able to name another host.
Task<Result<std::string>> KeySource::discover(net::Loop& loop) {
  std::string base = *place_.issuer;
  while (base.ends_with('/')) base.pop_back();
  Result<std::string> text = co_await get(loop, base + std::string(kDiscovery));
  if (!text) co_return text;
  if (text->size() > kDiscoveryBytesMax || !check_json(*text)) {
    co_return fail(Code::kCorrupt, "the discovery document is not JSON");
  }
  const Result<JsonValue> document = JsonValue::parse(*text);
  const auto issuer = document ? document->at("issuer") : std::nullopt;
  const auto uri = document ? document->at("jwks_uri") : std::nullopt;
  const auto address = uri ? uri->string() : std::nullopt;
  if (!issuer || issuer->string() != *place_.issuer || !address) {
    co_return fail(Code::kCorrupt, "the discovery document is of another issuer");
  }
  const Result<net::Url> home = net::parse_url(*place_.issuer);
  const Result<net::Url> there = net::parse_url(*address);
  if (!home || !there || home->tls != there->tls || home->host != there->host ||
      home->port != there->port) {
    co_return fail(Code::kCorrupt, "the discovery document points to another host");
  }
  co_return std::string(*address);
}

Task<Result<std::string>> KeySource::read(net::Loop& loop) {
  if (place_.file) {
    Result<std::string> text = co_await read_file(loop);
    co_return text;
  }
  std::string url = place_.url.value_or("");
  if (!place_.url) {
    Result<std::string> found = co_await discover(loop);
    if (!found) co_return found;
    url = std::move(*found);
  }
  Result<std::string> text = co_await get(loop, std::move(url));
  co_return text;
}

Result<KeySource*> KeySources::add(KeySource::Place place) {
  const auto same =
      std::ranges::find_if(sources_, [&](const auto& source) { return source->place() == place; });
  if (same != sources_.end()) return same->get();
  Result<std::unique_ptr<KeySource>> made = KeySource::make(std::move(place), parts_);
  if (!made) return std::unexpected(std::move(made).error());
  return sources_.emplace_back(std::move(*made)).get();
}

Task<void> KeySources::keep_fresh(net::Loop& loop) {
  for (;;) {
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      co_await sources_[i]->refresh_if_due(loop);
    }
    co_await loop.sleep_for(kUpkeepMs);
  }
}

}  // namespace sallyport::keys
