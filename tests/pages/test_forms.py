"""What people do on pages, in a real browser: without scripts, and then with the one that there is."""

import hashlib
import http.cookiejar
import json
import os
import re
import urllib.parse
import urllib.request

import pytest

from node import Node, free_port

PASSWORD = "three quiet rivers"
PAGES = [
    "/-/account", "/-/new", "/-/publish", "/-/org/acme", "/-/admin", "/-/admin/upstreams", "/boss/m/discussions/1?comment=1", "/boss/m/settings", "/boss/m/upload/main", "/boss/m/edit/main/README.md", "/-/sign-in",
]
DIRECTIONS = {"en": "ltr", "ar": "rtl", "zh": "ltr"}


@pytest.fixture(scope="module")
def boss(node, alice):
    """An administrator with a password, and what the pages are about; what is needed to sign in."""
    from huggingface_hub import HfApi

    node.run("user", "create", "boss", "--admin")
    node.run("org", "add", "acme", "boss", "--role", "admin")
    node.run("user", "password", "boss", said=PASSWORD + "\n")
    node.run("repo", "create", "boss/m")
    HfApi(endpoint=node.endpoint, token=node.token("boss")).create_discussion("boss/m", "Which dialect?", description="Is it *Kiunguja*?", repo_type="model")
    node.run("upstream", "add", "far", "https://hub.example.org", "--allow", "far-*/*", "--deny", "*/test-*", "--file-max", "20 GB")
    return [["goto", "/-/sign-in"], ["fill", "#name", "boss"], ["fill", "#password", PASSWORD], ["click", "form:has(#password) button"]]


def session(node):
    """Signs in as a browser does, and returns the cookies."""
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    page = opener.open(urllib.request.Request(f"{node.endpoint}/-/sign-in", headers={"Accept": "text/html"})).read().decode()
    fields = {"proof": re.search('name="proof" value="([^"]+)"', page)[1], "name": "boss", "password": PASSWORD, "next": "/-/account"}
    request = urllib.request.Request(f"{node.endpoint}/-/sign-in", urllib.parse.urlencode(fields).encode(), {"Accept": "text/html"})
    assert "boss" in opener.open(request).read().decode()
    return [{"name": cookie.name, "value": cookie.value} for cookie in jar if cookie.name != "karez_lang"]


def read(node, path: str) -> bytes:
    with urllib.request.urlopen(node.endpoint + path) as answer:
        return answer.read()


def test_pages_that_do_things_are_for_everyone(node, boss, browser):
    cookies = session(node)
    seen = browser(endpoint=node.endpoint, paths=PAGES, languages=list(DIRECTIONS), widths=[360, 1280], axe=True, cookies=cookies, keep=True)
    assert len(seen) == len(PAGES) * len(DIRECTIONS) * 2
    for look in seen:
        where = f"{look['path']} in {look['language']} at {look['width']}"
        assert look["status"] == 200 and look["checks"] > 5, where
        assert look["violations"] == [], where
        assert look["wide"] <= 0, f"{where} is {look['wide']} points too wide"
        assert (look["lang"], look["dir"]) == (look["language"], DIRECTIONS[look["language"]]), where
        assert look["elsewhere"] == [] and look["refused"] == [] and look["ran"] == [], where
        assert look["bytes"] <= 14 << 10, f"{where} weighs {look['bytes']}"
    for look in browser(endpoint=node.endpoint, paths=PAGES, dark=True, axe=True, cookies=cookies):
        assert look["violations"] == [], look["path"]


@pytest.mark.parametrize("scripts", [False, True])
def test_a_table_is_published_by_somebody_without_a_command_line(node, boss, act, tmp_path, scripts):
    table = tmp_path / "prices of rice.csv"
    table.write_text("country,price\nKiribati,12\nنيجر,7\n")
    name = f"rice-{scripts}".lower()
    seen = act(endpoint=node.endpoint, scripts=scripts, steps=boss + [
        ["goto", "/-/publish"], ["choose", "#owner", "acme"], ["fill", "#name", name], ["fill", "#title", "Rice"],
        ["fill", "#about", "Prices of rice, by country."], ["fill", "#language", "en"], ["files", "#file", str(table)],
        ["click", "form.tall button"], ["wait", "?repo="], ["note"], ["click", "main form button"], ["wait", f"/datasets/acme/{name}"], ["note"],
    ])
    assert "Kiribati" in seen["texts"][0] and "نيجر" in seen["texts"][0]
    assert "Prices of rice, by country." in seen["texts"][1] and "private" not in seen["texts"][1]
    assert read(node, f"/datasets/acme/{name}/resolve/main/prices-of-rice.csv") == table.read_bytes()


@pytest.mark.parametrize("scripts", [False, True])
def test_a_repository_from_its_beginning_to_its_end(node, boss, act, tmp_path, scripts):
    small = tmp_path / "notes.txt"
    small.write_text("one\n")
    name = f"life-{scripts}".lower()
    act(endpoint=node.endpoint, scripts=scripts, steps=boss + [
        ["goto", "/-/new"], ["fill", "#name", name], ["choose", "#visibility", "private"], ["click", "main form button"], ["wait", f"/boss/{name}"],
        ["goto", f"/boss/{name}/upload/main"], ["files", "#file", str(small)], ["click", "#upload button"], ["wait", "/tree/main"],
        ["goto", f"/boss/{name}/edit/main/README.md"], ["fill", "#text", "---\nlicense: mit\n---\n# Written in a browser\n"],
        ["click", "button[value=check]"], ["click", "button[value=save]"],
        ["goto", f"/boss/{name}/settings"], ["choose", "#visibility", "public"], ["click", "form:has(#visibility) button"],
    ])
    assert read(node, f"/boss/{name}/resolve/main/notes.txt") == b"one\n"
    assert b"Written in a browser" in read(node, f"/boss/{name}/resolve/main/README.md")
    seen = act(endpoint=node.endpoint, scripts=scripts, steps=boss + [
        ["goto", f"/boss/{name}/settings"], ["fill", "#confirm", f"boss/{name}"], ["click", "form:has(#confirm) button"], ["wait", "/boss"],
        ["goto", f"/boss/{name}"], ["note"],
    ])
    assert "Not found" in seen["texts"][0]


@pytest.mark.parametrize("scripts", [False, True])
def test_an_upstream_comes_and_goes_without_a_command_line(node, boss, act, tmp_path, scripts):
    """Another node as the upstream hub: refused at first, as it is on this machine; added, asked, used, removed with what came from it."""
    up = Node(tmp_path / "up", free_port()).start()
    try:
        up.run("org", "create", "hub")
        up.run("repo", "create", "hub/tiny")
        add = [["click", "form:has(#url) button"], ["note"]]
        seen = act(endpoint=node.endpoint, scripts=scripts, steps=boss + [
            ["goto", "/-/admin"], ["click", "a[href='/-/admin/upstreams']"], ["fill", "#name", "near"], ["fill", "#url", up.endpoint], ["fill", "#allow", "hub/*"], *add,
            ["tick", "#allow_private"], *add, ["click", "form:has(input[value=near]):has(input[value=check]) button"], ["note"], ["goto", "/hub/tiny"], ["note"],
        ])
        refused, added, asked, tiny = seen["texts"]
        assert "this machine" in refused and "It was added." in added and "It answers." in asked and "hub/tiny" in tiny and "Not found" not in tiny
        remove = [["goto", "/-/admin/upstreams"], ["click", "details:has(#confirm-near) summary"], ["fill", "#confirm-near", "near"]]
        go = [["click", "form:has(#confirm-near) button"], ["note"]]
        seen = act(endpoint=node.endpoint, scripts=scripts, steps=boss + [*remove, *go, *remove, ["tick", "#repos-near"], *go])
        assert "that came from near are here: 1" in seen["texts"][0] and "It was removed." in seen["texts"][1]
        assert "near" not in node.run("upstream", "list")
    finally:
        up.stop()


@pytest.mark.parametrize("scripts", [False, True])
def test_what_was_said_is_edited_and_hidden(node, boss, act, scripts):
    page, words = "/boss/m/discussions/1", f"From the coast, {scripts}."
    text = "form:has(input[value=comment]) textarea"
    seen = act(endpoint=node.endpoint, scripts=scripts, steps=boss + [
        ["goto", page], ["fill", text, "From the **hills**."], ["click", "form:has(input[value=comment]) button"],
        ["click", ":nth-match(p.doors a[href*='?comment='], 2)"], ["note"], ["fill", "#edited", words], ["click", "form:has(#edited) button"], ["wait", "#comment-"], ["note"],
        ["click", ":nth-match(p.doors a[href*='?comment='], 2)"], ["click", "form:has(input[value=hide]) button"], ["note"],
    ])
    opened, edited, hidden = seen["texts"]
    assert "gone for good" in opened and words in edited and "edited on" in edited and "hills" not in edited
    assert words not in hidden and "This comment was hidden." in hidden


def test_a_large_file_goes_on_where_the_line_broke(node, boss, act, tmp_path):
    """With scripts: in parts; the broken ones again; and when the page is opened anew, only what is missing."""
    large = tmp_path / "weights.bin"
    content = os.urandom(20 << 20)
    large.write_bytes(content)
    page = [["goto", "/boss/m/upload/main"], ["fill", "#folder", "big"], ["files", "#file", str(large)], ["click", "#upload button"]]
    seen = act(endpoint=node.endpoint, scripts=True, steps=boss + [["breaks", 2], ["end", 12], *page, ["arrived", 12], ["end"], *page, ["wait", "/tree/main/big"], ["note"]])
    assert len(seen["arrived"]) == 20 and len(set(seen["arrived"])) == 20, seen["arrived"]
    assert len(seen["sent"]) > 22 and "weights.bin" in seen["texts"][0]
    assert hashlib.sha256(read(node, "/boss/m/resolve/main/big/weights.bin")).digest() == hashlib.sha256(content).digest()


def test_without_scripts_a_large_file_is_refused_in_words(node, boss, act, tmp_path):
    large = tmp_path / "weights.bin"
    large.write_bytes(bytes(17 << 20))
    seen = act(endpoint=node.endpoint, steps=boss + [["goto", "/boss/m/upload/main"], ["files", "#file", str(large)], ["click", "#upload button"], ["note"]])
    assert "16.7 MB" in seen["texts"][0] and "Nothing was kept" in seen["texts"][0]


@pytest.mark.parametrize("scripts", [False, True])
def test_a_folder_of_pictures_arrives_whole_or_not_at_all(node, boss, act, tmp_path, scripts):
    names = [f"p{number:03}.txt" for number in range(150)]
    for name in names:
        (tmp_path / name).write_text(name)
    folder = f"pictures-{scripts}".lower()
    seen = act(endpoint=node.endpoint, scripts=scripts, steps=boss + [
        ["goto", "/boss/m/upload/main"], ["fill", "#folder", folder], ["files", "#file", [str(tmp_path / name) for name in names]], ["click", "#upload button"],
        *([["wait", f"/tree/main/{folder}"]] if scripts else []), ["note"],
    ])
    tree = json.loads(read(node, "/api/models/boss/m/tree/main?recursive=true"))
    arrived = [item["path"] for item in tree if item["path"].startswith(folder + "/") and item["type"] == "file"]
    if scripts:
        assert arrived == [f"{folder}/{name}" for name in names], len(arrived)
    else:
        assert arrived == [] and "100 files at once" in seen["texts"][0]


def test_an_upload_that_outlasts_its_proof_ends_by_itself(node, boss, act, tmp_path):
    large, more = tmp_path / "long.bin", tmp_path / "more.bin"
    large.write_bytes(os.urandom(17 << 20))
    more.write_bytes(os.urandom(16 << 20))
    seen = act(endpoint=node.endpoint, scripts=True, steps=boss + [
        ["goto", "/boss/m/upload/main"], ["fill", "#folder", "long"], ["files", "#file", [str(large), str(more)]], ["click", "#upload button"], ["arrived", 3],
        ["forget", "karez_form"], ["arrived", 20], ["forget", "karez_form"], ["wait", "/tree/main/long"], ["note"],
    ])
    assert "long.bin" in seen["texts"][0] and "more.bin" in seen["texts"][0]
    for file in (large, more):
        assert read(node, f"/boss/m/resolve/main/long/{file.name}") == file.read_bytes()


def test_somebody_signs_in_through_a_real_provider(act, provider, tmp_path):
    """The npm package `oidc-provider`, with its own pages; a newcomer, who is known the next time."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    issuer = provider("karez", "a secret: with / signs", endpoint)
    settings = {
        "sign_in.provider": "The ministry", "sign_in.issuer": issuer, "sign_in.client_id": "karez", "sign_in.client_secret": "a secret: with / signs",
        "sign_in.new_people": "true", "sign_in.allow_private": "true",
    }
    node = Node(tmp_path / "node", port, **settings).start()
    try:
        over_there = [["goto", "/-/sign-in?next=/-/account"], ["click", "a.button"], ["fill", "input[name=login]", "amina"], ["fill", "input[name=password]", "x"],
                      ["click", "button[type=submit]"], ["click", "button[type=submit]"]]
        seen = act(endpoint=endpoint, theirs=issuer, steps=over_there + [
            ["wait", "/-/provider/back"], ["note"], ["fill", "input[name=name]", "amina-k"], ["click", "main form button"], ["wait", "/-/account"], ["note"],
        ])
        assert "Choose a name" in seen["texts"][0] and "amina-k" in seen["texts"][1]
        seen = act(endpoint=endpoint, theirs=issuer, steps=over_there + [["wait", "/-/account"], ["note"]])
        assert "amina-k" in seen["texts"][0]
    finally:
        node.stop()
