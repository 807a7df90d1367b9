-- SPDX-License-Identifier: Apache-2.0
-- One chat request again and again; BENCH_KEY and BENCH_STREAM come from bench/run. The summary is
-- one line of JSON for it to read.
local stream = os.getenv("BENCH_STREAM") == "1"
local head = '{"model":"gpt-4o-mini",' .. (stream and '"stream":true,' or '')
local front = head .. '"messages":[{"role":"user","content":"'
local back = '"}]}'
local text = string.rep("some plain words to ask about ", 40)

wrk.method = "POST"
wrk.path = "/v1/chat/completions"
wrk.body = front .. string.sub(text, 1, 1024 - #front - #back) .. back
wrk.headers["Content-Type"] = "application/json"
wrk.headers["User-Agent"] = "OpenAI/Python 1.54.0"
wrk.headers["Accept"] = "application/json"
wrk.headers["Authorization"] = "Bearer " .. os.getenv("BENCH_KEY")

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    'SUMMARY {"requests":%d,"duration_us":%d,"not_2xx":%d,"socket_errors":%d,"p50_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
