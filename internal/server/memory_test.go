// SPDX-License-Identifier: Apache-2.0

package server

import (
	"math"
	"runtime/debug"
	"testing"
	"testing/fstest"
)

// TestMemoryLimit: the smallest of the machine's memory and the limits of the control groups around the process.
func TestMemoryLimit(t *testing.T) {
	const meminfo = "MemTotal:        2048000 kB\nMemFree:  1 kB\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"nothing is known", nil, math.MaxInt64},
		{"the machine's", map[string]string{"proc/meminfo": meminfo}, 2048000 << 10},
		{"no limit of the group", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a.slice/b.service\n", "sys/fs/cgroup/a.slice/b.service/memory.max": "max\n"}, 2048000 << 10},
		{"the group's", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a.slice/b.service\n", "sys/fs/cgroup/a.slice/b.service/memory.max": "500000000\n"}, 500000000},
		{"of a group above", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a.slice/b.service\n", "sys/fs/cgroup/a.slice/memory.max": "400000000\n", "sys/fs/cgroup/a.slice/b.service/memory.max": "500000000\n"}, 400000000},
		{"a container's, by the root", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/../../on/the/host\n", "sys/fs/cgroup/memory.max": "300000000\n"}, 300000000},
		{"version 1", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/x\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "200000000\n"}, 200000000},
		{"more than the machine has", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "4:memory:/x\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "9223372036854771712\n"}, 2048000 << 10},
	} {
		root := fstest.MapFS{}
		for name, text := range c.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := memoryLimit(root); got != c.want {
			t.Errorf("%s: %d instead of %d", c.name, got, c.want)
		}
	}
}

// TestTuneMemoryLeavesTheEnvironment: what the environment says of the collector holds.
func TestTuneMemoryLeavesTheEnvironment(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	TuneMemory(func(string) string { return "50" })()
	if now := debug.SetMemoryLimit(-1); now != before {
		t.Errorf("the limit is %d instead of %d", now, before)
	}
	TuneMemory(func(name string) string {
		if name == "GOGC" {
			return "50"
		}
		return ""
	})()
	if now := debug.SetMemoryLimit(-1); now == before {
		t.Errorf("the limit is still %d", now)
	}
}
