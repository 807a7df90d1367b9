// SPDX-License-Identifier: Apache-2.0
#include "cli/house_metrics.h"

#include <array>
#include <string>
#include <vector>

namespace sallyport::cli {
namespace {

template <class T>
double read(const std::atomic<T>& count) {
  return static_cast<double>(count.load(std::memory_order_relaxed));
}

constexpr std::array<std::string_view, 6> kClasses{"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

}  // namespace

void HouseMetrics::collect(MetricSink& sink) const {
  collect_gate(sink);
  collect_journal(sink);
  collect_tree(sink);
  collect_upstreams(sink);
  sink.gauge("sallyport_keys", "Keys in the ring, dead ones included.", {},
             static_cast<double>(ring_.list().size()));
}

void HouseMetrics::collect_gate(MetricSink& sink) const {
  for (std::size_t i = 0; i < kClasses.size(); ++i) {
    sink.counter("sallyport_requests", "Requests that were answered, by class of status.",
                 {{"status", kClasses[i]}}, read(gate_.requests[i]));
  }
  sink.counter("sallyport_heads_refused", "Messages that never became a request.", {},
               read(gate_.heads_refused));
  sink.counter("sallyport_connections", "Client connections accepted.", {},
               read(gate_.connections));
  sink.gauge("sallyport_connections_open", "Client connections open now.", {},
             read(gate_.connections_open));
  sink.counter("sallyport_connections_refused",
               "Connections closed at accept: blocked, or too many.", {},
               read(gate_.connections_refused));
  sink.counter("sallyport_tls_failures", "TLS handshakes that failed.", {},
               read(gate_.tls_failures));
  sink.counter("sallyport_exchanges_cut", "Exchanges ended because their key died.", {},
               read(gate_.streams_cut));
}

void HouseMetrics::collect_tree(MetricSink& sink) const {
  if (record_.keeper() == nullptr) return;
  const audit::TreeCounters& counters = record_.keeper()->counters();
  sink.gauge("sallyport_audit_tree_size", "Records in the tree.", {}, read(counters.tree_size));
  sink.gauge("sallyport_audit_signed_size", "Records under the newest checkpoint.", {},
             read(counters.signed_size));
  const std::int64_t signed_ms = counters.signed_at_ms.load(std::memory_order_relaxed);
  if (signed_ms > 0) {
    sink.gauge("sallyport_audit_checkpoint_seconds",
               "When the newest checkpoint was signed; time() minus it is its age.", {},
               static_cast<double>(signed_ms) / 1000);
  }
  sink.counter("sallyport_audit_checkpoints", "Checkpoints signed.", {},
               read(counters.checkpoints));
  sink.counter("sallyport_audit_refusals", "Times the log was not signed when it should have been.",
               {}, read(counters.refusals));
  sink.gauge("sallyport_audit_refusing", "1 while the log is not signed.", {},
             read(counters.refusing));
  constexpr std::string_view kWitness = "Answers of witnesses.";
  sink.counter("sallyport_audit_witness", kWitness, {{"result", "cosigned"}},
               read(counters.witness_cosigned));
  sink.counter("sallyport_audit_witness", kWitness, {{"result", "refused"}},
               read(counters.witness_refused));
  sink.counter("sallyport_audit_witness", kWitness, {{"result", "failed"}},
               read(counters.witness_failed));
  sink.counter("sallyport_audit_anchor_failures", "Checkpoints that did not reach an anchor.", {},
               read(counters.anchor_failures));
}

void HouseMetrics::collect_journal(MetricSink& sink) const {
  if (record_.journal() == nullptr) return;
  const audit::Counters& counters = record_.journal()->counters();
  sink.counter("sallyport_journal_records", "Records written.", {}, read(counters.records));
  sink.counter("sallyport_journal_bytes", "Bytes of records written.", {}, read(counters.bytes));
  sink.counter("sallyport_journal_batches", "Group commits.", {}, read(counters.batches));
  sink.counter("sallyport_journal_failures", "Failures of the disk.", {}, read(counters.failures));
  sink.counter("sallyport_journal_refused", "Records that could not be taken.", {},
               read(counters.refused));
  sink.counter("sallyport_journal_unrecorded", "Calls passed without a record.", {},
               read(counters.unrecorded));
  sink.gauge("sallyport_journal_queue", "Records waiting for the writer.", {},
             read(counters.queue_depth));
  sink.gauge("sallyport_journal_accepting", "1 while the journal can write.", {},
             record_.journal()->accepting() ? 1 : 0);
  std::vector<double> bounds;
  for (const std::uint64_t us : audit::Counters::kSyncBoundsUs) {
    bounds.push_back(static_cast<double>(us) / 1e6);
  }
  std::vector<std::uint64_t> counts;
  for (const auto& bucket : counters.sync_buckets)
    counts.push_back(bucket.load(std::memory_order_relaxed));
  sink.histogram("sallyport_journal_sync_seconds", "Time of a sync.", {},
                 {bounds, counts, read(counters.sync_us_sum) / 1e6});
}

void HouseMetrics::collect_upstreams(MetricSink& sink) const {
  const auto upstreams = upstreams_.snapshot();
  for (const auto& upstream : upstreams->all()) {
    const std::string& name = upstream->config.name;
    const upstream::Counters& counters = *upstream->counters;
    sink.counter("sallyport_upstream_calls", "Calls to the provider.", {{"upstream", name}},
                 read(counters.calls));
    sink.counter("sallyport_upstream_connects", "Calls that needed a new connection.",
                 {{"upstream", name}}, read(counters.connects));
    sink.counter("sallyport_upstream_reused", "Calls on a kept connection.", {{"upstream", name}},
                 read(counters.reused));
    sink.counter("sallyport_upstream_retries", "Calls tried again, nothing having been sent.",
                 {{"upstream", name}}, read(counters.retries));
    sink.counter("sallyport_upstream_asked_again",
                 "Calls asked once more, their credential having just been replaced.",
                 {{"upstream", name}}, read(counters.asked_again));
    for (std::size_t i = 0; i < upstream::kFaults; ++i) {
      sink.counter("sallyport_upstream_faults", "Calls that failed, by cause.",
                   {{"upstream", name}, {"fault", upstream::name(static_cast<upstream::Fault>(i))}},
                   read(counters.faults[i]));
    }
    const upstream::BreakerState now = upstream->breaker->state();
    for (const upstream::BreakerState state :
         {upstream::BreakerState::kClosed, upstream::BreakerState::kOpen,
          upstream::BreakerState::kHalfOpen, upstream::BreakerState::kQuota}) {
      sink.gauge("sallyport_breaker_state", "1 for the state the breaker is in.",
                 {{"upstream", name}, {"state", upstream::name(state)}}, now == state ? 1 : 0);
    }
    collect_credential(sink, *upstream);
  }
}

// Times are seconds since 1970: an age is time() minus it.
void HouseMetrics::collect_credential(MetricSink& sink, const upstream::Upstream& upstream) {
  const MetricLabels labels{{"upstream", upstream.config.name}};
  const provider::CredentialStatus status = upstream.credential->status();
  if (status.mode == "static") return;
  sink.gauge("sallyport_credential_usable", "1 while there is a credential to show the provider.",
             labels, upstream.credential->current() ? 1 : 0);
  const auto tell_time = [&](std::string_view family, std::string_view help,
                             const std::optional<UtcTime>& time) {
    if (time) {
      sink.gauge(family, help, labels,
                 static_cast<double>(time->time_since_epoch().count()) / 1000);
    }
  };
  tell_time("sallyport_credential_issued_seconds",
            "When the credential in use was made; time() minus it is its age.", status.issued_at);
  tell_time("sallyport_credential_renew_seconds", "When it is to be renewed.", status.renew_at);
  tell_time("sallyport_credential_ends_seconds", "When its life is over.", status.ends_at);
  sink.gauge("sallyport_credential_pending_deletions", "Old credentials not yet proved dead.",
             labels, static_cast<double>(status.pending_deletions));
  if (!status.last) return;
  tell_time("sallyport_credential_rotation_started_seconds", "When the newest renewal began.",
            status.last->started_at);
  sink.gauge("sallyport_credential_rotation_failed", "1 when the newest renewal failed.", labels,
             status.last->state == provider::Rotation::State::kFailed ? 1 : 0);
  if (status.last->time_to_death_ms) {
    sink.gauge("sallyport_credential_time_to_death_seconds",
               "From the newest deletion to the first refusal of the old credential.", labels,
               static_cast<double>(*status.last->time_to_death_ms) / 1000);
  }
}

// Without any credential every request of this upstream is refused: that is not ready. A renewal
// that fails while the one before works is shown only.
void HouseMetrics::report_credential(std::vector<HealthCheck>& checks,
                                     const upstream::Upstream& upstream) {
  const provider::CredentialStatus status = upstream.credential->status();
  if (status.mode == "static") return;
  const std::string trouble = provider::trouble_of(status);
  HealthCheck check;
  check.name = "credential." + upstream.config.name;
  check.ok = upstream.credential->current() != nullptr;
  check.detail = check.ok ? status.provider_key_id : "none";
  if (check.ok && status.issued_at) check.detail += " since " + format_utc(*status.issued_at);
  if (!trouble.empty()) check.detail += "; " + trouble;
  if (status.pending_deletions > 0) {
    check.detail += "; to delete: " + std::to_string(status.pending_deletions);
  }
  checks.push_back(std::move(check));
}

void HouseMetrics::report(std::vector<HealthCheck>& checks) const {
  const bool accepting = record_.port().accepting();
  checks.push_back({"journal", accepting, true, accepting ? "writing" : "cannot write"});
  const bool silent = ring_.silent();
  checks.push_back({"key_store", !silent, true,
                    silent ? "silent for more than 5 s: keys are refused" : "answers"});
  const bool ahead = ring_.time().ahead(), behind = ring_.time().behind();
  // Nothing another gate would do better: shown.
  checks.push_back({"clock", !ahead && !behind, false,
                    ahead    ? "jumped ahead: keys that end by it are refused, none is made"
                    : behind ? "behind the latest time, by which keys end"
                             : "steady"});
  const auto upstreams = upstreams_.snapshot();
  for (const auto& upstream : upstreams->all()) {
    const upstream::BreakerState state = upstream->breaker->state();
    const bool closed =
        state == upstream::BreakerState::kClosed || state == upstream::BreakerState::kHalfOpen;
    // One upstream that fails does not take the gate out of its load balancer.
    checks.push_back({"upstream." + upstream->config.name, closed, false,
                      "breaker " + std::string(upstream::name(state))});
    report_credential(checks, *upstream);
  }
}

}  // namespace sallyport::cli
