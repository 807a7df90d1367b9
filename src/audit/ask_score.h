// SPDX-License-Identifier: Apache-2.0
// What is remarkable about the window, given what was usual: reasons with points. The figures are
// the detectors' own, brought down to what a look back can know.
#pragma once

#include <string>
#include <vector>

#include "audit/ask.h"
#include "audit/ask_baseline.h"
#include "audit/ask_use.h"
#include "audit/ask_window.h"

namespace sallyport::audit {

// What one key's judgement rests on. All outlive the call.
struct KeyFacts {
  const std::string& key;
  const WindowKey& now;
  const PastKey& past;
  const Window& window;
  const AskSpec& spec;
  const PastUse* use = nullptr;  // null: not read yet, and the first look does without
};
KeyFinding judge_key(const KeyFacts& facts);

struct IpFacts {
  std::string ip;
  WindowSource sum;  // over all keys
  std::vector<std::string> keys;
  const KeyFinding* worst_key = nullptr;  // that was used from here, where it was new
  bool welcome = false;                   // had success before
};
IpFinding judge_ip(const IpFacts& facts);

CostFinding judge_cost(const std::string& key, const WindowKey& now, const PastKey& past,
                       const AskSpec& spec);
InjectionFinding judge_injection(const std::string& key, const WindowInjection& found);

}  // namespace sallyport::audit
