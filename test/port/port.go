// SPDX-License-Identifier: Apache-2.0

// Package port finds ports for servers that run as programs of their own, and so cannot be handed a listener.
//
// Asking the system for port 0 and giving the port back is not enough: the next program that asks may get the same one
// before the first has come to listen.
package port

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
)

// Below the ports that systems give to port 0 and to outgoing connections: 32768 and up on Linux, 49152 and up
// elsewhere (RFC 6335, section 6).
const lowest, highest = 15000, 32767

var (
	mu   sync.Mutex
	held []*os.File // open, so that the locks on them last as long as this process
)

// Free is a TCP port of 127.0.0.1 on which nothing listens. No other process that asks here gets it while this one runs.
func Free() (int, error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("postern-test-ports-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	for range 1000 {
		n := lowest + rand.IntN(highest-lowest+1) //nolint:gosec // no secret
		switch ok, err := reserve(filepath.Join(dir, strconv.Itoa(n))); {
		case err != nil:
			return 0, err
		case ok && silent(n):
			return n, nil
		}
	}
	return 0, fmt.Errorf("no free port from %d to %d in 1000 tries", lowest, highest)
}

// Address is 127.0.0.1 with a port of Free.
func Address() (string, error) {
	n, err := Free()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(n)), err
}

// reserve locks the file of a port; false when a process, this one too, has it.
func reserve(name string) (bool, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDONLY, 0o600)
	if err != nil {
		return false, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil { //nolint:gosec // a small number
		err = errors.Join(f.Close(), err)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return false, nil
		}
		return false, err
	}
	mu.Lock()
	defer mu.Unlock()
	held = append(held, f)
	return true, nil
}

func silent(n int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(n))) //nolint:noctx // it is closed at once
	if err != nil {
		return false
	}
	return l.Close() == nil
}
