package api

// VerbShow asks for one link as its application may see it: a [LinkView].
const VerbShow = "show"

// Show is the request; its subject says all there is to say.
type Show struct{}

// Validate takes every request.
func (Show) Validate() error { return nil }
