// SPDX-License-Identifier: Apache-2.0
// Kafka through librdkafka, with an idempotent producer. All records of one log have one key, so
// they are in one partition and in order. The library has threads of its own; waiting for its
// reports is done on a thread beside the sinks' loop.
#pragma once

#include "notify/record_format.h"
#include "notify/sink_table.h"

namespace sallyport::notify {

inline constexpr SinkOption kKafkaOptions[] = {
    {"brokers", "Where to ask for the cluster: host:port, several with commas.", {}, true},
    {"topic", "The topic.", "sallyport.audit"},
    {"tls", "yes, or no in networks that allow names.", "yes"},
    {"mechanism", "How user and token are shown: SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN.",
     "SCRAM-SHA-512"},
    {"compression", "zstd, lz4, gzip or none.", "zstd"},
    kFormatOption,
};

Result<std::unique_ptr<Sink>> make_kafka(const SinkConfig& config, const SinkParts& parts);
Result<void> check_kafka(const SinkConfig& config);

}  // namespace sallyport::notify
