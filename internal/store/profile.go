// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"time"
)

// Profile is what an account says of itself. Nothing here depends on it.
type Profile struct {
	FirstName, LastName, JobTitle            string
	BirthdayAt                               time.Time
	Phone                                    string
	Company, Employees, Industry, Website    string
	Street, PostalCode, City, State, Country string
	BillingEmail, VATNumber, Features        string
	EstimatedVolume                          int64 // messages a month
}

const profileColumns = "first_name, last_name, job_title, birthday_at, phone, company, employees, industry, website, street, " +
	"postal_code, city, state, country, billing_email, vat_number, features, estimated_volume"

// Profile reads an account's profile: an empty one when it has said nothing yet.
func (s *Store) Profile(ctx context.Context, accountID int64) (Profile, error) {
	return profileOf(ctx, s, accountID)
}

// Profile reads an account's profile, inside the transaction.
func (tx *Tx) Profile(ctx context.Context, accountID int64) (Profile, error) {
	return profileOf(ctx, tx, accountID)
}

func profileOf(ctx context.Context, q queryable, accountID int64) (Profile, error) {
	var p Profile
	err := q.row(ctx, "SELECT "+profileColumns+" FROM profile WHERE account_id = $1", accountID).scan(
		&p.FirstName, &p.LastName, &p.JobTitle, nullTime{&p.BirthdayAt}, &p.Phone, &p.Company, &p.Employees, &p.Industry, &p.Website,
		&p.Street, &p.PostalCode, &p.City, &p.State, &p.Country, &p.BillingEmail, &p.VATNumber, &p.Features, &p.EstimatedVolume)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return p, err
}

// SetProfile keeps an account's profile.
func (tx *Tx) SetProfile(ctx context.Context, accountID int64, p Profile) error {
	_, err := tx.exec(ctx, `INSERT INTO profile (account_id, `+profileColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
 ON CONFLICT (account_id) DO UPDATE SET first_name = excluded.first_name, last_name = excluded.last_name,
 job_title = excluded.job_title, birthday_at = excluded.birthday_at,
 phone = excluded.phone, company = excluded.company, employees = excluded.employees, industry = excluded.industry,
 website = excluded.website, street = excluded.street,
 postal_code = excluded.postal_code, city = excluded.city, state = excluded.state, country = excluded.country,
 billing_email = excluded.billing_email,
 vat_number = excluded.vat_number, features = excluded.features, estimated_volume = excluded.estimated_volume`,
		accountID, p.FirstName, p.LastName, p.JobTitle, micros(p.BirthdayAt), p.Phone, p.Company, p.Employees, p.Industry, p.Website,
		p.Street, p.PostalCode, p.City, p.State, p.Country, p.BillingEmail, p.VATNumber, p.Features, p.EstimatedVolume)
	return err
}
