// SPDX-License-Identifier: Apache-2.0

package store

import (
	"os"
	"syscall"
)

// allocate gives a file its blocks on the disk. Where the file system has no call for that they are written.
func allocate(f *os.File, size int64) error {
	if syscall.Fallocate(int(f.Fd()), 0, 0, size) == nil {
		return nil
	}
	return fillUp(f, size)
}
