// SPDX-License-Identifier: Apache-2.0
#include "cli/doctor.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "net/connect.h"
#include "store/sqlite_leases.h"

namespace sallyport::cli {
namespace {

// A folder with certificates of our own making; removed at the end.
class DoctorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "sallyport-doctor-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }

  // NAME.crt, self-signed, that ends in so many seconds; NAME.key.
  void make_pair(const std::string& name, long seconds) {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -86'400 * 30);
    X509_gmtime_adj(X509_getm_notAfter(certificate), seconds);
    X509_set_pubkey(certificate, key);
    X509_sign(certificate, key, EVP_sha256());
    FILE* file = std::fopen(path(name + ".crt").c_str(), "w");
    PEM_write_X509(file, certificate);
    std::fclose(file);
    file = std::fopen(path(name + ".key").c_str(), "w");
    PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
  }

  std::string folder_;
};

struct ServerCase {
  const char* why;
  const char* readiness;
  std::vector<std::string> found;  // "FAIL name: what"
};

const ServerCase kServer[] = {
    {"all is well",
     R"({"status":"ready","checks":[{"name":"journal","ok":true,"essential":true,
      "detail":"writing"}]})",
     {}},
    {"an upstream without a credential",
     R"({"status":"not_ready","checks":[{"name":"credential.openai","ok":false,"essential":true,
      "detail":"none; create failed: forbidden"}]})",
     {"FAIL server credential.openai: none; create failed: forbidden"}},
    {"what does not count for readiness is a warning",
     R"({"status":"ready","checks":[{"name":"upstream.openai","ok":false,"essential":false,
      "detail":"breaker open"}]})",
     {"WARN server upstream.openai: breaker open"}},
    {"what cannot be read says nothing", "no JSON", {}},
    {"nor does another shape", R"({"checks":{"ok":false}})", {}},
    {"a check without a name is left out", R"({"checks":[{"ok":false,"essential":true}]})", {}},
};

TEST(Doctor, TellsWhatTheRunningServerSaysIsWrong) {
  for (const ServerCase& c : kServer) {
    Diagnoses diagnoses;
    examine_server(c.readiness, diagnoses);
    std::vector<std::string> found;
    for (const Diagnosis& one : diagnoses) {
      found.push_back((one.health == Health::kFail ? "FAIL " : "WARN ") + one.name + ": " +
                      one.what);
      EXPECT_FALSE(one.fix.empty()) << c.why;
    }
    EXPECT_EQ(found, c.found) << c.why;
  }
}

struct TlsCase {
  const char* why;
  const char* certificate;
  const char* key;
  Health health;
  const char* says;
};

TEST_F(DoctorTest, Certificates) {
  make_pair("good", 86'400 * 90);
  make_pair("soon", 86'400 * 5);
  make_pair("past", -3'600);
  std::ofstream(path("text")) << "no PEM in here\n";
  const TlsCase kCases[] = {
      {"valid for long", "good.crt", "good.key", Health::kGood, "is valid for "},
      {"valid for days", "soon.crt", "soon.key", Health::kWarn, "is valid for "},
      {"expired an hour ago", "past.crt", "past.key", Health::kFail, "has expired"},
      {"another's key", "good.crt", "soon.key", Health::kFail, "does not belong to"},
      {"no certificate", "text", "good.key", Health::kFail, "holds no certificate"},
      {"no key", "good.crt", "text", Health::kFail, "holds no private key"},
      {"not there", "none.crt", "good.key", Health::kFail, "cannot be read"},
      {"key not there", "good.crt", "none.key", Health::kFail, "cannot be read"},
  };
  for (const TlsCase& c : kCases) {
    Diagnoses found;
    examine_tls_files("tls", path(c.certificate), path(c.key), found);
    ASSERT_EQ(found.size(), 1u) << c.why;
    EXPECT_EQ(found[0].health, c.health) << c.why;
    EXPECT_NE(found[0].what.find(c.says), std::string::npos) << c.why << ": " << found[0].what;
    EXPECT_EQ(found[0].fix.empty(), c.health == Health::kGood) << c.why;
  }
}

TEST_F(DoctorTest, APortIsFreeOrInUse) {
  const auto fd = net::listen_tcp({*IpAddress::parse("127.0.0.1"), 0}, false);
  ASSERT_TRUE(fd);
  config::Config config;
  config.admin.socket = path("admin.sock");
  config.admin.address = "127.0.0.1:0";
  config.http.listeners[0].address = "127.0.0.1:" + std::to_string(net::local_endpoint(*fd)->port);
  const auto health = [&](bool server_runs) {
    Diagnoses found;
    examine_ports(config, server_runs, found);
    return found.at(0).health;
  };
  EXPECT_EQ(health(false), Health::kFail) << "somebody else has it";
  EXPECT_EQ(health(true), Health::kGood) << "it is ours";
  ::close(*fd);
  EXPECT_EQ(health(false), Health::kGood) << "free";
  EXPECT_EQ(health(true), Health::kWarn) << "free, but a server runs: it has another configuration";
}

TEST_F(DoctorTest, AFolderThatIsNotThere) {
  config::Config config;
  config.store.path = path("keys.db");
  config.audit.path = path("journal");
  config.http.spool_directory = path("nowhere");
  config.meter.prices = path("none.json");
  Diagnoses found;
  examine_files(config, found);
  const auto fails = std::ranges::count(found, Health::kFail, &Diagnosis::health);
  EXPECT_EQ(fails, 2) << "spool and prices; store and journal can be made";
}

// A key at the provider that nobody deletes.
TEST_F(DoctorTest, ALeaseThatNoUpstreamEnds) {
  config::Config config;
  config.store.path = path("s.db");
  config.audit.path = path("journal");
  config.http.spool_directory = folder_;
  provider::LeaseRow row;
  row.name = "sallyport-a-7";
  row.upstream = "gone";
  row.project = "proj_1";
  row.account_id = "svc_acct_7";
  ASSERT_TRUE(store::SqliteLeases::open(config.store).value()->put({row}));
  const auto told = [&] {
    Diagnoses found;
    examine_files(config, found);
    const auto at = std::ranges::find(found, "leases", &Diagnosis::name);
    return at == found.end() ? std::string() : at->what;
  };
  EXPECT_TRUE(told().contains("sallyport-a-7 (svc_acct_7)")) << told();
  upstream::UpstreamConfig renamed;
  renamed.name = "new";
  renamed.lease.mode = "service_account";
  renamed.lease.project = "proj_1";
  renamed.lease.instance = "a";
  config.upstream.upstreams.push_back(renamed);
  EXPECT_EQ(told(), "") << "that one ends it";
}

TEST_F(DoctorTest, AnUpstreamThatDoesNotListen) {
  const auto fd = net::listen_tcp({*IpAddress::parse("127.0.0.1"), 0}, false);
  ASSERT_TRUE(fd);
  const std::string port = std::to_string(net::local_endpoint(*fd)->port);
  config::Config config;
  config.upstream.upstreams.resize(1);
  config.upstream.upstreams[0].base_url = "http://127.0.0.1:" + port + "/v1";
  Diagnoses found;
  examine_upstreams(config, found);
  EXPECT_EQ(found.at(0).health, Health::kGood) << found.at(0).what;
  ::close(*fd);
  found.clear();
  examine_upstreams(config, found);
  EXPECT_EQ(found.at(0).health, Health::kFail) << found.at(0).what;
}

}  // namespace
}  // namespace sallyport::cli
