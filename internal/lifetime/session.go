package lifetime

import (
	"context"
	"errors"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/secret"
)

var errNobody = errors.New("no owner of a session answers")

// SignIn begins a session of the user in the application, whose owner has the
// password in memory and answers when a worker asks for it. The provider knows it.
func (u *User) SignIn(provider, login, password string) {
	u.world.Sim.SetPassword(provider, login, password)
	u.world.sessions.Store(u.Name, handlers.Credential{Username: secret.New(login), Password: secret.New(password)})
}

// SignOut ends it: from now on nobody answers.
func (u *User) SignOut() { u.world.sessions.Delete(u.Name) }

// credentials is how a worker asks the owner of the session that a link is used in.
func (w *World) credentials(ctx context.Context, a events.Address, _ uint64) (handlers.Credential, error) {
	s, err := w.Links.Get(ctx, a)
	if err != nil {
		return handlers.Credential{}, err
	}
	c, ok := w.sessions.Load(s.Link.User)
	if !ok {
		return handlers.Credential{}, errNobody
	}
	return c.(handlers.Credential), nil
}
