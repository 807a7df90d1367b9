# SPDX-License-Identifier: Apache-2.0
"""What is measured: each contender is one proxy with one worker, pinned to the proxies' core."""
import json
import os
import pathlib
import secrets
import signal
import socket
import subprocess
import time

PROXY_CORE, LOAD_CORE = "0", "1"
START_S = 30

ANSWER_TEXT = ("The answer is a sentence of several plain words. " * 40)[:1350]
ANSWER = json.dumps({
    "id": "chatcmpl-123", "object": "chat.completion", "created": 1677652288,
    "model": "gpt-4o-mini",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWER_TEXT},
                 "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 230, "completion_tokens": 280, "total_tokens": 510},
})

NGINX = """\
worker_processes 1;
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
{http}
}}
"""
NGINX_UPSTREAM = """\
  access_log off;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ default_type application/json; return 200 '{answer}'; }}
  }}
"""
NGINX_PROXY = """\
  {log}
  upstream up {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://up;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering {buffering};
    }}
  }}
"""
NGINX_JSON_LOG = """\
log_format record escape=json '{{"time":"$time_iso8601","ip":"$remote_addr",'
    '"request":"$request","status":$status,"bytes":$body_bytes_sent,"request_id":"$request_id",'
    '"latency":$request_time,"upstream_latency":"$upstream_response_time",'
    '"user_agent":"$http_user_agent"}}';
  access_log {directory}/access.log record;"""

HAPROXY = """\
global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  http-reuse always
  option http-no-delay  # else it holds events back for more to come: 200 ms
frontend gate
  bind 127.0.0.1:{port} backlog 4096
  default_backend up
backend up
  server up 127.0.0.1:{upstream} maxconn 4096
"""

SALLYPORT = """\
version: 1
http:
  threads: 1
  listeners:
    - {{name: gate, address: "127.0.0.1:{port}"{tls}}}
keys:
  pepper: ${{env:BENCH_PEPPER}}
  required: {keys}
upstream:
  - name: stand-in
    base_url: http://127.0.0.1:{upstream}/v1
    api_key: ${{env:BENCH_PROVIDER_KEY}}
    pool: {{connections_max: 8192}}
audit:
  enabled: {audit}
  path: {directory}/journal
store:
  path: {directory}/sallyport.db
admin:
  listener: {{address: "127.0.0.1:{admin}"}}
  socket: {directory}/admin.sock
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_for_port(port, process, what):
    deadline = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{what} did not start") from None
            time.sleep(0.02)


class Process:
    """A pinned server and all it started."""

    def __init__(self, name, command, core, port, directory, environment=None):
        self.name, self.port = name, port
        with open(directory / "output", "wb") as output:
            self.process = subprocess.Popen(["taskset", "-c", core, *map(str, command)],
                                            stdout=output, stderr=output,
                                            env=dict(os.environ, **(environment or {})))
        wait_for_port(port, self.process, f"{name} (see {directory}/output)")

    def pids(self):
        found, at = [self.process.pid], 0
        while at < len(found):
            for task in pathlib.Path(f"/proc/{found[at]}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
            at += 1
        return found

    def cpu_ns(self):
        """Over all threads of all its processes. A thread that ended is missed: none do."""
        total = 0
        for pid in self.pids():
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
        return total

    def memory_kb(self, field):
        total = 0
        for pid in self.pids():
            for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith(field + ":"):
                    total += int(line.split()[1])
        return total

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def nginx(directory, name, http, port, core):
    directory = directory / name
    directory.mkdir()
    config = directory / "nginx.conf"
    config.write_text(NGINX.format(directory=directory, http=http))
    return Process(name, ["/usr/sbin/nginx", "-c", config, "-e", directory / "error.log"], core,
                   port, directory)


def nginx_upstream(directory):
    port = free_port()
    return nginx(directory, "upstream", NGINX_UPSTREAM.format(port=port, answer=ANSWER), port,
                 LOAD_CORE)


def nginx_proxy(directory, upstream, name, json_log=False, buffering="on"):
    port = free_port()
    log = "access_log off;"
    if json_log:
        log = NGINX_JSON_LOG.format(directory=directory / name)
    http = NGINX_PROXY.format(port=port, upstream=upstream, log=log, buffering=buffering)
    return nginx(directory, name, http, port, PROXY_CORE)


def haproxy(directory, upstream, name):
    port = free_port()
    directory = directory / name
    directory.mkdir()
    config = directory / "haproxy.cfg"
    config.write_text(HAPROXY.format(port=port, upstream=upstream))
    return Process(name, ["/usr/sbin/haproxy", "-db", "-f", config], PROXY_CORE, port, directory)


def sallyport(directory, upstream, name, binary, governed, tls=None):
    """With `.key`, one that it accepts (or, ungoverned, any)."""
    port = free_port()
    directory = directory / name
    directory.mkdir()
    config = directory / "sallyport.yaml"
    pair = f", tls: {{cert: {tls[0]}, key: {tls[1]}}}" if tls else ""
    config.write_text(SALLYPORT.format(
        port=port, upstream=upstream, admin=free_port(), directory=directory, tls=pair,
        keys="true" if governed else "false", audit="true" if governed else "false"))
    environment = {"BENCH_PEPPER": secrets.token_hex(32), "BENCH_PROVIDER_KEY": "sk-stand-in"}
    key = None
    if governed:
        made = subprocess.run([binary, "-c", config, "keys", "create", "bench"], check=True,
                              env=dict(os.environ, **environment), capture_output=True, text=True)
        key = made.stdout.strip().splitlines()[-1].strip()
    process = Process(name, [binary, "-c", config, "serve"], PROXY_CORE, port, directory,
                      environment)
    process.key = key
    return process


def stand_in(directory, tools, mode, pause_us):
    port = free_port()
    directory = directory / f"stand_in_{mode}_{pause_us}"
    directory.mkdir()
    return Process(f"stand_in {mode}", [tools / "stand_in", port, mode, pause_us], LOAD_CORE, port,
                   directory)
