// SPDX-License-Identifier: Apache-2.0
#include "audit/prune.h"

#include <future>
#include <optional>

#include "audit/checkpoint.h"
#include "audit/checkpoint_files.h"
#include "audit/line.h"
#include "audit/min_index.h"
#include "audit/segment.h"
#include "audit/signed_note.h"
#include "base/json_writer.h"

namespace sallyport::audit {
namespace {

std::optional<UtcTime> first_time(FileSystem& files, const std::string& journal,
                                  const SegmentId& id) {
  const auto head = files.read(segment_directory(journal) + "/" + segment_name(id.first_seq), 64);
  return head ? line_time(*head) : std::nullopt;
}

std::uint64_t signed_size(FileSystem& files, const std::string& journal) {
  const auto note = read_checkpoint(files, journal);
  if (!note || !*note) return 0;
  const auto parsed = Note::parse(**note);
  if (!parsed) return 0;
  const auto checkpoint = Checkpoint::parse(parsed->text);
  return checkpoint ? checkpoint->size : 0;
}

Event prune_event(const Clock& clock, const PruneRequest& request, const PruneReport& report,
                  std::uint64_t old_min) {
  Event event;
  event.timestamp_utc = clock.now();
  event.kind = Kind::kAction;
  event.action = "audit_pruned";
  event.actor = request.actor;
  std::string detail;
  JsonWriter(detail)
      .begin_object()
      .field("policy", request.policy)
      .field("before_utc", format_utc(request.before))
      .field("from_index", old_min)
      .field("min_index", report.min_index)
      .field("segments", report.segments)
      .end_object();
  event.detail = std::move(detail);
  return event;
}

Result<std::uint64_t> record_now(Recorder& recorder, Event event) {
  auto promise = std::make_shared<std::promise<Result<std::uint64_t>>>();
  auto answer = promise->get_future();
  recorder.record(std::move(event), Durability::kSynced,
                  [promise](Result<std::uint64_t> seq) { promise->set_value(std::move(seq)); });
  const Result<std::uint64_t> seq = answer.get();
  if (!seq || *seq == 0) return fail(Code::kUnavailable, "the journal does not accept records");
  return *seq;
}

}  // namespace

Result<PruneReport> prune(FileSystem& files, Recorder& recorder, const Clock& clock,
                          const PruneRequest& request) {
  // One at a time: an operator's prune and the policy's may meet, each with its own list of what is
  // there. The lock of the journal keeps other processes away, and this one too.
  const auto lock = files.lock(request.journal + "/prune.lock");
  if (!lock && lock.error().code == Code::kDenied) {
    return fail(Code::kUnavailable, "another prune of this log is under way");
  }
  if (!lock) return std::unexpected(lock.error());
  const std::uint64_t keep_from = request.keep_from ? request.keep_from() : UINT64_MAX;
  const auto segments = list_segments(files, request.journal);
  if (!segments) return std::unexpected(segments.error());
  const auto old_min = read_min_index(files, request.journal);
  if (!old_min) return std::unexpected(old_min.error());
  const std::uint64_t is_signed = signed_size(files, request.journal);
  PruneReport report{.segments = 0, .records = 0, .bytes = 0, .min_index = *old_min};
  std::size_t going = 0;
  while (going + 1 < segments->size()) {
    // Time never goes back in the log: what begins the next segment ends this one.
    const SegmentId& id = (*segments)[going];
    const auto end = first_time(files, request.journal, (*segments)[going + 1]);
    const std::uint64_t last_seq = *id.next_seq - 1;
    if (!end || *end > request.before || last_seq > is_signed || *id.next_seq > keep_from) {
      break;
    }
    report.bytes +=
        files.size(segment_directory(request.journal) + "/" + segment_name(id.first_seq))
            .value_or(0);
    report.records += *id.next_seq - id.first_seq;
    report.min_index = last_seq;
    ++report.segments;
    ++going;
  }
  if (going == 0 || request.dry) return report;

  const auto seq = record_now(recorder, prune_event(clock, request, report, *old_min));
  if (!seq) return std::unexpected(seq.error());
  Result<void> done = request.sign(*seq);
  // First the bound, then the deed: a crash between leaves segments that nobody needs.
  if (done) done = write_min_index(files, request.journal, {report.min_index, *seq});
  const std::string directory = segment_directory(request.journal);
  for (std::size_t i = 0; done && i < going; ++i) {
    const std::uint64_t first = (*segments)[i].first_seq;
    done = files.remove(directory + "/" + segment_name(first));
    (void)files.remove(directory + "/" + open_intents_name(first));
  }
  if (done) done = files.sync_directory(directory);
  if (!done) return std::unexpected(done.error());
  return report;
}

}  // namespace sallyport::audit
