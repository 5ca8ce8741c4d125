// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailjet/mailjet-apiv3-go/v4"
	"github.com/mailjet/mailjet-apiv3-go/v4/resources"

	"postern/internal/notice"
	"postern/internal/people"
	"postern/internal/store"
)

// accesses is the answer of /apikeyaccess.
type accesses struct {
	Count, Total int
	Data         []struct {
		ID, APIKeyID, UserID, InvitationID                  int64
		APIKeyALT, UserALT, Role, AllowedAccess, CustomName string
		CreatedAt                                           string
		IsActive, IsWholeAccount                            bool
	}
}

func TestSharing(t *testing.T) {
	w := newWorld(t)
	sub, other := w.subaccount(t, "sub"), w.subaccount(t, "other")
	ann, err := w.Keys.SignUp(t.Context(), operator, "Ann's", "ann@example.com")
	if err != nil {
		t.Fatal(err)
	}
	give := func(body obj) accesses {
		var got accesses
		w.mustDo(t, w.master.Issued, 201, "POST", "/v3/REST/apikeyaccess", text(body)).decode(t, &got)
		return got
	}
	// Whether an address is a user's of another account, the answer does not say: both are invited.
	known := give(obj{"APIKeyID": sub.Key.ID, "UserALT": "Ann@Example.com"}).Data[0]
	unknown := give(obj{"APIKeyID": sub.Key.ID, "UserALT": "eve@example.com"}).Data[0]
	if known.InvitationID == 0 || known.ID != 0 || known.UserID != 0 || known.IsActive || w.notices(t, notice.AccessGiven) != 0 || w.notices(t, notice.Invitation) != 2 {
		t.Errorf("a user of another account: %+v", known)
	}
	unknown.UserALT, unknown.InvitationID, unknown.CreatedAt = known.UserALT, known.InvitationID, known.CreatedAt
	if known != unknown {
		t.Errorf("a user of another account gets %+v, a stranger %+v", known, unknown)
	}
	w.accept(t, "ann@example.com", ann.User)
	var joined accesses
	w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/apikeyaccess?Email=ann@example.com", "").decode(t, &joined)
	got := joined.Data[0]
	onSub := got.ID
	if got.ID == 0 || got.APIKeyALT != sub.Key.APIKey || got.UserALT != "ann@example.com" || got.UserID != ann.User.ID || got.Role != "sender" || got.AllowedAccess != "sender" || !got.IsActive || got.IsWholeAccount || got.CustomName != "sub" {
		t.Errorf("%+v", got)
	}
	got = give(obj{"APIKeyALT": other.Key.APIKey, "UserID": ann.User.ID, "AllowedAccess": "Analyst"}).Data[0]
	if got.APIKeyID != other.Key.ID || got.Role != "analyst" {
		t.Errorf("%+v", got)
	}
	got = give(obj{"IsWholeAccount": true, "Email": "bob@example.com", "Role": "manager"}).Data[0]
	if got.IsActive || got.InvitationID == 0 || got.ID != 0 || got.UserALT != "bob@example.com" || !got.IsWholeAccount {
		t.Errorf("of who is no user yet: %+v", got)
	}
	if w.notices(t, notice.AccessGiven) != 1 || w.notices(t, notice.Invitation) != 3 {
		t.Error("not all are told")
	}
	for _, c := range []struct {
		query, rows string
		total       int
	}{
		{"", "owner@example.com owner, ann@example.com sender, ann@example.com analyst", 3},
		{"?Sort=ID+DESC&Limit=1", "ann@example.com analyst", 3},
		{"?APIKeyID=" + fmt.Sprint(sub.Key.ID), "ann@example.com sender", 1},
		{"?APIKey=" + other.Key.APIKey, "ann@example.com analyst", 1},
		{"?APIKey=99999", "", 0},
		{"?Email=ANN@example.com", "ann@example.com sender, ann@example.com analyst", 2},
		{"?User=" + fmt.Sprint(ann.User.ID) + "&countOnly=1", "", 2},
		{"?UserALT=nobody@example.com", "", 0},
		{"?Role=owner", "owner@example.com owner", 1},
	} {
		var list accesses
		w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/apikeyaccess"+c.query, "").decode(t, &list)
		var rows []string
		for _, x := range list.Data {
			rows = append(rows, x.UserALT+" "+x.Role)
		}
		if strings.Join(rows, ", ") != c.rows || list.Total != c.total || list.Count != len(rows) {
			t.Errorf("%q: %v, Total %d; want %s, %d", c.query, rows, list.Total, c.rows, c.total)
		}
	}
	path := fmt.Sprint("/v3/REST/apikeyaccess/", onSub)
	var one accesses
	w.mustDo(t, w.master.Issued, 200, "PUT", path, `{"Role": "owner"}`).decode(t, &one)
	if one.Data[0].Role != "owner" || one.Data[0].ID != onSub {
		t.Errorf("%+v", one)
	}
	w.mustDo(t, w.master.Issued, 200, "PUT", path, `{"IsActive": true}`)
	w.mustDo(t, w.master.Issued, 200, "GET", path, "").decode(t, &one)
	if one.Data[0].Role != "owner" {
		t.Errorf("%+v", one)
	}
	w.mustDo(t, w.master.Issued, 200, "PUT", path, `{"IsActive": false}`).decode(t, &one)
	if one.Data[0].IsActive {
		t.Errorf("%+v", one)
	}
	w.mustDo(t, w.master.Issued, 404, "GET", path, "")
	last := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/apikeyaccess?Email=ann@example.com", "")
	last.decode(t, &one)
	if one.Total != 1 {
		t.Fatal(last.body)
	}
	path = fmt.Sprint("/v3/REST/apikeyaccess/", one.Data[0].ID)
	w.mustDo(t, w.master.Issued, 204, "DELETE", path, "")
	w.mustDo(t, w.master.Issued, 404, "DELETE", path, "")
	if left, err := w.store.AccessesOf(t.Context(), ann.User.ID); err != nil || slices.ContainsFunc(left, func(x store.Access) bool { return x.AccountID == w.master.Account.ID }) {
		t.Errorf("%+v %v", left, err)
	}
}

func TestSharingRefusals(t *testing.T) {
	w := newWorld(t)
	w.subaccount(t, "sub")
	stranger := w.newPrincipal(t, 1, true, 7)
	w.plan(t, w.master.Account.ID, store.Plan{Users: 1})
	var owner accesses
	w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/apikeyaccess", "").decode(t, &owner)
	path := fmt.Sprint("/", owner.Data[0].ID)
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		words                    string
	}{
		{"nobody", "POST", "", `{"APIKeyID": 2}`, 400, "Property UserALT"},
		{"nothing", "POST", "", `{"UserALT": "a@example.com"}`, 400, "Property APIKeyID"},
		{"both", "POST", "", `{"UserALT": "a@example.com", "APIKeyID": 2, "IsWholeAccount": true}`, 400, "Property IsWholeAccount"},
		{"no address", "POST", "", `{"UserALT": "a@b@c", "APIKeyID": 2}`, 400, "Property UserALT: email address"},
		{"no address", "POST", "", `{"Email": "x"}`, 400, "Property Email: email address: has no @."},
		{"no key", "POST", "", `{"UserALT": "a@example.com", "APIKeyID": 99999}`, 400, "Property APIKeyID: the account has no such key"},
		{"the primary key", "POST", "", `{"UserALT": "a@example.com", "APIKeyID": 1}`, 400, "Property APIKeyID: the primary key"},
		{"another's key", "POST", "", fmt.Sprintf(`{"UserALT": "a@example.com", "APIKeyALT": %q}`, stranger.Key.APIKey), 400, "Property APIKeyALT: the account has no such key"},
		{"another's user", "POST", "", fmt.Sprintf(`{"UserID": %d, "APIKeyID": 2}`, stranger.up.User.ID), 400, "Property UserID"},
		{"no role", "POST", "", `{"UserALT": "a@example.com", "APIKeyID": 2, "Role": "king"}`, 400, `Property Role: \"king\" is not a role`},
		{"Mailjet's access", "POST", "", `{"UserALT": "a@example.com", "APIKeyID": 2, "AllowedAccess": "Full access"}`, 400, "Property AllowedAccess"},
		{"more people than the plan", "POST", "", `{"UserALT": "a@example.com", "APIKeyID": 2}`, 403, "allows 1 people"},
		{"the last owner steps down", "PUT", path, `{"Role": "analyst"}`, 403, "without an owner"},
		{"the last owner goes", "DELETE", path, ``, 403, "without an owner"},
		{"the last owner is made inactive", "PUT", path, `{"IsActive": false}`, 403, "without an owner"},
		{"unknown", "GET", "/99999", ``, 404, "Object not found"},
		{"no ID", "GET", "/x", ``, 404, "Object not found"},
		{"bad filter", "GET", "?User=x", ``, 400, "User"},
	} {
		a := w.do(t, w.master.Issued, c.method, "/v3/REST/apikeyaccess"+c.path, c.body)
		if a.status != c.status || !strings.Contains(a.body, c.words) {
			t.Errorf("%s: %d %s; want %d %s", c.name, a.status, a.body, c.status, c.words)
		}
	}
	var after accesses
	w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/apikeyaccess", "").decode(t, &after)
	if text(after) != text(owner) {
		t.Errorf("%+v; before: %+v", after, owner)
	}
}

// The official SDK shares a key.
func TestGoSDKShares(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount(t, "sub")
	ann, err := w.Keys.SignUp(t.Context(), operator, "Ann's", "ann@example.com")
	if err != nil {
		t.Fatal(err)
	}
	err = w.store.Update(t.Context(), func(tx *store.Tx) error {
		return tx.PutAccess(t.Context(), ann.User.ID, w.master.Account.ID, sub.Key.ID, "analyst")
	})
	if err != nil {
		t.Fatal(err)
	}
	client := mailjet.NewMailjetClient(w.master.Key.APIKey, w.master.Secret, w.server.URL+"/v3")
	client.SetClient(w.client)
	var made []resources.Apikeyaccess
	err = client.Post(&mailjet.FullRequest{Info: &mailjet.Request{Resource: "apikeyaccess"}, Payload: &resources.Apikeyaccess{APIKeyALT: sub.Key.APIKey, UserALT: "ann@example.com", AllowedAccess: "manager", IsActive: true}}, &made)
	if err != nil || len(made) != 1 || made[0].ID == 0 || made[0].APIKeyID != sub.Key.ID || made[0].AllowedAccess != "manager" || !made[0].IsActive {
		t.Fatalf("%+v %v", made, err)
	}
	if err := client.Delete(&mailjet.Request{Resource: "apikeyaccess", ID: made[0].ID}); err != nil {
		t.Fatal(err)
	}
	var list []resources.Apikeyaccess
	if _, total, err := client.List("apikeyaccess", &list, mailjet.Filter("APIKey", sub.Key.APIKey)); err != nil || total != 0 {
		t.Errorf("%d %+v %v", total, list, err)
	}
}

// accept accepts the invitation of an address for a user, who is signed in.
func (w *world) accept(t *testing.T, email string, user store.User) {
	t.Helper()
	kept, err := w.store.DueNotices(t.Context(), time.Now().Add(time.Hour), 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range kept {
		n, err := w.Notices.Open(x)
		if err != nil {
			t.Fatal(err)
		}
		if n.Kind != notice.Invitation || n.To[0] != email {
			continue
		}
		if _, err := w.People.Accept(t.Context(), strings.TrimPrefix(n.Link, "/invitation/"), &user, people.Browser{}); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("%s is not invited", email)
}
