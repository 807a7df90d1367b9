// SPDX-License-Identifier: Apache-2.0
#include "keys/secret_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace sallyport::keys {
namespace {

namespace fs = std::filesystem;

class SecretFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::canonical(fs::temp_directory_path()) / "secret_XXXXXX").string();
    root_ = ::mkdtemp(name.data());
  }
  void TearDown() override { fs::remove_all(root_); }

  static std::string read(const std::string& path) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  static mode_t mode(const std::string& path) {
    struct stat about{};
    EXPECT_EQ(::stat(path.c_str(), &about), 0);
    return about.st_mode & 07777;
  }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(root_), fs::directory_iterator()));
  }

  std::string root_;
};

const Secret kSecret("sk-sp1-not-a-key");

TEST_F(SecretFile, AppearsWholeAndForTheOwnerOnly) {
  const mode_t before = ::umask(0);
  ASSERT_TRUE(write_secret_file(root_ + "/key", kSecret));
  ::umask(before);
  EXPECT_EQ(read(root_ + "/key"), "sk-sp1-not-a-key");
  EXPECT_EQ(mode(root_ + "/key"), 0600U);
  EXPECT_EQ(files(), 1U) << "no draft stays behind";
}

TEST_F(SecretFile, ReplacesWhatWasThereAndItsMode) {
  std::ofstream(root_ + "/key") << "a much longer text that was there before";
  ::chmod((root_ + "/key").c_str(), 0666);
  ASSERT_TRUE(write_secret_file(root_ + "/key", kSecret));
  EXPECT_EQ(read(root_ + "/key"), "sk-sp1-not-a-key");
  EXPECT_EQ(mode(root_ + "/key"), 0600U);
}

TEST_F(SecretFile, ALinkAtTheEndIsReplacedNotFollowed) {
  std::ofstream(root_ + "/victim") << "keep";
  fs::create_symlink(root_ + "/victim", root_ + "/key");
  ASSERT_TRUE(write_secret_file(root_ + "/key", kSecret));
  EXPECT_EQ(read(root_ + "/victim"), "keep");
  EXPECT_FALSE(fs::is_symlink(root_ + "/key"));
}

TEST_F(SecretFile, RefusesDirectoriesThatAreNotSafe) {
  fs::create_directory(root_ + "/real");
  fs::create_directory_symlink(root_ + "/real", root_ + "/link");
  fs::create_directory(root_ + "/real/deep");
  fs::create_directory(root_ + "/open");
  ::chmod((root_ + "/open").c_str(), 0777);
  fs::create_directory(root_ + "/open/inner");
  fs::create_directory(root_ + "/sticky");
  ::chmod((root_ + "/sticky").c_str(), 01777);
  fs::create_directory(root_ + "/sticky/inner");
  fs::create_directories(root_ + "/group/inner");
  ::chmod((root_ + "/group").c_str(), 0770);
  std::ofstream(root_ + "/file") << "x";
  fs::create_directory(root_ + "/taken");
  struct Case {
    const char* why;
    std::string path;
    Code code;
  };
  const Case cases[] = {
      {"a link as the directory", root_ + "/link/key", Code::kDenied},
      {"a link on the way", root_ + "/link/deep/key", Code::kDenied},
      {"everybody may write", root_ + "/open/key", Code::kDenied},
      {"everybody may write on the way", root_ + "/open/inner/key", Code::kDenied},
      {"sticky does not help at the end", root_ + "/sticky/key", Code::kDenied},
      {"a group may write", root_ + "/group/key", Code::kDenied},
      {"a group may write on the way", root_ + "/group/inner/key", Code::kDenied},
      {"no such directory", root_ + "/nowhere/key", Code::kUnavailable},
      {"a file for a directory", root_ + "/file/key", Code::kDenied},
      {"a directory in its place", root_ + "/taken", Code::kUnavailable},
      {"a relative path", "key", Code::kInvalid},
      {"nothing", "", Code::kInvalid},
      {"no name", root_ + "/", Code::kInvalid},
      {"dots at the end", root_ + "/..", Code::kInvalid},
      {"dots on the way", root_ + "/real/../key", Code::kInvalid},
  };
  for (const Case& c : cases) {
    const auto written = write_secret_file(c.path, kSecret);
    ASSERT_FALSE(written) << c.why;
    EXPECT_EQ(written.error().code, c.code) << c.why << ": " << written.error().what;
    EXPECT_FALSE(written.error().what.contains("not-a-key")) << c.why;
  }
  EXPECT_TRUE(write_secret_file(root_ + "/sticky/inner/key", kSecret)) << "others cannot move it";
  for (const auto& entry : fs::recursive_directory_iterator(root_)) {
    EXPECT_FALSE(entry.path().filename().string().starts_with(".")) << entry.path();
  }
}

}  // namespace
}  // namespace sallyport::keys
