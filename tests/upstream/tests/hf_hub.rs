//! The Rust client of the Hub against a running node, whose address and token `cargo xtask test` passes in the environment.

use std::{error::Error, path::Path};

use hf_hub::{
    HFClient,
    repository::{AddSource, CommitOperation, HFRepository, RepoTypeDataset, RepoTypeModel},
};

type Outcome = Result<(), Box<dyn Error>>;

/// A client with a cache of its own, or a sentence that says how to run this.
fn client(cache: &Path) -> Result<HFClient, Box<dyn Error>> {
    let given = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set: run this through `cargo xtask test upstream`"));
    Ok(HFClient::builder().endpoint(given("KAREZ_TEST_ENDPOINT")?).token(given("KAREZ_TEST_TOKEN")?).cache_dir(cache).build()?)
}

/// Bytes that do not compress, the same in every run: a multiplicative generator, high bytes only.
fn random_bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let step = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(step).collect()
}

async fn owner(client: &HFClient) -> Result<String, Box<dyn Error>> {
    Ok(client.whoami().send().await?.username)
}

#[tokio::test]
async fn files_go_both_ways() -> Outcome {
    let folder = tempfile::tempdir()?;
    let client = client(&folder.path().join("cache"))?;
    let owner = owner(&client).await?;
    client.create_repository().repo_id(&format!("{owner}/rust-files")).repo_type(RepoTypeModel).private(true).send().await?;
    let repo: HFRepository<RepoTypeModel> = client.model(&owner, "rust-files");
    assert!(repo.exists().send().await?);

    let large = random_bytes(1, 9_000_000);
    let source = folder.path().join("large.bin");
    std::fs::write(&source, &large)?;
    let operations = vec![
        CommitOperation::add_file("weights/large.bin", &source),
        CommitOperation::add_bytes("config.json", b"{}".to_vec()),
        CommitOperation::add_bytes("gone.txt", b"soon".to_vec()),
    ];
    repo.create_commit().operations(operations).commit_message("Three files").send().await?;
    repo.delete_file().path_in_repo("gone.txt").send().await?;

    assert!(repo.file_exists().filename("config.json").send().await?);
    assert!(!repo.file_exists().filename("gone.txt").send().await?);
    let path = repo.download_file().filename("weights/large.bin").send().await?;
    assert!(std::fs::read(path)? == large, "the large file came back different");
    let part = repo.download_file_to_bytes().filename("weights/large.bin").range(5_000_000..5_000_100).send().await?;
    assert_eq!(&part[..], &large[5_000_000..5_000_100]);
    let copy = folder.path().join("copy");
    repo.snapshot_download().local_dir(&copy).send().await?;
    assert_eq!(std::fs::read(copy.join("config.json"))?, b"{}");
    assert!(std::fs::read(copy.join("weights/large.bin"))? == large, "the snapshot came back different");
    Ok(())
}

#[tokio::test]
async fn branches_tags_and_pull_requests() -> Outcome {
    let folder = tempfile::tempdir()?;
    let client = client(folder.path())?;
    let owner = owner(&client).await?;
    client.create_repository().repo_id(&format!("{owner}/rust-refs")).repo_type(RepoTypeDataset).send().await?;
    let repo: HFRepository<RepoTypeDataset> = client.dataset(&owner, "rust-refs");
    let put = |path: &str| repo.upload_file().source(AddSource::bytes(b"x".to_vec())).path_in_repo(path).commit_message("Put");

    put("a.txt").send().await?;
    repo.create_branch().branch("next").send().await?;
    put("b.txt").revision("next").send().await?;
    repo.create_tag().tag("v1").revision("next").send().await?;
    put("c.txt").create_pr(true).send().await?;
    let refs = repo.list_refs().include_pull_requests(true).send().await?;
    let mut branches: Vec<&str> = refs.branches.iter().map(|branch| branch.name.as_str()).collect();
    branches.sort_unstable();
    assert_eq!(branches, ["main", "next"]);
    assert_eq!(refs.tags.len(), 1);
    assert!(repo.file_exists().filename("b.txt").revision("v1").send().await?);
    assert!(!repo.file_exists().filename("c.txt").send().await?);
    assert!(repo.file_exists().filename("c.txt").revision("refs/pr/1").send().await?);
    assert!(repo.revision_exists().revision("next").send().await?);
    repo.delete_branch().branch("next").send().await?;
    assert!(!repo.revision_exists().revision("next").send().await?);
    Ok(())
}

#[tokio::test]
async fn moved_and_deleted() -> Outcome {
    let folder = tempfile::tempdir()?;
    let client = client(folder.path())?;
    let owner = owner(&client).await?;
    let (old, new) = (format!("{owner}/rust-old"), format!("{owner}/rust-new"));
    client.create_repository().repo_id(&old).repo_type(RepoTypeModel).send().await?;
    client.move_repository().from_id(&old).to_id(&new).repo_type(RepoTypeModel).send().await?;
    assert!(client.model(&owner, "rust-new").exists().send().await?);
    client.delete_repository().repo_id(&new).repo_type(RepoTypeModel).send().await?;
    assert!(!client.model(&owner, "rust-new").exists().send().await?);
    Ok(())
}
