package lifetime

import (
	"context"

	"github.com/regrant/regrant/credentials"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/secret"
)

// SignIn begins a session of the user in the application, whose owner has the
// password in memory and answers when a worker asks for it. The provider knows it.
func (u *User) SignIn(provider, login, password string) {
	u.world.Sim.SetPassword(provider, login, password)
	u.world.sessions.Store(u.Name, credentials.Credential{Username: secret.New(login), Password: secret.New(password)})
}

// SignOut ends it: from now on nobody answers.
func (u *User) SignOut() { u.world.sessions.Delete(u.Name) }

// credentials is how a worker asks the owner of the session that a link is used in.
func (w *World) credentials(ctx context.Context, a events.Address, _ uint64) (credentials.Credential, error) {
	w.asked.Add(1)
	s, err := w.Links.Get(ctx, a)
	if err != nil {
		return credentials.Credential{}, err
	}
	c, ok := w.sessions.Load(s.Link.User)
	if !ok {
		return credentials.Credential{}, credentials.ErrNobody
	}
	return c.(credentials.Credential), nil
}

// Asked is how often a worker asked for the credentials of a session.
func (w *World) Asked() int { return int(w.asked.Load()) }
