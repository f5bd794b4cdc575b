package providers

// Sign is how a provider shows one meaning in an error answer, where that
// differs from RFC 6749. In YAML a plain string is the value of `error`.
type Sign struct {
	// Field is the response's field to compare; empty: `error`.
	Field string `yaml:"field"`
	// Error is the exact value of that field.
	Error string `yaml:"error"`
	// Description, when set, must occur in `error_description`. Vendors change
	// such texts without notice: pin it only where nothing else tells.
	Description string `yaml:"description"`
	// Status, when set, must equal the HTTP status.
	Status int `yaml:"status"`
}
