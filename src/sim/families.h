// SPDX-License-Identifier: Apache-2.0
// The endpoint families of the simulated provider, one file each: from a call to its answer. Shapes
// are those of OpenAI's specification; tests/golden/sim holds what they must stay.
#pragma once

#include "sim/answer.h"

namespace sallyport::sim {

Answer chat(const Call& call);          // POST /v1/chat/completions
Answer completions(const Call& call);   // POST /v1/completions
Answer responses(const Call& call);     // POST /v1/responses
Answer input_tokens(const Call& call);  // POST /v1/responses/input_tokens
Answer embeddings(const Call& call);    // POST /v1/embeddings
Answer moderations(const Call& call);   // POST /v1/moderations
Answer speech(const Call& call);        // POST /v1/audio/speech
Answer images(const Call& call);        // POST /v1/images/generations, edits, variations
Answer list_models();
Answer get_model(std::string_view id);

// True for names a provider would know: the listed ones, their families, and everything "sim-".
bool known_model(std::string_view id);
Answer unknown_model(std::string_view id);

// POST /v1/audio/transcriptions and /translations. `file` is the uploaded audio.
struct Audio {
  std::string_view file;
  std::string format;  // json, text, verbose_json; empty is json
  bool stream = false;
  bool usage = true;  // translations have none
};
Answer transcription(const Call& call, const Audio& audio);

}  // namespace sallyport::sim
