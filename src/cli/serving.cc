// SPDX-License-Identifier: Apache-2.0
#include "cli/serving.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdio>
#include <ostream>
#include <utility>

#include "base/log.h"
#include "cli/start_check.h"
#include "event/no_record.h"

namespace sallyport::cli {
namespace {

constexpr std::int64_t kKeyWatchMs = 250;  // a revocation by another process is heard within this

std::string url(const net::Endpoint& at, bool tls) {
  const std::string host = at.address.is_v4() ? at.address.text() : "[" + at.address.text() + "]";
  return std::string(tls ? "https://" : "http://") + host + ":" + std::to_string(at.port);
}

}  // namespace

Signals::Signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  fd_ = ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

Signals::~Signals() {
  if (fd_ >= 0) ::close(fd_);
}

Record::Record(std::unique_ptr<audit::TreeKeeper> keeper, std::unique_ptr<audit::Journal> journal,
               std::unique_ptr<Recorder> none)
    : journal_(std::move(journal)), none_(std::move(none)), keeper_(std::move(keeper)) {}

Recorder& Record::port() const { return journal_ ? *journal_ : *none_; }

void Record::stop() {
  if (journal_) journal_->stop();
  if (keeper_) keeper_->stop();  // signs up to the last record
}

Result<Record> open_record(const audit::Config& config, const Clock& clock,
                           audit::FileSystem& files, Sealer* sealer) {
  if (!config.enabled) {
    log::warn("audit.off", {{"meaning", "calls are not recorded"}});
    return Record(nullptr, nullptr, std::make_unique<NoRecord>());
  }
  // Nothing is appended to a log that may not be signed.
  auto keeper = audit::TreeKeeper::open(config, files, clock);
  if (!keeper) return std::unexpected(keeper.error());
  auto journal = audit::Journal::open(config, clock, files, {}, sealer);
  if (!journal) return std::unexpected(journal.error());
  (*keeper)->start(**journal);
  return Record(std::move(*keeper), std::move(*journal), nullptr);
}

upstream::Breaker::Observer breaker_recorder(Recorder& recorder, const Clock& clock) {
  return [&recorder, &clock](const upstream::BreakerChange& change) {
    log::warn("breaker.changed", {{"upstream", change.upstream},
                                  {"from", upstream::name(change.from)},
                                  {"to", upstream::name(change.to)},
                                  {"reason", change.reason}});
    recorder.record(upstream::make_event(change, clock.now()), Durability::kWritten, nullptr);
  };
}

void die(const Error& why) {
  log::error("serve.failed", {{"reason", why.what}});
  std::_Exit(kFailed);
}

Serving::Serving(const Invocation& call)
    : call_(call), supervisor_(NotifySocket::from_environment()), config_file_(call.config_file) {
  if (call.has("quickstart")) {
    auto prepared =
        Quickstart::prepare(call.value("folder", "var"), call.value("listen", "127.0.0.1:8080"));
    if (!prepared) {
      cannot("prepare a first start", prepared.error());
      return;
    }
    quickstart_ = std::move(*prepared);
    config_file_ = quickstart_->config_file();
  }
  config::LoadResult loaded = load_to_serve(config_file_);
  if (!loaded) {
    for (const config::Problem& problem : loaded.error()) {
      call_.err << config::format_problem(config_file_, problem) << "\n";
    }
    return;
  }
  for (const config::Problem& problem : loaded->warnings) {
    call_.err << "warning: " << config::format_problem(config_file_, problem) << "\n";
  }
  config_ = std::make_shared<const config::Config>(std::move(loaded->config));
}

Serving::~Serving() = default;

int Serving::cannot(const char* what, const Error& why) const {
  call_.err << "error: cannot " << what << ": " << why.what << "\n";
  return kFailed;
}

int Serving::cannot(const Failed& failed) const {
  if (!failed.misconfigured) return cannot(failed.step, failed.why);
  call_.err << "error: " << failed.why.what << "\n";
  return kUsage;
}

Result<void> Serving::open_doors(net::Loop& house, admin::AdminApi& api, SettingStore& settings) {
  const admin::Config& config = config_->admin;
  auto token = admin::ensure_admin_token(settings);
  if (!token) return std::unexpected(token.error());

  std::shared_ptr<const net::TlsContext> tls;
  if (config.tls_cert_file) {
    auto read = http::read_tls_files(*config.tls_cert_file, config.tls_key_file);
    if (!read) return std::unexpected(read.error());
    auto made = net::TlsContext::server(*read);
    if (!made) return std::unexpected(made.error());
    tls = std::move(*made);
  }
  if (!config.address.empty()) {
    auto at = http::parse_address(config.address);
    if (!at) return std::unexpected(at.error());
    auto fd = net::listen_tcp(*at, false, 128);
    if (!fd) return std::unexpected(fd.error());
    auto bound = net::local_endpoint(*fd);
    if (!bound) return std::unexpected(bound.error());
    admin_address_ = url(*bound, tls != nullptr);
    doors_.push_back(std::make_unique<net::HttpServer>(house, api, net::ServerLimits(), tls));
    doors_.back()->serve(*fd);
  }
  if (!config.socket.empty()) {
    auto fd = net::listen_unix(config.socket);
    if (!fd) return std::unexpected(fd.error());
    doors_.push_back(std::make_unique<net::HttpServer>(house, api, net::ServerLimits(), nullptr));
    doors_.back()->serve(*fd);
  }
  if (*token) {
    call_.err << "\nAdmin token (shown once, keep it): " << (*token)->reveal() << "\n\n";
  }
  return {};
}

void Serving::welcome(const std::vector<http::Gate::Address>& gate, admin::KeyActs acts) {
  for (const http::Gate::Address& address : gate) {
    log::info("gate.open", {{"listener", address.name}, {"at", url(address.at, address.tls)}});
  }
  if (!admin_address_.empty()) log::info("admin.open", {{"at", admin_address_}});
  supervisor_.ready();
  if (!quickstart_ || gate.empty()) return;

  const std::string base = url(gate.front().at, gate.front().tls) + "/v1";
  call_.err << "\nSallyport guards " << base << "\n";
  call_.err << (quickstart_->simulated()
                    ? "  provider   the built-in simulation (set OPENAI_API_KEY to ask OpenAI)\n"
                    : "  provider   OpenAI, with the key of OPENAI_API_KEY\n");
  call_.err << "  admin API  " << admin_address_ << "  (and the UNIX socket "
            << config_->admin.socket << ")\n  files      " << config_file_ << "\n";
  keys::KeySpec spec;
  spec.name = "quickstart-" + format_utc(SystemClock().now()).substr(0, 19);
  for (char& c : spec.name) {
    if (c == ':') c = '-';
  }
  auto made = acts.create(spec, {.name = "quickstart", .ip = {}});
  if (!made) {
    cannot("make a first key", made.error());
    return;
  }
  call_.err << "  first key  " << made->text.reveal() << "  ("
            << format_duration(config_->keys.life) << ", shown once)\n\nTry it:\n\n  curl " << base
            << "/chat/completions \\\n"
            << "    -H 'Authorization: Bearer " << made->text.reveal() << "' \\\n"
            << "    -H 'Content-Type: application/json' \\\n"
            << "    -d '{\"model\":\"gpt-4o-mini\",\"messages\":[{\"role\":\"user\","
               "\"content\":\"Hello\"}]}'\n\nThen:  sallyport -c "
            << config_file_ << " audit query      Stop: Ctrl-C\n\n";
  call_.err.flush();
}

Task<void> Serving::watch_signals(net::Loop& house, int fd, std::function<void()> reload) {
  net::Handle handle(house, ::dup(fd));
  for (;;) {
    const net::Ready ready = co_await handle.readable(net::kNever);
    if (ready != net::Ready::kReady) co_return;
    handle.drained();
    signalfd_siginfo signal;
    while (::read(handle.fd(), &signal, sizeof signal) == sizeof signal) {
      if (signal.ssi_signo == SIGHUP) {
        supervisor_.reloading();
        reload();
        supervisor_.ready();
        continue;
      }
      supervisor_.stopping();
      log::info("serve.stopping", {{"signal", static_cast<std::int64_t>(signal.ssi_signo)}});
      house.stop();
      co_return;
    }
  }
}

// Keys that another process changed (the command line beside us) are heard here.
Task<void> Serving::watch_keys(net::Loop& house, net::Offload& disk, keys::KeyRing& ring) {
  for (;;) {
    co_await house.sleep_for(kKeyWatchMs);
    // The ring says in the operator's log when the store does not answer, once per state.
    std::function<void()> work = [&ring] { (void)ring.refresh_if_changed(); };
    co_await disk.run(house, std::move(work));
  }
}

Task<void> Serving::feed_watchdog(net::Loop& house) {
  const std::int64_t every_ms = supervisor_.watchdog_every_ms();
  while (every_ms > 0) {
    supervisor_.watchdog();
    co_await house.sleep_for(every_ms);
  }
}

void Serving::run(net::Loop& house, const Signals& signals, net::Offload& disk, keys::KeyRing& ring,
                  std::function<void()> reload) {
  house.spawn(watch_signals(house, signals.fd(), std::move(reload)));
  house.spawn(watch_keys(house, disk, ring));
  house.spawn(feed_watchdog(house));
  house.run();
  disk.stop();
  doors_.clear();
}

void Serving::goodbye() const {
  if (!config_->admin.socket.empty()) ::unlink(config_->admin.socket.c_str());
  log::info("serve.stopped");
}

std::shared_ptr<const config::Config> Serving::reload() {
  reloaded_ = config::reload_and_log(*config_, config_file_, load_to_serve(config_file_));
  return reloaded_ ? reloaded_->config : nullptr;
}

void Serving::keep(const char* what, const Error& why) const {
  log::error(
      "config.kept",
      {{"field", what}, {"reason", why.what}, {"effect", "the running configuration stays"}});
}

void Serving::took() {
  config_ = reloaded_->config;
  config::log_taken(*reloaded_, config_file_);
}

}  // namespace sallyport::cli
