package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/internal/demo"
	"github.com/regrant/regrant/providers/providertest"
)

func runDemo(t *testing.T, args ...string) (code int, out, err string) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append([]string{"demo"}, args...), cli.IO{In: strings.NewReader(""), Out: &stdout, Err: &stderr})
	return code, stdout.String(), stderr.String()
}

func TestDemoForMachines(t *testing.T) {
	code, out, errs := runDemo(t, "--json", "--provider", "generic", "--links", "2", "--reports", "8", "--workers", "2")
	var r demo.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || strings.Count(out, "\n") != 1 {
		t.Fatalf("%v: not one line of JSON: %s", err, out)
	}
	if code != cli.Done || !r.OK || r.Total.Presentations != 2 || r.NaiveTotal.Revoked != 2 || errs != "" {
		t.Errorf("exit %d, %+v, standard error %q", code, r, errs)
	}
}

func TestDemoRefusesWrongFlags(t *testing.T) {
	for _, c := range []struct{ flag, value, says string }{
		{"--provider", "nobody", "akoya, astra, generic, nextidentity, sdk, wso2"},
		{"--links", "0", "--links"},
		{"--reports", "3", "--reports"},
		{"--workers", "0", "--workers"},
		{"--links", "many", "--links"},
	} {
		code, out, errs := runDemo(t, c.flag, c.value)
		if code != cli.BadInput || out != "" || !strings.Contains(errs, c.says) {
			t.Errorf("%s %s: exit %d, %q, %q", c.flag, c.value, code, out, errs)
		}
	}
}

func TestDemoFailsWhenAGuaranteeDoes(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var stdout, stderr bytes.Buffer
	c := &cli.Common{IO: cli.IO{Out: &stdout, Err: &stderr}}
	kept := &tail{}
	o := demo.Options{
		Reports: 4, Links: 1, Workers: 1, Providers: []string{"generic"}, LockTTL: 2 * time.Second, Log: demoLog(c, kept),
		Ready: func(sim *providertest.Server) {
			sim.Script("generic", providertest.Fault{When: providertest.After, Kind: providertest.Reset})
		},
	}
	err := (&demoCmd{}).show(t.Context(), c, o, kept)
	if cli.Code(err) != cli.Failed || !strings.Contains(err.Error(), "refreshes = distinct expiries") {
		t.Errorf("error %v", err)
	}
	if !strings.Contains(stdout.String(), "BROKEN") || !strings.Contains(stderr.String(), "the presentation did not succeed") {
		t.Errorf("neither the verdict nor the workers' log is shown: %s%s", stdout.String(), stderr.String())
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	kept := &tail{}
	line := strings.Repeat("x", 999) + "\n"
	for range 100 {
		_, _ = kept.Write([]byte(line))
	}
	_, _ = kept.Write([]byte("the last line\n"))
	var out strings.Builder
	kept.writeTo(&out)
	if out.Len() > tailSize || !strings.HasPrefix(out.String(), line) || !strings.HasSuffix(out.String(), "\nthe last line\n") {
		t.Errorf("%d bytes, end %q", out.Len(), out.String()[max(0, out.Len()-30):])
	}
}
