// Sends files that are too large for the form, in parts that may be sent again: what is there stays there when a line breaks or the
// page is closed. The SHA-256 is made here, and the node compares it with what came. Without this script the form takes small files.
"use strict";
(() => {
	const K = new Uint32Array(64);
	const H = new Uint32Array(8);
	for (let n = 2, i = 0; i < 64; n++) {
		let prime = true;
		for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
		if (!prime) continue;
		const bits = (root) => (root - Math.floor(root)) * 4294967296;
		if (i < 8) H[i] = bits(Math.sqrt(n));
		K[i++] = bits(Math.cbrt(n));
	}
	// SHA-256 of a stream (FIPS 180-4); the browser's own takes only what fits into memory, and only over TLS.
	class Sha256 {
		constructor() {
			this.state = H.slice();
			this.words = new Uint32Array(64);
			this.rest = new Uint8Array(0);
			this.length = 0;
		}
		push(bytes) {
			this.length += bytes.length;
			if (this.rest.length) {
				const joined = new Uint8Array(this.rest.length + bytes.length);
				joined.set(this.rest);
				joined.set(bytes, this.rest.length);
				bytes = joined;
			}
			let at = 0;
			for (; at + 64 <= bytes.length; at += 64) this.block(bytes, at);
			this.rest = bytes.slice(at);
		}
		block(bytes, at) {
			const w = this.words;
			for (let i = 0; i < 16; i++, at += 4) w[i] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
			for (let i = 16; i < 64; i++) {
				const x = w[i - 15];
				const y = w[i - 2];
				w[i] = w[i - 16] + ((x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3) + w[i - 7] + ((y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10);
			}
			let [a, b, c, d, e, f, g, h] = this.state;
			for (let i = 0; i < 64; i++) {
				const t = (h + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)) + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
				const u = (((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
				h = g;
				g = f;
				f = e;
				e = (d + t) | 0;
				d = c;
				c = b;
				b = a;
				a = (t + u) | 0;
			}
			[a, b, c, d, e, f, g, h].forEach((word, i) => (this.state[i] += word));
		}
		hex() {
			const bits = this.length * 8;
			const tail = new Uint8Array(this.rest.length < 56 ? 64 : 128);
			tail.set(this.rest);
			tail[this.rest.length] = 128;
			const view = new DataView(tail.buffer);
			view.setUint32(tail.length - 8, Math.floor(bits / 4294967296));
			view.setUint32(tail.length - 4, bits % 4294967296);
			for (let at = 0; at < tail.length; at += 64) this.block(tail, at);
			return [...this.state].map((word) => word.toString(16).padStart(8, "0")).join("");
		}
	}

	const form = document.getElementById("upload");
	const said = document.getElementById("said");
	const say = (text) => (said.textContent = text);
	const percent = (part) => `${Math.floor(part * 100)} %`;
	const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

	const read = (html) => new DOMParser().parseFromString(html, "text/html");
	const signedOut = () => new Error(form.dataset.over);

	// Asks until there is an answer: a line that broke is no answer.
	async function reach(address, options) {
		for (let wait = 1000; ; wait = Math.min(wait * 2, 60000)) {
			const answer = await fetch(address, options).catch(() => null);
			if (answer && answer.status !== 429 && answer.status !== 503) return answer;
			say(form.dataset.again);
			await pause(wait);
		}
	}

	// A proof is good for an hour, and a large file takes longer: the page says a new one.
	let proof = form.proof.value;
	let proofSince = performance.timeOrigin;
	async function renew() {
		const answer = await reach(location.href, { headers: { accept: "text/html" } });
		const field = read(await answer.text()).querySelector("#upload [name=proof]");
		if (!field) throw answer.status === 401 || answer.status === 404 ? signedOut() : new Error(answer.status);
		proof = field.value;
		proofSince = Date.now();
	}

	// Sends a form with a proof; once more with a new one when the node does not take it.
	async function prove(address, body) {
		if (Date.now() - proofSince > 1800000) await renew();
		const send = () => reach(address, { method: "POST", redirect: "manual", body: body(proof) });
		let answer = await send();
		if (answer.status === 400) {
			await renew();
			answer = await send();
		}
		if (answer.ok || answer.type === "opaqueredirect") return answer;
		if (answer.status === 401) throw signedOut();
		const text = await answer.text();
		const isPage = answer.headers.get("content-type")?.startsWith("text/html");
		throw new Error((isPage ? read(text).querySelector("[role=alert]")?.textContent : JSON.parse(text).error) ?? answer.status);
	}

	async function ask(address, fields) {
		return (await prove(address, (proof) => new URLSearchParams({ proof, ...fields }))).json();
	}

	async function sum(file) {
		const hash = new Sha256();
		for (let at = 0; at < file.size; at += 1 << 20) {
			hash.push(new Uint8Array(await file.slice(at, at + (1 << 20)).arrayBuffer()));
			say(`${form.dataset.sum} ${file.name} ${percent(at / file.size)}`);
		}
		return hash.hex();
	}

	// A part that does not arrive is sent again, later and later, for as long as the page is open.
	async function send(address, bytes) {
		for (let wait = 1000; ; wait = Math.min(wait * 2, 60000)) {
			const answer = await fetch(address, { method: "PUT", body: bytes }).catch(() => null);
			if (answer?.ok) return answer.headers.get("etag");
			if (answer && answer.status < 500 && answer.status !== 429) throw new Error((await answer.json()).error);
			say(form.dataset.again);
			await pause(wait);
		}
	}

	async function upload(file) {
		const sha256 = await sum(file);
		const key = `karez-upload ${form.dataset.begin} ${sha256}`;
		const start = async () => ({ ...(await ask(form.dataset.begin, { sha256, size: file.size })), etags: [] });
		let state = JSON.parse(localStorage.getItem(key)) ?? (await start());
		if (state.until && state.until < Date.now() / 1000) state = await start();
		for (let again = false; state.address; again = true) {
			try {
				const count = Math.ceil(file.size / state.part_bytes);
				for (let n = state.etags.length; n < count; n++) {
					say(`${form.dataset.send} ${file.name} ${percent(n / count)}`);
					state.etags.push(await send(`${state.address}/${n + 1}`, file.slice(n * state.part_bytes, (n + 1) * state.part_bytes)));
					localStorage.setItem(key, JSON.stringify(state));
				}
				const parts = state.etags.map((etag, n) => ({ partNumber: n + 1, etag }));
				const answer = await reach(state.address, { method: "POST", body: JSON.stringify({ oid: sha256, parts }) });
				if (!answer.ok) throw new Error((await answer.json()).error);
				break;
			} catch (error) {
				localStorage.removeItem(key);
				if (again) throw error;
				state = await start();
			}
		}
		await ask(form.dataset.end, { sha256, size: file.size, file: file.name, folder: form.folder.value, message: form.message.value });
		localStorage.removeItem(key);
	}

	// Sends files as the form does without a script.
	async function together(files) {
		say(`${form.dataset.send} ${files[0].name} … ${files[files.length - 1].name}`);
		await prove(form.action, (proof) => {
			const fields = new FormData();
			fields.append("proof", proof);
			fields.append("folder", form.folder.value);
			fields.append("message", form.message.value);
			for (const file of files) fields.append("file", file);
			return fields;
		});
	}

	// Groups files: as many small ones as a form takes, and each large one alone.
	function turns(files, most, large) {
		const small = [];
		const turns = files.filter((file) => file.size >= large).map((file) => [file]);
		let bytes = large;
		for (const file of files.filter((file) => file.size < large)) {
			if (bytes + file.size >= large || small[small.length - 1].length >= most) {
				small.push([]);
				bytes = 0;
			}
			small[small.length - 1].push(file);
			bytes += file.size;
		}
		return [...small, ...turns];
	}

	const done = new Set();
	form.addEventListener("submit", async (event) => {
		const large = form.dataset.large * 0.9;
		const sent = turns([...form.file.files], Number(form.dataset.files), large);
		// What fits into one form needs no script.
		if (!sent.length || (sent.length === 1 && sent[0][0].size < large)) return;
		event.preventDefault();
		const button = form.querySelector("button");
		button.disabled = true;
		try {
			// What was sent is not sent again when the button is pressed once more.
			for (const files of sent.filter((files) => !files.every((file) => done.has(file)))) {
				if (files[0].size >= large) await upload(files[0]);
				else await together(files);
				files.forEach((file) => done.add(file));
			}
			location.assign(form.dataset.done + form.folder.value.split("/").filter(Boolean).map((part) => "/" + encodeURIComponent(part)).join(""));
		} catch (error) {
			say(error.message);
			button.disabled = false;
		}
	});
})();
