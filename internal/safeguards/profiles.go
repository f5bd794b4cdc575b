package main

const lifetimePkg = "./internal/lifetime/"

// ofProfiles are facts and rules without which a provider is misunderstood. Each is
// watched by the life of a link at that provider.
var ofProfiles = []mutation{
	{
		name: "a used token is not shown where the provider says nothing", file: "providers/profiles/auth0.yaml",
		from: "replay: forbidden\n", to: "replay: safe\n",
		pkg: lifetimePkg, test: "TestProfileLife",
	},
	{
		name: "a window of tolerance is not longer than the provider's", file: "providers/profiles/okta.yaml",
		from: "replay: { grace: 30s }\n", to: "replay: { grace: 10m }\n",
		pkg: lifetimePkg, test: "TestProfileLife",
	},
	{
		name: "an unused refresh token is kept alive", file: "providers/profiles/astra.yaml",
		from: "keep_alive: 168h\n", to: "keep_alive: 0s\n",
		pkg: lifetimePkg, test: "TestProfileLife",
	},
	{
		name: "a dead grant is understood in its provider's words", file: "providers/profiles/github-apps.yaml",
		from: "terminal_aliases: [bad_refresh_token]\n", to: "",
		pkg: lifetimePkg, test: "TestProfileLife",
	},
	{
		name: "a consent ends with the profile's clock", file: "handlers/flow_look.go",
		from: "p.Profile().Complete(*a)", to: "*a",
		pkg: lifetimePkg, test: "TestProfileLifeEndsWithItsConsent",
	},
	{
		name: "a wrong secret in the provider's words is no fault of the code", file: "providers/profiles/slack.yaml",
		from: "config_aliases: [bad_client_secret, ", to: "config_aliases: [",
		pkg: providersPkg, test: "TestEveryProfileKnowsAWrongSecretByACode",
	},
	{
		name: "the server's own trouble may have consumed the token", file: "providers/classify.go",
		from: "	case matches(p.AmbiguousCodes, r.status, f):\n", to: "	case false:\n",
		pkg: providersPkg, test: "TestTheLibraryKnowsItsProvidersWords",
	},
}
