// SPDX-License-Identifier: Apache-2.0
#include "audit/ask_use.h"

#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "audit/address_network.h"
#include "audit/ask_past.h"

namespace sallyport::audit {
namespace {

// What is looked for. Views into the window and the caller's lists.
struct Wanted {
  std::unordered_map<std::string_view, std::unordered_set<std::string_view>> keys;  // their sources
  std::unordered_set<std::string_view> addresses;
  AddressFold fold = AddressFold::kNone;

  // The address as it is told apart in the window; `scratch` may hold it.
  std::string_view told(std::string_view ip, std::string& scratch) const {
    if (fold == AddressFold::kNone) return ip;
    return scratch = fold_address(ip, fold);
  }
};

class UseVisitor final : public ChunkVisitor {
 public:
  explicit UseVisitor(const Wanted& wanted) : wanted_(wanted) {}

  PastUse use;

  Result<bool> whole_file(const ColumnFile& file) override {
    const auto sums = file.sums();
    if (!sums) return std::unexpected(sums.error());
    if (!*sums) return false;
    const auto keys = file.dictionary(Column::kKey);
    const auto ips = file.dictionary(Column::kIp);
    const auto models = file.dictionary(Column::kModel);
    for (const auto* read : {&keys, &ips, &models}) {
      if (!*read) return std::unexpected(read->error());
    }
    for (std::size_t i = 0; i < (*sums)->keys().size(); ++i) {
      const auto key = keys->word((*sums)->keys()[i].code);
      if (!key || !wanted_.keys.contains(*key)) continue;
      for (const std::uint32_t ip : (*sums)->ips(i)) keep_ip(*key, ips->word(ip));
      for (const std::uint32_t model : (*sums)->models(i)) {
        keep(use.models, *key, models->word(model));
      }
    }
    for (std::uint32_t code = 1; !wanted_.addresses.empty() && code < ips->size(); ++code) {
      if (!(*sums)->welcome(code)) continue;
      const std::string_view told = wanted_.told(*ips->word(code), scratch_);
      if (wanted_.addresses.contains(told)) use.welcome.emplace(told);
    }
    return true;
  }

  Result<void> begin_file(const ColumnFile& file) override {
    const auto keys = file.dictionary(Column::kKey);
    const auto ips = file.dictionary(Column::kIp);
    const auto models = file.dictionary(Column::kModel);
    const auto statuses = file.dictionary(Column::kStatus);
    for (const auto* read : {&keys, &ips, &models, &statuses}) {
      if (!*read) return std::unexpected(read->error());
    }
    key_words_ = *keys;
    ip_words_ = *ips;
    model_words_ = *models;
    suspect_.assign(keys->size(), 0);
    suspects_.clear();
    for (std::uint32_t code = 1; code < keys->size(); ++code) {
      if (!wanted_.keys.contains(*keys->word(code))) continue;
      suspects_.push_back(code);
      suspect_[code] = static_cast<std::uint32_t>(suspects_.size());
    }
    ips_.assign(suspects_.size() * ips->size(), false);
    models_.assign(suspects_.size() * models->size(), false);
    asked_.assign(ips->size(), 0);
    for (std::uint32_t code = 1; !wanted_.addresses.empty() && code < ips->size(); ++code) {
      asked_[code] = wanted_.addresses.contains(wanted_.told(*ips->word(code), scratch_));
    }
    success_.assign(statuses->size(), 0);
    for (std::uint32_t code = 1; code < statuses->size(); ++code) {
      success_[code] = statuses->word(code)->starts_with('2');
    }
    return {};
  }

  Result<void> visit(Chunk& chunk) override {
    const std::uint32_t* keys = chunk.codes(Column::kKey);
    const std::uint32_t* ips = chunk.codes(Column::kIp);
    const std::uint32_t* statuses = chunk.codes(Column::kStatus);
    const std::uint32_t* models = chunk.codes(Column::kModel);
    for (const std::uint16_t row : chunk.rows()) {
      if (success_[statuses[row]] == 0) continue;
      if (asked_[ips[row]] != 0) note(ips[row]);
      if (suspect_[keys[row]] == 0) continue;
      const std::size_t suspect = suspect_[keys[row]] - 1;
      ips_[suspect * ip_words_.size() + ips[row]] = true;
      models_[suspect * model_words_.size() + models[row]] = true;
    }
    return {};
  }

  Result<void> end_file() override {
    for (std::size_t i = 0; i < suspects_.size(); ++i) {
      const std::string_view key = *key_words_.word(suspects_[i]);
      const std::size_t ip = i * ip_words_.size(), model = i * model_words_.size();
      for (std::uint32_t code = 1; code < ip_words_.size(); ++code) {
        if (ips_[ip + code]) keep_ip(key, ip_words_.word(code));
      }
      for (std::uint32_t code = 1; code < model_words_.size(); ++code) {
        if (models_[model + code]) keep(use.models, key, model_words_.word(code));
      }
    }
    return {};
  }

 private:
  using Words = std::map<std::string, std::set<std::string>>;

  static void keep(Words& into, std::string_view key, std::optional<std::string_view> word) {
    if (word) into[std::string(key)].emplace(*word);
  }
  void keep_ip(std::string_view key, std::optional<std::string_view> ip) {
    if (!ip) return;
    std::set<std::string>& some = use.some_ips[std::string(key)];
    if (some.size() < kSomeAddresses) some.emplace(*ip);
    const std::string_view told = wanted_.told(*ip, scratch_);
    if (wanted_.keys.at(key).contains(told)) keep(use.ips, key, told);
  }

  void note(std::uint32_t ip) {
    use.welcome.emplace(wanted_.told(*ip_words_.word(ip), scratch_));
    asked_[ip] = 0;
  }

  const Wanted& wanted_;
  std::string scratch_;
  Dictionary key_words_, ip_words_, model_words_;
  std::vector<std::uint32_t> suspect_, suspects_;  // by code of a key, from 1; and back
  std::vector<std::uint8_t> asked_, success_;
  std::vector<bool> ips_, models_;  // by suspect, then by code
};

class AttemptsVisitor final : public ChunkVisitor {
 public:
  explicit AttemptsVisitor(const std::optional<std::string>& key) : key_(key) {}

  std::int64_t records = 0;
  Result<bool> whole_file(const ColumnFile& file) override {
    const auto sums = file.sums();
    if (!sums) return std::unexpected(sums.error());
    if (!*sums) return false;
    const auto words = file.dictionary(Column::kKey);
    if (!words) return std::unexpected(words.error());
    for (const SumsKey& key : (*sums)->keys()) {
      if (!key_ || words->word(key.code) == *key_) records += key.attempts;
    }
    return true;
  }
  Result<void> begin_file(const ColumnFile&) override { return {}; }
  Result<void> visit(Chunk& chunk) override {
    records += static_cast<std::int64_t>(chunk.rows().size());
    return {};
  }

 private:
  const std::optional<std::string>& key_;
};

}  // namespace

Result<PastUse> read_use(const ColumnSnapshot& snapshot, const AskSpec& spec, const Window& window,
                         const std::vector<std::string>& keys,
                         const std::set<std::string>& addresses, std::size_t threads) {
  Wanted wanted{.keys = {}, .addresses = {}, .fold = window.fold};
  for (const std::string& key : keys) {
    auto& sources = wanted.keys[key];
    for (const auto& [id, source] : window.keys.at(key).sources) sources.insert(id.ip);
  }
  wanted.addresses.insert(addresses.begin(), addresses.end());
  Selection selection = past(spec);
  // One condition on two columns: of one of the keys, or from one of the addresses. A key's name
  // that reads like an address costs a few rows more, nothing else.
  selection.conditions.push_back(
      {.columns = {Column::kKey, Column::kIp}, .word = [&](std::optional<std::string_view> word) {
         std::string scratch;
         return word && (wanted.keys.contains(*word) ||
                         (!wanted.addresses.empty() &&
                          wanted.addresses.contains(wanted.told(*word, scratch))));
       }});
  auto visitors = run_past<UseVisitor>(snapshot, selection, threads,
                                       [&] { return std::make_unique<UseVisitor>(wanted); });
  if (!visitors) return std::unexpected(visitors.error());
  PastUse out;
  for (const auto& visitor : *visitors) {
    for (auto& [key, words] : visitor->use.some_ips) out.some_ips[key].merge(words);
    for (auto& [key, words] : visitor->use.ips) out.ips[key].merge(words);
    for (auto& [key, words] : visitor->use.models) out.models[key].merge(words);
    out.welcome.merge(visitor->use.welcome);
  }
  return out;
}

Result<std::int64_t> past_attempts(const ColumnSnapshot& snapshot, const AskSpec& spec,
                                   std::size_t threads) {
  Selection selection = past(spec);
  selection.conditions.push_back(
      {.columns = {Column::kVerdict},
       .word = [](std::optional<std::string_view> word) { return word && *word != "pass"; }});
  if (spec.key) selection.conditions.push_back(word_is(Column::kKey, *spec.key));
  auto visitors = run_past<AttemptsVisitor>(
      snapshot, selection, threads, [&] { return std::make_unique<AttemptsVisitor>(spec.key); });
  if (!visitors) return std::unexpected(visitors.error());
  std::int64_t records = 0;
  for (const auto& visitor : *visitors) records += visitor->records;
  return records;
}

}  // namespace sallyport::audit
