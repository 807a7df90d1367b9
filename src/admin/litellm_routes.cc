// SPDX-License-Identifier: Apache-2.0
#include "admin/litellm_routes.h"

#include <algorithm>
#include <set>
#include <utility>

#include "admin/envelope.h"
#include "admin/key_routes.h"
#include "admin/litellm_shapes.h"
#include "admin/litellm_spend.h"
#include "admin/secret_answer.h"
#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/text.h"
#include "keys/form.h"

namespace sallyport::admin {
namespace {

constexpr std::string_view kNoKeys =
    "A gateway key cannot make or see keys, whatever it may do at the gate; use an admin token.";
constexpr std::size_t kDeletedMax = 100;  // keys in one call
constexpr std::size_t kPageMax = 100;

net::ServerResponse no_such_key() {
  return error_answer(404, "token_not_found_in_db", "There is no such key.", "key");
}

net::ServerResponse invalid(std::string_view what) {
  return error_answer(400, "invalid_request", what);
}

// LiteLLM's objects have no place for it: what is not durable, or not recorded, is told beside.
net::ServerResponse told(net::ServerResponse answer, bool durable, bool recorded) {
  if (!durable) answer.headers.emplace_back("x-sallyport-durable", "false");
  if (!recorded) answer.headers.emplace_back("x-sallyport-recorded", "false");
  return answer;
}

// parse_form takes an empty text for no form.
Result<keys::Form> query_of(const AdminRequest& request) {
  if (request.http.query.empty()) return keys::Form();
  return keys::parse_form(request.http.query);
}

constexpr const char* kDeleted = "deleted over LiteLLM's route";

class LitellmRoutes {
 public:
  explicit LitellmRoutes(LitellmParts parts) : parts_(std::move(parts)) {}
  Task<net::ServerResponse> generate(AdminRequest request);
  Task<net::ServerResponse> regenerate(AdminRequest request);
  Task<net::ServerResponse> remove(AdminRequest request);
  Task<net::ServerResponse> update(AdminRequest request);
  Task<net::ServerResponse> block(AdminRequest request);
  Task<net::ServerResponse> unblock(AdminRequest request);
  Task<net::ServerResponse> spend_logs(AdminRequest request);
  net::ServerResponse info(const AdminRequest& request) const;
  net::ServerResponse list(const AdminRequest& request) const;

 private:
  using Now = void (KeyActs::*)(std::string_view, const Actor&, std::string_view);
  using Pause = Result<Revoked> (KeyActs::*)(std::string_view, const Actor&, std::string_view);
  Task<net::ServerResponse> pause(AdminRequest request, Pause act, Now now, const char* why);
  std::optional<keys::KeyInfo> find(std::string_view shown) const;
  // The key that a body names, or the refusal.
  std::expected<keys::KeyInfo, net::ServerResponse> named(const net::ServerRequest& request) const;
  std::string object(const keys::KeyInfo& key, const Secret* text,
                     const std::vector<std::string>& ignored = {},
                     const std::vector<std::string>& warnings = {}) const;

  net::Offload& urgent() const { return parts_.urgent ? *parts_.urgent : parts_.offload; }

  LitellmParts parts_;
};

std::optional<keys::KeyInfo> LitellmRoutes::find(std::string_view shown) const {
  const auto name = litellm_key_name(shown);
  if (!name) return std::nullopt;
  Result<keys::KeyInfo> key = parts_.keys.show(*name);
  if (!key) return std::nullopt;
  return std::move(*key);
}

std::expected<keys::KeyInfo, net::ServerResponse> LitellmRoutes::named(
    const net::ServerRequest& request) const {
  if (auto bad = bad_json_request(request)) return std::unexpected(std::move(*bad));
  const auto body = JsonValue::parse(request.body);
  const auto shown = body ? body->at("key") : std::nullopt;
  const auto text = shown ? shown->string() : std::nullopt;
  if (!text) return std::unexpected(invalid("Send {\"key\":\"...\"}."));
  auto key = find(*text);
  if (!key) return std::unexpected(no_such_key());
  return std::move(*key);
}

// `text` only for the one answer that shows a new key.
std::string LitellmRoutes::object(const keys::KeyInfo& key, const Secret* text,
                                  const std::vector<std::string>& ignored,
                                  const std::vector<std::string>& warnings) const {
  std::string out;
  out.reserve(text != nullptr ? kSecretAnswerBytes : 0);
  JsonWriter json(out);
  json.begin_object();
  if (text != nullptr) json.field("key", text->reveal());
  const auto spend = parts_.spent ? parts_.spent(key.name) : std::nullopt;
  write_litellm_members(json, key, spend, parts_.clock.now());
  if (!ignored.empty()) {
    json.key("ignored").begin_array();
    for (const std::string& member : ignored) json.value(member);
    json.end_array();
  }
  if (!warnings.empty()) {
    json.key("warnings").begin_array();
    for (const std::string& warning : warnings) json.value(warning);
    json.end_array();
  }
  json.end_object();
  return out;
}

Task<net::ServerResponse> LitellmRoutes::generate(AdminRequest request) {
  if (auto bad = bad_json_request(request.http)) co_return std::move(*bad);
  const auto body = JsonValue::parse(request.http.body);
  if (!body) co_return invalid("The body is not JSON.");
  const Result<LitellmKey> wanted = parse_litellm_key(*body);
  if (!wanted) co_return invalid(wanted.error().what);
  if (!wanted->spec.layer.empty() && !parts_.keys.layer(wanted->spec.layer)) {
    co_return error_answer(400, "unknown_team", "team_id names no layer; make the layer first.",
                           "team_id");
  }
  struct Work {
    keys::KeySpec spec;
    Actor actor;
    std::optional<Result<keys::CreatedKey>> made;
  };
  auto work = std::make_shared<Work>();
  work->spec = wanted->spec;
  work->actor = request.actor();
  std::function<void()> act = [acts = parts_.acts, work]() mutable {
    work->made.emplace(acts.create(work->spec, work->actor));
  };
  co_await parts_.offload.run(parts_.loop, std::move(act));
  const Result<keys::CreatedKey>& made = *work->made;
  if (!made) co_return key_error_answer(made.error());
  co_return json_answer(200, object(made->info, &made->text, wanted->ignored, made->warnings));
}

// {"grace_period","duration"} beside the key; anything else would be another limit.
Result<keys::RotateOptions> parse_regeneration(std::string_view text) {
  keys::RotateOptions options;
  options.overlap = std::chrono::milliseconds(0);  // as LiteLLM: the old key is dead at once
  if (text.empty()) return options;
  const auto body = JsonValue::parse(text);
  if (!body || !body->is_object()) return fail(Code::kInvalid, "the body is not a JSON object");
  for (const auto& [member, value] : body->members()) {
    if (member == "key" || value.is_null()) continue;
    const auto given = value.string();
    const auto length = given ? parse_litellm_duration(*given) : std::nullopt;
    if (member == "grace_period" && length) {
      options.overlap = *length;
    } else if (member == "duration" && length) {
      options.life = *length;
    } else {
      return fail(Code::kInvalid, std::string(member.substr(0, 64)) + " is not supported here");
    }
  }
  return options;
}

Task<net::ServerResponse> LitellmRoutes::regenerate(AdminRequest request) {
  if (!request.http.body.empty()) {
    if (auto bad = bad_json_request(request.http)) co_return std::move(*bad);
  }
  const auto options = parse_regeneration(request.http.body);
  if (!options) co_return invalid(options.error().what);
  std::optional<keys::KeyInfo> key;
  if (!request.names.empty()) {
    key = find(request.names[0]);
    if (!key) co_return no_such_key();
  } else {
    auto found = named(request.http);
    if (!found) co_return std::move(found.error());
    key = std::move(*found);
  }
  struct Work {
    std::string kid;
    keys::RotateOptions options;
    Actor actor;
    std::optional<Result<keys::RotatedKey>> done;
  };
  auto work = std::make_shared<Work>();
  work->kid = key->kid;
  work->options = *options;
  work->actor = request.actor();
  std::function<void()> act = [acts = parts_.rotation, work]() mutable {
    work->done.emplace(
        acts.rotate(work->kid, work->options, work->actor, "regenerated over LiteLLM's route"));
  };
  co_await parts_.offload.run(parts_.loop, std::move(act));
  const Result<keys::RotatedKey>& done = *work->done;
  if (!done && done.error().code == Code::kDenied) {
    co_return error_answer(409, "key_not_active", done.error().what, "key");
  }
  if (!done) co_return key_error_answer(done.error());
  co_return json_answer(200, object(done->successor, done->text ? &*done->text : nullptr));
}

// What a deletion names: a key by itself, or all keys of an alias.
struct Deleted {
  std::string shown;
  bool alias = false;
};

Result<std::vector<Deleted>> parse_deletion(std::string_view text) {
  const auto body = JsonValue::parse(text);
  if (!body || !body->is_object()) return fail(Code::kInvalid, "the body is not a JSON object");
  std::vector<Deleted> shown;
  for (const auto& [member, value] : body->members()) {
    if (value.is_null()) continue;
    if (member != "keys" && member != "key_aliases") {
      return fail(Code::kInvalid, std::string(member.substr(0, 64)) + " is not supported here");
    }
    for (const JsonValue& item : value.items()) {
      shown.push_back({std::string(item.string().value_or("")), member == "key_aliases"});
    }
  }
  if (shown.empty() || shown.size() > kDeletedMax) {
    return fail(Code::kInvalid, "name 1 to 100 keys in keys or key_aliases");
  }
  return shown;
}

// For good: nothing of ours forgets a key, and nothing revives one.
Task<net::ServerResponse> LitellmRoutes::remove(AdminRequest request) {
  if (auto bad = bad_json_request(request.http)) co_return std::move(*bad);
  const auto shown = parse_deletion(request.http.body);
  if (!shown) co_return invalid(shown.error().what);
  struct Work {
    std::vector<std::string> words;  // kids, and names where an alias was given
    std::set<std::string> kids;      // of those that lived
    Actor actor;
    bool durable = true, recorded = true;
    std::optional<Error> failed;
  };
  auto work = std::make_shared<Work>();
  work->actor = request.actor();
  for (const Deleted& one : *shown) {
    const auto key = find(one.shown);
    if (!key) co_return no_such_key();  // before anything is done
    work->words.push_back(one.alias ? key->name : key->kid);
    for (const keys::KeyInfo& same : parts_.keys.find(work->words.back())) {
      if (same.state != keys::KeyState::kRevoked) work->kids.insert(same.kid);
    }
    work->kids.insert(key->kid);
  }
  KeyActs acts = parts_.acts;  // dead first, all of them
  for (const std::string& word : work->words) acts.revoke_now(word, work->actor, kDeleted);
  std::function<void()> act = [acts = std::move(acts), work]() mutable {
    for (const std::string& word : work->words) {
      const Result<Revoked> done = acts.revoke(word, work->actor, kDeleted);
      if (!done) {
        work->failed = done.error();
        continue;  // the others shall die all the same
      }
      work->durable = work->durable && done->durable;
      work->recorded = work->recorded && done->recorded;
    }
  };
  co_await urgent().run(parts_.loop, std::move(act));
  if (work->failed) co_return key_error_answer(*work->failed);
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("deleted_keys").begin_array();
  for (const std::string& kid : work->kids) json.value(kid);
  json.end_array().field("durable", work->durable).field("recorded", work->recorded).end_object();
  co_return json_answer(200, std::move(out));
}

Task<net::ServerResponse> LitellmRoutes::update(AdminRequest request) {
  auto key = named(request.http);
  if (!key) co_return std::move(key.error());
  const auto body = JsonValue::parse(request.http.body);
  if (!body) co_return invalid("The body is not JSON.");
  const auto wanted = parse_litellm_change(*body, *key, parts_.clock.now());
  if (!wanted) co_return invalid(wanted.error().what);
  if (wanted->change.empty()) co_return json_answer(200, object(*key, nullptr, wanted->ignored));
  struct Work {
    std::string kid;
    keys::KeyChange change;
    Actor actor;
    std::optional<Result<Updated>> done;
  };
  auto work = std::make_shared<Work>();
  work->kid = key->kid;
  work->change = wanted->change;
  work->actor = request.actor();
  std::function<void()> act = [acts = parts_.acts, work]() mutable {
    work->done.emplace(acts.update(work->kid, work->change, work->actor));
  };
  co_await parts_.offload.run(parts_.loop, std::move(act));
  const Result<Updated>& done = *work->done;
  if (!done) co_return key_change_error_answer(done.error(), "invalid_request");
  co_return told(json_answer(200, object(done->keys.front().after, nullptr, wanted->ignored)), true,
                 done->recorded);
}

// A body names the key and nothing else: what it asks beyond that would not be done.
Task<net::ServerResponse> LitellmRoutes::pause(AdminRequest request, Pause act, Now now,
                                               const char* why) {
  auto key = named(request.http);
  if (!key) co_return std::move(key.error());
  const auto body = JsonValue::parse(request.http.body);
  for (const auto& [member, value] : body->members()) {
    if (member == "key" || value.is_null()) continue;
    co_return invalid(std::string(member.substr(0, 64)) + " is not supported here");
  }
  struct Work {
    std::string word;
    Actor actor;
    std::optional<Result<Revoked>> done;
  };
  auto work = std::make_shared<Work>();
  // An alias means all keys of it: after a rotation, or of one identity, several live.
  work->word = litellm_key_name(body->at("key")->string().value_or("")).value_or(key->kid);
  work->actor = request.actor();
  KeyActs acts = parts_.acts;
  if (now != nullptr) (acts.*now)(work->word, work->actor, why);
  std::function<void()> todo = [acts = std::move(acts), work, act, why]() mutable {
    work->done.emplace((acts.*act)(work->word, work->actor, why));
  };
  net::Offload& thread = now != nullptr ? urgent() : parts_.offload;
  co_await thread.run(parts_.loop, std::move(todo));
  const Result<Revoked>& done = *work->done;
  if (!done) co_return key_change_error_answer(done.error(), "invalid_request");
  const auto held = find(key->kid);
  co_return told(json_answer(200, object(held ? *held : *key, nullptr)), done->durable,
                 done->recorded);
}

Task<net::ServerResponse> LitellmRoutes::block(AdminRequest request) {
  Task<net::ServerResponse> answer = pause(std::move(request), &KeyActs::block, &KeyActs::block_now,
                                           "blocked over LiteLLM's route");
  co_return co_await answer;
}

Task<net::ServerResponse> LitellmRoutes::unblock(AdminRequest request) {
  Task<net::ServerResponse> answer =
      pause(std::move(request), &KeyActs::unblock, nullptr, "unblocked over LiteLLM's route");
  co_return co_await answer;
}

net::ServerResponse LitellmRoutes::info(const AdminRequest& request) const {
  const auto query = query_of(request);
  if (!query || !query->contains("key") || query->size() > 1) {
    return invalid("Ask /key/info?key=KEY, with a key, its token or its alias.");
  }
  const auto key = find(query->at("key"));
  if (!key) return no_such_key();
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("key", key->kid).key("info").raw(object(*key, nullptr)).end_object();
  return json_answer(200, std::move(out));
}

struct ListQuestion {
  std::uint64_t page = 1, size = 10;
  bool whole = false;
  keys::Form filters;
};

// A filter that is not known would answer with keys that were not asked for.
Result<ListQuestion> parse_list(const keys::Form& query) {
  constexpr std::string_view kKnown[] = {"key_alias", "user_id", "team_id", "key_hash"};
  constexpr std::string_view kIgnored[] = {"sort_by", "sort_order", "include_team_keys",
                                           "include_created_by_keys"};
  ListQuestion question;
  for (const auto& [name, value] : query) {
    if (name == "page" || name == "size") {
      const auto number = parse_uint(value);
      if (!number || *number == 0 || *number > 1'000'000) {
        return fail(Code::kInvalid, name + " must be a number from 1");
      }
      (name == "page" ? question.page : question.size) = *number;
    } else if (name == "return_full_object") {
      question.whole = value == "true";
    } else if (std::ranges::find(kKnown, name) != std::end(kKnown)) {
      question.filters.emplace(name, value);
    } else if (std::ranges::find(kIgnored, name) == std::end(kIgnored)) {
      return fail(Code::kInvalid, name + " is not supported here");
    }
  }
  question.size = std::min<std::uint64_t>(question.size, kPageMax);
  return question;
}

bool passes(const keys::KeyInfo& key, const keys::Form& filters) {
  return std::ranges::all_of(filters, [&](const auto& filter) {
    const auto& [name, value] = filter;
    if (name == "key_alias") return key.name == value;
    if (name == "user_id") return key.owner == value;
    if (name == "team_id") return key.layer == value;
    return key.kid == value;
  });
}

net::ServerResponse LitellmRoutes::list(const AdminRequest& request) const {
  const auto query = query_of(request);
  if (!query) return invalid("The query cannot be read.");
  const auto question = parse_list(*query);
  if (!question) return invalid(question.error().what);
  std::vector<keys::KeyInfo> keys = parts_.keys.list();
  std::erase_if(keys, [&](const keys::KeyInfo& key) {
    return key.state == keys::KeyState::kRevoked || !passes(key, question->filters);
  });
  const std::uint64_t pages = (keys.size() + question->size - 1) / question->size;
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("keys").begin_array();
  for (std::uint64_t i = (question->page - 1) * question->size;
       i < std::min<std::uint64_t>(keys.size(), question->page * question->size); ++i) {
    if (question->whole) {
      json.raw(object(keys[i], nullptr));
    } else {
      json.value(keys[i].kid);
    }
  }
  json.end_array()
      .field("total_count", static_cast<std::uint64_t>(keys.size()))
      .field("current_page", question->page)
      .field("total_pages", pages)
      .end_object();
  return json_answer(200, std::move(out));
}

Task<net::ServerResponse> LitellmRoutes::spend_logs(AdminRequest request) {
  const auto query = query_of(request);
  if (!query) co_return invalid("The query cannot be read.");
  if (parts_.journal.empty()) {
    co_return error_answer(404, "no_journal", "Calls are not recorded here.");
  }
  const auto question = parse_spend_question(*query, parts_.journal);
  if (!question) co_return invalid(question.error().what);
  auto answer = std::make_shared<std::optional<Result<SpendAnswer>>>();
  std::function<void()> act = [answer, question = *question] {
    answer->emplace(answer_spend(question));
  };
  co_await parts_.offload.run(parts_.loop, std::move(act));
  Result<SpendAnswer>& spend = **answer;
  if (!spend && spend.error().code == Code::kInvalid) co_return invalid(spend.error().what);
  if (!spend) co_return error_answer(503, "journal_unavailable", "The journal cannot be read.");
  net::ServerResponse out = json_answer(200, std::move(spend->body));
  if (spend->more) out.headers.emplace_back("x-sallyport-more", "true");
  co_return std::move(out);
}

Route change(std::string_view path, std::string_view act, std::string_view summary, Handler handle,
             bool records_itself) {
  return {.method = "POST",
          .path = path,
          .least = Role::kOperator,
          .act = act,
          .summary = summary,
          .handle = std::move(handle),
          .records_itself = records_itself,
          .key_refusal = kNoKeys};
}

Route read(std::string_view path, std::string_view summary, Handler handle) {
  return {.method = "GET",
          .path = path,
          .least = Role::kViewer,
          .summary = summary,
          .handle = std::move(handle),
          .key_refusal = kNoKeys};
}

}  // namespace

void add_litellm_routes(Routes& routes, LitellmParts parts) {
  const auto own = std::make_shared<LitellmRoutes>(std::move(parts));
  routes.add(change("/key/generate", "key.create", "LiteLLM: a new key, its text shown once.",
                    handler(own, &LitellmRoutes::generate), true));
  routes.add(change("/key/update", "key.update", "LiteLLM: changes a key's limits; null lifts one.",
                    handler(own, &LitellmRoutes::update), true));
  routes.add(change("/key/delete", "key.revoke", "LiteLLM: revokes `keys` and `key_aliases`.",
                    handler(own, &LitellmRoutes::remove), true));
  routes.add(change("/key/block", "key.block", "LiteLLM: pauses a key; dead until unblocked.",
                    handler(own, &LitellmRoutes::block), true));
  routes.add(change("/key/unblock", "key.unblock", "LiteLLM: ends the pause; 409 for a dead key.",
                    handler(own, &LitellmRoutes::unblock), true));
  routes.add(change("/key/{key}/regenerate", "key.rotate",
                    "LiteLLM: another secret for a key; `grace_period`, `duration`.",
                    handler(own, &LitellmRoutes::regenerate), true));
  routes.add(change("/key/regenerate", "key.rotate", "LiteLLM: the same, the key in the body.",
                    handler(own, &LitellmRoutes::regenerate), true));
  routes.add(read("/key/info", "LiteLLM: one key, `?key=`; the query is not logged.",
                  handler(own, &LitellmRoutes::info)));
  routes.add(read("/key/list", "LiteLLM: tokens by page, or whole with `return_full_object`.",
                  handler(own, &LitellmRoutes::list)));
  routes.add(read("/spend/logs", "LiteLLM: what calls cost, or sums by day between two dates.",
                  handler(own, &LitellmRoutes::spend_logs)));
}

}  // namespace sallyport::admin
