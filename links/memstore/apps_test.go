package memstore_test

import (
	"testing"
	"time"

	"github.com/regrant/regrant/apps"
	"github.com/regrant/regrant/links/linkstest"
	"github.com/regrant/regrant/links/memstore"
)

func TestAppsConformance(t *testing.T) {
	linkstest.Apps(t, func(*testing.T) apps.Store { return memstore.NewApps(time.Now) })
}
