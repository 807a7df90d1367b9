// SPDX-License-Identifier: Apache-2.0
// Speech out of text (bytes, or events) and text out of speech.
#include <algorithm>

#include "base/text.h"
#include "sim/families.h"
#include "sim/text.h"

namespace sallyport::sim {
namespace {

constexpr std::size_t kBytesPerCharacter = 64;  // of sound; enough to look like some
constexpr std::size_t kSoundBytesMax = 1u << 20;
constexpr std::size_t kSoundPiece = 4096;
constexpr std::size_t kAudioBytesPerSecond = 16'000;

std::string sound(const Call& call, std::string_view text) {
  const std::size_t size =
      std::min(std::max<std::size_t>(text.size(), 1) * kBytesPerCharacter, kSoundBytesMax);
  std::string bytes = "ID3";
  std::uint64_t state = number_of(call.digest);
  while (bytes.size() < size) {
    state = mixed(state);
    for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>(state >> shift);
  }
  bytes.resize(std::max<std::size_t>(size, 3));
  return bytes;
}

std::int64_t characters_of(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; });
}

std::string mime_of(std::string_view format) {
  if (format == "wav") return "audio/wav";
  if (format == "opus") return "audio/ogg";
  if (format == "aac") return "audio/aac";
  if (format == "flac") return "audio/flac";
  if (format == "pcm") return "audio/pcm";
  return "audio/mpeg";
}

struct SpeechStream {
  std::string bytes;
  std::int64_t input_tokens;
  std::size_t at = 0;
  bool ended = false;

  std::string next() {
    std::string out;
    JsonWriter json(out);
    if (at < bytes.size()) {
      const std::string piece = bytes.substr(at, kSoundPiece);
      at += piece.size();
      json.begin_object().field("type", "speech.audio.delta");
      json.field("audio", base64_encode(piece)).end_object();
      return sse(out);
    }
    if (ended) return "";
    ended = true;
    const auto output = static_cast<std::int64_t>(bytes.size() / kBytesPerCharacter);
    json.begin_object().field("type", "speech.audio.done").key("usage").begin_object();
    json.field("input_tokens", input_tokens).field("output_tokens", output);
    json.field("total_tokens", input_tokens + output).end_object().end_object();
    return sse(out);
  }
};

void write_tokens(JsonWriter& json, std::int64_t heard, std::int64_t said) {
  json.key("usage").begin_object().field("type", "tokens");
  json.field("input_tokens", heard).key("input_token_details").begin_object();
  json.field("text_tokens", 0).field("audio_tokens", heard).end_object();
  json.field("output_tokens", said).field("total_tokens", heard + said).end_object();
}

struct TranscriptStream {
  Text text;
  std::int64_t heard;
  std::size_t at = 0;

  std::string next() {
    std::string out;
    JsonWriter json(out);
    const std::size_t place = at++;
    if (place < text.count()) {
      json.begin_object().field("type", "transcript.text.delta");
      json.field("delta", text.token(place)).end_object();
      return sse(out);
    }
    if (place > text.count()) return "";
    json.begin_object().field("type", "transcript.text.done").field("text", text.whole());
    write_tokens(json, heard, static_cast<std::int64_t>(text.count()));
    json.end_object();
    return sse(out);
  }
};

}  // namespace

Answer speech(const Call& call) {
  if (!call.at("input")) return missing_parameter("input");
  if (!call.at("voice")) return missing_parameter("voice");
  const std::string input = call.text("input");
  Answer answer;
  answer.bill =
      std::make_shared<Bill>(Bill{.endpoint = "audio_speeches", .units = characters_of(input)});
  std::string bytes = sound(call, input);
  if (call.text("stream_format") == "sse") {
    answer.content_type = "text/event-stream; charset=utf-8";
    answer.script = [stream = SpeechStream{std::move(bytes), tokens_of(input)}]() mutable {
      return stream.next();
    };
    return answer;
  }
  answer.content_type = mime_of(call.text("response_format", "mp3"));
  answer.script = [bytes = std::move(bytes), at = std::size_t{0}]() mutable {
    std::string piece = bytes.substr(at, kSoundPiece);
    at += piece.size();
    return piece;
  };
  return answer;
}

Answer transcription(const Call& call, const Audio& audio) {
  const Text text(call, std::nullopt);
  const auto heard = static_cast<std::int64_t>(audio.file.size() / kAudioBytesPerSecond * 10 + 10);
  const double seconds =
      static_cast<double>(audio.file.size()) / static_cast<double>(kAudioBytesPerSecond);
  const bool counted = audio.usage && !call.behaviour.no_usage;
  Answer answer;
  answer.bill = std::make_shared<Bill>(
      Bill{.endpoint = "audio_transcriptions", .units = static_cast<std::int64_t>(seconds)});
  if (audio.stream) {
    answer.content_type = "text/event-stream; charset=utf-8";
    answer.script = [stream = TranscriptStream{text, heard}]() mutable { return stream.next(); };
    return answer;
  }
  if (audio.format == "text") {
    answer.content_type = "text/plain; charset=utf-8";
    answer.body = text.whole() + "\n";
    return answer;
  }
  JsonWriter json(answer.body);
  json.begin_object();
  if (audio.format == "verbose_json") {
    json.field("task", audio.usage ? "transcribe" : "translate").field("language", "english");
    json.field("duration", seconds).key("segments").begin_array().end_array();
  }
  json.field("text", text.whole());
  if (counted && call.model.starts_with("whisper")) {
    json.key("usage").begin_object().field("type", "duration").field("seconds", seconds);
    json.end_object();
  } else if (counted) {
    write_tokens(json, heard, static_cast<std::int64_t>(text.count()));
  }
  json.end_object();
  return answer;
}

}  // namespace sallyport::sim
