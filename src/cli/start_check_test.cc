// SPDX-License-Identifier: Apache-2.0
// What serve refuses, `config check` refuses: the same functions say so, with the field's line.
#include "cli/start_check.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace sallyport::cli {
namespace {

constexpr const char* kHead =
    "version: 1\n"
    "audit: {enabled: false}\n"
    "keys:\n  required: false\n";
constexpr const char* kUpstream =
    "upstream:\n  - {name: here, base_url: \"http://127.0.0.1:9/v1\"}\n";

class StartCheck : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "start_check_" +
              testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
    write("broken.json", "{\"version\": 1, \"models\": [{\"model\": \"x\", \"input\": -1}]}");
    write("nonsense", "this is none of what is asked for\n");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + "/" + name) << text;
  }
  std::string told(const std::string& text, bool secrets = true) const {
    write("sallyport.yaml", text);
    const config::LoadResult loaded = load_to_serve(folder_ + "/sallyport.yaml", secrets);
    std::string all;
    if (loaded) return all;
    for (const config::Problem& problem : loaded.error()) {
      all += std::to_string(problem.line) + " " + problem.field + ": " + problem.message + "\n";
    }
    return all;
  }

  std::string folder_;
};

struct Case {
  const char* why;
  const char* keys;  // further lines of the section keys
  const char* more;  // further sections
  const char* told;  // a part of what is told
};
const Case kCases[] = {
    {"no prices file", "", "meter: {prices: nowhere.json}\n", "7 meter.prices: cannot read"},
    {"a prices file that is none", "", "meter: {prices: nonsense}\n", "meter.prices: price table"},
    {"a price that is none", "", "meter: {prices: broken.json}\n", "meter.prices: price table: x"},
    {"a delivery to nowhere", "  deliver:\n    - {key: app}\n", "",
     "6 keys.deliver[0].to: missing"},
    {"a secret in the clear", "  deliver:\n    - {to: \"http://vault.example.com/x\"}\n", "",
     "6 keys.deliver[0].to: a secret travels over https only"},
    {"an unsigned delivery", "  deliver:\n    - {to: \"https://vault.example.com/x\"}\n", "",
     "6 keys.deliver[0].sign_with: missing"},
    {"* in the middle of a name",
     "  deliver:\n    - {key: \"a*b\", to: \"file:/run/keys/{name}\"}\n", "",
     "6 keys.deliver[0].key: * may stand at the end only"},
    {"* in the middle of a layer",
     "  deliver:\n    - {layer: \"a/*/b\", to: \"file:/run/keys/{name}\"}\n", "",
     "6 keys.deliver[0].layer: * may stand at the end only"},
    {"several keys, one file", "  deliver:\n    - {to: \"file:/run/keys/one\"}\n", "",
     "6 keys.deliver[0].to: several keys would share one file"},
    {"no database of places", "", "policy: {geo: {network: nowhere.mmdb}}\n", "geo"},
    {"a certificate that is none", "",
     "http:\n  listeners:\n    - {name: a, address: \"127.0.0.1:0\", tls: {cert: nonsense, key: "
     "nonsense}}\n",
     "http.listeners[0].tls: "},
    {"an admin certificate that is not there", "",
     "admin:\n  listener: {tls: {cert: nowhere, key: nowhere}}\n", "admin.listener.tls: "},
};

TEST_F(StartCheck, TellsWhatServeWouldRefuse) {
  for (const Case& c : kCases) {
    const std::string text = std::string(kHead) + c.keys + kUpstream + c.more;
    EXPECT_TRUE(told(text).contains(c.told)) << c.why << "\nwas told\n" << told(text);
  }
}

TEST_F(StartCheck, TellsAllAtOnce) {
  const std::string all = told(
      std::string(kHead) + "  deliver:\n    - {key: app}\n    - {to: \"http://a.example/x\"}\n" +
      kUpstream + "meter: {prices: nowhere.json}\n");
  for (const char* part : {"keys.deliver[0].to", "keys.deliver[1].to", "meter.prices"}) {
    EXPECT_TRUE(all.contains(part)) << all;
  }
}

TEST_F(StartCheck, WithoutSecretsTheFilesAreLeftAlone) {
  const std::string text =
      std::string(kHead) +
      "  deliver:\n    - {to: \"https://a.example/x\", sign_with: \"${env:NOT_SET_ANYWHERE}\"}\n" +
      kUpstream + "meter: {prices: nowhere.json}\n";
  EXPECT_EQ(told(text, false), "");
}

TEST_F(StartCheck, AGoodOneIsTaken) {
  EXPECT_EQ(
      told(std::string(kHead) + "  deliver:\n    - {to: \"file:/run/keys/{name}\"}\n" + kUpstream),
      "");
}

}  // namespace
}  // namespace sallyport::cli
