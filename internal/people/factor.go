// SPDX-License-Identifier: Apache-2.0

package people

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"net/netip"
	"strings"
	"time"
	"unicode"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"postern/internal/change"
	"postern/internal/store"
)

// Codes by time, as authenticator apps make them (RFC 6238): six digits, HMAC-SHA-1, a new one every 30 seconds. One
// step before and after is taken, for clocks that differ.
const (
	totpIssuer = "Postern"
	totpStep   = 30
	totpSkew   = 1
	setUpLife  = 30 * time.Minute // a set-up page
	codeCount  = 10               // recovery codes
	codeSize   = 10               // characters of a recovery code
	// codeLetters leaves out l and o: 32 letters are 5 bits each, 50 a code.
	codeLetters = "abcdefghijkmnpqrstuvwxyz23456789"
)

// Factors is what a user proves himself with beside his password.
type Factors struct {
	TOTP      bool
	TOTPSince time.Time
	Passkeys  []store.Passkey
	CodesLeft int // recovery codes that were not used
}

// Any says whether a second step is asked for.
func (f Factors) Any() bool { return f.TOTP || len(f.Passkeys) > 0 }

// Factors reads what a user proves himself with beside his password.
func (k *People) Factors(ctx context.Context, userID int64) (Factors, error) {
	var f Factors
	t, err := k.store.TOTP(ctx, userID)
	switch {
	case err == nil:
		f.TOTP, f.TOTPSince = true, t.CreatedAt
	case !errors.Is(err, store.ErrNotFound):
		return f, err
	}
	if f.Passkeys, err = k.store.Passkeys(ctx, userID); err != nil {
		return f, err
	}
	f.CodesLeft, err = k.store.RecoveryCodesLeft(ctx, userID)
	return f, err
}

// hasFactor says whether a user's password alone does not sign him in.
func hasFactor(ctx context.Context, tx *store.Tx, userID int64) (bool, error) {
	_, err := tx.TOTP(ctx, userID)
	if err == nil || !errors.Is(err, store.ErrNotFound) {
		return err == nil, err
	}
	keys, err := tx.Passkeys(ctx, userID)
	return len(keys) > 0, err
}

// TOTPSetUp is what a person puts into an authenticator app. Nothing of it is kept until a code proves that it works.
type TOTPSetUp struct {
	Secret string // base32
	URL    string // otpauth://
	PNG    []byte // a QR code of URL
	State  string // comes back with the code
}

func totpName(userID int64) string  { return fmt.Sprintf("totp %d", userID) }
func setUpName(userID int64) string { return fmt.Sprintf("totp set-up %d", userID) }
func codeName(userID int64) string  { return fmt.Sprintf("recovery code %d ", userID) }
func totpOptions() hotp.ValidateOpts {
	return hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}
}

// setUpState is the content of TOTPSetUp.State, sealed.
type setUpState struct {
	Secret string
	Ends   time.Time
}

// NewTOTP makes a secret for a user's authenticator app.
func (k *People) NewTOTP(user store.User) (TOTPSetUp, error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: totpIssuer, AccountName: user.Email})
	if err != nil {
		return TOTPSetUp{}, err
	}
	return k.setUp(user, setUpState{Secret: key.Secret(), Ends: k.now().Add(setUpLife)})
}

// SameTOTP is the set-up of a state again, for who has mistyped the code. Error: *change.Error on Code when it has ended.
func (k *People) SameTOTP(user store.User, state string) (TOTPSetUp, error) {
	s, err := k.openSetUp(user, state)
	if err != nil {
		return TOTPSetUp{}, err
	}
	return k.setUp(user, s)
}

func (k *People) setUp(user store.User, s setUpState) (TOTPSetUp, error) {
	secret, err := b32(s.Secret)
	if err != nil {
		return TOTPSetUp{}, err
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: totpIssuer, AccountName: user.Email, Secret: secret})
	if err != nil {
		return TOTPSetUp{}, err
	}
	img, err := key.Image(240, 240)
	if err != nil {
		return TOTPSetUp{}, err
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return TOTPSetUp{}, err
	}
	plain, err := json.Marshal(s)
	if err != nil {
		return TOTPSetUp{}, err
	}
	return TOTPSetUp{Secret: s.Secret, URL: key.URL(), PNG: b.Bytes(), State: k.sealText(setUpName(user.ID), plain)}, nil
}

func (k *People) openSetUp(user store.User, state string) (setUpState, error) {
	var s setUpState
	if err := k.openText(setUpName(user.ID), state, &s); err != nil || !k.now().Before(s.Ends) {
		return s, &change.Error{Kind: change.Invalid, Field: "Code", Reason: "this page was open for too long; begin again with a " +
			"new secret"}
	}
	return s, nil
}

// sealText seals for a form's hidden field or a cookie.
func (k *People) sealText(name string, plain []byte) string {
	return base64.RawURLEncoding.EncodeToString(k.seal.Seal(name, plain))
}

func (k *People) openText(name, text string, into any) error {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return err
	}
	plain, err := k.seal.Open(name, sealed)
	if err != nil {
		return err
	}
	return json.Unmarshal(plain, into)
}

// AddTOTP turns codes by time on, proved by the first of them. Who has no second factor yet gets recovery codes, to be
// shown once. Errors: *change.Error on Code, or Conflict when they are on already.
func (k *People) AddTOTP(ctx context.Context, user store.User, state, code string, from netip.Addr) (codes []string, err error) {
	s, err := k.openSetUp(user, state)
	if err != nil {
		return nil, err
	}
	step, ok := k.stepOf(s.Secret, plainCode(code), 0)
	if !ok {
		return nil, wrongCode()
	}
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		if codes, err = k.firstCodes(ctx, tx, user); err != nil {
			return err
		}
		err := tx.AddTOTP(ctx, store.TOTP{UserID: user.ID, Secret: k.seal.Seal(totpName(user.ID), []byte(s.Secret)), LastStep: step})
		if errors.Is(err, store.ErrExists) {
			return change.Conflicting("Code", "an authenticator app is set up already; remove it first")
		}
		if err != nil {
			return err
		}
		if err := tx.AddAudit(ctx, person(user, from).Entry(user.AccountID, "user.factor.add", "user "+user.Email,
			"authenticator app")); err != nil {
			return err
		}
		return k.tellChanged(ctx, tx, user, "authenticator app added", from)
	})
	return codes, err
}

// firstCodes makes recovery codes for who has no second factor yet.
func (k *People) firstCodes(ctx context.Context, tx *store.Tx, user store.User) ([]string, error) {
	has, err := hasFactor(ctx, tx, user.ID)
	if err != nil || has {
		return nil, err
	}
	return k.putCodes(ctx, tx, user)
}

// lastCodes removes the recovery codes of who has no second factor left. Who must have one keeps the last.
func lastCodes(ctx context.Context, tx *store.Tx, user store.User) error {
	has, err := hasFactor(ctx, tx, user.ID)
	if err != nil || has {
		return err
	}
	all, err := tx.AccessesOf(ctx, user.ID)
	if err != nil {
		return err
	}
	if factorRequired(user, all) {
		return change.Forbidden("", "a second factor is required of you, and this is your last: set up another one first")
	}
	return tx.PutRecoveryCodes(ctx, user.ID, nil)
}

// RemoveTOTP turns codes by time off, proved by one of them or a recovery code. Errors: *change.Error on Code.
func (k *People) RemoveTOTP(ctx context.Context, user store.User, code string, from netip.Addr) error {
	use, _, err := k.checkCode(ctx, user, code)
	if err != nil {
		return err
	}
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		if err := use(tx); err != nil {
			return err
		}
		if err := tx.RemoveTOTP(ctx, user.ID); err != nil {
			return err
		}
		if err := lastCodes(ctx, tx, user); err != nil {
			return err
		}
		if err := tx.AddAudit(ctx, person(user, from).Entry(user.AccountID, "user.factor.remove", "user "+user.Email,
			"authenticator app")); err != nil {
			return err
		}
		return k.tellChanged(ctx, tx, user, "authenticator app removed", from)
	})
	if errors.Is(err, store.ErrNotFound) {
		return &change.Error{Kind: change.NotFound, Reason: "no authenticator app is set up"}
	}
	return err
}

// NewRecoveryCodes replaces a user's recovery codes; the new ones are to be shown once. Error: *change.Error NotAllowed when
// he has no second factor that they could stand in for.
func (k *People) NewRecoveryCodes(ctx context.Context, user store.User, from netip.Addr) (codes []string, err error) {
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		has, err := hasFactor(ctx, tx, user.ID)
		if err != nil {
			return err
		}
		if !has {
			return change.Forbidden("", "recovery codes stand in for a second factor, and there is none")
		}
		if codes, err = k.putCodes(ctx, tx, user); err != nil {
			return err
		}
		if err := tx.AddAudit(ctx, person(user, from).Entry(user.AccountID, "user.factor.add", "user "+user.Email,
			"new recovery codes; the old ones ended")); err != nil {
			return err
		}
		return k.tellChanged(ctx, tx, user, "recovery codes made anew", from)
	})
	return codes, err
}

func (k *People) putCodes(ctx context.Context, tx *store.Tx, user store.User) ([]string, error) {
	codes := make([]string, codeCount)
	digests := make([][]byte, codeCount)
	for i := range codes {
		b := make([]byte, codeSize)
		rand.Read(b) //nolint:errcheck,gosec // never fails (crypto/rand)
		for j := range b {
			b[j] = codeLetters[b[j]%byte(len(codeLetters))] // 256 is a multiple of 32: no letter is likelier
		}
		codes[i] = string(b[:codeSize/2]) + "-" + string(b[codeSize/2:])
		digests[i] = k.codeDigest(user.ID, string(b))
	}
	return codes, tx.PutRecoveryCodes(ctx, user.ID, digests)
}

// codeDigest is how a recovery code is stored: under the server key, since 50 bits alone could be tried out.
func (k *People) codeDigest(userID int64, code string) []byte {
	d := k.digester.Digest(codeName(userID) + code)
	return d[:]
}

func wrongCode() error {
	return &change.Error{Kind: change.Invalid, Field: "Code", Reason: "this code is wrong, or was used already; wait for the next one"}
}

// checkCode checks a code of the authenticator app or a recovery code.
func (k *People) checkCode(ctx context.Context, user store.User, code string) (use func(*store.Tx) error, how string, err error) {
	code = plainCode(code)
	switch len(code) {
	case 0:
		return nil, "", &change.Error{Kind: change.Invalid, Field: "Code", Reason: "give the code"}
	case codeSize:
		return func(tx *store.Tx) error {
			return notFoundIs(tx.UseRecoveryCode(ctx, user.ID, k.codeDigest(user.ID, code)), wrongCode())
		}, "recovery code", nil
	}
	if k.codes.refuses(user.ID, k.now()) {
		return nil, "", errTooManyCodes()
	}
	t, err := k.store.TOTP(ctx, user.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, "", wrongCode()
	}
	if err != nil {
		return nil, "", err
	}
	secret, err := k.seal.Open(totpName(user.ID), t.Secret)
	if err != nil {
		return nil, "", fmt.Errorf("the authenticator app of user %d: %w", user.ID, err)
	}
	step, ok := k.stepOf(string(secret), code, t.LastStep)
	if !ok {
		return nil, "", k.wrong(ctx, user)
	}
	return func(tx *store.Tx) error { return notFoundIs(tx.UseTOTP(ctx, user.ID, step), wrongCode()) }, "code", nil
}

// plainCode is a code without what people and apps put between its letters.
func plainCode(code string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '-' {
			return -1
		}
		return r
	}, code))
}

// notFoundIs says e where err is ErrNotFound.
func notFoundIs(err, e error) error {
	if errors.Is(err, store.ErrNotFound) {
		return e
	}
	return err
}

// stepOf finds the time step, later than last, that a code is of.
func (k *People) stepOf(secret, code string, last int64) (int64, bool) {
	now := k.now().Unix() / totpStep
	for step := now - totpSkew; step <= now+totpSkew; step++ {
		want, err := hotp.GenerateCodeCustom(secret, uint64(step), totpOptions()) //nolint:gosec // after 1970
		if err == nil && step > last && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			return step, true
		}
	}
	return 0, false
}

// b32 reads a secret as authenticator apps write it.
func b32(s string) ([]byte, error) {
	return base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(s)
}
