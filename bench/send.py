"""Invented log lines, and a program that sends them fast.

    python bench/send.py tcp 127.0.0.1 5514 --count 1000000
    python bench/send.py udp 127.0.0.1 5514 --count 3000000 --rate 100000

The mix is that of a municipality's edge: FortiGate 45 %, Squid 12 %, pfSense filterlog 10 %, nftables 10 %, nginx 10 %,
RFC 5424 10 %, dhcpd 3 %; about 480 bytes a line. Addresses are from the documentation ranges and 10.0.0.0/8, names are
invented, and one seed always gives the same lines. With gcc the sending is done by send.c (about 1 µs a line, so that
the receiver keeps its core); without, by the loops here.
"""

from __future__ import annotations

import argparse
import itertools
import random
import shutil
import socket
import subprocess
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOSTS = ["portal.example.org", "www.example.com", "ebelediye.example.org", "cdn.example.net", "mail.example.com"]
WRITE_LINES = 512
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def _inner(rng: random.Random) -> str:
    return f"10.{rng.randrange(20, 28)}.{rng.randrange(64)}.{rng.randrange(2, 250)}"


def _outer(rng: random.Random) -> str:
    return f"{rng.choice(['198.51.100', '203.0.113', '192.0.2'])}.{rng.randrange(1, 255)}"


def _mac(rng: random.Random) -> str:
    return "02:00:5e:" + ":".join(f"{rng.randrange(256):02x}" for _ in range(3))


def _fortigate(rng: random.Random, at: datetime) -> str:
    port, session = rng.randrange(1024, 65535), rng.randrange(10**6, 10**8)
    return (
        f'<189>date={at:%Y-%m-%d} time={at:%H:%M:%S} devname="FGT-BELEDIYE-1" devid="FG100FTK00000001" '
        f'logid="0000000013" type="traffic" subtype="forward" level="notice" vd="root" '
        f'eventtime={int(at.timestamp() * 1e9)} tz="+0300" srcip={_inner(rng)} srcport={port} srcintf="lan" '
        f'srcintfrole="lan" dstip={_outer(rng)} dstport={rng.choice([80, 443, 53, 993])} dstintf="wan1" '
        f'dstintfrole="wan" srccountry="Reserved" dstcountry="Turkey" sessionid={session} proto=6 action="close" '
        f'policyid={rng.randrange(1, 80)} policytype="policy" poluuid="5f1a2c3e-0000-51ee-9d3e-{session:012d}" '
        f'policyname="ic-ag internet" service="HTTPS" trandisp="snat" transip=203.0.113.10 transport={port ^ 1} '
        f"duration={rng.randrange(1, 900)} sentbyte={rng.randrange(10**5)} rcvdbyte={rng.randrange(10**7)} "
        f'sentpkt={rng.randrange(500)} rcvdpkt={rng.randrange(5000)} appcat="unscanned" osname="Windows" '
        f'mastersrcmac="{_mac(rng)}" srcmac="{_mac(rng)}" srcserver=0 user="personel{rng.randrange(900)}" group="ldap"'
    )


def _squid(rng: random.Random, at: datetime) -> str:
    return (
        f"<134>{at:%b %e %H:%M:%S} vekil squid[812]: {at.timestamp():.3f} {rng.randrange(900)} {_inner(rng)} "
        f"TCP_TUNNEL/200 {rng.randrange(90000)} CONNECT {rng.choice(HOSTS)}:443 - HIER_DIRECT/{_outer(rng)} -"
    )


def _filterlog(rng: random.Random, at: datetime) -> str:
    return (
        f"<134>1 {at:%Y-%m-%dT%H:%M:%S}.{rng.randrange(10**6):06d}+00:00 fw.example.org filterlog 92653 - - "
        f"7,,,1000000102,vtnet0.5,match,pass,in,4,0x0,,64,{rng.randrange(65535)},0,DF,6,tcp,60,{_inner(rng)},"
        f"{_outer(rng)},{rng.randrange(1024, 65535)},443,0,S,{rng.randrange(2**32)},,64240,,mss;sackOK;TS;nop;wscale"
    )


def _nftables(rng: random.Random, at: datetime) -> str:
    return (
        f"<6>{at:%b %e %H:%M:%S} sube-gw kernel: [{rng.randrange(10**6)}.{rng.randrange(10**6):06d}] NAT-OUT IN=br0 "
        f"OUT=ppp0 MAC={_mac(rng)}:{_mac(rng)}:08:00 SRC={_inner(rng)} DST={_outer(rng)} LEN=60 TOS=0x00 PREC=0x00 "
        f"TTL=63 ID={rng.randrange(65535)} DF PROTO=TCP SPT={rng.randrange(1024, 65535)} DPT=443 WINDOW=64240 RES=0x00 "
        "SYN URGP=0 MARK=0x1"
    )


def _nginx(rng: random.Random, at: datetime) -> str:
    return (
        f"<190>{at:%b %e %H:%M:%S} web1 nginx: {_outer(rng)} - - [{at:%d/%b/%Y:%H:%M:%S} +0000] "
        f'"GET /hizmet/{rng.randrange(4000)}?s={rng.randrange(90)} HTTP/1.1" 200 {rng.randrange(90000)} '
        f'"https://{rng.choice(HOSTS)}/" "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"'
    )


def _sshd(rng: random.Random, at: datetime) -> str:
    return (
        f"<38>1 {at:%Y-%m-%dT%H:%M:%S}.{rng.randrange(10**3):03d}Z sunucu{rng.randrange(40)}.example.org sshd "
        f'{rng.randrange(30000)} - [origin software="sshd" ip="{_inner(rng)}"] Failed password for invalid user '
        f"yedek{rng.randrange(90)} from {_outer(rng)} port {rng.randrange(1024, 65535)} ssh2"
    )


def _dhcpd(rng: random.Random, at: datetime) -> str:
    return (
        f"<30>{at:%b %e %H:%M:%S} dhcp1 dhcpd[711]: DHCPACK on {_inner(rng)} to {_mac(rng)} "
        f"(PC{rng.randrange(900):04d}) via eth1"
    )


_MIX: list[tuple[Callable[[random.Random, datetime], str], int]] = [
    (_fortigate, 45),
    (_squid, 12),
    (_filterlog, 10),
    (_nftables, 10),
    (_nginx, 10),
    (_sshd, 10),
    (_dhcpd, 3),
]


def lines(seed: int = 1) -> Iterator[bytes]:
    """Yield log lines without LF, for ever; about 120 of them for each second of their own time."""
    rng = random.Random(seed)
    kinds, weights = [kind for kind, _ in _MIX], [weight for _, weight in _MIX]
    for number in itertools.count():
        (kind,) = rng.choices(kinds, weights)
        yield kind(rng, START + timedelta(seconds=number / 120)).encode()


def write_lines(path: Path, count: int, seed: int = 1) -> int:
    """Write `count` LF-ended lines to `path`; return their bytes."""
    content = b"".join(line + b"\n" for line in itertools.islice(lines(seed), count))
    path.write_bytes(content)
    return len(content)


def build_sender(folder: Path) -> Path | None:
    """Return send.c compiled into `folder`, or None without a compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    program = folder / "send"
    subprocess.run([compiler, "-O2", "-o", program, Path(__file__).with_name("send.c")], check=True)
    return program


def send_tcp(host: str, port: int, content: list[bytes], count: int) -> None:
    """Send `count` lines in blocks of WRITE_LINES over one connection; return when the other side has closed."""
    blocks = [
        b"\n".join(content[i : i + WRITE_LINES]) + b"\n" for i in range(0, len(content) - WRITE_LINES + 1, WRITE_LINES)
    ]
    with socket.create_connection((host, port)) as sock:
        for block in itertools.islice(itertools.cycle(blocks), count // WRITE_LINES):
            sock.sendall(block)
        sock.sendall(b"".join(line + b"\n" for line in content[: count % WRITE_LINES]))
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(1):
            pass


def send_udp(host: str, port: int, content: list[bytes], count: int, rate: float) -> None:
    """Send `count` datagrams, `rate` a second, in bursts of about a millisecond."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((host, port))
        send = sock.send
        source = itertools.cycle(content)
        begin, sent = time.perf_counter(), 0
        while sent < count:
            due = min(count, int((time.perf_counter() - begin) * rate))
            if due <= sent:
                time.sleep(0.0005)
            for _ in range(due - sent):
                send(next(source))
            sent = max(sent, due)


def run() -> None:
    """Send as the command line says."""
    parser = argparse.ArgumentParser(description="Send invented log lines to a syslog listener.")
    parser.add_argument("transport", choices=["tcp", "udp"])
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=10_000, help="datagrams a second (udp)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        file, program = Path(folder) / "lines", build_sender(Path(folder))
        write_lines(file, min(options.count, 50_000), options.seed)
        if program is not None:
            target = [options.transport, options.host, str(options.port), str(file), str(options.count)]
            subprocess.run([program, *target, str(options.rate)], check=True)
            return
        content = file.read_bytes().splitlines()
    if options.transport == "tcp":
        send_tcp(options.host, options.port, content, options.count)
    else:
        send_udp(options.host, options.port, content, options.count, options.rate)
    print(options.count, f"{time.perf_counter() - begin:.3f}")


if __name__ == "__main__":
    run()
