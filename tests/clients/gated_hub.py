"""The gate of the public hub, before a real node: what is gated, who was granted access, and what the others are told.

The hub shows everybody that a gated repository exists: facts, files by name, branches. Its files, by whatever door, are for its owner and
for those who were granted access: nobody else gets them with 401 (no token) or 403 (a token without a grant), `X-Error-Code: GatedRepo` and
a sentence in `X-Error-Message` (hub-api notes, section 1).
"""

import base64
import http.client
import json
import re

from http_proxy import Answer

#: Of a repository's API, what everybody is shown. All else needs a grant.
OPEN = ("", "revision", "tree", "paths-info", "refs", "commits")
#: `models` is no part of addresses outside of the API.
API = re.compile(r"/api/models/([^/?]+/[^/?]+?)(?:/([^/?]+)|[?]|$)")
FILES = re.compile(r"/(?:federation/v1/\w+/models/)?([^/?]+/[^/?]+?)(?:\.git)?/")


class GatedHub:
    """Set as the gate of an `HttpProxy`."""

    def __init__(self):
        #: For each gated repository the tokens that open it.
        self.grants: dict[str, set[str]] = {}
        #: Tokens of people of the hub.
        self.known: set[str] = set()

    def gate(self, repo: str, *tokens: str) -> None:
        """Gates a repository for all but the owners of these tokens."""
        self.grants[repo] = set(tokens)
        self.known |= set(tokens)

    def open(self, repo: str) -> None:
        """Takes the gate away."""
        del self.grants[repo]

    def __call__(self, method: str, path: str, headers: http.client.HTTPMessage) -> Answer | None:
        repo, is_open = _place(path)
        token = _token(headers.get("Authorization", ""))
        # A token that is none is refused by the node behind, in the same words as the hub's.
        is_unknown = token is not None and token not in self.known
        if repo not in self.grants or is_open or is_unknown or token in self.grants[repo]:
            return None
        begin = f"Access to model {repo} is restricted"
        if token is None:
            words = f"{begin}. You must have access to it and be authenticated to access it. Please log in."
        else:
            words = f"{begin} and you are not in the authorized list. Visit https://hub.example.org/{repo} to ask for access."
        answer = {"X-Error-Code": "GatedRepo", "X-Error-Message": words, "Content-Type": "application/json; charset=utf-8"}
        if token is None:
            answer["WWW-Authenticate"] = 'Basic realm="Authentication required", charset="UTF-8"'
        return Answer(401 if token is None else 403, json.dumps({"error": words}).encode(), answer)


def _place(path: str) -> tuple[str, bool]:
    """The repository that a path is about, and whether everybody is shown what it asks for."""
    if found := API.match(path):
        return found[1], (found[2] or "") in OPEN
    found = FILES.match(path)
    return (found[1], False) if found else ("", True)


def _token(value: str) -> str | None:
    """The token of a request, as a bearer or as git's password."""
    scheme, _, rest = value.partition(" ")
    if scheme.lower() == "basic":
        return base64.b64decode(rest).decode().partition(":")[2]
    return rest or None
