// Creates a repository, uploads a small and a large file, lists and downloads them, and prints what it saw as JSON.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRepo, deleteFile, downloadFile, listFiles, uploadFiles, whoAmI } from "@huggingface/hub";

const [hubUrl, accessToken, name, path] = process.argv.slice(2);
const shared = { hubUrl, accessToken, repo: { type: "model", name } };

const me = await whoAmI({ hubUrl, accessToken });
if (me.name !== name.split("/")[0]) throw new Error(`the token belongs to ${me.name}`);
await createRepo(shared);
const large = new Blob([await readFile(path)]);
const small = new Blob(["hello from JavaScript"]);
await uploadFiles({
	...shared,
	files: [
		{ path: "large.bin", content: large },
		{ path: "small.txt", content: small },
		{ path: "gone.txt", content: small },
	],
	commitTitle: "From JavaScript",
});
await deleteFile({ ...shared, path: "gone.txt" });
const files = [];
for await (const file of listFiles({ ...shared, recursive: true })) files.push(file.path);
const back = await downloadFile({ ...shared, path: "large.bin" });
const sha256 = createHash("sha256").update(Buffer.from(await back.arrayBuffer())).digest("hex");
const text = await (await downloadFile({ ...shared, path: "small.txt" })).text();
console.log(JSON.stringify({ sha256, small: text, files }));
