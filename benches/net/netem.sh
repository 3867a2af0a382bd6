#!/usr/bin/env bash
# netem.sh: a poor wide-area link between network namespaces, for transfer tests. Needs root, iproute2, rustc.
#
#   netem.sh up [--rate 2mbit] [--down R] [--up R] [--rtt 300] [--loss 2] [--burst N] [--jitter MS]
#               [--queue BYTES] [--nodes "a b c"] [--poor "b"] [--seed N]
#                                  creates node-a, node-b, ... and wan. The nodes named in --poor (default b)
#                                  sit behind the poor link; the others have an ideal one. --rtt and --loss are
#                                  what a packet meets between an ideal and a poor node (loss: each way).
#   netem.sh exec a|b|.. CMD ...   run CMD in a node
#   netem.sh ip a                  address of a node
#   netem.sh cut b | heal b        link of one node: silent black hole, in-flight packets die | back
#   netem.sh cut-at T1 T2 b        in the background: cut after T1 s, heal after T2 s (counted from now)
#   netem.sh renumber b            give the node a new address (old one dies): roaming, DHCP, new modem session
#   netem.sh set b loss=1,down=10000000,...   change the link while it runs
#   netem.sh stats                 JSON: bytes and packets per node and direction (IP level)
#   netem.sh bytes b               "DOWN UP": bytes that node's link carried (sent through the serialiser)
#   netem.sh reset                 counters to zero
#   netem.sh cc cubic|bbr|reno     TCP congestion control in every node
#   netem.sh pids a                processes still running in a node
#   netem.sh backend               kernel | user
#   netem.sh build                 compiles the emulator and prints where it is
#   netem.sh down                  remove everything
#
# NETEM_ID (default 0, 0..250) selects an independent instance, so that several can run at once.
# Backends: user = wanem (TUN + user space; works where sch_netem is missing); kernel = veth + tc netem
# (NETEM_BACKEND=kernel; no renumber, one poor node). Default: user, since its counters are exact.
set -euo pipefail
id=${NETEM_ID:-0}; run=${NETEM_DIR:-/run/karez-netem}/$id; here=$(cd "$(dirname "$0")" && pwd)
backend=${NETEM_BACKEND:-user}
[ -f "$run/backend" ] && backend=$(cat "$run/backend")
ns() { echo "kz$id-$1"; }
letters=abcdefghijklmnopqrstuvwxyz
num() { local p=${letters%%"$1"*}; echo $(( ${#p} + 1 )); }
addr() { [ -f "$run/addr-$1" ] && cat "$run/addr-$1" || echo "10.77.$id.$(num "$1")"; }
bps() { case $1 in *gbit) echo $(( ${1%gbit} * 1000000000 ));; *mbit) echo $(( ${1%mbit} * 1000000 ));; *kbit) echo $(( ${1%kbit} * 1000 ));; *) echo "$1";; esac; }
nodes() { cat "$run/nodes"; }
ctl() {  # one datagram, one answer
  python3 - "$run/ctl" "$*" <<'PY'
import os, socket, sys, tempfile
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
d = tempfile.mkdtemp(); p = os.path.join(d, "s")
s.bind(p); s.settimeout(5)
try:
    s.sendto(sys.argv[2].encode(), sys.argv[1]); r = s.recv(65536).decode()
finally:
    os.unlink(p); os.rmdir(d)
print(r) if r != "ok" else None
sys.exit(1 if r.startswith("error") else 0)
PY
}
addns() {
  ip netns add "$(ns "$1")"; ip -n "$(ns "$1")" link set lo up
  ip netns exec "$(ns "$1")" sysctl -qw net.ipv4.tcp_no_metrics_save=1
}
build() {
  local out=$here/../../target/bench-net/wanem-$(sha256sum "$here/wanem.rs" | cut -c1-12)
  mkdir -p "$(dirname "$out")"
  [ -x "$out" ] || { rustc -O --edition 2021 -o "$out.$$" "$here/wanem.rs" >&2 && mv "$out.$$" "$out"; }
  echo "$out"
}
cmd=${1:-help}; shift || true
case $cmd in
up)
  rate=2mbit down= up= rtt=300 loss=2 burst=0 jitter=0 queue= list="a b" poor="b" seed=1
  while [ $# -gt 0 ]; do case $1 in
    --rate) rate=$2;; --down) down=$2;; --up) up=$2;; --rtt) rtt=$2;; --loss) loss=$2;; --burst) burst=$2;;
    --jitter) jitter=$2;; --queue) queue=$2;; --nodes) list=$2;; --poor) poor=$2;; --seed) seed=$2;;
    *) echo "unknown option $1" >&2; exit 2;; esac; shift 2; done
  d=$(bps "${down:-$rate}"); u=$(bps "${up:-$rate}")
  # default queue: one bandwidth-delay product, at least 64 KiB
  [ -n "$queue" ] || { queue=$(( d / 8 * rtt / 1000 )); [ "$queue" -ge 65536 ] || queue=65536; }
  [ -d "$run" ] && { "$0" down || true; }
  mkdir -p "$run"; echo "$list" > "$run/nodes"; echo "$backend" > "$run/backend"; addns wan
  for n in $list; do addns "$n"; done
  if [ "$backend" = user ]; then
    args=()
    for n in $list; do
      ip -n "$(ns "$n")" tuntap add dev wan0 mode tun
      ip -n "$(ns "$n")" addr add "$(addr "$n")/24" dev wan0
      ip -n "$(ns "$n")" link set wan0 mtu 1500 up
      link=
      case " $poor " in *" $n "*) link=",up=$u,down=$d,delay=$(awk "BEGIN{print $rtt/2}"),loss=$loss,burst=$burst,jitter=$jitter,queue=$queue";; esac
      args+=(--node "$n,$(ns "$n"),wan0,$(addr "$n")$link")
    done
    bin=$(build)
    pre=(); command -v chrt >/dev/null && pre=(chrt -f 10)
    ip netns exec "$(ns wan)" "${pre[@]}" "$bin" --ctl "$run/ctl" --seed "$seed" "${args[@]}" </dev/null >"$run/log" 2>&1 &
    echo $! > "$run/pid"
    for _ in $(seq 100); do [ -S "$run/ctl" ] && break; sleep 0.05; done
    [ -S "$run/ctl" ] || { cat "$run/log" >&2; exit 1; }
  else
    ip -n "$(ns wan)" link add br0 type bridge; ip -n "$(ns wan)" link set br0 up
    for n in $list; do
      ip link add "w$id$n" netns "$(ns wan)" type veth peer name wan0 netns "$(ns "$n")"
      ip -n "$(ns wan)" link set "w$id$n" master br0 up
      ip -n "$(ns "$n")" addr add "$(addr "$n")/24" dev wan0
      ip -n "$(ns "$n")" link set wan0 up
      ip netns exec "$(ns "$n")" ethtool -K wan0 tso off gso off gro off >/dev/null 2>&1 || true
      case " $poor " in *" $n "*)
        half=$(( rtt / 2 )); pk=$(( queue / 1500 + d * half / 12000000 + 10 ))
        tc -n "$(ns wan)" qdisc add dev "w$id$n" root netem delay ${half}ms loss "$loss%" rate "$d" limit $pk
        tc -n "$(ns "$n")" qdisc add dev wan0 root netem delay ${half}ms loss "$loss%" rate "$u" limit $pk;; esac
    done
  fi;;
exec) n=$1; shift; exec ip netns exec "$(ns "$n")" "$@";;
ip) addr "$1";;
cut|heal)
  if [ "$backend" = user ]; then ctl "$cmd $1"
  elif [ "$cmd" = cut ]; then ip -n "$(ns wan)" link set "w$id$1" down; else ip -n "$(ns wan)" link set "w$id$1" up; fi;;
cut-at) ( sleep "$1"; "$0" cut "$3"; sleep "$(awk "BEGIN{print $2-$1}")"; "$0" heal "$3" ) </dev/null >/dev/null 2>&1 & ;;
renumber)
  [ "$backend" = user ] || { echo "user backend only" >&2; exit 2; }
  old=$(addr "$1"); last=${old##*.}; new=10.77.$id.$(( last < 100 ? last + 100 : last - 99 ))
  ip -n "$(ns "$1")" addr add "$new/24" dev wan0; ctl "addr $1 $new"
  ip -n "$(ns "$1")" addr del "$old/24" dev wan0; ctl "deladdr $1 $old"
  # deleting a primary address also flushes its secondaries unless promoted
  ip -n "$(ns "$1")" addr add "$new/24" dev wan0 2>/dev/null || true
  echo "$new" > "$run/addr-$1"; echo "$new";;
set) ctl "set $1 $2";;
stats)
  if [ "$backend" = user ]; then ctl stats; else tc -n "$(ns wan)" -s -j qdisc show; fi;;
bytes)
  if [ "$backend" = user ]; then ctl stats | python3 -c "import json,sys; n=[x for x in json.load(sys.stdin) if x['node']=='$1'][0]; print(n['down']['sent'], n['up']['sent'])"
  else s() { ip netns exec "$(ns "$1")" cat "/sys/class/net/wan0/statistics/$2"; }; echo "$(s "$1" rx_bytes) $(s "$1" tx_bytes)"; fi;;
reset) [ "$backend" = user ] && ctl reset;;
cc) # a child namespace may only choose what the host allows
  a=$(sysctl -n net.ipv4.tcp_allowed_congestion_control)
  case " $a " in *" $1 "*) ;; *) sysctl -qw net.ipv4.tcp_allowed_congestion_control="$a $1" ;; esac
  for n in $(nodes); do ip netns exec "$(ns "$n")" sysctl -qw net.ipv4.tcp_congestion_control="$1"; done;;
pids) ip netns pids "$(ns "$1")";;
backend) echo "$backend";;
build) build;;
down)
  [ -d "$run" ] || exit 0
  [ -f "$run/pid" ] && kill "$(cat "$run/pid")" 2>/dev/null || true
  for n in $(nodes 2>/dev/null) wan; do ip netns del "$(ns "$n")" 2>/dev/null || true; done
  rm -rf "$run";;
*) sed -n '2,32p' "$0"; exit 2;;
esac
