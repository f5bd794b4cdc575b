package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/internal/cli/clitest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"worker": func() { cli.Main(run) }})
}

func TestScripts(t *testing.T) { clitest.Run(t, "testdata/script") }
