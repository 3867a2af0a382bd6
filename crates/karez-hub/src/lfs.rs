//! Git LFS: batch, objects in one piece or in parts, and the way over to Xet.
//!
//! Every address that is handed out is sealed: it says which object of which owner may be sent or
//! fetched, and until when, because clients send no token to it. Parts are kept in the store until the
//! last one is there; then the file is read through once, cut into chunks and registered, as if it had
//! come in one piece.

use std::collections::HashMap;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use karez_catalog::{FileBrief, FileRow, Repo, UploadRow};
use karez_formats::xet::Crc64Nvme;
use karez_store::UploadId;
use karez_types::{AccountId, ByteRange, GitOid, RepoAddress, RepoId, Sha256, Timestamp, Zone, alphanumeric};

use crate::far::{FarFile, FileStream};
use crate::push_access::{PushPlace, Pushing};
use crate::{Actor, Expected, Hub, HubError, HubResult, Purpose, Right, XetScope, XetToken};

/// Seconds for which an upload address holds. Longer than download addresses: clients get all
/// addresses of a push at once and may need a day on a slow line to come to the last.
pub(crate) const UPLOAD_SECS: i64 = 7 * 24 * 3600;

/// Most parts of one object: the batch answer carries an address for each.
const PARTS_MAX: u64 = 1_000;

/// Part of a file that a browser sends: what is lost when a line breaks, in bytes.
const BROWSER_PART_BYTES: u64 = 1 << 20;

/// Expired uploads that one sweep throws away; the next takes the rest.
const SWEEP_MAX: u64 = 1_000;

/// What the client wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LfsOperation {
    /// Fetch objects.
    Download,
    /// Send objects.
    Upload,
}

/// How objects travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LfsTransfer {
    /// One request for each object.
    Basic,
    /// Parts of an object, then a request that puts them together.
    Multipart,
    /// Chunks, over the Xet routes.
    Xet,
}

/// An object as the client names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LfsObject {
    /// What the whole object hashes to.
    pub sha256: Sha256,
    /// Its length.
    pub file_bytes: u64,
}

/// Answer to a batch request.
#[derive(Debug, Clone)]
pub struct LfsPlan {
    /// How all objects travel.
    pub transfer: LfsTransfer,
    /// What to do with each object, in the order asked.
    pub objects: Vec<(LfsObject, LfsAction)>,
}

/// What to do with an object.
#[derive(Debug, Clone)]
pub enum LfsAction {
    /// Nothing: it is stored already.
    Nothing,
    /// Fetch it from this sealed address.
    Fetch(LfsAddress),
    /// Send it to this sealed address.
    Send(LfsAddress),
    /// Send its parts, then say so.
    SendParts {
        /// Goes into the address of each part and of the completion.
        address: LfsAddress,
        /// Length of each part but the last.
        part_bytes: u64,
        /// How many there are.
        part_count: u64,
    },
    /// Send it over the Xet routes with this token.
    Xet(XetToken),
    /// It is not in the repository.
    Missing,
    /// What the client says of it cannot be.
    Refused(String),
}

/// A sealed address.
#[derive(Debug, Clone)]
pub struct LfsAddress {
    /// The text to put into the address.
    pub text: String,
    /// When it ends.
    pub expires: Timestamp,
}

/// An object on its way out.
pub struct LfsDownload {
    /// What it hashes to.
    pub sha256: Sha256,
    /// Its length.
    pub file_bytes: u64,
    place: Place,
}

/// Where the bytes of an object are.
enum Place {
    Here(FileRow),
    /// Where the repository comes from.
    Far(Box<(Repo, FarFile)>),
}

/// What a sealed upload address says.
struct Ticket {
    /// The multipart upload; empty when the object comes in one piece.
    upload: String,
    repo_id: RepoId,
    owner: AccountId,
    object: LfsObject,
    part_bytes: u64,
    expires: Timestamp,
}

impl Hub {
    /// Says how to send or fetch these objects of a repository.
    ///
    /// `offered` are the transfers that the client knows; `basic` is always one of them.
    ///
    /// # Errors
    /// As [`Hub::repo_open`]; [`HubError::TooLarge`] for more objects than `limits.lfs_batch_objects_max`;
    /// [`HubError::OverQuota`] when a commit could not name them.
    pub async fn lfs_batch(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        operation: LfsOperation,
        offered: &[LfsTransfer],
        objects: Vec<LfsObject>,
    ) -> HubResult<LfsPlan> {
        let pushing = match operation {
            LfsOperation::Upload => self.push_open(actor, address, PushPlace::Undecided).await?,
            LfsOperation::Download => {
                let repo = self.repo_open(actor, address, Right::Read).await?;
                Pushing { bringer: repo.owner.id, repo }
            }
        };
        if objects.len() as u64 > self.limits.lfs_batch_objects_max {
            let limit = format!("{} objects", self.limits.lfs_batch_objects_max);
            return Err(HubError::TooLarge { what: "the batch", limit, setting: "lfs_batch_objects_max" });
        }
        match operation {
            LfsOperation::Download => self.lfs_plan_download(&pushing.repo, objects).await,
            LfsOperation::Upload => self.lfs_plan_upload(actor, &pushing, offered, objects).await,
        }
    }

    async fn lfs_plan_download(&self, repo: &Repo, objects: Vec<LfsObject>) -> HubResult<LfsPlan> {
        let expires = self.now_secs().plus_secs(i64::try_from(self.limits.signed_url_secs).unwrap_or(i64::MAX));
        let mut plan = Vec::with_capacity(objects.len());
        let mut far = None;
        for object in objects {
            let here = self.lfs_file(repo.id, object.sha256).await?.map(|file| (file.file_bytes, None));
            let found = match here {
                None if repo.mirror.is_some() => {
                    let far = match &far {
                        Some(far) => far,
                        None => far.insert(self.far_named(repo).await?),
                    };
                    far.get(&object.sha256).map(|file| (file.file_bytes, Some(file)))
                }
                here => here,
            };
            let action = match found {
                None => LfsAction::Missing,
                Some((file_bytes, _)) if file_bytes != object.file_bytes => {
                    LfsAction::Refused(format!("the object has {file_bytes} bytes"))
                }
                Some((_, far)) => {
                    let mut message = repo.id.0.to_le_bytes().to_vec();
                    message.extend_from_slice(&object.sha256.0);
                    message.extend_from_slice(&expires.unix_secs().to_le_bytes());
                    if let Some(far) = far {
                        message.extend_from_slice(&far.file_bytes.to_le_bytes());
                        message.extend_from_slice(&far.commit.0);
                        message.extend_from_slice(far.path.as_str().as_bytes());
                    }
                    let text = self.signer.seal(Purpose::LfsDownload, &message);
                    LfsAction::Fetch(LfsAddress { text, expires })
                }
            };
            plan.push((object, action));
        }
        Ok(LfsPlan { transfer: LfsTransfer::Basic, objects: plan })
    }

    async fn lfs_plan_upload(
        &self,
        actor: &Actor,
        pushing: &Pushing,
        offered: &[LfsTransfer],
        objects: Vec<LfsObject>,
    ) -> HubResult<LfsPlan> {
        let is_large = |object: &LfsObject| object.file_bytes > self.limits.lfs_part_bytes;
        let transfer = if offered.contains(&LfsTransfer::Xet) {
            LfsTransfer::Xet
        } else if offered.contains(&LfsTransfer::Multipart) && objects.iter().any(is_large) {
            LfsTransfer::Multipart
        } else {
            LfsTransfer::Basic
        };
        // What is refused below for its own length does not count.
        let fitting = objects.iter().filter(|object| object.file_bytes <= self.limits.file_bytes_max);
        let wanted: HashMap<Sha256, u64> = fitting.map(|object| (object.sha256, object.file_bytes)).collect();
        self.quota_foresee(pushing, &wanted).await?;
        let asked: Vec<Sha256> = objects.iter().map(|object| object.sha256).collect();
        let known = self.files_promised(&asked, &pushing.zones()).await?;
        let Pushing { repo, bringer } = pushing;
        let token_secs = self.limits.xet_token_secs;
        let mut plan = Vec::with_capacity(objects.len());
        for object in objects {
            let action = if known.contains(&object.sha256) {
                LfsAction::Nothing
            } else if object.file_bytes > self.limits.file_bytes_max {
                LfsAction::Refused(format!(
                    "the object is larger than this node accepts: at most {} bytes (setting limits.file_bytes_max)",
                    self.limits.file_bytes_max
                ))
            } else {
                match transfer {
                    LfsTransfer::Xet => {
                        LfsAction::Xet(self.xet_token_issue(repo.id, *bringer, actor, XetScope::Write, token_secs))
                    }
                    LfsTransfer::Basic => LfsAction::Send(self.ticket(pushing, object).seal(self)),
                    LfsTransfer::Multipart => {
                        self.lfs_upload_begin(actor, pushing, object, self.limits.lfs_part_bytes).await?
                    }
                }
            };
            plan.push((object, action));
        }
        Ok(LfsPlan { transfer, objects: plan })
    }

    fn now_secs(&self) -> Timestamp {
        Timestamp(0).plus_secs(self.clock.now().unix_secs())
    }

    fn ticket(&self, Pushing { repo, bringer }: &Pushing, object: LfsObject) -> Ticket {
        let expires = self.now_secs().plus_secs(UPLOAD_SECS);
        Ticket { upload: String::new(), repo_id: repo.id, owner: *bringer, object, part_bytes: 0, expires }
    }

    /// Says how a browser sends an object: in parts that are small enough for poor lines, each of which may be
    /// sent again.
    ///
    /// # Errors
    /// As [`Hub::repo_open`] for writing; [`HubError::TooLarge`]; [`HubError::OverQuota`];
    /// [`HubError::Invalid`] for an empty object.
    pub async fn lfs_begin_in_parts(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        object: LfsObject,
    ) -> HubResult<LfsAction> {
        let repo = self.repo_open(actor, address, Right::Write).await?;
        let pushing = Pushing { bringer: repo.owner.id, repo };
        if object.file_bytes == 0 {
            return Err(HubError::Invalid("the file is empty; there is nothing to send".to_owned()));
        }
        if object.file_bytes > self.limits.file_bytes_max {
            let limit = format!("{} bytes", self.limits.file_bytes_max);
            return Err(HubError::TooLarge { what: "the file", limit, setting: "file_bytes_max" });
        }
        self.quota_foresee(&pushing, &HashMap::from([(object.sha256, object.file_bytes)])).await?;
        let known = self.files_promised(&[object.sha256], &pushing.zones()).await?;
        if !known.is_empty() {
            return Ok(LfsAction::Nothing);
        }
        self.lfs_upload_begin(actor, &pushing, object, BROWSER_PART_BYTES).await
    }

    async fn lfs_upload_begin(
        &self,
        actor: &Actor,
        pushing: &Pushing,
        object: LfsObject,
        part_bytes_min: u64,
    ) -> HubResult<LfsAction> {
        const MIB: u64 = 1 << 20;
        let part_bytes = object.file_bytes.div_ceil(PARTS_MAX).next_multiple_of(MIB).max(part_bytes_min);
        let mut ticket = self.ticket(pushing, object);
        ticket.part_bytes = part_bytes;
        ticket.upload = alphanumeric(&*self.entropy, 24);
        let row = UploadRow {
            id: ticket.upload.clone(),
            repo_id: pushing.repo.id,
            sha256: object.sha256,
            file_bytes: object.file_bytes,
            part_bytes,
            user: actor.user().map_or(pushing.repo.owner.id, |user| user.account.id),
            expires: ticket.expires,
        };
        self.catalog.upload_create(&row, self.clock.now()).await?;
        let part_count = ticket.part_count();
        Ok(LfsAction::SendParts { address: ticket.seal(self), part_bytes, part_count })
    }

    /// Returns a large file of a repository by its sha256.
    async fn lfs_file(&self, repo: RepoId, sha256: Sha256) -> HubResult<Option<FileRow>> {
        if !self.catalog.repo_file_has(repo, &sha256).await? {
            return Ok(None);
        }
        Ok(self.catalog.file_by_sha256(&sha256).await?)
    }

    /// Takes an object in one piece.
    ///
    /// # Errors
    /// [`HubError::SignatureInvalid`] for a forged or expired address, [`HubError::Invalid`] when the
    /// bytes are not the object.
    pub async fn lfs_object_put(
        &self,
        sealed: &str,
        body: impl Stream<Item = HubResult<Bytes>> + Send,
    ) -> HubResult<FileBrief> {
        let ticket = Ticket::open(self, sealed)?;
        if !ticket.upload.is_empty() {
            return Err(HubError::Invalid("this address takes parts; send each to its own address".to_owned()));
        }
        self.ingest(ticket.owner, ticket.object.expected(), body).await
    }

    /// Takes one part of an object. Returns its ETag, which the completion must repeat.
    ///
    /// # Errors
    /// [`HubError::SignatureInvalid`] for a forged or expired address, [`HubError::Invalid`] when there
    /// is no such part or it has another length.
    pub async fn lfs_part_put(
        &self,
        sealed: &str,
        part: u64,
        body: impl Stream<Item = HubResult<Bytes>> + Send,
    ) -> HubResult<String> {
        let mut body = std::pin::pin!(body);
        let ticket = Ticket::open(self, sealed)?;
        let (upload, row) = self.lfs_upload(&ticket).await?;
        let length = ticket.part_length(part).ok_or_else(|| {
            HubError::Invalid(format!("there is no part {part}; the object has {} parts", ticket.part_count()))
        })?;
        debug_assert_eq!(row.part_bytes, ticket.part_bytes, "the ticket repeats the row");
        let number = u32::try_from(part).expect("there are at most a thousand parts");
        let mut stage = self.store.part_stage(&upload, number).await?;
        let mut crc = Crc64Nvme::new();
        let mut received_bytes = 0u64;
        while let Some(piece) = body.next().await {
            let piece = piece?;
            received_bytes += piece.len() as u64;
            if received_bytes > length {
                break;
            }
            // Ten gigabytes a second: cheaper than a hop to another thread.
            crc.push(&piece);
            stage.write(piece).await?;
        }
        if received_bytes != length {
            let message = format!("part {part} has {length} bytes; send exactly those");
            return Err(HubError::Invalid(message));
        }
        stage.publish().await?;
        Ok(etag(crc.finish()))
    }

    /// Returns the upload that a ticket names.
    async fn lfs_upload(&self, ticket: &Ticket) -> HubResult<(UploadId, UploadRow)> {
        let gone = || HubError::Missing("this upload is completed or was given up; start again".to_owned());
        let upload = UploadId::new(ticket.upload.clone()).ok_or_else(gone)?;
        let row = self.catalog.upload_get(upload.as_str()).await?.ok_or_else(gone)?;
        Ok((upload, row))
    }

    /// Puts an object together out of its parts. Completing twice is fine.
    ///
    /// # Errors
    /// [`HubError::Invalid`] when a part is missing or not the one that the ETag names, or when the
    /// parts are not the object. The parts stay, so a missing one can still be sent.
    pub async fn lfs_complete(&self, sealed: &str, sha256: Sha256, parts: &[(u64, String)]) -> HubResult<FileBrief> {
        let ticket = Ticket::open(self, sealed)?;
        if sha256 != ticket.object.sha256 {
            return Err(HubError::Invalid(format!("this address completes object {}", ticket.object.sha256)));
        }
        let (upload, _) = match self.lfs_upload(&ticket).await {
            Ok(found) => found,
            // The client did not hear the answer to its first try.
            Err(error @ HubError::Missing(_)) => return self.lfs_completed(&ticket).await?.ok_or(error),
            Err(error) => return Err(error),
        };
        self.parts_check(&ticket, &upload, parts).await?;
        let body = self.parts_stream(upload.clone(), parts.to_vec());
        let brief = self.ingest(ticket.owner, ticket.object.expected(), body).await?;
        self.catalog.upload_delete(upload.as_str()).await?;
        self.store.upload_delete(&upload).await?;
        Ok(brief)
    }

    /// Returns the object when it is registered for the owner.
    async fn lfs_completed(&self, ticket: &Ticket) -> HubResult<Option<FileBrief>> {
        let asked = [ticket.object.sha256];
        if self.files_promised(&asked, &[Zone::of_owner(ticket.owner)]).await?.is_empty() {
            return Ok(None);
        }
        Ok(self.catalog.files_by_sha256(&asked).await?.into_iter().next())
    }

    async fn parts_check(&self, ticket: &Ticket, upload: &UploadId, parts: &[(u64, String)]) -> HubResult<()> {
        let wrong = |what: String| Err(HubError::Invalid(what));
        if !parts.iter().map(|(number, _)| *number).eq(1..=ticket.part_count()) {
            return wrong(format!("name all parts from 1 to {}, each once and in order", ticket.part_count()));
        }
        let staged = self.store.part_list(upload).await?;
        for (number, _) in parts {
            let length = ticket.part_length(*number);
            let found = staged.iter().find(|(staged, _)| u64::from(*staged) == *number).map(|(_, bytes)| *bytes);
            if found.is_none() || found != length {
                return wrong(format!("part {number} is missing; send it, then complete again"));
            }
        }
        Ok(())
    }

    /// Streams parts one after the other; fails at the end of one that is not the one its ETag names.
    fn parts_stream(&self, upload: UploadId, parts: Vec<(u64, String)>) -> BoxStream<'static, HubResult<Bytes>> {
        let store = self.store.clone();
        let one = move |(number, stated): (u64, String)| {
            let number = u32::try_from(number).expect("the numbers were checked against the ticket");
            let parts = store.part_stream(&upload, number);
            let state = (parts, Some(Crc64Nvme::new()), stated, number);
            futures::stream::try_unfold(state, |(mut parts, crc, stated, number)| async move {
                let Some(mut crc) = crc else { return Ok(None) };
                if let Some(piece) = parts.try_next().await? {
                    crc.push(&piece);
                    return Ok(Some((piece, (parts, Some(crc), stated, number))));
                }
                if etag(crc.finish()).trim_matches('"') != stated.trim_matches('"') {
                    let message = format!("part {number} is not the one that its ETag names; send it again");
                    return Err(HubError::Invalid(message));
                }
                Ok(Some((Bytes::new(), (parts, None, stated, number))))
            })
        };
        futures::stream::iter(parts).map(one).flatten().boxed()
    }

    /// Tells whether the owner of a repository has an object, or the public.
    ///
    /// # Errors
    /// As [`Hub::repo_open`]; [`HubError::Missing`] when it is not stored with this length.
    pub async fn lfs_verify(&self, actor: &Actor, address: &RepoAddress, object: LfsObject) -> HubResult<()> {
        let pushing = self.push_open(actor, address, PushPlace::Undecided).await?;
        let asked = [object.sha256];
        let known = !self.files_promised(&asked, &pushing.zones()).await?.is_empty();
        let briefs = self.catalog.files_by_sha256(&asked).await?;
        match briefs.first().filter(|_| known) {
            Some(brief) if brief.file_bytes == object.file_bytes => Ok(()),
            Some(brief) => Err(HubError::Refused(format!("the object has {} bytes", brief.file_bytes))),
            None => Err(HubError::Missing(format!("object {} is not stored; send it first", object.sha256))),
        }
    }

    /// Opens the object that a sealed download address names.
    ///
    /// # Errors
    /// [`HubError::SignatureInvalid`] for a forged or expired address.
    pub async fn lfs_download(&self, sealed: &str) -> HubResult<LfsDownload> {
        let invalid = || {
            HubError::SignatureInvalid("the address is not valid or has expired; ask for the batch again".to_owned())
        };
        let message = self.signer.open(Purpose::LfsDownload, sealed).ok_or_else(invalid)?;
        let mut fields = Fields(&message);
        let (repo, sha256, expires) = (fields.word(), fields.sha256(), fields.word());
        let (Some(repo), Some(sha256), Some(expires)) = (repo, sha256, expires) else { return Err(invalid()) };
        if self.clock.now().unix_secs() >= expires as i64 {
            return Err(invalid());
        }
        let missing = || HubError::Missing(format!("object {sha256} is no longer in the repository"));
        let repo = RepoId(repo as i64);
        if let Some(file) = self.lfs_file(repo, sha256).await? {
            return Ok(LfsDownload { sha256, file_bytes: file.file_bytes, place: Place::Here(file) });
        }
        let (file_bytes, commit, path) = (fields.word(), fields.oid(), fields.rest());
        let (Some(file_bytes), Some(commit), Some(path)) = (file_bytes, commit, path) else { return Err(missing()) };
        let far = FarFile { commit, path: path.parse()?, sha256, file_bytes };
        let repo = self.catalog.repo_by_id(repo).await?.ok_or_else(missing)?;
        Ok(LfsDownload { sha256, file_bytes, place: Place::Far(Box::new((repo, far))) })
    }

    /// Streams a range of an object.
    ///
    /// # Errors
    /// When its bytes are not here and do not come.
    pub async fn lfs_stream(&self, download: &LfsDownload, range: ByteRange) -> HubResult<FileStream> {
        match &download.place {
            Place::Here(file) => Ok(self.file_stream(file, range)),
            // The right to read was checked when the address was sealed.
            Place::Far(far) => self.far_stream(&Actor::Operator, &far.0, far.1.clone(), range).await,
        }
    }

    /// Throws away uploads that were not completed in time. Returns how many.
    ///
    /// # Errors
    /// When catalog or store fail; what was thrown away until then stays so.
    pub async fn uploads_sweep(&self) -> HubResult<u64> {
        let mut count = 0;
        for row in self.catalog.uploads_expired(self.clock.now(), SWEEP_MAX).await? {
            if let Some(upload) = UploadId::new(row.id.clone()) {
                self.store.upload_delete(&upload).await?;
            }
            self.catalog.upload_delete(&row.id).await?;
            count += 1;
        }
        Ok(count)
    }
}

impl LfsObject {
    fn expected(&self) -> Expected {
        Expected { sha256: Some(self.sha256), file_bytes: Some(self.file_bytes) }
    }
}

/// Returns the ETag of a part, as it stands in the header.
fn etag(crc: u64) -> String {
    format!("\"{crc:016x}\"")
}

impl Ticket {
    fn part_count(&self) -> u64 {
        self.object.file_bytes.div_ceil(self.part_bytes.max(1))
    }

    /// Returns the length of a part, counted from 1.
    fn part_length(&self, part: u64) -> Option<u64> {
        let start = part.checked_sub(1)?.checked_mul(self.part_bytes)?;
        let left = self.object.file_bytes.checked_sub(start).filter(|left| *left > 0)?;
        Some(left.min(self.part_bytes))
    }

    fn seal(&self, hub: &Hub) -> LfsAddress {
        let mut message = Vec::with_capacity(96);
        for word in [
            self.repo_id.0 as u64,
            self.owner.0 as u64,
            self.object.file_bytes,
            self.part_bytes,
            self.expires.unix_secs() as u64,
        ] {
            message.extend_from_slice(&word.to_le_bytes());
        }
        message.extend_from_slice(&self.object.sha256.0);
        message.extend_from_slice(self.upload.as_bytes());
        LfsAddress { text: hub.signer.seal(Purpose::LfsUpload, &message), expires: self.expires }
    }

    fn open(hub: &Hub, sealed: &str) -> HubResult<Ticket> {
        let invalid =
            |reason: &str| HubError::SignatureInvalid(format!("the upload address {reason}; ask for the batch again"));
        let message =
            hub.signer.open(Purpose::LfsUpload, sealed).ok_or_else(|| invalid("was not made by this node"))?;
        let ticket = Ticket::decode(&message).ok_or_else(|| invalid("is of another version of this node"))?;
        if ticket.expires <= hub.clock.now() {
            return Err(invalid("has expired"));
        }
        Ok(ticket)
    }

    fn decode(message: &[u8]) -> Option<Ticket> {
        let mut fields = Fields(message);
        Some(Ticket {
            repo_id: RepoId(fields.word()? as i64),
            owner: AccountId(fields.word()? as i64),
            object: LfsObject { file_bytes: fields.word()?, sha256: Sha256([0; 32]) },
            part_bytes: fields.word()?,
            expires: Timestamp(0).plus_secs(fields.word()? as i64),
            upload: String::new(),
        })
        .and_then(|mut ticket| {
            ticket.object.sha256 = fields.sha256()?;
            ticket.upload = std::str::from_utf8(fields.0).ok()?.to_owned();
            Some(ticket)
        })
    }
}

/// The fields of a sealed message.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn word(&mut self) -> Option<u64> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*word))
    }

    fn sha256(&mut self) -> Option<Sha256> {
        let (hash, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(Sha256(*hash))
    }

    fn oid(&mut self) -> Option<GitOid> {
        let (oid, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(GitOid(*oid))
    }

    fn rest(&mut self) -> Option<&str> {
        std::str::from_utf8(self.0).ok()
    }
}
