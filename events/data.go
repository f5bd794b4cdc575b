package events

// Data is what an event says. Every data type embeds an Address and is named
// after its event; none can be declared outside this package.
type Data interface {
	EventName() Name
	address() Address
}

// AddressOf returns the link that the data is about.
func AddressOf(d Data) Address { return d.address() }

// EventName of each data type.
func (TokenExpired) EventName() Name           { return NameTokenExpired }
func (ReconsentCompleted) EventName() Name     { return NameReconsentCompleted }
func (LinkReplacementDecided) EventName() Name { return NameLinkReplacementDecided }
func (LogoutRequested) EventName() Name        { return NameLogoutRequested }
func (LinkCreated) EventName() Name            { return NameLinkCreated }
func (TokenRotated) EventName() Name           { return NameTokenRotated }
func (LinkReplaced) EventName() Name           { return NameLinkReplaced }
func (LinkReplacementHeld) EventName() Name    { return NameLinkReplacementHeld }
func (ConsentExpiring) EventName() Name        { return NameConsentExpiring }
func (ConsentRequired) EventName() Name        { return NameConsentRequired }
func (ConsentFailed) EventName() Name          { return NameConsentFailed }
func (LinkRecovered) EventName() Name          { return NameLinkRecovered }
func (LinkRevoked) EventName() Name            { return NameLinkRevoked }
func (LinkQuarantined) EventName() Name        { return NameLinkQuarantined }
func (TokenRejected) EventName() Name          { return NameTokenRejected }
func (CredentialsRequired) EventName() Name    { return NameCredentialsRequired }
func (AppSuspended) EventName() Name           { return NameAppSuspended }
func (AppResumed) EventName() Name             { return NameAppResumed }
