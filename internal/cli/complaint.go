// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"

	"postern/internal/config"
	"postern/internal/control"
	"postern/internal/suppress"
)

type complaintCmd struct {
	File   string `arg:"" help:"A mailbox provider's report as it came by mail; - is the standard input."`
	Key    string `placeholder:"KEY" help:"Only about mail of this key, by API key, name or number."`
	Source string `placeholder:"NAME" help:"Who reports it. Default: as the report says."`
	asJSON
}

// Help teaches.
func (complaintCmd) Help() string {
	return `For feedback loops: a mail server pipes the reports (Abuse Reporting Format, RFC 5965, or Microsoft's) into this command. The complaint is recorded, the address comes onto the key's suppression list, and what waits for it is given up. A report that came before changes nothing.

The message is found by the link to unsubscribe that Postern put into it, or by its Message-ID and who complained, among the messages of the last 90 days.

Example, in /etc/aliases:
  fbl: "|/usr/local/bin/postern complaint - --data /var/lib/postern"`
}

// Run records a complaint.
func (c *complaintCmd) Run(common *config.Common, s *streams) error {
	file, _, err := s.open(c.File)
	if err != nil {
		return err
	}
	defer file.Close()
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (suppress.Complained, error) {
		return calls.ReportComplaint(ctx, c.Key, c.Source, file)
	}, func(got suppress.Complained) error {
		if !got.Recorded {
			return s.printf("nothing to record: a report of type %s about message %d to %s\n", plain(got.Type), got.MessageID, got.Email)
		}
		return s.printf("recorded: %s about message %d to %s; %s sends to it no more\n", plain(got.Type), got.MessageID, got.Email,
			plain(got.KeyName))
	})
}
