# SPDX-License-Identifier: Apache-2.0
"""A gate of its own for one run: configuration, key and process, in a directory that goes away."""
import os
import secrets
import socket
import subprocess
import tempfile
import time

CONFIG = """\
version: 1
http:
  listeners:
    - {{name: gate, address: "127.0.0.1:{port}"}}
  timeouts: {{head: 4s, body: 4s, idle: 10s}}
keys:
  pepper: ${{env:HOSTILE_PEPPER}}
upstream:
  - name: recorder
    base_url: http://127.0.0.1:{upstream}/v1
    api_key: ${{env:HOSTILE_PROVIDER_KEY}}
audit:
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


class Gate:
    def __init__(self, binary, upstream_port, provider_key):
        self._directory = tempfile.TemporaryDirectory(prefix="hostile-")
        self._binary = os.path.abspath(binary)
        self.address = ("127.0.0.1", free_port())
        self._config = os.path.join(self._directory.name, "sallyport.yaml")
        with open(self._config, "w", encoding="utf-8") as out:
            out.write(CONFIG.format(port=self.address[1], upstream=upstream_port, admin=free_port(),
                                    directory=self._directory.name))
        self._environment = dict(os.environ, HOSTILE_PEPPER=secrets.token_hex(32),
                                 HOSTILE_PROVIDER_KEY=provider_key)
        self._process = None
        self._log_path = os.path.join(self._directory.name, "log")

    def __enter__(self):
        self.key = self._command("keys", "create", "hostile").strip().splitlines()[-1].strip()
        self._log = open(self._log_path, "wb")
        self._process = subprocess.Popen([self._binary, "-c", self._config, "serve"],
                                         stdout=self._log,
                                         stderr=self._log, env=self._environment)
        deadline = time.monotonic() + 15
        while True:
            try:
                socket.create_connection(self.address, timeout=1).close()
                return self
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("the gate did not start:\n" + self.log()[-4000:]) from None
                time.sleep(0.02)

    def __exit__(self, *_):
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._log.close()
        self._directory.cleanup()

    def alive(self):
        return self._process.poll() is None

    def resident_kib(self):
        with open(f"/proc/{self._process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

    def files_with(self, *secrets_of_run):
        """Files of the gate's (journal, database, log) that hold one of these texts."""
        found = []
        for root, _, names in os.walk(self._directory.name):
            for path in (os.path.join(root, name) for name in names):
                if not os.path.isfile(path):  # the admin socket
                    continue
                with open(path, "rb") as file:
                    content = file.read()
                if any(secret.encode() in content for secret in secrets_of_run):
                    found.append(path)
        return found

    def log(self):
        with open(self._log_path, "rb") as log:
            return log.read().decode("utf-8", "replace")

    def _command(self, *arguments):
        done = subprocess.run([self._binary, "-c", self._config, *arguments], env=self._environment,
                              capture_output=True, text=True, timeout=30, check=False)
        if done.returncode != 0:
            raise SystemExit(
                f"{' '.join(arguments)} failed ({done.returncode}): {done.stderr[-2000:]}")
        return done.stdout
