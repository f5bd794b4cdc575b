package doctor

import "golang.org/x/sys/unix"

// fsTypes are the file systems that are no place for the only copy of a token.
var fsTypes = map[uint32]string{
	unix.TMPFS_MAGIC: "tmpfs", unix.RAMFS_MAGIC: "ramfs", unix.NFS_SUPER_MAGIC: "nfs", unix.CIFS_SUPER_MAGIC: "cifs", unix.SMB2_SUPER_MAGIC: "smb2",
}

// fileSystem is the type, where it matters, and the free bytes of a directory's; zero: unknown.
func fileSystem(dir string) (name string, free uint64) {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return "", 0
	}
	return fsTypes[uint32(st.Type)], st.Bavail * uint64(st.Bsize)
}
