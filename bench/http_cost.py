#!/usr/bin/env python3
"""CPU a request of io's HTTP server beside nginx, and what an idle agent connection costs.

nginx gives a static body of the same size and parses no JSON, so it is the floor. Server on CPU 0, wrk on CPU 1,
rounds interleaved; CPU time of the server process, not wall time. BELAY_NGINX names an nginx that is not on PATH.
"""
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BODY = '{"Operation":"Echo","NodeId":"mi-0123456789abcdef0","Count":123}'
ROUNDS, SECONDS, CONNECTIONS = 3, 4, 64
IDLE_CONNECTIONS = 5000
TICKS = os.sysconf("SC_CLK_TCK")
WRK_SCRIPT = f"wrk.method='POST'\nwrk.body='{BODY}'\nwrk.headers['Content-Type']='application/json'\n"


def skip(why):
    print(f"SKIPPED http_cost: {why}")
    sys.exit(0)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))


def pinned(cpu):
    cpus = sorted(os.sched_getaffinity(0))
    return lambda: os.sched_setaffinity(0, {cpus[cpu % len(cpus)]})


def start_ours(folder):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, 60000), limit))
    process = subprocess.Popen([ROOT / "build/bin/bench_http_server", folder], stdout=subprocess.PIPE, text=True,
                               preexec_fn=pinned(0))
    plain, tls = map(int, process.stdout.readline().split())
    return process, plain, tls


def start_nginx(binary, folder):
    plain, tls = free_port(), free_port()
    (folder / "nginx.conf").write_text(f"""
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl;
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem;
    location / {{ default_type application/json; return 200 '{BODY}'; }}
  }}
}}
""")
    process = subprocess.Popen([binary, "-p", folder, "-c", folder / "nginx.conf"], preexec_fn=pinned(0),
                               stderr=subprocess.DEVNULL)
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", plain), 1).close()
            return process, plain, tls
        except OSError:
            time.sleep(0.05)
    raise SystemExit("nginx does not start: " + (folder / "error.log").read_text())


def microseconds_a_request(pid, url, script):
    before = cpu_seconds(pid)
    text = subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", script, url], capture_output=True,
                          text=True, check=True, preexec_fn=pinned(1)).stdout
    spent = cpu_seconds(pid) - before
    if "Non-2xx" in text or "Socket errors" in text:
        raise SystemExit(f"wrk saw errors at {url}:\n{text}")
    return 1e6 * spent / int(re.search(r"(\d+) requests in", text).group(1))


def measure_requests(servers, script):
    figures = {}
    for _ in range(ROUNDS):
        for name, (process, plain, tls) in servers.items():
            for kind, url in (("plain", f"http://127.0.0.1:{plain}/"), ("TLS", f"https://127.0.0.1:{tls}/")):
                figures.setdefault((kind, name), []).append(microseconds_a_request(process.pid, url, script))
    for kind in ("plain", "TLS"):
        ours, floor = figures[kind, "belay"], figures[kind, "nginx"]
        ratio = sorted(ours)[len(ours) // 2] / sorted(floor)[len(floor) // 2]
        print(f"{kind:5}  belay {min(ours):.2f}-{max(ours):.2f} us CPU a request   "
              f"nginx {min(floor):.2f}-{max(floor):.2f}   ratio {ratio:.2f} (target under 1.5)")


def measure_idle(folder, port, pid):
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    context.load_cert_chain(folder / "client.pem")
    request = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}".encode()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    count = min(IDLE_CONNECTIONS, limit - 200)
    before, cpu, held = resident_kib(pid), cpu_seconds(pid), []
    for _ in range(count):
        raw = socket.create_connection(("127.0.0.1", port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = context.wrap_socket(raw, server_hostname="localhost")
        connection.sendall(request)
        connection.recv(4096)
        held.append(connection)
    each = (resident_kib(pid) - before) / count
    print(f"idle   {count} mTLS connections, {each:.1f} KB each (target 25); handshake and first request "
          f"{1e3 * (cpu_seconds(pid) - cpu) / count:.2f} ms CPU each")


def main():
    if not (ROOT / "build/bin/bench_http_server").exists():
        skip("build/bin/bench_http_server is not built")
    nginx = os.environ.get("BELAY_NGINX") or shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    wrk = shutil.which("wrk")
    with tempfile.TemporaryDirectory(prefix="belay-bench-") as name:
        folder = pathlib.Path(name)
        ours = start_ours(folder)
        stop = [ours[0]]
        try:
            measure_idle(folder, ours[2], ours[0].pid)
            if not nginx or not wrk:
                skip("the comparison needs nginx and wrk (packages nginx-light, wrk)")
            script = folder / "post.lua"
            script.write_text(WRK_SCRIPT)
            beside = start_nginx(nginx, folder)
            stop.append(beside[0])
            measure_requests({"nginx": beside, "belay": ours}, script)
        finally:
            for process in stop:
                process.send_signal(signal.SIGTERM)
                process.wait()


if __name__ == "__main__":
    main()
