// SPDX-License-Identifier: Apache-2.0
#include "net/sse.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <algorithm>
#include <bit>

namespace sallyport::net {
namespace {

constexpr std::size_t kNone = std::string_view::npos;

// The end of the line that begins at `from`: where its terminator stands and where the next line
// begins. A CR at the very end may be half of a CR LF: not an end yet.
struct LineEnd {
  std::size_t at = kNone;
  std::size_t next = 0;
};

// One pass, so that a stream of bare CRs costs no more than any other.
std::size_t find_break(std::string_view text, std::size_t from) {
  std::size_t at = from;
#if defined(__SSE2__)
  const __m128i lf = _mm_set1_epi8('\n');
  const __m128i cr = _mm_set1_epi8('\r');
  for (; at + 16 <= text.size(); at += 16) {
    const __m128i piece = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
    const __m128i hits = _mm_or_si128(_mm_cmpeq_epi8(piece, lf), _mm_cmpeq_epi8(piece, cr));
    const auto mask = static_cast<unsigned>(_mm_movemask_epi8(hits));
    if (mask != 0) return at + static_cast<std::size_t>(std::countr_zero(mask));
  }
#endif
  while (at < text.size() && text[at] != '\n' && text[at] != '\r') ++at;
  return at < text.size() ? at : kNone;
}

LineEnd line_end(std::string_view text, std::size_t from) {
  const std::size_t at = find_break(text, from);
  if (at == kNone) return {};
  if (text[at] == '\n') return {at, at + 1};
  if (at + 1 == text.size()) return {};
  return {at, text[at + 1] == '\n' ? at + 2 : at + 1};
}

// "name: value" -> value, one blank after the colon taken away; nothing if the line is another
// field's.
bool field_value(std::string_view line, std::string_view name, std::string_view& value) {
  if (!line.starts_with(name)) return false;
  line.remove_prefix(name.size());
  if (line.empty()) {
    value = {};
    return true;
  }
  if (line.front() != ':') return false;
  line.remove_prefix(1);
  if (line.starts_with(' ')) line.remove_prefix(1);
  value = line;
  return true;
}

// The fields of one whole event. `joined` takes the data where it stands on several lines.
void read_fields(SseEvent& event, std::string& joined, bool first) {
  // A byte order mark may open the stream; anywhere else it is part of a field's name.
  std::size_t at = first && event.raw.starts_with("\xef\xbb\xbf") ? 3 : 0;
  std::size_t data_lines = 0;
  while (at < event.raw.size()) {
    LineEnd end = line_end(event.raw, at);
    if (end.at == kNone) end = {event.raw.size() - 1, event.raw.size()};  // a final CR
    const std::string_view line = event.raw.substr(at, end.at - at);
    at = end.next;
    std::string_view value;
    if (field_value(line, "event", value)) {
      event.type = value;
    } else if (field_value(line, "data", value)) {
      if (data_lines == 1) joined.assign(event.data);
      if (data_lines > 0) joined.append("\n").append(value);
      event.data = data_lines == 0 ? value : std::string_view(joined);
      ++data_lines;
    }
  }
}

// The type of an event over the limit: known at every segmentation if its first line tells it.
std::string_view first_line_type(std::string_view event, std::size_t event_bytes_max, bool first) {
  if (first && event.starts_with("\xef\xbb\xbf")) event.remove_prefix(3);
  const std::size_t end = find_break(event.substr(0, event_bytes_max), 0);
  std::string_view type;
  if (end == kNone || !field_value(event.substr(0, end), "event", type)) return {};
  return type;
}

}  // namespace

SseSplitter::SseSplitter(std::size_t event_bytes_max) : event_bytes_max_(event_bytes_max) {}

void SseSplitter::feed(std::string_view bytes) {
  if (held_.empty()) {
    fresh_ = bytes;
  } else {
    held_.append(bytes);
    fresh_ = held_;
  }
  given_ = 0;
}

bool SseSplitter::next(SseEvent& event) {
  event = SseEvent();
  const std::string_view here = fresh_.substr(given_);
  while (scanned_ < here.size()) {
    const LineEnd end = line_end(here, std::max(scanned_, searched_));
    if (end.at == kNone) {
      searched_ = here.size() - (here.ends_with('\r') ? 1 : 0);  // each byte is searched once
      break;
    }
    // Only a piece of a larger event may begin in the middle of a line.
    const bool blank = end.at == scanned_ && !(oversize_ && mid_line_);
    mid_line_ = false;
    scanned_ = end.next;
    if (!blank) continue;
    event.raw = here.substr(0, end.next);
    // Whether it came at once or in pieces, an event over the limit is not read.
    event.partial = oversize_ || end.next > event_bytes_max_;
    if (!event.partial) {
      read_fields(event, joined_, !begun_);
    } else {
      if (!oversize_) type_ = first_line_type(here, event_bytes_max_, !begun_);
      event.type = type_;
    }
    begun_ = true;
    given_ += end.next;
    scanned_ = searched_ = 0;
    oversize_ = false;
    return true;
  }
  // Too long to hold: given out as it comes, but for a final CR that may be half of a line end.
  const std::size_t whole = here.size() - (here.ends_with('\r') ? 1 : 0);
  if (whole > 0 && (oversize_ || here.size() > event_bytes_max_)) {
    event.raw = here.substr(0, whole);
    if (!oversize_) type_ = first_line_type(here, event_bytes_max_, !begun_);
    event.type = type_;
    event.partial = true;
    event.last = false;
    begun_ = true;
    mid_line_ = scanned_ < whole;
    oversize_ = true;
    given_ += whole;
    scanned_ = searched_ = 0;
    return true;
  }
  if (held_.empty()) {
    held_.assign(here);
  } else {
    held_.erase(0, given_);
  }
  if (held_.empty()) std::string().swap(held_);
  std::string().swap(joined_);
  fresh_ = held_;
  given_ = 0;
  return false;
}

std::string_view SseSplitter::unfinished() const {
  return oversize_ && held_.empty() ? std::string_view("oversize") : std::string_view(held_);
}

}  // namespace sallyport::net
