// Looks at addresses in Chromium and prints one line of JSON for each look: what ran, what was asked for, how wide the page is, what it
// weighs, and what axe finds against WCAG 2.2 A and AA. With `scripts: false` the page runs none, as on an old phone; axe needs them.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const wishes = JSON.parse(process.argv[2]);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({ executablePath: wishes.chromium, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"];

async function look(path, language, width) {
	const context = await browser.newContext({
		viewport: { width, height: 740 },
		locale: language,
		javaScriptEnabled: wishes.scripts ?? wishes.axe ?? false,
		colorScheme: wishes.dark ? "dark" : "light",
	});
	if (wishes.cookies) await context.addCookies(wishes.cookies.map((cookie) => ({ ...cookie, url: wishes.endpoint })));
	const page = await context.newPage();
	const seen = { path, language, width, ran: [], elsewhere: [], refused: [], bytes: 0 };
	const weighed = [];
	page.on("dialog", (dialog) => {
		seen.ran.push(dialog.message());
		dialog.dismiss();
	});
	page.on("pageerror", (error) => seen.ran.push(String(error)));
	page.on("console", (message) => {
		if (/Content.Security.Policy|Refused/i.test(message.text())) seen.refused.push(message.text());
	});
	page.on("request", (request) => {
		if (!request.url().startsWith(wishes.endpoint)) seen.elsewhere.push(request.url());
	});
	page.on("requestfinished", (request) => {
		if (["document", "stylesheet"].includes(request.resourceType())) {
			weighed.push(request.sizes().then((sizes) => (seen.bytes += sizes.responseBodySize)));
		}
	});
	if (wishes.line) {
		const session = await context.newCDPSession(page);
		await session.send("Network.enable");
		await session.send("Network.emulateNetworkConditions", { offline: false, ...wishes.line });
	}
	const begun = performance.now();
	const answer = await page.goto(wishes.endpoint + path, { waitUntil: "load" });
	seen.took_ms = Math.round(performance.now() - begun);
	seen.status = answer.status();
	await Promise.all(weighed);
	Object.assign(
		seen,
		await page.evaluate(() => ({
			title: document.title,
			lang: document.documentElement.lang,
			dir: document.documentElement.dir,
			text: document.querySelector("main")?.innerText ?? "",
			url: location.href,
			wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
			// A picture below the fold is asked for when somebody scrolls to it.
			pictures: [...document.images].filter((image) => image.complete).map((image) => image.naturalWidth),
			hidden: getComputedStyle(document.body).display === "none",
		})),
	);
	if (wishes.axe) {
		await page.evaluate(axe);
		const found = await page.evaluate((rules) => axe.run({ runOnly: { type: "tag", values: rules } }), rules);
		seen.violations = found.violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.html.slice(0, 200)} ${node.failureSummary}`).join(" | ")}`);
		seen.checks = found.passes.length;
	}
	if (wishes.screenshots) {
		const name = `${path.replace(/[^a-z0-9]+/gi, "-")}-${language}-${width}.png`;
		await page.screenshot({ path: `${wishes.screenshots}/${name}`, fullPage: true });
	}
	await context.close();
	console.log(JSON.stringify(seen));
}

for (const path of wishes.paths) {
	for (const language of wishes.languages ?? ["en"]) {
		for (const width of wishes.widths ?? [360]) await look(path, language, width);
	}
}
await browser.close();
