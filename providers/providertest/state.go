package providertest

// FamilyState is a family at one moment, for assertions.
type FamilyState struct {
	ID, Provider, Sub string
	// Serial is the number of the newest refresh token.
	Serial int
	// Redeemed is how many of the refresh tokens were redeemed at least once.
	Redeemed int
	// Revoked: the family ended because a consumed token came back.
	Revoked bool
	// Killed: it ended otherwise (the user, RFC 7009, a newer grant, a code shown
	// without its proof).
	Killed bool
	// LiveBearers is how many bearers the resource would accept now.
	LiveBearers int
	// Uses and Denied count the bearers that the resource, userinfo, accounts and
	// customer endpoints accepted and refused.
	Uses, Denied int
}

// Family returns the state of one family, or false if there is none of that id.
func (s *Server) Family(id string) (FamilyState, bool) {
	f, ok := s.family(id)
	if !ok {
		return FamilyState{}, false
	}
	return f.state(s), true
}

func (f *family) state(s *Server) FamilyState {
	now := s.cfg.Clock()
	f.mu.Lock()
	defer f.mu.Unlock()
	state := FamilyState{
		ID: f.id, Provider: f.at.name, Sub: f.owner.sub, Serial: f.grown, Redeemed: f.redeemed,
		Revoked: f.end == revokedForReuse, Killed: f.end == killed,
		Uses: f.uses, Denied: f.denied,
	}
	for _, b := range f.bearers {
		if b.good(now) {
			state.LiveBearers++
		}
	}
	return state
}

// Alive says whether a resource would accept this bearer now. Asking is not a use.
func (s *Server) Alive(token string) bool {
	for _, p := range s.providers {
		if b, ok := p.bearer(token); ok {
			f := b.of.of
			f.mu.Lock()
			defer f.mu.Unlock()
			return b.good(s.cfg.Clock())
		}
	}
	return false
}

// Revoked counts the families that were revoked because a consumed token came
// back, at the named providers or, without names, at all.
func (s *Server) Revoked(providers ...string) int {
	if len(providers) == 0 {
		for name := range s.providers {
			providers = append(providers, name)
		}
	}
	total := 0
	for _, name := range providers {
		total += int(s.provider(name).revoked.Load())
	}
	return total
}

// Issued lists every refresh token, code, access token, ID token, browser session,
// client secret, password and API key of this server in clear: what a leak scan
// looks for, with Seen.
func (s *Server) Issued() []string {
	var all []string
	collect := func(text, _ any) bool {
		all = append(all, text.(string))
		return true
	}
	for _, p := range s.providers {
		p.shared.Range(collect)
		p.credentials.Range(collect)
		p.tokens.Range(collect)
		if p.forgets {
			p.bearers.Range(collect)
		}
		p.sessions.Range(collect)
	}
	return all
}

// Seen lists every PKCE verifier, password and API key that a client showed, good
// or not: secrets that are not ours and have no business elsewhere either.
func (s *Server) Seen() []string {
	var all []string
	for _, p := range s.providers {
		p.seen.Range(func(text, _ any) bool {
			all = append(all, text.(string))
			return true
		})
	}
	return all
}

// FamilyOf returns the family that a code, refresh token or bearer belongs to.
func (s *Server) FamilyOf(token string) (family string, ok bool) {
	for _, p := range s.providers {
		if c, ok := p.credential(token); ok {
			return c.of.id, true
		}
		if b, ok := p.bearer(token); ok {
			return b.of.of.id, true
		}
	}
	return "", false
}

func (s *Server) family(id string) (*family, bool) {
	f, ok := s.families.Load(id)
	if !ok {
		return nil, false
	}
	return f.(*family), true
}
