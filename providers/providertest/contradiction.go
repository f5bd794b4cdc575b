package providertest

import (
	"fmt"
	"slices"
)

// check refuses what contradicts itself, after withDefaults.
func (b Behaviour) check() error {
	switch {
	case b.OmitRefreshToken && b.Rotation != None:
		return fmt.Errorf("OmitRefreshToken: a rotating provider that hides the new refresh token can never be refreshed again; set Rotation: None")
	case b.BearerID && !b.IDTokens:
		return fmt.Errorf("BearerID: needs IDTokens: true")
	case b.Alg != "RS256" && b.Alg != "ES256" && b.Alg != "HS256":
		return fmt.Errorf("alg %q: write RS256, ES256 or HS256", b.Alg)
	case b.Alg == "HS256" && len(b.ClientSecret) < 32:
		return fmt.Errorf("ClientSecret: HS256 needs 32 characters or more (RFC 7518, 3.2)")
	case min(b.AccessLen, b.RefreshLen, b.CodeLen) < 12:
		return fmt.Errorf("AccessLen, RefreshLen and CodeLen must be 12 or more")
	case b.AccountsPage < 0:
		return fmt.Errorf("AccountsPage %d: write 0 for one page of all", b.AccountsPage)
	case b.AbsoluteExpiryField != "" && b.RefreshAbsolute == 0:
		return fmt.Errorf("AbsoluteExpiryField: needs RefreshAbsolute")
	case b.Rate.Limit < 0 || (b.Rate.Limit > 0) != (b.Rate.Window > 0):
		return fmt.Errorf("Rate: write both a Limit and a Window, or neither")
	case b.APIKeys && slices.Contains(standardGrants, b.APIKeyGrant):
		return fmt.Errorf("APIKeyGrant %q: is another grant's name", b.APIKeyGrant)
	}
	return b.checkClient()
}

// checkClient is about how the client authenticates.
func (b Behaviour) checkClient() error {
	switch {
	case !known(b.AuthStyle) || !known(b.CodeAuthStyle):
		return fmt.Errorf("AuthStyle %q, CodeAuthStyle %q: write basic, post, private_key_jwt or none", b.AuthStyle, b.CodeAuthStyle)
	case b.uses(authPrivateKeyJWT) != (b.ClientKey != nil):
		return fmt.Errorf("ClientKey: private_key_jwt needs the client's public key, and nothing else does")
	case b.ClientCredentials && b.AuthStyle == authNone:
		return fmt.Errorf("ClientCredentials: a client without authentication has none (RFC 6749, 4.4)")
	}
	return nil
}
