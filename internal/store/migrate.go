// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date, under a lock, each step in a transaction of its own.
func (s *Store) migrate(ctx context.Context) error {
	p, newest, err := s.provider()
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if have > newest {
		return fmt.Errorf("the store has schema %d and this program knows %d: start the newer program", have, newest)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// provider is what runs the steps, and the newest of them.
func (s *Store) provider() (*goose.Provider, int64, error) {
	steps, err := s.migrations()
	if err != nil {
		return nil, 0, err
	}
	opts := []goose.ProviderOption{
		goose.WithGoMigrations(steps...), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()),
	}
	kind := goose.DialectSQLite3
	if s.d.name == "postgres" {
		kind = goose.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(lockMigrate))
		if err != nil {
			return nil, 0, err
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(kind, s.w, nil, opts...)
	return p, steps[len(steps)-1].Version, err
}

// migrations makes a step of each file, with the dialect's words filled in. "00001_first.sql" is version 1.
func (s *Store) migrations() ([]*goose.Migration, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var steps []*goose.Migration
	for _, name := range names {
		number, _, _ := strings.Cut(path.Base(name), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("migration %s: %w", name, err)
		}
		text, err := migrations.ReadFile(name)
		if err != nil {
			return nil, err
		}
		run := &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
			if err := s.runScript(ctx, tx, string(text)); err != nil {
				return err
			}
			switch version {
			case reportingVersion:
				return s.fillReporting(ctx, tx)
			case canonicalVersion:
				return s.fillCanonical(ctx, tx)
			}
			return nil
		}}
		steps = append(steps, goose.NewGoMigration(version, run, nil))
	}
	if len(steps) == 0 {
		return nil, errors.New("no migrations are built in")
	}
	return steps, nil
}

func (s *Store) runScript(ctx context.Context, tx *sql.Tx, text string) error {
	for word, meaning := range s.d.words {
		text = strings.ReplaceAll(text, word, meaning)
	}
	_, err := tx.ExecContext(ctx, text)
	return err
}
