"""The `hf` command, in a home of its own."""

from pathlib import Path

from data import MIB, random_bytes


def test_hf(alice, fresh, name, tmp_path):
    hf = fresh(None)
    hf.command("hf", "auth", "login", "--token", alice.token)
    assert "alice" in hf.command("hf", "auth", "whoami")
    repo = f"alice/{name}"
    hf.command("hf", "repos", "create", repo, "--private")
    source = tmp_path / "source"
    source.mkdir()
    (source / "notes.txt").write_text("notes")
    (source / "model.bin").write_bytes(random_bytes("hf", 4 * MIB))
    hf.command("hf", "upload", repo, str(source), ".")
    hf.command("hf", "upload", repo, str(source / "notes.txt"), "again/notes.txt", "--commit-message", "Again")
    hf.command("hf", "download", repo, "--local-dir", str(tmp_path / "out"))
    assert (tmp_path / "out/notes.txt").read_text() == "notes"
    assert (tmp_path / "out/again/notes.txt").read_text() == "notes"
    assert (tmp_path / "out/model.bin").read_bytes() == (source / "model.bin").read_bytes()
    path = hf.command("hf", "download", repo, "model.bin", "--quiet").strip().splitlines()[-1]
    assert Path(path).read_bytes() == (source / "model.bin").read_bytes()
    hf.command("hf", "repos", "tag", "create", repo, "v1")
    assert "v1" in hf.command("hf", "repos", "tag", "list", repo)
    hf.command("hf", "repos", "branch", "create", repo, "next")
    hf.command("hf", "repos", "delete-files", repo, "notes.txt")
    assert "notes.txt" not in alice.api.list_repo_files(repo)
    hf.command("hf", "repos", "settings", repo, "--public")
    hf.command("hf", "repos", "move", repo, f"{repo}-moved")
    assert name in hf.command("hf", "models", "list", "--search", name, "--format", "json")
    hf.command("hf", "repos", "delete", f"{repo}-moved", "--yes")
    assert not alice.api.repo_exists(f"{repo}-moved")
    hf.command("hf", "auth", "logout")


def test_hf_upload_makes_the_repository(alice, fresh, name, tmp_path):
    (tmp_path / "data.csv").write_text("a,b\n1,2\n")
    hf = fresh(alice.token)
    hf.command("hf", "upload", name, str(tmp_path / "data.csv"), "--repo-type", "dataset")
    assert "data.csv" in alice.api.list_repo_files(f"alice/{name}", repo_type="dataset")
