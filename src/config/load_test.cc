// SPDX-License-Identifier: Apache-2.0
// The golden folder tests/golden/config is the specification: NAME.yaml and what is said about it.
// SALLYPORT_GOLDEN_WRITE=1 writes the expectations anew; read the difference before you commit it.
#include "config/load.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "config/fields.h"
#include "config/reload.h"

namespace sallyport::config {
namespace {

namespace fs = std::filesystem;
const std::string kFolder = std::string(SALLYPORT_SOURCE_DIR) + "/tests/golden/config";
constexpr const char* kPepper = "0123456789abcdef0123456789abcdef-pepper";
constexpr const char* kProviderKey = "value-of-the-provider-key";

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// A folder with a credential, a secret file and one that everybody may read; removed at the end.
class LoadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "sallyport-load-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    write("key_pepper", std::string(kPepper) + "\n", 0600);
    write("provider_key", std::string(kProviderKey) + "\n", 0600);
    write("open_secret", "value-everybody-reads", 0644);
    around_.credentials_directory = folder_;
    around_.base_directory = folder_;
    around_.environment = [](const char* name) -> const char* {
      static const std::map<std::string, const char*> kVariables = {
          {"PEPPER", kPepper},
          {"PROVIDER_KEY", kProviderKey},
          {"SHORT", "short"},
          {"EMPTY", ""},
          {"THREADS", "3"},
          {"NAME", "named"},
          {"SECRET_IN_WRONG_PLACE", "value-in-wrong-place"}};
      const auto at = kVariables.find(name);
      return at == kVariables.end() ? nullptr : at->second;
    };
  }
  void TearDown() override { fs::remove_all(folder_); }

  void write(const std::string& name, const std::string& text, mode_t mode) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
  }

  // What is said about a file, one line each, the temporary folder as FOLDER.
  std::string verdict(const std::string& file, const LoadResult& result) const {
    std::string out = result ? "accepted\n" : "";
    const auto& problems = result ? result->warnings : result.error();
    for (const Problem& problem : problems) {
      out += (result ? "warning: " : "") + format_problem(file, problem) + "\n";
    }
    for (std::size_t at = 0; (at = out.find(folder_, at)) != std::string::npos;) {
      out.replace(at, folder_.size(), "FOLDER");
    }
    return out;
  }

  LoadResult load(std::string_view text) const { return load_text(text, around_); }

  std::string folder_;
  Surroundings around_;
};

TEST_F(LoadTest, EveryFileOfTheGoldenFolderIsJudgedAsWritten) {
  int files = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".yaml") continue;
    const std::string name = entry.path().filename().string();
    const std::string said = verdict(name, load(read(entry.path().string())));
    fs::path expected = entry.path();
    expected.replace_extension(".expected");
    if (std::getenv("SALLYPORT_GOLDEN_WRITE")) std::ofstream(expected) << said;
    EXPECT_EQ(said, read(expected.string())) << "of " << name;
    ++files;
  }
  EXPECT_GE(files, 20);
}

TEST_F(LoadTest, NoMessageRepeatsASecret) {
  const char* const kSecrets[] = {kPepper,    kProviderKey, "value-everybody-reads",
                                  "hunter2",  "EXAMPLE0",   "EXAMPLE1",
                                  "EXAMPLE2", "horse",      "value-in-wrong-place"};
  for (const fs::directory_entry& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".yaml") continue;
    const std::string said = verdict("f", load(read(entry.path().string())));
    for (const char* secret : kSecrets) {
      EXPECT_EQ(said.find(secret), std::string::npos) << entry.path() << " tells " << secret;
    }
  }
}

TEST_F(LoadTest, ValuesArriveWhereTheRoomsReadThem) {
  const LoadResult result = load(read(kFolder + "/everything.yaml"));
  ASSERT_TRUE(result) << verdict("everything.yaml", result);
  const Config& config = result->config;
  ASSERT_EQ(config.http.listeners.size(), 2u);
  EXPECT_EQ(config.http.listeners[0].address, "0.0.0.0:8443");
  EXPECT_EQ(config.http.listeners[0].tls_key_file, "/etc/sallyport/tls.key");
  EXPECT_EQ(config.http.listeners[1].client_ca_file, "/etc/sallyport/clients.crt");
  EXPECT_TRUE(config.http.listeners[1].client_certificate_required);
  EXPECT_EQ(config.http.head_bytes_max, 65536u);
  EXPECT_EQ(config.http.idle_ms, 120'000);
  ASSERT_EQ(config.http.trusted_proxies.size(), 2u);
  EXPECT_EQ(config.keys.pepper.reveal(), kPepper);
  EXPECT_EQ(config.keys.life, std::chrono::hours(8));
  EXPECT_EQ(config.policy.models_allow.size(), 3u);
  ASSERT_EQ(config.upstream.upstreams.size(), 2u);
  const upstream::UpstreamConfig& openai = config.upstream.upstreams[0];
  EXPECT_EQ(openai.api_key->reveal(), kProviderKey) << "one trailing newline is stripped";
  EXPECT_EQ(openai.api_key_id, "openai") << "the upstream's name when none is given";
  EXPECT_EQ(openai.breaker_error_rate, 0.5);
  const upstream::UpstreamConfig& azure = config.upstream.upstreams[1];
  EXPECT_EQ(azure.auth, upstream::UpstreamConfig::Auth::kApiKeyHeader);
  EXPECT_EQ(azure.query, "api-version=2024-10-21");
  EXPECT_TRUE(config.audit.refuse_on_write_failure);
  EXPECT_FALSE(config.audit.outcome_synced);
}

TEST_F(LoadTest, DefaultsWrittenOutAreTheDefaults) {
  const LoadResult left_out = load(read(kFolder + "/minimal.yaml"));
  ASSERT_TRUE(left_out) << verdict("minimal.yaml", left_out);
  const LoadResult written = load(
      "version: 1\nkeys: {pepper: \"${env:PEPPER}\", life: 8h, life_max: 24h, required: true}\n"
      "upstream: [{api_key: \"${env:PROVIDER_KEY}\"}]\n"
      "http: {head_bytes_max: 64KiB, timeouts: {idle: 120s}}\nadmin: {socket: "
      "/run/sallyport/admin.sock}\n");
  ASSERT_TRUE(written) << verdict("written", written);
  for (const Field& field : fields()) {
    if (field.path.find("[]") != std::string_view::npos) continue;
    Place a{.config = const_cast<Config*>(&left_out->config)};
    Place b{.config = const_cast<Config*>(&written->config)};
    EXPECT_TRUE(same(field, a, b)) << field.path;
  }
}

TEST_F(LoadTest, WordsThatStandForNothing) {
  const LoadResult result = load(
      "version: 1\nkeys: {pepper: \"${env:PEPPER}\"}\nupstream: [{name: a, base_url: "
      "\"http://[::1]:1\"}]\nadmin: {socket: none}\nmeter: {prices: file:prices.json}\n");
  ASSERT_TRUE(result) << verdict("f", result);
  EXPECT_EQ(result->config.admin.socket, "");
  EXPECT_EQ(result->config.meter.prices, folder_ + "/prices.json")
      << "counts from the file's folder";
}

TEST_F(LoadTest, AFileThatIsNotThere) {
  const LoadResult result = load_file(folder_ + "/none.yaml", around_);
  ASSERT_FALSE(result);
  EXPECT_EQ(verdict("none.yaml", result), "none.yaml: cannot be read: No such file or directory\n");
}

constexpr const char* kRunning =
    "version: 1\nkeys: {pepper: \"${env:PEPPER}\"}\n"
    "upstream: [{name: a, base_url: \"http://[::1]:1\", api_key: \"${env:PROVIDER_KEY}\"}]\n";

TEST_F(LoadTest, ReloadTakesLiveFieldsAndKeepsTheOthers) {
  const LoadResult running = load(kRunning);
  ASSERT_TRUE(running);
  const auto next = reload_text(
      running->config,
      "version: 1\nkeys: {pepper: \"${cred:open_secret}\", life: 1h}\n"
      "http: {listeners: [{address: 127.0.0.1:1}], timeouts: {idle: 5s}}\n"
      "audit: {path: /elsewhere}\n"
      "upstream: [{name: a, base_url: \"http://[::1]:2\", api_key: \"${cred:open_secret}\"}]\n",
      around_);
  ASSERT_FALSE(next) << "21 bytes are no pepper";

  write("second_pepper", "fedcba9876543210fedcba9876543210", 0600);
  const auto good = reload_text(
      running->config,
      "version: 1\nkeys: {pepper: \"${cred:second_pepper}\", life: 1h}\n"
      "http: {listeners: [{address: 127.0.0.1:1}], timeouts: {idle: 5s}}\n"
      "audit: {path: /elsewhere}\n"
      "upstream: [{name: a, base_url: \"http://[::1]:2\", api_key: \"${cred:open_secret}\"}]\n",
      around_);
  ASSERT_TRUE(good);
  const std::vector<std::string> kept = {"keys.pepper",       "audit.path",     "audit.last_signed",
                                         "audit.signing_key", "audit.seal.key", "http.listeners"};
  const std::vector<std::string> changed = {"http.timeouts.idle", "keys.life",
                                            "upstream[0].base_url", "upstream[0].api_key"};
  EXPECT_EQ(good->kept, kept);
  EXPECT_EQ(good->changed, changed);
  EXPECT_EQ(good->config->keys.pepper.reveal(), kPepper) << "the running pepper stays";
  EXPECT_EQ(good->config->audit.path, running->config.audit.path);
  EXPECT_EQ(good->config->http.listeners[0].address, running->config.http.listeners[0].address);
  EXPECT_EQ(good->config->http.idle_ms, 5000);
}

TEST_F(LoadTest, KeysAreNotDemandedBeforeThereIsAPepper) {
  const LoadResult open = load(
      "version: 1\nkeys: {required: false}\nupstream: [{name: a, base_url: \"http://[::1]:1\"}]\n");
  ASSERT_TRUE(open);
  const auto next = reload_text(open->config, kRunning, around_);
  ASSERT_TRUE(next);
  const std::vector<std::string> kept = {"keys.pepper", "keys.required"};
  EXPECT_EQ(next->kept, kept);
  EXPECT_FALSE(next->config->keys.required) << "a restart closes the gate, and the log says so";
}

TEST_F(LoadTest, ReloadOfTheSameFileChangesNothing) {
  const LoadResult running = load(kRunning);
  ASSERT_TRUE(running);
  const auto next = reload_text(running->config, kRunning, around_);
  ASSERT_TRUE(next);
  EXPECT_TRUE(next->changed.empty());
  EXPECT_TRUE(next->kept.empty());
}

// A field that is wrong does not silence what is found by looking at several.
TEST_F(LoadTest, AllIsToldAtOnce) {
  const LoadResult loaded = load(
      "version: 1\n"
      "http: {threads: two}\n"
      "keys:\n  required: false\n  life: 9h\n  life_max: 8h\n"
      "  identity_exchange:\n    - {name: ci, audience: here, claims: {}, life: 1m}\n"
      "upstream: [{name: a, base_url: \"https://a.example/v1\"}]\n");
  ASSERT_FALSE(loaded);
  std::string all;
  for (const Problem& problem : loaded.error()) all += format_problem("f", problem) + "\n";
  for (const char* part :
       {"http.threads: must be", "keys.life: is longer", "identity_exchange[0].issuer: missing",
        "identity_exchange[0].claims: has no entry; write for example {repository",
        "identity_exchange[0].principal: "}) {
    EXPECT_TRUE(all.contains(part)) << part << "\n" << all;
  }
}

TEST_F(LoadTest, ReloadOfABrokenFileTellsAndKeeps) {
  const LoadResult running = load(kRunning);
  ASSERT_TRUE(running);
  const auto next = reload_text(running->config, "version: 1\nkeys: {lief: 8h}\n", around_);
  ASSERT_FALSE(next);
  EXPECT_EQ(format_problem("f", next.error().back()),
            "f:2:8: keys.lief: unknown field; did you mean keys.life?");
}

// A key that was pasted where a name belongs is not repeated.
TEST_F(LoadTest, ANameIsShownOnlyWhenItCannotBeASecret) {
  const struct {
    const char* text;
    const char* told;
  } cases[] = {
      {"keys: {lief: 8h}", "f:2:8: keys.lief: unknown field"},
      {"a_name_of_32_bytes_that_is_shown: 1", "a_name_of_32_bytes_that_is_shown: unknown field"},
      {"a_name_of_33_bytes_that_is_hidden: 1", "f:2:1: (a name that is not shown): unknown field"},
      {"keys: {sk-sp1-S3CRET: 8h}", "f:2:8: keys.(a name that is not shown): unknown field"},
      {"S3CRET: 8h", "f:2:1: (a name that is not shown): unknown field"},
      {"ab.S3CRET: 8h", "f:2:1: (a name that is not shown): unknown field"},
      {"upstream: [{S3CRET: 1}]", "upstream[0].(a name that is not shown): unknown field"},
      {"{S3CRET: 1, S3CRET: 2}", "duplicate field (a name that is not shown)"},
      {"keys: {S3CRET: 1, S3CRET: 2}", "duplicate field (a name that is not shown)"},
  };
  for (const auto& c : cases) {
    const std::string first = c.text[0] == '{' ? "\n" : "version: 1\n";
    const LoadResult loaded = load(first + c.text + "\n");
    ASSERT_FALSE(loaded) << c.text;
    std::string all;
    for (const Problem& problem : loaded.error()) all += format_problem("f", problem) + "\n";
    EXPECT_TRUE(all.contains(c.told)) << c.text << "\n" << all;
    EXPECT_FALSE(all.contains("S3CRET")) << c.text << "\n" << all;
  }
}

}  // namespace
}  // namespace sallyport::config
