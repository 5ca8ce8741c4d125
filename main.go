// SPDX-License-Identifier: Apache-2.0

// Command postern is a self-hosted email sending service: see README.md, or run `postern --help`.
package main

import (
	"os"

	"postern/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr))
}
