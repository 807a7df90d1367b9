// SPDX-License-Identifier: Apache-2.0
#include "cli/house.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <ostream>
#include <utility>

#include "admin/admin_api.h"
#include "audit/journal.h"
#include "base/clock.h"
#include "config/load.h"
#include "event/no_record.h"
#include "keys/key_ring.h"
#include "net/loop.h"
#include "net/offload.h"
#include "store/sqlite_keys.h"
#include "store/sqlite_settings.h"

namespace sallyport::cli {
namespace {

// Files made by another user than the server's (by root, say) would lock the server out of its own
// journal at its next start.
Result<void> check_owner(const std::string& path) {
  std::filesystem::path at(path);
  struct stat info{};
  while (::stat(at.c_str(), &info) != 0 && at.has_relative_path()) at = at.parent_path();
  if (info.st_uid == ::geteuid()) return {};
  // A folder above that is not there yet belongs to root; whoever may write it may make it.
  if (at != std::filesystem::path(path) && ::access(at.c_str(), W_OK) == 0) return {};
  return fail(Code::kDenied, at.string() + " belongs to user " + std::to_string(info.st_uid) +
                                 "; run this as that user, or start the server");
}

// The referenced things live in ask_own_house, which waits in loop.run() until this stops it.
Task<void> answer_one(net::Loop& loop, admin::AdminApi& api, net::ServerRequest request,
                      net::ServerResponse& answer) {
  Task<net::ServerResponse> asking = api.handle(std::move(request));
  answer = co_await asking;
  loop.stop();
}

Result<std::unique_ptr<Recorder>> open_journal(const audit::Config& config, const Clock& clock,
                                               audit::FileSystem& files) {
  if (!config.enabled) return std::make_unique<NoRecord>();
  Result<std::unique_ptr<audit::Journal>> journal = audit::Journal::open(config, clock, files);
  if (!journal) return std::unexpected(journal.error());
  return std::unique_ptr<Recorder>(std::move(*journal));
}

int tell_problems(const Invocation& call, const std::vector<config::Problem>& problems) {
  for (const config::Problem& problem : problems) {
    complain(call, kUsage, "configuration", config::format_problem(call.config_file, problem));
  }
  return kUsage;
}

}  // namespace

std::vector<std::string> upstream_names(const config::Config& config) {
  std::vector<std::string> names;
  for (const upstream::UpstreamConfig& one : config.upstream.upstreams) names.push_back(one.name);
  return names;
}

Result<SocketReply> ask_own_house(const config::Config& config, std::string_view method,
                                  std::string_view target, std::string_view json_body) {
  if (const auto owner = check_owner(config.store.path); !owner) {
    return std::unexpected(owner.error());
  }
  if (const auto owner = check_owner(config.audit.path); config.audit.enabled && !owner) {
    return std::unexpected(owner.error());
  }
  const SystemClock clock;
  audit::PosixFileSystem files;
  auto journal = open_journal(config.audit, clock, files);
  if (!journal) return std::unexpected(journal.error());
  auto store = store::SqliteKeys::open(config.store);
  if (!store) return std::unexpected(store.error());
  auto settings = store::SqliteSettings::open(config.store);
  if (!settings) return std::unexpected(settings.error());
  auto ring = keys::KeyRing::open(config.keys, **store, clock);
  if (!ring) return std::unexpected(ring.error());
  (*ring)->know_upstreams(upstream_names(config));

  net::Loop loop;
  net::Offload offload(1);
  auto api = admin::AdminApi::make(config.admin, {.loop = loop,
                                                  .offload = offload,
                                                  .keys = **ring,
                                                  .recorder = **journal,
                                                  .settings = **settings,
                                                  .clock = clock,
                                                  .version = std::string(kVersion)});
  if (!api) return std::unexpected(api.error());
  net::ServerRequest request;
  request.method = method;
  const std::size_t query = std::min(target.find('?'), target.size());
  request.path = target.substr(0, query);
  request.query = target.substr(std::min(query + 1, target.size()));
  request.headers = {{"content-type", "application/json"}};
  request.body = json_body;
  request.local_socket = true;
  net::ServerResponse answer;
  loop.spawn(answer_one(loop, **api, std::move(request), answer));
  loop.run();
  return SocketReply{answer.status, std::move(answer.body)};
}

Result<SocketReply> ask_house(const Invocation& call, std::string_view method,
                              std::string_view target, std::string_view json_body, int patience_s) {
  config::Surroundings around = config::process_surroundings(call.config_file);
  around.follow_secrets = false;
  const config::LoadResult asked = config::load_file(call.config_file, around);
  if (!asked) {
    tell_problems(call, asked.error());
    return fail(Code::kInvalid, "");
  }
  Result<SocketReply> reply =
      ask_socket(asked->config.admin.socket, method, target, json_body, patience_s);
  if (reply) return reply;
  if (reply.error().code != Code::kNotFound) {
    const Exit code = reply.error().code == Code::kDenied ? kNotPermitted : kUnreachable;
    complain(call, code, name(reply.error().code), reply.error().what);
    return fail(reply.error().code, "");
  }

  around.follow_secrets = true;
  const config::LoadResult own = config::load_file(call.config_file, around);
  if (!own) {
    if (!call.quiet && !call.json) call.err << reply.error().what << "; opening the store myself\n";
    tell_problems(call, own.error());
    return fail(Code::kInvalid, "");
  }
  reply = ask_own_house(own->config, method, target, json_body);
  if (!reply) {
    const Exit code = reply.error().code == Code::kDenied ? kNotPermitted : exit_of(reply.error());
    complain(call, code, name(reply.error().code), reply.error().what);
    return fail(reply.error().code, "");
  }
  return reply;
}

}  // namespace sallyport::cli
