// SPDX-License-Identifier: Apache-2.0
// Splits a text/event-stream (WHATWG HTML 9.2) into whole events at any segmentation. LF, CR LF and
// CR end lines. The raw bytes are kept beside the decoded fields, so that an untouched event goes
// on byte for byte.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sallyport::net {

struct SseEvent {
  std::string_view raw;   // with the blank line that ends it
  std::string_view type;  // value of the last `event:` field; empty if none. Over the limit: known
                          // only if it is the first line
  std::string_view data;  // `data:` lines joined by LF; a view into raw when there is one line
  bool partial = false;   // a piece of an event over the limit: no data, to be passed on unread
  bool last = true;       // false: more pieces of the same event follow
};

class SseSplitter {
 public:
  // An event above `event_bytes_max` is given out in partial pieces: memory stays flat.
  explicit SseSplitter(std::size_t event_bytes_max = 1 << 20);

  // Hands over bytes; they stay valid until the next() that returned false. Bytes of an unfinished
  // event are kept (copied) for the next feed; when nothing is unfinished no memory is held.
  void feed(std::string_view bytes);
  bool next(SseEvent& event);

  // Bytes of an event that has not ended (the stream broke off in the middle).
  std::string_view unfinished() const;

 private:
  std::size_t event_bytes_max_;
  std::string held_;
  std::string_view fresh_;
  std::string joined_;
  std::string type_;          // of the event that is given out in pieces
  std::size_t scanned_ = 0;   // where the line being read begins
  std::size_t searched_ = 0;  // up to where it was searched for its end
  bool oversize_ = false;     // inside an event that is given out in pieces
  bool mid_line_ = false;     // the last piece ended inside a line
  bool begun_ = false;        // past the first event: a byte order mark means nothing any more
  std::size_t given_ = 0;
};

}  // namespace sallyport::net
