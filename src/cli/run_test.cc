// SPDX-License-Identifier: Apache-2.0
// The command line as a user types it: what it says, where, and with which exit code.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "base/json_reader.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "keys/key_format.h"

namespace sallyport::cli {
namespace {

struct Outcome {
  int code = -1;
  std::string out, err;
};

int say_serving(const Invocation& call) {
  call.out << "serving " << call.config_file << (call.has("quickstart") ? " quickly" : "") << "\n";
  return 0;
}
constexpr Programs kPrograms{.serve = say_serving};

Outcome type(std::vector<std::string> words) {
  std::ostringstream out, err;
  Outcome outcome;
  outcome.code = run(std::move(words), kPrograms, out, err);
  outcome.out = out.str();
  outcome.err = err.str();
  return outcome;
}

std::string read(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}
const std::string kSource = SALLYPORT_SOURCE_DIR;

struct Case {
  const char* why;
  std::vector<std::string> words;
  int code;
  const char* out;  // a part of stdout; null: nothing there
  const char* err;  // a part of stderr; null: nothing there
};

const Case kCases[] = {
    {"nothing typed", {}, 2, nullptr, "sallyport serve -c sallyport.yaml"},
    {"help asked for", {"--help"}, 0, "keys create", nullptr},
    {"short help", {"-h"}, 0, "keys create", nullptr},
    {"help of a command", {"keys", "create", "--help"}, 0, "--life DURATION", nullptr},
    {"help before the command", {"--help", "keys", "create"}, 0, "--life DURATION", nullptr},
    {"help of a noun", {"keys", "--help"}, 0, "keys revoke", nullptr},
    {"help command", {"help", "keys", "create"}, 0, "--life DURATION", nullptr},
    {"help of a topic",
     {"help", "exit-codes"},
     0,
     "3    it worked, and the answer is bad news",
     nullptr},
    {"help of nothing known", {"help", "frobnicate"}, 2, nullptr, "no command or topic"},
    {"a noun alone", {"keys"}, 2, nullptr, "sallyport keys create"},
    {"a mistyped noun", {"kesy"}, 2, nullptr, "did you mean  sallyport keys ?"},
    {"a mistyped verb",
     {"keys", "crate", "x"},
     2,
     nullptr,
     "did you mean  sallyport keys create ?"},
    {"nothing near", {"frobnicate"}, 2, nullptr, "sallyport help lists all commands"},
    {"a mistyped option",
     {"keys", "create", "x", "--lief", "8h"},
     2,
     nullptr,
     "did you mean --life?"},
    {"an option without its value",
     {"keys", "create", "x", "--life"},
     2,
     nullptr,
     "lacks its value"},
    {"a missing argument", {"keys", "create"}, 2, nullptr, "name is missing"},
    {"one argument too many", {"keys", "show", "a", "b"}, 2, nullptr, "not known"},
    {"an option's word that is not allowed",
     {"keys", "create", "x", "--stream", "no"},
     2,
     nullptr,
     "--stream takes only or never"},
    {"a word that is not allowed", {"completion", "fish"}, 2, nullptr, "shell must be bash or zsh"},
    {"a product that cannot be imported",
     {"config", "import", "kong", "x"},
     2,
     nullptr,
     "product must be litellm"},
    {"an unknown option is named",
     {"keys", "create", "--naem", "x"},
     2,
     nullptr,
     "error: unknown option --naem"},
    {"and one that is near is proposed",
     {"keys", "create", "x", "--lief=8h"},
     2,
     nullptr,
     "unknown option --lief\nhint: did you mean --life?"},
    {"another currency",
     {"keys", "create", "x", "--budget", "5eur/day"},
     2,
     nullptr,
     "the unit is usd, tokens or requests; write for example 12.50usd/day"},
    {"a comma in an amount",
     {"keys", "create", "x", "--budget", "12,50usd/day"},
     2,
     nullptr,
     "behind a point, not a comma; write for example 12.50usd/day"},
    {"an amount beyond all bounds",
     {"keys", "create", "x", "--budget", "99999999999999999999usd/day"},
     2,
     nullptr,
     "the amount is too large"},
    {"a soft one is named so",
     {"keys", "create", "x", "--soft-budget", "1.5tokens/day"},
     2,
     nullptr,
     "--soft-budget: the amount must be a whole number; write for example 100000tokens/month"},
    {"an unknown time",
     {"keys", "create", "x", "--budget", "5usd/week"},
     2,
     nullptr,
     "minute, hour, day, month or total"},
    {"a bad duration",
     {"keys", "create", "x", "--life", "soon"},
     2,
     nullptr,
     "--life must be a duration"},
    {"a program", {"serve", "-c", "a.yaml"}, 0, "serving a.yaml\n", nullptr},
    {"options before the command", {"--config", "b.yaml", "serve"}, 0, "serving b.yaml\n", nullptr},
    {"a flag of a program",
     {"serve", "--quickstart", "--config=c.yaml"},
     0,
     "serving c.yaml quickly\n",
     nullptr},
    {"a program that is not built in", {"demo"}, 1, nullptr, "not in this build"},
    {"version", {"version"}, 0, "sallyport 0.1.0\n", nullptr},
    {"version as an option", {"--version"}, 0, "sallyport 0.1.0\n", nullptr},
    {"version as JSON", {"version", "--json"}, 0, "{\"version\":\"0.1.0\"}\n", nullptr},
    {"an error as JSON",
     {"kesy", "--json"},
     2,
     nullptr,
     "{\"error\":{\"code\":\"unknown_command\""},
    {"explain", {"config", "explain", "keys.life"}, 0, "default  8h", nullptr},
    {"explain a typing error",
     {"config", "explain", "keys.lief"},
     5,
     nullptr,
     "did you mean keys.life?"},
    {"schema", {"config", "schema"}, 0, "\"additionalProperties\":false", nullptr},
    {"a configuration that is not there",
     {"config", "check", "/nonexistent.yaml"},
     2,
     nullptr,
     "/nonexistent.yaml: cannot be read"},
};

TEST(CommandLine, SaysWhatIsWrong) {
  for (const Case& c : kCases) {
    const Outcome outcome = type(c.words);
    EXPECT_EQ(outcome.code, c.code) << c.why;
    if (c.out == nullptr) {
      EXPECT_EQ(outcome.out, "") << c.why;
    } else {
      EXPECT_NE(outcome.out.find(c.out), std::string::npos) << c.why << ": " << outcome.out;
    }
    if (c.err == nullptr) {
      EXPECT_EQ(outcome.err, "") << c.why;
    } else {
      EXPECT_NE(outcome.err.find(c.err), std::string::npos) << c.why << ": " << outcome.err;
    }
  }
}

TEST(CommandLine, WhatWasTypedInTheWrongPlaceIsNotRepeated) {
  const std::string key = "sk-sp1-AbCdEfGhIjKl-MnOpQrStUvWxYz0123456789aBcDeFgH3P46UU";
  for (const std::vector<std::string>& words : {std::vector<std::string>{key},
                                                {"keys", key},
                                                {"keys", "show", "a", key},
                                                {"keys", "show", key},
                                                {"serve", "--" + key},
                                                {"completion", key},
                                                {"keys", "create", "x", "--life", key}}) {
    const Outcome outcome = type(words);
    EXPECT_NE(outcome.code, 0);
    EXPECT_EQ((outcome.out + outcome.err).find("MnOpQrStUv"), std::string::npos) << outcome.err;
  }
}

// A word that fills its column pushes the meaning down, never into itself.
TEST(CommandTable, ColumnsDoNotTouch) {
  std::vector<std::string> pages{overview()};
  for (const Command& command : commands()) {
    pages.push_back(help_of(command));
    const std::string noun(command.path.substr(0, command.path.find(' ')));
    const std::string verbs = help_of_noun(noun);
    for (const std::string& page : {pages.front(), verbs}) {
      const std::string path(command.path);
      EXPECT_FALSE(page.contains(path + std::string(command.summary))) << page;
      EXPECT_FALSE(page.contains(path + " " + std::string(command.summary))) << page;
    }
    for (const Option& option : command.options) {
      const std::string word =
          option.value.empty() ? std::string(option.name) : std::string(option.value);
      EXPECT_FALSE(pages.back().contains(word + std::string(option.help))) << pages.back();
      EXPECT_FALSE(pages.back().contains(word + " " + std::string(option.help))) << pages.back();
    }
  }
}

TEST(ConfigImport, WhatIsNoConfigurationIsRefused) {
  const std::string file = testing::TempDir() + "import_nothing.yaml";
  for (const auto& [text, told] : {std::pair{"", "is empty"},
                                   {" \n", "is empty"},
                                   {"litellm_settings: {}\n", "model_list"},
                                   {"model_list: []\n", "model_list"}}) {
    std::ofstream(file) << text;
    const Outcome outcome = type({"config", "import", "litellm", file});
    EXPECT_EQ(outcome.code, 2) << text;
    EXPECT_TRUE(outcome.err.contains(told)) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
  std::filesystem::remove(file);
  EXPECT_TRUE(type({"config", "import", "litellm", file}).err.contains("cannot be read"));
}

TEST(CommandTable, IsComplete) {
  std::set<std::string_view> seen;
  for (const Command& command : commands()) {
    EXPECT_TRUE(seen.insert(command.path).second) << command.path;
    EXPECT_NE(command.run, nullptr) << command.path;
    EXPECT_TRUE(command.summary.ends_with('.')) << command.path;
    for (const Option& option : command.options) {
      EXPECT_TRUE(option.help.ends_with('.') || option.help.ends_with("...")) << option.name;
    }
    EXPECT_EQ(type([&] {
                std::vector<std::string> words;
                std::istringstream path{std::string(command.path)};
                for (std::string word; path >> word;) words.push_back(word);
                words.emplace_back("--help");
                return words;
              }())
                  .code,
              0)
        << command.path;
  }
}

TEST(CommandTable, ThePageIsFresh) {
  const std::string path = kSource + "/docs/commands.md";
  if (std::getenv("SALLYPORT_GOLDEN_WRITE")) std::ofstream(path) << commands_page();
  EXPECT_EQ(read(path), commands_page()) << "write it anew with SALLYPORT_GOLDEN_WRITE=1 cli_test";
}

TEST(CommandTable, TheVersionIsThatOfTheBuild) {
  EXPECT_NE(read(kSource + "/CMakeLists.txt").find("VERSION " + std::string(kVersion) + " "),
            std::string::npos);
}

TEST(Completion, BashReadsIt) {
  const std::string path =
      (std::filesystem::temp_directory_path() / "sallyport-completion-test.bash").string();
  std::ofstream(path) << bash_completion()
                      << "COMP_WORDS=(sallyport keys re); COMP_CWORD=2; _sallyport\n"
                         "test \"${COMPREPLY[*]}\" = revoke\n";
  EXPECT_EQ(std::system(("bash " + path).c_str()), 0);
  std::filesystem::remove(path);
  EXPECT_NE(type({"completion", "zsh"}).out.find("#compdef sallyport"), std::string::npos);
}

TEST(DefaultConfiguration, TheOnesWeShipAreValid) {
  ::setenv("CREDENTIALS_DIRECTORY", "/nonexistent", 1);
  for (const char* file : {"/config/sallyport.yaml", "/packaging/docker/sallyport.yaml"}) {
    const Outcome outcome = type({"config", "check", kSource + file, "--no-secrets"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
  }
  ::unsetenv("CREDENTIALS_DIRECTORY");
}

// A folder with a configuration whose paths all lie in it; removed at the end.
class HouseTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "sallyport-cli-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    write("pepper", "0123456789abcdef0123456789abcdef");
    write("sallyport.yaml",
          "version: 1\nkeys: {pepper: file:pepper}\nupstream: [{base_url: "
          "\"http://127.0.0.1:1/v1\"}]\n"
          "audit: {path: journal, segment_bytes: 1MiB}\nstore: {path: keys.db}\nadmin: {socket: "
          "admin.sock}\n"
          "http: {spool: {directory: .}, listeners: [{address: 127.0.0.1:0}]}\n");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path) << text;
    ::chmod(path.c_str(), 0600);
  }
  Outcome with_house(std::vector<std::string> words) {
    words.insert(words.end(), {"-c", folder_ + "/sallyport.yaml"});
    return type(std::move(words));
  }
  std::string folder_;
};

TEST_F(HouseTest, AKeyLivesAndDiesWithoutAServer) {
  const Outcome made =
      with_house({"keys", "create", "app-chat", "--life", "1h", "--model", "gpt-5*"});
  ASSERT_EQ(made.code, 0) << made.err;
  ASSERT_EQ(made.out.size(), 59u) << "the key and a newline, nothing else";
  const std::string key = made.out.substr(0, 58);
  EXPECT_NE(made.err.find("created app-chat"), std::string::npos);
  EXPECT_EQ(made.err.find(key), std::string::npos);

  EXPECT_EQ(with_house({"keys", "create", "app-chat"}).code, 6) << "the name is taken";
  const Outcome listed = with_house({"keys", "list"});
  EXPECT_EQ(listed.code, 0) << listed.err;
  EXPECT_NE(listed.out.find("app-chat"), std::string::npos);
  const Outcome shown = with_house({"keys", "show", "app-chat"});
  EXPECT_NE(shown.out.find("models       gpt-5*"), std::string::npos) << shown.out;
  const Outcome json = with_house({"keys", "show", "app-chat", "--json"});
  const auto object = JsonValue::parse(json.out);
  ASSERT_TRUE(object);
  const std::string kid(*object->at("kid")->string());

  EXPECT_EQ(with_house({"keys", "revoke", "app-chat", "--why", "test"}).code, 0);
  const Outcome again = with_house({"keys", "revoke", kid});
  EXPECT_EQ(again.code, 6);
  EXPECT_NE(again.err.find("is already revoked"), std::string::npos) << again.err;
  EXPECT_EQ(with_house({"keys", "list"}).out, "");
  EXPECT_NE(with_house({"keys", "list", "--all"}).out.find("revoked"), std::string::npos);
  EXPECT_EQ(with_house({"keys", "show", "nobody"}).code, 5);
  EXPECT_EQ(with_house({"keys", "revoke", "nobody"}).code, 5);

  for (const Outcome& outcome : {listed, shown, json, again}) {
    EXPECT_EQ((outcome.out + outcome.err).find(key.substr(20)), std::string::npos);
  }
}

TEST_F(HouseTest, AKeyIsChangedPausedAndComesBack) {
  ASSERT_EQ(with_house({"keys", "create", "app", "--model", "gpt-5*", "--rpm", "9"}).code, 0);
  const auto member = [&](const char* name) {
    const auto key = JsonValue::parse(with_house({"keys", "show", "app", "--json"}).out);
    const auto value = key ? key->at(name) : std::nullopt;
    return std::string(value ? value->string().value_or("") : "?");
  };
  const Outcome updated = with_house({"keys", "update", "app", "--owner", "team green", "--budget",
                                      "5usd/day", "--lift", "rpm", "--life", "2h"});
  EXPECT_EQ(updated.code, 0) << updated.err;
  EXPECT_EQ(member("owner"), "team green");
  EXPECT_EQ(member("rpm"), "?") << "lifted";
  const Outcome shown = with_house({"keys", "show", "app"});
  EXPECT_NE(shown.out.find("models       gpt-5*"), std::string::npos) << "what is not named stays";
  EXPECT_NE(shown.out.find("\"usd\":\"5\""), std::string::npos) << shown.out;

  EXPECT_EQ(with_house({"keys", "block", "app", "--why", "looks odd"}).code, 0);
  EXPECT_EQ(member("status"), "blocked");
  EXPECT_EQ(member("blocked_why"), "looks odd");
  EXPECT_NE(with_house({"keys", "list"}).out.find(" blocked "), std::string::npos);
  EXPECT_EQ(with_house({"keys", "rotate", "app"}).code, 6) << "not while it is blocked";
  EXPECT_EQ(with_house({"keys", "unblock", "app"}).code, 0);
  EXPECT_EQ(member("status"), "active");

  struct Case {
    const char* why;
    std::vector<std::string> arguments;
    int code;
  };
  const Case cases[] = {
      {"nothing to change", {"keys", "update", "app"}, 2},
      {"a malformed life", {"keys", "update", "app", "--life", "soon"}, 2},
      {"longer than keys may live", {"keys", "update", "app", "--life", "25h"}, 2},
      {"set and lifted", {"keys", "update", "app", "--rpm", "1", "--lift", "rpm"}, 2},
      {"an unknown restriction", {"keys", "update", "app", "--lift", "rpn"}, 2},
      {"nobody", {"keys", "update", "nobody", "--rpm", "1"}, 5},
      {"nobody to block", {"keys", "block", "nobody"}, 5},
      {"no such mapping", {"keys", "revoke", "--mapping", "ci"}, 5},
      {"a key and a mapping", {"keys", "revoke", "app", "--mapping", "ci"}, 2},
      {"neither", {"keys", "revoke"}, 2},
  };
  for (const Case& c : cases) {
    const Outcome outcome = with_house(c.arguments);
    EXPECT_EQ(outcome.code, c.code) << c.why << ": " << outcome.err;
  }
  EXPECT_EQ(with_house({"keys", "list", "--mapping", "ci"}).code, 0);
  EXPECT_EQ(with_house({"keys", "revoke", "app"}).code, 0);
  EXPECT_EQ(with_house({"keys", "block", "app"}).code, 6) << "it is dead for good";
}

TEST_F(HouseTest, WhatCannotBeMeantIsSaidInTheWordsOfTheCommand) {
  ASSERT_EQ(with_house({"layers", "create", "acme", "--rpm", "10", "--model", "gpt-5*"}).code, 0);
  ASSERT_EQ(with_house({"layers", "create", "acme/a"}).code, 0);
  ASSERT_EQ(with_house({"keys", "create", "app"}).code, 0);
  struct Said {
    const char* why;
    std::vector<std::string> words;
    int code;
    const char* err;
  };
  const Said cases[] = {
      {"a key on an upstream that there is not",
       {"keys", "create", "k", "--upstream", "NOPE"},
       2,
       "there is no upstream NOPE; there are: openai"},
      {"or put on one",
       {"keys", "update", "app", "--upstream", "NOPE"},
       2,
       "there is no upstream NOPE; there are: openai"},
      {"a key wider than a layer above its own",
       {"keys", "create", "wide", "--layer", "acme/a", "--rpm", "20", "--model", "o9"},
       0,
       "warning: rpm states more than the layer acme;"},
      {"a layer, too",
       {"layers", "create", "acme/a/b", "--model", "o9"},
       0,
       "models states more than the layer acme;"},
      {"one that is not blocked", {"keys", "unblock", "app"}, 6, ") was not blocked"},
      {"nobody", {"keys", "update", "nobody", "--rpm", "1"}, 5, "hint: sallyport keys list --all"},
      {"no name at all", {"keys", "block", "no/body"}, 5, "hint: sallyport keys list --all"},
      {"no such window",
       {"budgets", "reset", "key:app", "--window", "week"},
       2,
       "--window must be minute, hour, day, month or total, not week"},
  };
  for (const Said& c : cases) {
    const Outcome outcome = with_house(c.words);
    EXPECT_EQ(outcome.code, c.code) << c.why << ": " << outcome.err;
    EXPECT_TRUE(outcome.err.contains(c.err)) << c.why << ": " << outcome.err;
  }
  const std::string shown = with_house({"keys", "show", "app"}).out;
  EXPECT_TRUE(shown.contains("owner        -\nderive       no\n")) << shown;
  EXPECT_TRUE(with_house({"admin", "token", "list"}).err.contains("no named tokens"));
}

TEST(Derive, AnErrorNamesTheOptionAndItsValue) {
  const Secret key = keys::mint_key();
  ASSERT_EQ(::setenv("SALLYPORT_TEST_KEY", std::string(key.reveal()).c_str(), 1), 0);
  struct Said {
    std::vector<std::string> words;
    const char* err;
  };
  const Said cases[] = {
      {{"--endpoint", "nope"}, "--endpoint nope must be one of "},
      {{"--certificate", "abc"}, "--certificate abc must be a SHA-256 in base64url"},
      {{"--cidr", "1.2.3"}, "--cidr 1.2.3 must be a network such as 10.0.0.0/8"},
      {{"--country", "abc"}, "--country ABC must be the two letters"},
      {{"--max-usd", "a lot"}, "--max-usd a lot must be an amount"},
      {{"--rpm", "-1"}, "--rpm -1 must be a whole number"},
  };
  for (const Said& c : cases) {
    std::vector<std::string> words = {"keys", "derive", "--from-env", "SALLYPORT_TEST_KEY"};
    words.insert(words.end(), c.words.begin(), c.words.end());
    const Outcome outcome = type(words);
    EXPECT_EQ(outcome.code, 2) << c.err;
    EXPECT_TRUE(outcome.err.contains(c.err)) << outcome.err;
  }
  const Outcome made = type({"keys", "derive", "--from-env", "SALLYPORT_TEST_KEY", "--model",
                             "gpt-5*", "--endpoint", "chat", "--read-only"});
  ASSERT_EQ(made.code, 0) << made.err;
  ASSERT_EQ(::setenv("SALLYPORT_TEST_KEY", made.out.substr(0, made.out.find('\n')).c_str(), 1), 0);
  const Outcome less =
      type({"keys", "derive", "--narrow", "--from-env", "SALLYPORT_TEST_KEY", "--model", "o9"});
  EXPECT_EQ(less.code, 2);
  EXPECT_TRUE(less.err.contains("--model o9 leaves nothing of what the token allows")) << less.err;
  ::unsetenv("SALLYPORT_TEST_KEY");
}

TEST_F(HouseTest, WhatWasDoneStandsInTheJournalWithoutTheKey) {
  const Outcome made = with_house({"keys", "create", "app"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(with_house({"keys", "revoke", "app", "--why", "lost"}).code, 0);
  std::string journal;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ + "/journal")) {
    if (entry.is_regular_file()) journal += read(entry.path().string());
  }
  for (const char* text : {"\"key.create\"", "\"key.revoke\"", "\"actor\":\"local:", "lost"}) {
    EXPECT_NE(journal.find(text), std::string::npos) << text;
  }
  EXPECT_EQ(journal.find(made.out.substr(20, 38)), std::string::npos);

  const Outcome asked =
      with_house({"audit", "query", "--key", "app", "--kind", "admin", "--since", "1h"});
  EXPECT_EQ(asked.code, 0) << asked.err;
  EXPECT_EQ(std::count(asked.out.begin(), asked.out.end(), '\n'), 2) << asked.out;
  EXPECT_LT(asked.out.find("key.revoke"), asked.out.find("key.create")) << "newest first";
  EXPECT_EQ(with_house({"audit", "query", "--key", "nobody"}).out, "");
  EXPECT_NE(with_house({"audit", "query", "--table"}).out.find("key.create"), std::string::npos);
  const Outcome verified = with_house({"audit", "verify"});
  EXPECT_EQ(verified.code, 0);
  EXPECT_EQ(verified.out.substr(0, 17), "whole: 2 records ") << verified.out;
}

TEST_F(HouseTest, ANamedAdminTokenIsMadeListedAndRevoked) {
  const Outcome made =
      with_house({"admin", "token", "create", "--name", "ci", "--role", "viewer", "--life", "1h"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_TRUE(made.out.starts_with("spadmin1-")) << "the token alone on stdout";
  const Outcome again = with_house({"admin", "token", "create", "--name", "ci", "--role", "admin"});
  EXPECT_EQ(again.code, kConflict) << again.err;
  const Outcome listed = with_house({"admin", "token", "list"});
  EXPECT_TRUE(listed.out.contains("viewer")) << listed.out;
  EXPECT_FALSE(listed.out.contains(made.out.substr(22, 40))) << "shown once";
  EXPECT_EQ(with_house({"admin", "token", "revoke", "ci"}).code, 0);
  EXPECT_TRUE(with_house({"admin", "token", "list"}).out.contains("revoked"));
  EXPECT_EQ(with_house({"admin", "token", "revoke", "nobody"}).code, kNotFound);
  EXPECT_EQ(with_house({"admin", "token", "create", "--name", "x"}).code, kUsage);
  EXPECT_EQ(
      with_house({"admin", "token", "create", "--name", "x", "--role", "viewer", "--life", "31d"})
          .code,
      kUsage);
}

TEST_F(HouseTest, QuestionsThatAreWrong) {
  const std::vector<std::string> kWrong[] = {{"--since", "yesterday"},
                                             {"--limit", "-1"},
                                             {"--kind", "x"},
                                             {"--ip", "nowhere"},
                                             {"--status", "9xx"}};
  ASSERT_EQ(with_house({"keys", "create", "app"}).code, 0);
  for (std::vector<std::string> words : kWrong) {
    words.insert(words.begin(), {"audit", "query"});
    EXPECT_EQ(with_house(words).code, 2) << words[2];
  }
}

TEST_F(HouseTest, ADamagedJournalIsAFinding) {
  ASSERT_EQ(with_house({"keys", "create", "app"}).code, 0);
  ASSERT_EQ(with_house({"keys", "create", "second"}).code, 0);
  // In the first segment: at the end of the last one it would be taken for a torn tail.
  std::string first;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ + "/journal")) {
    const std::string path = entry.path().string();
    if (path.ends_with(".jsonl") && (first.empty() || path < first)) first = path;
  }
  std::string text = read(first);
  const std::size_t at = text.find("key.create");
  ASSERT_NE(at, std::string::npos);
  text[at] = 'K';
  std::ofstream(first, std::ios::binary) << text;
  const Outcome verified = with_house({"audit", "verify"});
  EXPECT_EQ(verified.code, 3) << verified.out << verified.err;
}

TEST_F(HouseTest, NoJournalYet) { EXPECT_EQ(with_house({"audit", "verify"}).code, 5); }

TEST_F(HouseTest, AConfigurationThatIsWrongIsTold) {
  write("sallyport.yaml", "version: 1\nkyes: {}\n");
  const Outcome outcome = with_house({"keys", "list"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("sallyport.yaml:2:1: kyes: unknown field; did you mean keys?"),
            std::string::npos)
      << outcome.err;
}

TEST_F(HouseTest, StatusWithoutAServer) { EXPECT_EQ(with_house({"status"}).code, 7); }

TEST_F(HouseTest, DoctorFindsAHealthyHouse) {
  const Outcome outcome = with_house({"doctor", "--offline"});
  EXPECT_EQ(outcome.code, 0) << outcome.out;
  EXPECT_NE(outcome.out.find("OK    store: "), std::string::npos) << outcome.out;
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/keys.db")) << "doctor makes nothing";
}

TEST_F(HouseTest, DoctorNamesTheDangers) {
  write("sallyport.yaml",
        "version: 1\nkeys: {required: false}\nupstream: [{base_url: \"http://127.0.0.1:1/v1\"}]\n"
        "audit: {enabled: false}\nstore: {path: keys.db}\nadmin: {socket: admin.sock}\n");
  const Outcome outcome = with_house({"doctor", "--offline"});
  EXPECT_EQ(outcome.code, 3);
  EXPECT_NE(outcome.out.find("FAIL  keys.required"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("FAIL  audit.enabled"), std::string::npos) << outcome.out;
  const Outcome json = with_house({"doctor", "--offline", "--json"});
  const auto object = JsonValue::parse(json.out);
  ASSERT_TRUE(object) << json.out;
  EXPECT_EQ(object->at("healthy")->boolean(), false);
}

}  // namespace
}  // namespace sallyport::cli
