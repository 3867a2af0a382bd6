// An OpenID provider for the tests: the npm package `oidc-provider` as it comes, with its own pages for development.
// Arguments: port, what the node is called, its secret, and where browsers come back to.
import Provider from "oidc-provider";

const [port, client_id, client_secret, back] = process.argv.slice(2);
const provider = new Provider(`http://127.0.0.1:${port}`, {
	clients: [{ client_id, client_secret, redirect_uris: [back], grant_types: ["authorization_code"], response_types: ["code"] }],
	pkce: { required: () => true },
	claims: { openid: ["sub"], profile: ["name", "preferred_username"] },
	conformIdTokenClaims: false,
	async findAccount(_, id) {
		return { accountId: id, claims: async () => ({ sub: id, name: `${id} of the ministry`, preferred_username: id }) };
	},
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
