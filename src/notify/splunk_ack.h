// SPDX-License-Identifier: Apache-2.0
// Splunk's indexer acknowledgement: a collector's 200 says accepted, and what it accepted it can
// still lose. Here a batch counts as taken when the indexers say that they have it. They are asked
// again and again; a batch they do not confirm in time is sent once more, with the same ids.
#pragma once

#include <memory>

#include "base/result.h"
#include "notify/http_peer.h"
#include "notify/http_sink.h"

namespace sallyport::notify {

// `format`: of the events; `config` has the collector's address. The options were checked.
std::unique_ptr<Sink> make_splunk_ack(const SinkConfig& config, std::unique_ptr<HttpFormat> format,
                                      std::unique_ptr<HttpPeer> peer);

// kInvalid: "options.ack...".
Result<void> check_splunk_ack(const SinkConfig& config);

}  // namespace sallyport::notify
