//! wanem: a user-space wide-area-link emulator (std only, one file: `rustc -O wanem.rs`).
//!
//! For hosts whose kernel has no sch_netem. Every node is a network namespace with a TUN device;
//! this process moves the IP packets between them through per-node links.
//!
//!   wanem --ctl SOCK --node NAME,NETNS,DEV,ADDR[,up=BPS,down=BPS,delay=MS,loss=PCT,queue=BYTES,burst=N,jitter=MS] ...
//!         [--seed N]
//!
//! Link model, one per node: sender -> [FIFO, tail drop at `queue` bytes] -> serialiser at `up`
//! -> random loss -> propagation (`delay` one way, +/- `jitter`) -> core -> the receiver's link: propagation,
//! FIFO, serialiser at `down`, loss. A node with rate 0 has an ideal link. Loss is Bernoulli, or with burst=N
//! Gilbert-Elliott with a mean burst of N packets at the same long-run rate. It is drawn after
//! the serialiser, so a lost packet still used the link, as on radio.
//!
//! Control (one line per datagram on the unix socket, answered on the sender's socket if bound):
//!   cut NODE | heal NODE | set NODE k=v[,k=v] | addr NODE ADDR (add) | deladdr NODE ADDR | stats | reset | quit
//!
//! Counters per node and direction, `pkts` sent and `dlv_pkts` delivered beside bytes: off(ered), sent (through the serialiser: what a metered link
//! bills), dlv (delivered), qdrop, loss, cut; bytes at IP level (TCP/IP headers included).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::time::Instant;

extern "C" {
    fn setns(fd: i32, nstype: i32) -> i32;
    fn ioctl(fd: i32, req: u64, arg: *mut u8) -> i32;
    fn ppoll(fds: *mut PollFd, n: u64, ts: *const Timespec, sig: *const u8) -> i32;
}
#[repr(C)]
struct PollFd {
    fd: i32,
    events: i16,
    revents: i16,
}
#[repr(C)]
struct Timespec {
    s: i64,
    ns: i64,
}
const CLONE_NEWNET: i32 = 0x4000_0000;
const TUNSETIFF: u64 = 0x4004_54ca;
const O_NONBLOCK: i32 = 0o4000;

struct Rng(u64);
impl Rng {
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[derive(Default, Clone)]
struct Dir {
    busy_until: u64, // ns
    bad: bool,       // Gilbert-Elliott state
    off: [u64; 2],
    sent: [u64; 2],
    dlv: [u64; 2],
    qdrop: [u64; 2],
    loss: [u64; 2],
    cut: [u64; 2],
}
fn bump(c: &mut [u64; 2], n: usize) {
    c[0] += n as u64;
    c[1] += 1;
}

struct Node {
    name: String,
    tun: File,
    addrs: Vec<u32>,
    rate: [u64; 2], // bit/s: up, down; 0 = unlimited
    delay: u64,
    jitter: u64,
    loss: f64,
    burst: f64,
    queue: u64,
    cut: bool,
    epoch: u64, // bumped by cut: packets queued or in flight before it are gone
    dir: [Dir; 2],
}

impl Node {
    fn set(&mut self, k: &str, v: &str) -> Result<(), String> {
        let f: f64 = v
            .trim_end_matches(|c: char| c.is_alphabetic() || c == '%')
            .parse()
            .map_err(|_| format!("bad value {k}={v}"))?;
        match k {
            "up" => self.rate[0] = f as u64,
            "down" => self.rate[1] = f as u64,
            "rate" => self.rate = [f as u64; 2],
            "delay" => self.delay = (f * 1e6) as u64,
            "jitter" => self.jitter = (f * 1e6) as u64,
            "loss" => self.loss = f / 100.0,
            "burst" => self.burst = f,
            "queue" => self.queue = f as u64,
            _ => return Err(format!("unknown key {k}")),
        }
        Ok(())
    }
    /// Admits a packet to one direction at `now`; the time it leaves the serialiser, or None if dropped.
    fn serialise(&mut self, d: usize, now: u64, len: usize, rng: &mut Rng) -> Option<u64> {
        let (rate, qlim, cut) = (self.rate[d], self.queue, self.cut);
        let dir = &mut self.dir[d];
        bump(&mut dir.off, len);
        if cut {
            bump(&mut dir.cut, len);
            return None;
        }
        let start = dir.busy_until.max(now);
        let end = if rate == 0 {
            now
        } else {
            let backlog = (start - now) as u128 * rate as u128 / 8_000_000_000;
            if backlog as u64 + len as u64 > qlim.max(3000) {
                bump(&mut dir.qdrop, len);
                return None;
            }
            start + (len as u128 * 8_000_000_000 / rate as u128) as u64
        };
        dir.busy_until = end;
        bump(&mut dir.sent, len);
        let lost = if self.loss <= 0.0 {
            false
        } else if self.burst > 1.0 {
            let p_out = 1.0 / self.burst;
            let p_in = p_out * self.loss / (1.0 - self.loss);
            let u = rng.unit();
            dir.bad = if dir.bad { u >= p_out } else { u < p_in };
            dir.bad
        } else {
            rng.unit() < self.loss
        };
        if lost {
            bump(&mut dir.loss, len);
            return None;
        }
        Some(end)
    }
    fn stats(&self) -> String {
        let mut s = format!("{{\"node\":\"{}\",\"cut\":{}", self.name, self.cut);
        for (n, d) in ["up", "down"].iter().zip(&self.dir) {
            s += &format!(
                ",\"{n}\":{{\"off\":{},\"sent\":{},\"dlv\":{},\"qdrop\":{},\"loss\":{},\"cut\":{},\"pkts\":{},\"dlv_pkts\":{}}}",
                d.off[0], d.sent[0], d.dlv[0], d.qdrop[0], d.loss[0], d.cut[0], d.sent[1], d.dlv[1]
            );
        }
        s + "}"
    }
}

fn open_tun(netns: &str, dev: &str) -> std::io::Result<File> {
    let home = File::open("/proc/self/ns/net")?;
    let ns = File::open(format!("/run/netns/{netns}"))?;
    let sys = |r: i32| if r < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) };
    sys(unsafe { setns(ns.as_raw_fd(), CLONE_NEWNET) })?;
    let tun = OpenOptions::new().read(true).write(true).custom_flags(O_NONBLOCK).open("/dev/net/tun")?;
    let mut req = [0u8; 40];
    req[..dev.len()].copy_from_slice(dev.as_bytes());
    req[16..18].copy_from_slice(&0x1001u16.to_ne_bytes()); // IFF_TUN | IFF_NO_PI
    sys(unsafe { ioctl(tun.as_raw_fd(), TUNSETIFF, req.as_mut_ptr()) })?;
    sys(unsafe { setns(home.as_raw_fd(), CLONE_NEWNET) })?;
    Ok(tun)
}

fn ip(s: &str) -> u32 {
    s.parse::<std::net::Ipv4Addr>().map(u32::from).unwrap_or(0)
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Ev {
    Core { from: usize, to: usize, ep: (u64, u64), pkt: Vec<u8> },
    Out { to: usize, ep: u64, pkt: Vec<u8> },
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (mut ctl, mut nodes, mut rng) = (String::new(), Vec::<Node>::new(), Rng(0x9E37_79B9_7F4A_7C15));
    let mut i = 1;
    while i + 1 < args.len() {
        let v = &args[i + 1];
        match args[i].as_str() {
            "--ctl" => ctl = v.clone(),
            "--seed" => rng.0 = v.parse::<u64>().unwrap().wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            "--node" => {
                let p: Vec<&str> = v.split(',').collect();
                let tun = open_tun(p[1], p[2]).unwrap_or_else(|e| {
                    eprintln!("wanem: {}: {e}", p[0]);
                    std::process::exit(1)
                });
                let mut n = Node {
                    name: p[0].into(),
                    tun,
                    addrs: vec![ip(p[3])],
                    rate: [0; 2],
                    delay: 0,
                    jitter: 0,
                    loss: 0.0,
                    burst: 0.0,
                    queue: 131_072,
                    cut: false,
                    epoch: 0,
                    dir: Default::default(),
                };
                for kv in &p[4..] {
                    let (k, v) = kv.split_once('=').expect("k=v");
                    if let Err(e) = n.set(k, v) {
                        eprintln!("wanem: {e}");
                        std::process::exit(1)
                    }
                }
                nodes.push(n);
            }
            o => {
                eprintln!("wanem: unknown {o}");
                std::process::exit(1)
            }
        }
        i += 2;
    }
    let _ = std::fs::remove_file(&ctl);
    let sock = UnixDatagram::bind(&ctl).expect("bind ctl");
    sock.set_nonblocking(true).unwrap();
    let t0 = Instant::now();
    let now = || t0.elapsed().as_nanos() as u64;
    let mut heap: BinaryHeap<Reverse<(u64, u64, Ev)>> = BinaryHeap::new();
    let mut seq = 0u64;
    let mut routes: HashMap<u32, usize> = HashMap::new();
    for (k, n) in nodes.iter().enumerate() {
        for a in &n.addrs {
            routes.insert(*a, k);
        }
    }
    let mut buf = vec![0u8; 65536];
    loop {
        let mut fds: Vec<PollFd> = nodes
            .iter()
            .map(|n| n.tun.as_raw_fd())
            .chain([sock.as_raw_fd()])
            .map(|fd: RawFd| PollFd { fd, events: 1, revents: 0 })
            .collect();
        let wait = heap.peek().map_or(1_000_000_000, |Reverse((t, ..))| t.saturating_sub(now()));
        let ts = Timespec { s: (wait / 1_000_000_000) as i64, ns: (wait % 1_000_000_000) as i64 };
        unsafe { ppoll(fds.as_mut_ptr(), fds.len() as u64, &ts, std::ptr::null()) };
        // 1. due events
        while heap.peek().is_some_and(|Reverse((t, ..))| *t <= now()) {
            let Reverse((t, _, ev)) = heap.pop().unwrap();
            match ev {
                Ev::Core { from, to, ep, pkt } => {
                    let len = pkt.len();
                    if nodes[from].epoch != ep.0 || nodes[to].epoch != ep.1 {
                        bump(&mut nodes[from].dir[0].cut, len);
                        continue;
                    }
                    bump(&mut nodes[from].dir[0].dlv, len);
                    if let Some(end) = nodes[to].serialise(1, t, len, &mut rng) {
                        seq += 1;
                        let ep = nodes[to].epoch;
                        heap.push(Reverse((end, seq, Ev::Out { to, ep, pkt })));
                    }
                }
                Ev::Out { to, ep, pkt } => {
                    let n = &mut nodes[to];
                    if n.epoch != ep {
                        bump(&mut n.dir[1].cut, pkt.len());
                        continue;
                    }
                    bump(&mut n.dir[1].dlv, pkt.len());
                    let _ = n.tun.write(&pkt);
                }
            }
        }
        // 2. packets from the nodes
        for k in 0..nodes.len() {
            if fds[k].revents == 0 {
                continue;
            }
            for _ in 0..64 {
                let Ok(len) = nodes[k].tun.read(&mut buf) else { break };
                if len < 20 || buf[0] >> 4 != 4 {
                    continue;
                }
                let dst = u32::from_be_bytes([buf[16], buf[17], buf[18], buf[19]]);
                let Some(&to) = routes.get(&dst) else { continue };
                let t = now();
                if let Some(end) = nodes[k].serialise(0, t, len, &mut rng) {
                    let j = nodes[k].jitter + nodes[to].jitter;
                    let jit = if j == 0 { 0 } else { (rng.unit() * j as f64) as u64 };
                    let at = end + nodes[k].delay + nodes[to].delay + jit;
                    seq += 1;
                    let ep = (nodes[k].epoch, nodes[to].epoch);
                    heap.push(Reverse((at, seq, Ev::Core { from: k, to, ep, pkt: buf[..len].to_vec() })));
                }
            }
        }
        // 3. control
        while let Ok((len, peer)) = sock.recv_from(&mut buf) {
            let line = String::from_utf8_lossy(&buf[..len]).into_owned();
            let w: Vec<&str> = line.split_whitespace().collect();
            let find = |nodes: &Vec<Node>, x: Option<&&str>| nodes.iter().position(|n| Some(&n.name.as_str()) == x);
            let mut reply = String::from("ok");
            match (w.first().copied().unwrap_or(""), find(&nodes, w.get(1))) {
                ("stats", _) => reply = format!("[{}]", nodes.iter().map(Node::stats).collect::<Vec<_>>().join(",")),
                ("reset", _) => {
                    for n in &mut nodes {
                        for d in &mut n.dir {
                            *d = Dir { busy_until: d.busy_until, bad: d.bad, ..Default::default() }
                        }
                    }
                }
                ("quit", _) => {
                    if let Some(p) = peer.as_pathname() {
                        let _ = sock.send_to(b"ok", p);
                    }
                    return;
                }
                ("cut", Some(k)) => {
                    nodes[k].cut = true;
                    nodes[k].epoch += 1;
                    for d in &mut nodes[k].dir {
                        d.busy_until = 0
                    }
                }
                ("heal", Some(k)) => nodes[k].cut = false,
                ("addr", Some(k)) => {
                    if let Some(a) = w.get(2) {
                        routes.insert(ip(a), k);
                    }
                }
                ("deladdr", Some(_)) => {
                    if let Some(a) = w.get(2) {
                        routes.remove(&ip(a));
                    }
                }
                ("set", Some(k)) => {
                    for kv in w.get(2).unwrap_or(&"").split(',') {
                        match kv.split_once('=').ok_or("k=v".to_string()).and_then(|(a, b)| nodes[k].set(a, b)) {
                            Ok(()) => {}
                            Err(e) => reply = e,
                        }
                    }
                }
                _ => reply = format!("error: unknown command or node: {line}"),
            }
            if let Some(p) = peer.as_pathname() {
                let _ = sock.send_to(reply.as_bytes(), p);
            }
        }
    }
}
