//! Every bound on what comes from outside, with unit and reason.

/// The limits of a node. Each field is a setting `limits.<field>` in `karez.toml`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Body of an ordinary JSON request, in bytes. The largest honest one is a preupload of 256 files.
    pub json_body_bytes_max: u64,
    /// Body of a form on a page, in bytes: a card and what is around it.
    pub form_body_bytes_max: u64,
    /// Files that one form sends, in bytes. They are held in memory; what is larger travels in parts.
    pub form_upload_bytes_max: u64,
    /// Body of a commit, in bytes: clients put up to 100 MiB of small files, base64, into one.
    pub commit_body_bytes_max: u64,
    /// Operations in one commit. Clients send at most a few thousand.
    pub commit_operations_max: u64,
    /// One inline file of a commit, decoded, in bytes.
    pub commit_inline_file_bytes_max: u64,
    /// Largest file kept as a plain git blob, in bytes. Anything larger goes into chunks.
    pub regular_file_bytes_max: u64,
    /// Files in one preupload call. Clients send 256.
    pub preupload_files_max: u64,
    /// Paths in one paths-info call.
    pub paths_info_paths_max: u64,
    /// Entries on one page of a tree listing. Clients without pagination need all on one page.
    pub tree_page_entries: u64,
    /// Items on one page of a repository listing.
    pub list_page_items_max: u64,
    /// Commits on one page of a history.
    pub commits_page_items: u64,
    /// A serialized xorb, in bytes: 64 MiB of chunks (Xet spec) and room for their headers, which the
    /// reference client does not count.
    pub xorb_bytes_max: u64,
    /// Chunks in one xorb (Xet spec: 8,192).
    pub xorb_chunks_max: u64,
    /// A shard, in bytes (Xet spec: 64 MiB).
    pub shard_bytes_max: u64,
    /// Files in one shard.
    pub shard_files_max: u64,
    /// Terms of one file: fragmentation beyond this makes reads too slow.
    pub file_terms_max: u64,
    /// One file through any door, in bytes.
    pub file_bytes_max: u64,
    /// Large files that the repositories of one person or organisation may name together, in bytes, unless
    /// something else was decided for them (`karez user quota`); 0 is without a bound.
    pub owner_bytes_max: u64,
    /// Objects in one LFS batch call. git-lfs sends 100, older clients 256.
    pub lfs_batch_objects_max: u64,
    /// One part of a multipart LFS upload, in bytes; also the size below which LFS sends one part.
    pub lfs_part_bytes: u64,
    /// A global deduplication answer, in bytes.
    pub dedup_answer_bytes_max: u64,
    /// A git fetch request, in bytes.
    pub git_request_bytes_max: u64,
    /// Wants and haves in one git fetch request.
    pub git_negotiation_lines_max: u64,
    /// Objects in one git fetch. The plan of a fetch takes about 70 bytes of memory for each.
    pub git_pack_objects_max: u64,
    /// Uploads (xorbs, LFS objects) handled at once by a node on object storage; more wait. Each holds one
    /// xorb in memory, because its name is not known before its end. A folder needs no such bound.
    pub uploads_at_once_max: u64,
    /// Seconds without a byte after which a connection that is sending a body is cut.
    pub body_idle_secs_max: u64,
    /// Seconds for the headers of a request to arrive.
    pub header_read_secs_max: u64,
    /// Open connections; more wait in the kernel's queue.
    pub connections_max: u64,
    /// Lifetime of a Xet token, in seconds.
    pub xet_token_secs: u64,
    /// Lifetime of a signed address of bytes, in seconds.
    pub signed_url_secs: u64,
    /// Branches, tags and pull requests of one repository.
    pub repo_refs_max: u64,
    /// Memory that a process which reads files for a preview may map, in bytes: a column of a row group, unpacked
    /// twice, and the program itself.
    pub preview_memory_bytes_max: u64,
    /// Seconds that a preview may look through a split; what it has found by then is its answer.
    pub preview_secs_max: u64,
    /// Telemetry and other bodies that are read and thrown away, in bytes.
    pub sink_body_bytes_max: u64,
}

const MIB: u64 = 1 << 20;

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            json_body_bytes_max: 8 * MIB,
            form_body_bytes_max: MIB,
            form_upload_bytes_max: 16 * MIB,
            commit_body_bytes_max: 192 * MIB,
            commit_operations_max: 25_000,
            commit_inline_file_bytes_max: 64 * MIB,
            regular_file_bytes_max: 2 * MIB,
            preupload_files_max: 4_096,
            paths_info_paths_max: 10_000,
            tree_page_entries: 10_000,
            list_page_items_max: 1_000,
            commits_page_items: 50,
            xorb_bytes_max: 65 * MIB,
            xorb_chunks_max: 8_192,
            shard_bytes_max: 64 * MIB,
            shard_files_max: 100_000,
            file_terms_max: 1_000_000,
            file_bytes_max: 2_000_000_000_000,
            owner_bytes_max: 0,
            lfs_batch_objects_max: 1_000,
            lfs_part_bytes: 64 * MIB,
            dedup_answer_bytes_max: 4 * MIB,
            git_request_bytes_max: 16 * MIB,
            git_negotiation_lines_max: 100_000,
            git_pack_objects_max: 1_000_000,
            uploads_at_once_max: 3,
            body_idle_secs_max: 60,
            header_read_secs_max: 20,
            connections_max: 4_096,
            xet_token_secs: 3_600,
            signed_url_secs: 3_600,
            repo_refs_max: 10_000,
            preview_memory_bytes_max: 1_024 * MIB,
            preview_secs_max: 30,
            sink_body_bytes_max: MIB,
        }
    }
}
