package canary_test

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/internal/testenv"
)

// badRequests asks the API for what it refuses, each time with a canary of its
// own, and keeps what it said. The canaries must not be in it.
func (w *world) badRequests() (canaries []string) {
	w.t.Helper()
	const begin, stage = `"provider":"op","user":"u","redirect_uri":"http://127.0.0.1:1/"`, `"provider":"op","user":"u","access_token":"t"`
	conn, err := nats.Connect(w.cell.Config.NATS.URL)
	w.ok(err)
	defer conn.Close()
	subjects := w.cell.Bus.Names().Subjects()
	for i, r := range []struct{ tenant, verb, body string }{
		{"default", api.VerbConsentBegin, `@`}, {"default", api.VerbConsentBegin, `{"@":1}`}, {"default", api.VerbConsentBegin, `{"provider":"@ @"}`},
		{"default", api.VerbConsentBegin, `{"provider":["@"]}`}, {"default", api.VerbConsentBegin, `{"provider":"@","provider":"@"}`},
		{"default", api.VerbConsentBegin, `{"provider":"no-@","user":"u","redirect_uri":"http://127.0.0.1:1/"}`},
		{"default", api.VerbConsentBegin, `{` + begin + `,"link":"@."}`},
		{"default", api.VerbConsentBegin, `{` + begin + `,"prompt":"@"}`}, {"default", api.VerbConsentBegin, `{` + begin + `,"scopes":["@ @"]}`},
		{"default", api.VerbConsentBegin, `{` + begin + `,"login_hint":"@\u0007"}`}, {"default", api.VerbConsentBegin, `{` + begin + `,"nickname":"@\u0007"}`},
		{"default", api.VerbConsentBegin, `{"provider":"op","user":"u","redirect_uri":"/@"}`}, {"default", api.VerbConsentBegin, `{"provider":"op","user":"u","redirect_uri":"http://h/#@"}`},
		{"default", api.VerbConsentBegin, `{` + begin + `,"code_verifier":"@"}`}, {"@", api.VerbConsentBegin, `{` + begin + `}`}, {"no-tenant", api.VerbConsentBegin, `{` + begin + `,"nickname":"@"}`},
		{"default", api.VerbConsentBegin, `{"provider":"op","user":"@","link":"` + w.links[0].Link + `","redirect_uri":"http://127.0.0.1:1/"}`},
		{"default", api.VerbStage, `{` + stage + `,"id_token":"@\n"}`}, {"default", api.VerbStage, `{` + stage + `,"refresh_token":"@ü"}`},
		{"default", api.VerbStage, `{"provider":"op","user":"u","access_token":{"@":"@"}}`}, {"default", api.VerbStage, `{` + stage + `,"expires_in":"@"}`},
		{"default", api.VerbStage, `{` + stage + `,"scope":"\"@\""}`}, {"default", api.VerbStage, `{` + stage + `,"link":"@:"}`}, {"default", api.VerbStage, `{"provider":"op","user":"u","refresh_token":"@"}`},
		{"default", api.VerbStage, `{"provider":"op","user":"@","link":"` + w.links[0].Link + `","access_token":"@"}`}, {"default", api.VerbStage, `{` + stage + `,"token":"@"}`},
		{"default", api.VerbList, `{"user":"@\u0000"}`}, {"default", api.VerbList, `{"user":["@"]}`}, {"default", api.VerbList, `["@"]`},
	} {
		canary := fmt.Sprintf("canary-%02d-in-a-bad-request", i)
		canaries = append(canaries, canary)
		fill := strings.NewReplacer("@", canary)
		reply, err := conn.Request(subjects.API(fill.Replace(r.tenant), r.verb), []byte(fill.Replace(r.body)), limit)
		w.ok(err)
		if reply.Header.Get(micro.ErrorCodeHeader) == "" {
			w.t.Errorf("%s %s was carried out", r.verb, r.body)
		}
		fmt.Fprintf(&w.api, "%v %s\n", reply.Header, reply.Data)
	}
	return canaries
}

// commands runs the commands that secrets go through, well and badly, and keeps
// what they print. It returns what they were given and must not repeat.
func (w *world) commands() (canaries []string) {
	w.t.Helper()
	file, err := w.cell.WriteConfig()
	w.ok(err)
	publisher, workerd := testenv.Build(w.t, "./cmd/publisher"), testenv.Build(w.t, "./cmd/worker", "failpoint")
	c := w.imported("by command", "op").begin()
	c.brings()
	about := []string{"--config=" + file, "--provider=op", "--link=" + c.Link}
	w.run(publisher, string(c.data.Code), 0, append([]string{"reconsent-completed", "--code-stdin", "--state=" + c.data.State, "--iss=" + c.data.Iss, "--wait=1m"}, about...)...)
	for _, json := range []string{"--json", "--log-level=debug"} {
		w.run(workerd, "", 0, "links", "list", "--config="+file, json)
		w.run(workerd, "", 0, "links", "show", c.Link, "--config="+file, json)
	}
	for i, args := range [][]string{
		{"reconsent-completed", "--state=s", "--error=@ was said"}, {"reconsent-completed", "--state=s", "--code=@", "--code-stdin"},
		{"reconsent-completed", "--state=@", "--code=@", "--staging=@"}, {"reconsent-completed", "--staging=@ @"}, {"reconsent-completed", "--code=@"},
		{"reconsent-completed", "--state=s", "--code=c", "@"}, {"reconsent-completed", "--state=s", "--code=c", "--wait=@"},
		{"reconsent-completed", "--state=s", "--code=c", "--tenant=@ @"}, {"reconsent-completed", "--state=@", "--code=@", "--wait=1s"},
		{"link-replacement-decided", "--consent=@", "--decision=approve"}, {"link-replacement-decided", "--consent=1", "--decision=@"},
		{"consent", "begin", "--user=u", "--redirect-uri=/@"}, {"consent", "begin", "--user=u", "--redirect-uri=http://h/", "--prompt=@"},
		{"consent", "begin", "--user=u", "--redirect-uri=http://h/", "--scope=\"@\""}, {"consent", "begin", "--user=u", "--redirect-uri=http://h/", "--login-hint=@\a"},
		{"@"}, {"consent", "@"},
	} {
		canary := fmt.Sprintf("canary-%02d-in-a-bad-command", i)
		canaries = append(canaries, canary)
		for j := range args {
			args[j] = strings.ReplaceAll(args[j], "@", canary)
		}
		if args[len(args)-1] == "--wait=1s" { // its input is taken, and becomes a dead letter
			w.brought[canary]++
		}
		w.run(publisher, canary, -1, append(args, about...)...)
	}
	return canaries
}

// run runs a command that must end with this code; -1: with any but 0.
func (w *world) run(program, in string, code int, args ...string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(in), &w.cli, &w.cli
	_ = cmd.Run() // its code is looked at below
	if got := cmd.ProcessState.ExitCode(); (code < 0) != (got > 0) || (code >= 0 && got != code) {
		w.t.Errorf("%s %q ended with %d", filepath.Base(program), args, got)
	}
}
