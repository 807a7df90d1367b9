// SPDX-License-Identifier: Apache-2.0
// Whatever the bytes: the count is the number of ids, the pieces are the text, long ways of joining
// find what the short ones find, a stream counts what the whole counts however it is cut, and a
// request of that text is never counted below it.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "meter/bpe.h"
#include "meter/count_request.h"
#include "meter/token_stream.h"
#include "meter/tokenizer.h"

namespace {

using namespace sallyport::meter;  // NOLINT: a target of one file

void require(bool condition) {
  if (!condition) std::abort();
}

void check_pieces(Encoding encoding, std::string_view text, std::uint8_t seed) {
  const TokenTable& table = token_table();
  const Ranks& ranks = table.ranks[static_cast<std::size_t>(encoding)];
  Splitter splitter(encoding, table.kinds, text);
  std::size_t at = 0;
  for (std::string_view piece = splitter.next(); !piece.empty(); piece = splitter.next()) {
    require(piece.data() == text.data() + at);
    at += piece.size();
    std::vector<std::uint32_t> by_scan, by_windows;
    encode_piece(ranks, piece, &by_scan, {.scan_max = 128});
    const std::size_t window = 4 + seed % 200;
    encode_piece(ranks, piece, &by_windows,
                 {.scan_max = 2, .window = window, .overlap = 1 + seed % (window - 1)});
    require(by_scan == by_windows);
  }
  require(at == text.size());
}

void check_stream(Encoding encoding, std::string_view text, std::uint8_t seed) {
  StreamCounter counter(encoding);
  std::uint32_t state = seed + 1u;
  for (std::size_t at = 0; at < text.size();) {
    state = state * 1'664'525 + 1'013'904'223;
    const std::size_t size = 1 + (state >> 24) % 9;
    counter.feed(text.substr(at, size));
    at += size;
  }
  require(counter.tokens() == Tokenizer::of(encoding).count(text));
}

void check_request(std::string_view text) {
  std::string body = R"({"messages":[{"role":"user","content":)";
  sallyport::append_json_string(body, text);
  body += "}]}";
  const InputCount count = count_input("/v1/chat/completions", body, "gpt-4o");
  const auto message = sallyport::JsonValue::parse(body);
  require(message.has_value());
  const std::string_view content = *message->at("messages")->items().at(0).at("content")->string();
  require(count.exact);
  require(count.tokens == 7 + Tokenizer::of(Encoding::kO200k).count(content));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::uint8_t seed = data[0];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  for (const Encoding encoding : {Encoding::kO200k, Encoding::kCl100k}) {
    const Tokenizer& tokenizer = Tokenizer::of(encoding);
    for (const bool special : {false, true}) {
      const auto ids = tokenizer.encode(text, special);
      require(ids.size() == tokenizer.count(text, special));
      require(ids.size() <= text.size());
    }
    check_pieces(encoding, text, seed);
    check_stream(encoding, text, seed);
  }
  check_request(text);
  // As a body: checked JSON as it is in the gate, and what is none does no harm either.
  for (const std::string_view path :
       {"/v1/chat/completions", "/v1/responses", "/v1/completions", "/v1/images/edits"}) {
    count_input(path, text, "gpt-4o");
  }
  return 0;
}
