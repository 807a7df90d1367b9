// SPDX-License-Identifier: Apache-2.0
// Slack. With the secret of an incoming webhook: plain messages. With a bot's token (xoxb-): the
// same into a channel, one thread for each incident. What repeats within a minute is counted and
// told once more at its end; what is urgent goes at once.
#pragma once

#include "notify/sink_table.h"

namespace sallyport::notify {

inline constexpr SinkOption kSlackOptions[] = {
    {"channel", "Id of the channel (C0123456789); needed with a bot's token."},
    {"pace", "Least time between two messages; Slack takes about one a second.", "1s"},
    {"window", "How long the same news about the same key is counted instead of told.", "60s"},
};

Result<std::unique_ptr<Sink>> make_slack(const SinkConfig& config, const SinkParts& parts);
Result<void> check_slack(const SinkConfig& config);

}  // namespace sallyport::notify
