package cli

import (
	"cmp"
	"runtime/debug"
)

// version is set by the linker (-X) where a build knows more than Go does, such as
// one from an archive.
var version string

// Version is that of the program: what the linker was told, or the module's version,
// or the commit that it was built from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return cmp.Or(version, "unknown")
	}
	return cmp.Or(version, moduleVersion(info.Main.Version), commit(info.Settings), "devel")
}

// moduleVersion is nothing where Go knows none.
func moduleVersion(v string) string {
	if v == "(devel)" {
		return ""
	}
	return v
}

// commit is the first part of the commit's hash, marked where files were changed.
func commit(settings []debug.BuildSetting) string {
	var hash, changed string
	for _, s := range settings {
		switch {
		case s.Key == "vcs.revision":
			hash = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "-changed"
		}
	}
	if hash == "" {
		return ""
	}
	return hash + changed
}
