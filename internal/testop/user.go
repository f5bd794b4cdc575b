package testop

// User is somebody who can log in.
type User struct {
	// Sub is the subject in tokens, and what the user types into the login page.
	Sub string

	// Accounts are the ids that the accounts endpoint lists for a grant over all
	// accounts. Customer is what the customer endpoint says.
	Accounts []string
	Customer string

	// Claims stand in ID tokens and in the userinfo reply beside sub, whatever
	// the scopes.
	Claims map[string]any
}
