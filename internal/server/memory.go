// SPDX-License-Identifier: Apache-2.0

package server

import (
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// heapFloor is garbage that is let be whatever the heap has in use: the heap of a busy server is some 15 MB, and with Go's
// own default the collector, which begins when it has doubled, takes a tenth of the processor time of a mail. With the
// floor it takes about as little as with GOGC=400; above it the heap grows as by default, so that large mails, of which
// there may be some hundred megabytes at a time, do not cost five times their size.
const heapFloor = 64 << 20

// limitShare is which part of the memory the heap may take before the collector works harder: the page caches of SQLite,
// which are beside it, and the kernel's cache of its files need some too.
const limitShare = 2

// TuneMemory chooses how much memory the garbage collector lets grow, unless GOGC and GOMEMLIMIT in the environment say
// it. It is called once, at the start of a server; release is called at its end.
func TuneMemory(getenv func(string) string) (release func()) {
	release = func() {}
	floor := int64(0)
	if getenv("GOGC") == "" {
		// Never written to: the kernel gives no memory for it. The collector counts it as in use, and begins when as much
		// again has been allocated.
		held := make([]byte, heapFloor)
		floor = heapFloor
		release = func() { _ = held[0] }
	}
	if getenv("GOMEMLIMIT") == "" {
		if limit := memoryLimit(os.DirFS("/")); limit < math.MaxInt64 {
			debug.SetMemoryLimit(limit/limitShare + floor)
		}
	}
	return release
}

// memoryLimit is how much memory this process may use: the machine's, or less where a control group says so.
// math.MaxInt64: nothing says it.
func memoryLimit(root fs.FS) int64 {
	limit := int64(math.MaxInt64)
	lower := func(n int64, ok bool) {
		if ok && n > 0 {
			limit = min(limit, n)
		}
	}
	lower(totalMemory(root))
	b, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return limit
	}
	for line := range strings.SplitSeq(string(b), "\n") { // cgroups(7): hierarchy:controllers:path
		parts := strings.SplitN(line, ":", 3)
		if len(parts) != 3 {
			continue
		}
		base, file := "sys/fs/cgroup", "memory.max"
		switch {
		case parts[1] == "memory":
			base, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		case parts[1] != "":
			continue
		}
		// A limit of a group above counts too. In a container the path may be the host's, and is not there.
		for dir := path.Clean("/" + parts[2]); ; dir = path.Dir(dir) {
			lower(number(root, path.Join(base, dir, file)))
			if dir == "/" {
				break
			}
		}
	}
	return limit
}

// number reads a file that has one number; "max" is none.
func number(root fs.FS, name string) (int64, bool) {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil
}

// totalMemory is the machine's memory as of proc_meminfo(5).
func totalMemory(root fs.FS) (int64, bool) {
	b, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0, false
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return n << 10, err == nil
		}
	}
	return 0, false
}
