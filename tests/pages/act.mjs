// Does on pages what people do, in Chromium, and prints what it saw as one line of JSON. A step is a list: a word, and what it needs.
import { chromium } from "playwright-core";

const wishes = JSON.parse(process.argv[2]);
const browser = await chromium.launch({ executablePath: wishes.chromium, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
const context = await browser.newContext({ viewport: { width: wishes.width ?? 360, height: 740 }, javaScriptEnabled: wishes.scripts ?? false });
const page = await context.newPage();
const seen = { elsewhere: [], refused: [], ran: [], texts: [], sent: [], arrived: [] };
// What the pages of somebody else ask for is theirs, and does not leave this machine.
const isTheirs = (request) => Boolean(wishes.theirs) && request.frame().url().startsWith(wishes.theirs);
const isElsewhere = (request) => ![wishes.endpoint, wishes.theirs].some((own) => own && request.url().startsWith(own)) && !isTheirs(request);
await page.route(/^https:/, (route) => route.abort());
page.on("dialog", (dialog) => {
	seen.ran.push(dialog.message());
	dialog.dismiss();
});
page.on("pageerror", (error) => seen.ran.push(String(error)));
page.on("console", (message) => {
	if (/Content.Security.Policy|Refused/i.test(message.text())) seen.refused.push(message.text());
});
page.on("request", (request) => {
	if (isElsewhere(request)) seen.elsewhere.push(request.url());
	if (request.method() === "PUT") seen.sent.push(new URL(request.url()).pathname.split("/").pop());
});
page.on("response", (answer) => {
	if (answer.request().method() === "PUT" && answer.ok()) seen.arrived.push(new URL(answer.url()).pathname.split("/").pop());
});
// The line: how many parts it still breaks, and behind which part it is down for good.
let breaks = 0;
let end = Infinity;
await page.route("**/-/lfs/upload/**", (route) => {
	const part = Number(new URL(route.request().url()).pathname.split("/").pop());
	return route.request().method() === "PUT" && (breaks-- > 0 || part > end) ? route.abort() : route.continue();
});
const steps = {
	goto: (path) => page.goto(wishes.endpoint + path),
	fill: (selector, text) => page.fill(selector, text),
	choose: (selector, value) => page.selectOption(selector, value),
	tick: (selector) => page.check(selector),
	files: (selector, files) => page.setInputFiles(selector, files),
	// A click is over when the page that it leads to is there.
	click: (selector) => Promise.all([page.waitForLoadState("load"), page.click(selector)]),
	wait: (url) => page.waitForURL((now) => now.href.includes(url), { timeout: 60_000 }),
	// As if the hour of a form were over: what it was sealed for is gone.
	forget: (name) => context.clearCookies({ name }),
	breaks: (times) => (breaks = times),
	end: (part) => (end = part ?? Infinity),
	arrived: async (count) => {
		while (seen.arrived.length < count) await page.waitForTimeout(50);
	},
	note: async () => seen.texts.push(await page.evaluate(() => document.querySelector("main, body").innerText)),
};
try {
	for (const [word, ...needs] of wishes.steps) await steps[word](...needs);
	seen.url = page.url();
} catch (error) {
	seen.failed = `${error} at ${page.url()}: ${await page.evaluate(() => document.body.innerText)}`;
}
await browser.close();
console.log(JSON.stringify(seen));
