// SPDX-License-Identifier: Apache-2.0
#include "cli/doctor.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <ostream>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "cli/commands.h"
#include "cli/socket_client.h"
#include "cli/start_check.h"
#include "config/values.h"
#include "net/connect.h"
#include "store/sqlite_keys.h"
#include "store/sqlite_leases.h"
#include "upstream/upstreams.h"

namespace sallyport::cli {
namespace {

constexpr std::uint64_t kSpaceFail = 100ull << 20;  // bytes; the journal stops soon
constexpr std::uint64_t kSpaceWarn = 1ull << 30;
constexpr std::uint64_t kDescriptorsBeside = 512;  // journal, store, upstreams, admin

std::string existing_folder(const std::string& path) {
  std::filesystem::path at(path);
  std::error_code ignored;
  while (!std::filesystem::is_directory(at, ignored) && at.has_relative_path())
    at = at.parent_path();
  return at.empty() ? "." : at.string();
}

void good(Diagnoses& found, std::string_view name, std::string what) {
  found.push_back({Health::kGood, std::string(name), std::move(what), ""});
}
void warn(Diagnoses& found, std::string_view name, std::string what, std::string fix) {
  found.push_back({Health::kWarn, std::string(name), std::move(what), std::move(fix)});
}
void bad(Diagnoses& found, std::string_view name, std::string what, std::string fix) {
  found.push_back({Health::kFail, std::string(name), std::move(what), std::move(fix)});
}

void examine_store(const config::Config& config, Diagnoses& found) {
  std::error_code ignored;
  const std::string& path = config.store.path;
  if (!std::filesystem::exists(path, ignored)) {
    const std::string folder = existing_folder(path);
    if (::access(folder.c_str(), W_OK | X_OK) != 0) {
      return bad(found, "store", path + " is not there and " + folder + " is not writable",
                 "make the folder writable for this user, or set store.path");
    }
    return good(found, "store", path + " will be made");
  }
  const auto store = store::SqliteKeys::open(config.store);
  if (!store) {
    return bad(found, "store", path + ": " + store.error().what,
               "check the file's owner and mode, or restore it from a backup");
  }
  const auto rows = (*store)->load(0);
  if (!rows)
    return bad(found, "store", path + ": " + rows.error().what, "restore it from a backup");
  good(found, "store", path + ", " + std::to_string(rows->size()) + " keys");
}

// A lease that no upstream of the configuration ends is a key at the provider that works for ever.
void examine_leases(const config::Config& config, Diagnoses& found) {
  std::error_code ignored;
  if (!std::filesystem::exists(config.store.path, ignored)) return;
  const auto store = store::SqliteLeases::open(config.store);
  if (!store) return;  // that of the keys says so
  const auto rows = (*store)->list();
  if (!rows) return bad(found, "leases", rows.error().what, "restore the store from a backup");
  const auto upstreams = upstream::credentials_of(config.upstream);
  for (const provider::LeaseRow& row : *rows) {
    if (provider::owner_of(row, upstreams) != nullptr) continue;
    bad(found, "leases",
        row.name + " (" + (row.account_id.empty() ? "no account known" : row.account_id) + ") of " +
            row.project + " belonged to upstream " + row.upstream +
            ", which has no lease any more: nobody deletes it",
        "delete the account at the provider; with a lease of the same project and instance the "
        "gateway does, and with it goes this row");
  }
}

void examine_journal(const config::Config& config, Diagnoses& found) {
  if (!config.audit.enabled) return;
  const std::string folder = existing_folder(config.audit.path);
  if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    return bad(found, "journal", folder + " is not writable",
               "give it to this user, mode 0700, or set audit.path");
  }
  struct statvfs info{};
  if (::statvfs(folder.c_str(), &info) != 0) {
    return bad(found, "journal", folder + " cannot be examined", "check the file system");
  }
  const std::uint64_t free = static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
  const std::string space = std::to_string(free >> 20) + " MiB free at " + folder;
  if (free < kSpaceFail)
    return bad(found, "journal", space, "make room: a full disk refuses requests");
  if (free < kSpaceWarn) return warn(found, "journal", space, "make room before it is full");
  good(found, "journal", space);
}

void examine_socket(const config::Config& config, bool server_runs, Diagnoses& found) {
  const std::string& path = config.admin.socket;
  if (path.empty()) {
    return warn(found, "admin socket", "none is configured",
                "set admin.socket for the command line");
  }
  const std::string folder = std::filesystem::path(path).parent_path().string();
  if (server_runs) return good(found, "admin socket", path + " answers");
  if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    return bad(found, "admin socket", folder + " is not there or not writable",
               "make it for this user (RuntimeDirectory= of the unit does), or set admin.socket");
  }
  good(found, "admin socket", path + " can be made");
}

void examine_port(std::string_view name, const std::string& address, bool server_runs,
                  Diagnoses& found) {
  const auto parsed = config::parse_host_port(address);
  if (!parsed) return;
  const auto fd = net::listen_tcp({parsed->address, parsed->port}, false, 1);
  if (fd) {
    ::close(*fd);
    if (!server_runs || parsed->port == 0) return good(found, name, address + " is free");
    return warn(found, name, address + " is free although a server runs",
                "it was started with another configuration; restart it");
  }
  if (server_runs) return good(found, name, address + " is in use by the running server");
  bad(found, name, address + " cannot be used: " + fd.error().what,
      "stop what uses it (ss -ltnp), or choose another address");
}

const char* word_of(Health health) {
  switch (health) {
    case Health::kGood:
      return "OK";
    case Health::kWarn:
      return "WARN";
    case Health::kFail:
      return "FAIL";
  }
  return "FAIL";
}

int report(const Invocation& call, const Diagnoses& found) {
  const bool failed = std::ranges::any_of(
      found, [](const Diagnosis& diagnosis) { return diagnosis.health == Health::kFail; });
  std::string out;
  if (call.json) {
    JsonWriter json(out);
    json.begin_object().field("healthy", !failed).key("checks").begin_array();
    for (const Diagnosis& diagnosis : found) {
      json.begin_object()
          .field("health", word_of(diagnosis.health))
          .field("name", diagnosis.name)
          .field("what", diagnosis.what)
          .field("fix", diagnosis.fix)
          .end_object();
    }
    json.end_array().end_object();
    out += "\n";
  } else {
    for (const Diagnosis& diagnosis : found) {
      std::string word = word_of(diagnosis.health);
      word.resize(6, ' ');
      out += word + diagnosis.name + ": " + diagnosis.what + "\n";
      if (!diagnosis.fix.empty()) out += "      fix: " + diagnosis.fix + "\n";
    }
  }
  call.out << out;
  return failed ? kFinding : kOk;
}

}  // namespace

void examine_server(std::string_view readiness, Diagnoses& found) {
  const auto body = JsonValue::parse(readiness);
  const auto checks = body ? body->at("checks") : std::nullopt;
  if (!checks) return;
  for (const JsonValue& check : checks->items()) {
    const auto ok = check.at("ok"), essential = check.at("essential"), what = check.at("name"),
               detail = check.at("detail");
    if (!what || (ok && ok->boolean() == true)) continue;
    const std::string name = "server " + std::string(what->string().value_or(""));
    const bool credential = name.starts_with("server credential.");
    const std::string fix = credential ? "sallyport upstream list; docs/provider-credentials.md"
                                       : "sallyport status; the server's own log says more";
    const std::string said(detail ? detail->string().value_or("") : "");
    const bool fatal = essential && essential->boolean() == true;
    fatal ? bad(found, name, said, fix) : warn(found, name, said, fix);
  }
}

void examine_dangers(const config::Config& config, Diagnoses& found) {
  if (!config.keys.required) {
    bad(found, "keys.required", "false: anybody who reaches the port uses your provider's key",
        "set keys.required: true");
  } else {
    good(found, "keys", "every request needs a key; the pepper is there");
  }
  if (!config.audit.enabled) {
    bad(found, "audit.enabled", "false: nothing is recorded", "set audit.enabled: true");
  } else if (!config.audit.refuse_on_write_failure) {
    warn(found, "audit.on_write_failure", "requests pass unrecorded while the journal cannot write",
         "set audit.on_write_failure: refuse");
  }
  if (config.keys.life_max > std::chrono::hours(24)) {
    warn(found, "keys.life_max", "keys may live longer than a day",
         "24h, and renew: a stolen key then dies by itself");
  }
  const auto admin = config::parse_host_port(config.admin.address);
  if (admin && !admin->address.is_loopback()) {
    warn(found, "admin.listener", "others than this host reach the admin API (TLS is on)",
         "use 127.0.0.1 and a tunnel");
  }
}

void examine_files(const config::Config& config, Diagnoses& found) {
  examine_store(config, found);
  examine_leases(config, found);
  examine_journal(config, found);
  if (config.meter.prices != "builtin" && ::access(config.meter.prices.c_str(), R_OK) != 0) {
    bad(found, "meter.prices", config.meter.prices + " cannot be read", "check path and mode");
  }
  if (::access(config.http.spool_directory.c_str(), W_OK | X_OK) != 0) {
    bad(found, "http.spool", config.http.spool_directory + " is not writable",
        "set http.spool.directory");
  }
  for (const http::ListenerConfig& listener : config.http.listeners) {
    if (!listener.tls_cert_file || !listener.tls_key_file) continue;
    examine_tls_files("tls of " + listener.name, *listener.tls_cert_file, *listener.tls_key_file,
                      found);
  }
  if (config.admin.tls_cert_file && config.admin.tls_key_file) {
    examine_tls_files("tls of admin", *config.admin.tls_cert_file, *config.admin.tls_key_file,
                      found);
  }
}

void examine_ports(const config::Config& config, bool server_runs, Diagnoses& found) {
  for (const http::ListenerConfig& listener : config.http.listeners) {
    examine_port("listener " + listener.name, listener.address, server_runs, found);
  }
  examine_port("admin listener", config.admin.address, server_runs, found);
  examine_socket(config, server_runs, found);
}

void examine_host(const config::Config& config, Diagnoses& found) {
  const std::time_t now = std::time(nullptr);
  constexpr std::time_t kWritten = 1'767'225'600;  // 2026-01-01: this program is younger
  timex state{};
  const int clock = ::adjtimex(&state);
  if (now < kWritten) {
    bad(found, "clock", "shows a time before this program was written", "set the clock");
  } else if (clock == -1) {
    warn(found, "clock", "cannot be examined here", "check that it is synchronised");
  } else if (clock == TIME_ERROR || (state.status & STA_UNSYNC) != 0) {
    warn(found, "clock", "is not synchronised; expiry and records depend on it",
         "run chrony or systemd-timesyncd");
  } else {
    good(found, "clock", "is synchronised");
  }

  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  // A client and an upstream connection for each.
  const std::uint64_t needed = 2 * config.http.connections_max + kDescriptorsBeside;
  const std::string text = std::to_string(limit.rlim_max) + " descriptors allowed, " +
                           std::to_string(needed) + " needed for http.connections_max";
  if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < needed) {
    warn(found, "descriptors", text, "raise LimitNOFILE=, or lower http.connections_max");
  } else {
    good(found, "descriptors", text);
  }
}

Diagnoses examine(const config::Config& config, const DoctorOptions& options) {
  Diagnoses found;
  examine_dangers(config, found);
  examine_files(config, found);
  examine_ports(config, options.server_runs, found);
  examine_host(config, found);
  if (!options.offline) examine_upstreams(config, found);
  return found;
}

int doctor(const Invocation& call, const Programs&) {
  Diagnoses found;
  const config::LoadResult loaded = load_to_serve(call.config_file);
  if (!loaded) {
    for (const config::Problem& problem : loaded.error()) {
      bad(found, "config", config::format_problem(call.config_file, problem),
          problem.field.empty() ? "sallyport help" : "sallyport config explain " + problem.field);
    }
    return report(call, found);
  }
  good(found, "config", call.config_file + " is valid");
  for (const config::Problem& warning : loaded->warnings) {
    warn(found, "config", config::format_problem(call.config_file, warning), "");
  }
  DoctorOptions options;
  options.offline = call.has("offline");
  const auto status = ask_socket(loaded->config.admin.socket, "GET", "/admin/v1/status");
  options.server_runs = status && status->status == 200;
  for (Diagnosis& diagnosis : examine(loaded->config, options))
    found.push_back(std::move(diagnosis));
  if (options.server_runs) {
    const auto ready = ask_socket(loaded->config.admin.socket, "GET", "/health/readiness");
    if (ready) examine_server(ready->body, found);
  }
  return report(call, found);
}

}  // namespace sallyport::cli
