// SPDX-License-Identifier: Apache-2.0
// Images: always the same picture of one pixel, as base64 in b64_json.
#include <algorithm>

#include "sim/families.h"
#include "sim/text.h"

namespace sallyport::sim {
namespace {

constexpr std::int64_t kImagesMax = 10;
constexpr std::int64_t kImageTokens = 272;  // of one small square at low quality
constexpr std::string_view kPixel =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg"
    "==";

struct Picture {
  std::int64_t created;
  std::int64_t count;
  std::int64_t prompt_tokens;
  bool counted;
  std::size_t partial = 0;  // images sent before the last one, in a stream
  std::size_t at = 0;

  void write_usage(JsonWriter& json) const {
    if (!counted) return;
    const std::int64_t output = kImageTokens * count;
    json.key("usage").begin_object().field("total_tokens", prompt_tokens + output);
    json.field("input_tokens", prompt_tokens).key("input_tokens_details").begin_object();
    json.field("text_tokens", prompt_tokens).field("image_tokens", 0).end_object();
    json.field("output_tokens", output).end_object();
  }

  std::string whole() const {
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("created", created).key("data").begin_array();
    for (std::int64_t i = 0; i < count; ++i) {
      json.begin_object().field("b64_json", kPixel).end_object();
    }
    json.end_array();
    json.field("background", "opaque").field("output_format", "png").field("size", "1024x1024");
    json.field("quality", "low");
    write_usage(json);
    json.end_object();
    return out;
  }

  std::string next() {
    const std::size_t place = at++;
    if (place > partial) return "";
    const std::string_view type =
        place < partial ? "image_generation.partial_image" : "image_generation.completed";
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("type", type).field("created_at", created);
    json.field("size", "1024x1024").field("quality", "low").field("background", "opaque");
    json.field("output_format", "png").field("b64_json", kPixel);
    if (place < partial) {
      json.field("partial_image_index", static_cast<std::uint64_t>(place));
    } else {
      write_usage(json);
    }
    json.end_object();
    return sse(out, type);
  }
};

}  // namespace

Answer images(const Call& call) {
  const bool generation = call.request.path.ends_with("/generations");
  if (generation && !call.at("prompt")) return missing_parameter("prompt");
  Picture picture{.created = call.created,
                  .count = std::clamp<std::int64_t>(call.integer("n").value_or(1), 1, kImagesMax),
                  .prompt_tokens = std::max<std::int64_t>(1, tokens_of(call.text("prompt"))),
                  .counted = !call.behaviour.no_usage && !call.model.starts_with("dall-e")};
  Answer answer;
  answer.bill = std::make_shared<Bill>(Bill{.endpoint = "images", .units = picture.count});
  if (!call.flag("stream", false)) {
    answer.body = picture.whole();
    return answer;
  }
  picture.partial = static_cast<std::size_t>(
      std::clamp<std::int64_t>(call.integer("partial_images").value_or(0), 0, 3));
  answer.content_type = "text/event-stream; charset=utf-8";
  answer.script = [picture]() mutable { return picture.next(); };
  return answer;
}

}  // namespace sallyport::sim
