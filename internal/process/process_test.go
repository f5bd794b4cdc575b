package process

import (
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func shell(t *testing.T, script string, c Command) *Process {
	t.Helper()
	c.Path, c.Args = "/bin/sh", []string{"-c", script}
	p := New(c)
	t.Cleanup(p.Kill)
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestItIsKilledWhileItIsStoppedAndStartedAgain(t *testing.T) {
	p := shell(t, `echo ready; exec cat /dev/zero >/dev/null`, Command{Ready: "ready"})
	must(t, p.Start())
	first := p.Pid()
	must(t, p.Stop())
	if !p.Stopped() {
		t.Error("it runs")
	}
	p.Kill()
	<-p.Exited()
	must(t, p.Restart())
	if p.Pid() == first {
		t.Error("it is the same process")
	}
}

func TestItGoesOnAfterAStop(t *testing.T) {
	p := shell(t, `trap 'exit 3' TERM; echo ready; while :; do :; done`, Command{Ready: "ready"})
	must(t, p.Start())
	must(t, p.Stop())
	must(t, p.Cont())
	must(t, p.Signal(syscall.SIGTERM))
	if err := p.Wait(); err == nil || !strings.Contains(err.Error(), "3") {
		t.Errorf("ended with %v", err)
	}
}

func TestLaunchDoesNotWaitAndGivesMoreEnvironment(t *testing.T) {
	p := shell(t, `echo "got $EXTRA"`, Command{Ready: "never"})
	must(t, p.Launch("EXTRA=more"))
	must(t, p.Wait())
	if got := p.Output(); got != "got more\n" {
		t.Errorf("it said %q", got)
	}
	select {
	case <-p.Ready():
		t.Error("it said that it is ready")
	default:
	}
}

func TestOnlyTheEndOfItsOutputIsKept(t *testing.T) {
	p := shell(t, `i=0; while [ $i -lt 1000 ]; do echo line $i; i=$((i+1)); done`, Command{Tail: 100})
	must(t, p.Start())
	must(t, p.Wait())
	if got := p.Output(); len(got) > 100 || !strings.HasSuffix(got, "line 999\n") {
		t.Errorf("it kept %d bytes: %q", len(got), got)
	}
}

func TestOneThatEndsBeforeItIsReadySaysWhatItPrinted(t *testing.T) {
	p := shell(t, `echo no such file; exit 2`, Command{Ready: "ready"})
	if err := p.Start(); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("%v", err)
	}
}
