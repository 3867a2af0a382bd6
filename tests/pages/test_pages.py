"""Every page in a real browser: for everyone, on a phone, without scripts, and with what strangers wrote."""

import http.server
import threading
import urllib.parse
import urllib.request

from content import PAYLOADS

#: Bytes of a first load, document and style.
LIGHT_BYTES_MAX = 14 << 10
REPO_BYTES_MAX = 25 << 10

LIGHT = ["/", "/models", "/models?search=m", "/models?search=m&language=swa", "/-/search?search=swahili", "/datasets", "/spaces", "/alice", "/acme", "/-/node", "/-/sign-in", "/nothing/here/at/all"]
REPO = [
    "/alice/m", "/datasets/alice/data", "/alice/base", "/alice/m/tree/main", "/alice/m/tree/main/src", "/alice/m/blob/main/README.md",
    "/alice/m/blob/main/src/a%20b%23.py", "/alice/m/blob/main/model.safetensors", "/alice/m/blob/main/img/chart.png",
    "/datasets/alice/data/viewer", "/datasets/alice/data/viewer?offset=20&words=text", "/datasets/alice/data/viewer?show=statistics",
    "/datasets/alice/data/viewer?where=wrong", "/alice/m/blob/main/book.ipynb", "/alice/m/blob/main/small.safetensors",
    "/alice/m/commits/main", "/alice/m/commit/main", "/alice/m/refs",
    "/alice/m/discussions", "/alice/m/discussions/1", "/alice/m/discussions/2", "/alice/evil/discussions/1", "/collections",
]
DIRECTIONS = {"en": "ltr", "ar": "rtl", "zh": "ltr"}


class Careless(http.server.BaseHTTPRequestHandler):
    """A page with every fault that the other tests look for."""

    def do_GET(self):
        page = b"<!doctype html><html><body><p style='color:#eee;background:#fff'>hardly to be read</p><div style='width:3000px'>wide</div><img src='http://127.0.0.1:9/x'><script>alert(1)</script>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_):
        pass


def test_the_browser_sees_what_is_wrong(browser):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Careless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        [look] = browser(endpoint=f"http://127.0.0.1:{server.server_port}", paths=["/"], axe=True)
        server.shutdown()
    assert look["ran"] == ["1"] and look["elsewhere"] == ["http://127.0.0.1:9/x"] and look["wide"] > 1000
    found = {violation.split(":")[0] for violation in look["violations"]}
    assert {"image-alt", "html-has-lang", "document-title", "color-contrast"} <= found


def test_every_page_is_for_everyone(node, alice, browser):
    seen = browser(endpoint=node.endpoint, paths=LIGHT + REPO, languages=list(DIRECTIONS), widths=[360, 1280], axe=True, keep=True)
    assert len(seen) == len(LIGHT + REPO) * len(DIRECTIONS) * 2
    for look in seen:
        where = f"{look['path']} in {look['language']} at {look['width']}"
        assert look["status"] == (404 if look["path"].startswith("/nothing") else 200), where
        assert look["checks"] > 5, f"axe looked at nothing: {where}"
        assert look["violations"] == [], where
        assert look["wide"] <= 0, f"{where} is {look['wide']} points too wide"
        assert (look["lang"], look["dir"]) == (look["language"], DIRECTIONS[look["language"]]), where
        assert look["elsewhere"] == [] and look["refused"] == [] and len(look["text"]) > 20, where
        assert look["bytes"] <= (LIGHT_BYTES_MAX if look["path"] in LIGHT else REPO_BYTES_MAX), f"{where} weighs {look['bytes']}"


def test_no_page_needs_scripts(node, alice, browser):
    with_scripts = browser(endpoint=node.endpoint, paths=LIGHT + REPO, scripts=True)
    without = browser(endpoint=node.endpoint, paths=LIGHT + REPO, scripts=False)
    for one, other in zip(with_scripts, without, strict=True):
        # An error names its request, and every request has a number of its own.
        if one["status"] == 200:
            assert one["text"] == other["text"], one["path"]
        assert len(other["text"]) > 20 and other["wide"] <= 0, one["path"]


def test_the_dark_is_as_readable(node, alice, browser):
    for look in browser(endpoint=node.endpoint, paths=["/", "/alice/m", "/alice/m/commit/main", "/-/sign-in", "/datasets/alice/data/viewer?show=statistics"], dark=True, axe=True):
        assert look["violations"] == [], look["path"]


def test_pictures_of_a_card_are_drawn(node, alice, browser):
    [look] = browser(endpoint=node.endpoint, paths=["/alice/m/blob/main/img/chart.png"])
    assert look["pictures"] == [2000] and look["wide"] <= 0


def test_what_strangers_wrote_does_nothing(node, alice, browser):
    cards = [f"/alice/evil/blob/main/card-{number}.md" for number in range(len(PAYLOADS))]
    names = [f"/alice/evil/blob/main/{urllib.parse.quote(name, safe='')}" for name in ["\"><img src=x onerror=alert(1)>.txt", "<svg onload=alert(1)>.md", "page.html", "x.svg"]]
    pages = ["/alice/evil", "/alice/evil/tree/main", "/alice/evil/commits/main", "/alice/evil/commit/main", "/models", "/alice", "/alice/evil/blob/main/book.ipynb", "/alice/evil/discussions", "/alice/evil/discussions/1"]
    pages += [f"/datasets/alice/evil-data/viewer{query}" for query in ["", "?split=test", "?show=statistics", "?where=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "?words=%3Cscript%3E"]]
    queries = ["/models?search=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "/-/sign-in?next=javascript:alert(1)", "/%3Cimg%20src=x%20onerror=alert(1)%3E/x/y"]
    for look in browser(endpoint=node.endpoint, paths=cards + names + pages + queries, scripts=True):
        where = look["path"]
        assert look["ran"] == [], where
        assert look["elsewhere"] == [], where
        # The policy is the second wall: nothing got as far as that.
        assert look["refused"] == [], where
        assert not look["hidden"] and look["url"].startswith(node.endpoint + where.split("?")[0]), where


def test_files_of_strangers_are_not_pages(node, alice, browser):
    """An old HTML or SVG file opened as it is: saved, or shown as text, and never run."""
    for name in ["page.html", "x.svg"]:
        with urllib.request.urlopen(f"{node.endpoint}/alice/evil/resolve/main/{name}") as answer:
            assert answer.headers["Content-Type"] == "application/octet-stream"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_an_old_phone_on_a_poor_line(node, alice, browser):
    """50 kbit/s with 600 ms there and back: usable in five seconds."""
    line = {"latency": 600, "downloadThroughput": 50_000 / 8, "uploadThroughput": 50_000 / 8}
    for look in browser(endpoint=node.endpoint, paths=["/", "/models"], line=line):
        assert look["took_ms"] <= 5_000, f"{look['path']} took {look['took_ms']} ms"
