"""An upstream behind a proxy, and a node that pulls through it."""

from huggingface_hub import CommitOperationAdd

from conftest import Person
from http_proxy import HttpProxy
from node import Node, free_port


class Pair:
    """An upstream behind a proxy, and a node that pulls through it."""

    def __init__(self, folder, *wishes: str, **settings: str):
        """`wishes` are options of `karez upstream add`, `settings` those of the node that pulls through."""
        port = free_port()
        self.proxy = HttpProxy(port)
        self.upstream = Node(folder / "upstream", port, public_url=self.proxy.url).start()
        self.ulla = Person(self.upstream, "ulla", self.upstream.user("ulla"))
        self.here = Node(folder / "here", **settings).start()
        self.here.run("upstream", "add", "hub", self.proxy.url, "--allow-private", *wishes)

    def close(self) -> None:
        for node in (self.here, self.upstream):
            node.run("fsck", "--deep")
            node.stop()
            assert "panicked" not in (node.folder / "log").read_text(errors="replace")
        self.proxy.close()

    def publish(self, name: str, files: dict[str, bytes], **more) -> str:
        """Makes a repository of ulla's upstream and returns its commit."""
        self.ulla.api.create_repo(f"ulla/{name}", **more)
        add = [CommitOperationAdd(path, content) for path, content in files.items()]
        kind = {"repo_type": more["repo_type"]} if "repo_type" in more else {}
        return self.ulla.api.create_commit(f"ulla/{name}", add, commit_message="Fill", **kind).oid

    def gone(self) -> "Gone":
        return Gone(self.proxy)


class Gone:
    """While the upstream is away."""

    def __init__(self, proxy: HttpProxy):
        self.proxy = proxy

    def __enter__(self) -> None:
        self.proxy.leave()

    def __exit__(self, *_) -> None:
        self.proxy.come_back()
