-- SPDX-License-Identifier: Apache-2.0
-- The log line (docs/events.md) as a table. From ClickHouse 18.16 on.
--
--   clickhouse-client --multiquery < audit.sql
--   cat journal/seg/*.jsonl | tr -d '\0' | clickhouse-client \
--     --input_format_skip_unknown_fields=1 --input_format_import_nested_json=1 \
--     --query "INSERT INTO sallyport.audit FORMAT JSONEachRow"
--
-- A line that comes twice is one row after the next merge, and at once with FINAL: import again what
-- you are not sure of. Tables of several logs: one each, `seq` counts within one log.
-- Null is unknown, never zero: sums leave it out.
CREATE DATABASE IF NOT EXISTS sallyport;

CREATE TABLE IF NOT EXISTS sallyport.audit
(
    timestamp_utc String,  -- as in the line: RFC 3339 with milliseconds
    time DateTime('UTC') MATERIALIZED parseDateTimeBestEffort(concat(substring(timestamp_utc, 1, 19), 'Z')),
    millisecond UInt16 MATERIALIZED toUInt16OrZero(substring(timestamp_utc, 21, 3)),
    api_key_id Nullable(String),
    endpoint Nullable(String),
    model Nullable(String),
    latency_ms Nullable(Int64),
    tokens_input Nullable(Int64),
    tokens_output Nullable(Int64),
    ip Nullable(String),
    geo Nullable(String),
    status Nullable(Int32),
    error Nullable(String),
    `metadata.module` Nullable(String),
    `metadata.purpose` Nullable(String),
    kind String DEFAULT 'request',
    request_id Nullable(String),
    kid Nullable(String),
    claimed_kid Nullable(String),
    layer Nullable(String),
    tid Nullable(String),
    provider_key_id Nullable(String),
    upstream Nullable(String),
    asn Nullable(Int64),
    network Nullable(String),
    tokens_cached Nullable(Int64),
    tokens_estimated Nullable(UInt8),
    estimated_input_tokens Nullable(Int64),
    input_count Nullable(String),
    reserved_tokens Nullable(Int64),
    reserved_usd Nullable(Decimal(18, 9)),
    charged_tokens Nullable(Int64),
    charged_usd Nullable(Decimal(18, 9)),
    cost_usd Nullable(Decimal(18, 9)),
    price_estimated Nullable(UInt8),
    provider_usage_usd Nullable(Decimal(18, 9)),
    provider_usage_age_s Nullable(Int64),
    stream Nullable(UInt8),
    upstream_status Nullable(Int32),
    upstream_request_id Nullable(String),
    asked_again Nullable(String),
    ttft_ms Nullable(Int64),
    request_bytes Nullable(Int64),
    response_bytes Nullable(Int64),
    `injection.score` Nullable(Float64),
    `injection.verdict` Nullable(String),
    `injection.categories` Array(String),
    `injection.role` Nullable(String),
    `output.flags` Array(String),
    `finding.detector` Nullable(String),
    `finding.severity` Nullable(String),
    `finding.score` Nullable(Float64),
    `finding.summary` Nullable(String),
    `finding.tags` Array(String),
    `finding.incident_id` Nullable(String),
    action Nullable(String),
    actor Nullable(String),
    repeated Nullable(Int64),
    time_raised_ms Nullable(Int64),
    trunc Nullable(UInt8),
    seq UInt64
)
ENGINE = ReplacingMergeTree()
PARTITION BY toYYYYMM(time)
ORDER BY (ifNull(api_key_id, ''), time, seq)
SETTINGS index_granularity = 8192;
