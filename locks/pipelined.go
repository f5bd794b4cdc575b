package locks

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// pipelined sends the scripts of callers that come at the same time in one exchange:
// with hundreds of flights under way, a round trip for each costs more than the locks
// do. A caller that is alone waits for nobody. Everything but EvalSha is the client's.
type pipelined struct {
	redis.UniversalClient
	limit time.Duration // of an exchange for several

	turn chan struct{} // holds one while an exchange is under way
	mu   sync.Mutex
	open *exchange
}

// exchange is what goes to Redis at once.
type exchange struct {
	calls []*call
	done  chan struct{}
}

// call is one script run. One that is given up is not sent, if it was not yet.
type call struct {
	ctx     context.Context
	sha     string
	keys    []string
	args    []any
	cmd     *redis.Cmd
	givenUp bool
}

func newPipelined(client redis.UniversalClient, limit time.Duration) *pipelined {
	return &pipelined{UniversalClient: client, limit: limit, turn: make(chan struct{}, 1), open: newExchange()}
}

func newExchange() *exchange { return &exchange{done: make(chan struct{})} }

// EvalSha implements redis.Scripter. Whoever of an exchange gets the turn sends it.
func (p *pipelined) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	c := &call{ctx: ctx, sha: sha, keys: keys, args: args}
	x := p.join(c)
	select {
	case p.turn <- struct{}{}:
		p.send(x)
		<-p.turn
	case <-x.done:
	case <-ctx.Done():
	}
	if cmd, ok := p.result(c); ok {
		return cmd
	}
	cmd := redis.NewCmd(ctx)
	cmd.SetErr(ctx.Err())
	return cmd
}

func (p *pipelined) join(c *call) *exchange {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open.calls = append(p.open.calls, c)
	return p.open
}

// result gives a call up that has none.
func (p *pipelined) result(c *call) (cmd *redis.Cmd, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.givenUp = c.cmd == nil
	return c.cmd, !c.givenUp
}

// send carries an exchange out, unless that was done before the turn came.
func (p *pipelined) send(x *exchange) {
	p.mu.Lock()
	if p.open != x {
		p.mu.Unlock()
		return
	}
	p.open = newExchange()
	calls := slices.DeleteFunc(x.calls, func(c *call) bool { return c.givenUp })
	p.mu.Unlock()
	defer close(x.done)
	switch len(calls) {
	case 0:
	case 1:
		c := calls[0]
		p.answer(calls, p.UniversalClient.EvalSha(c.ctx, c.sha, c.keys, c.args...))
	default:
		p.answer(calls, p.sendAll(calls)...)
	}
}

// sendAll does not end with one caller's context: the others wait for it as well.
func (p *pipelined) sendAll(calls []*call) (cmds []*redis.Cmd) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(calls[0].ctx), p.limit)
	defer cancel()
	pipe := p.Pipeline()
	for _, c := range calls {
		cmds = append(cmds, pipe.EvalSha(ctx, c.sha, c.keys, c.args...))
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	return cmds
}

func (p *pipelined) answer(calls []*call, cmds ...*redis.Cmd) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, c := range calls {
		c.cmd = cmds[i]
	}
}
