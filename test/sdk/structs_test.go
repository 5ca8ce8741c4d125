// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"reflect"
	"strings"

	"github.com/mailjet/mailjet-apiv3-go/v4/resources"
)

// structs are the Go SDK's, by the names that compat.yaml has for them.
var structs = map[string]reflect.Type{
	"Apikey":                reflect.TypeFor[resources.Apikey](),
	"Apikeyaccess":          reflect.TypeFor[resources.Apikeyaccess](),
	"Apikeytotals":          reflect.TypeFor[resources.Apikeytotals](),
	"Bouncestatistics":      reflect.TypeFor[resources.Bouncestatistics](),
	"Campaign":              reflect.TypeFor[resources.Campaign](),
	"Clickstatistics":       reflect.TypeFor[resources.Clickstatistics](),
	"Dns":                   reflect.TypeFor[resources.Dns](),
	"DnsCheck":              reflect.TypeFor[resources.DnsCheck](),
	"Domainstatistics":      reflect.TypeFor[resources.Domainstatistics](),
	"Eventcallbackurl":      reflect.TypeFor[resources.Eventcallbackurl](),
	"Geostatistics":         reflect.TypeFor[resources.Geostatistics](),
	"Useragentstatistics":   reflect.TypeFor[resources.Useragentstatistics](),
	"Graphstatistics":       reflect.TypeFor[resources.Graphstatistics](),
	"Message":               reflect.TypeFor[resources.Message](),
	"Messagehistory":        reflect.TypeFor[resources.Messagehistory](),
	"Messageinformation":    reflect.TypeFor[resources.Messageinformation](),
	"Messagesentstatistics": reflect.TypeFor[resources.Messagesentstatistics](),
	"Messagestate":          reflect.TypeFor[resources.Messagestate](),
	"MessageStatistics":     reflect.TypeFor[resources.MessageStatistics](),
	"Metasender":            reflect.TypeFor[resources.Metasender](),
	"Myprofile":             reflect.TypeFor[resources.Myprofile](),
	"Openinformation":       reflect.TypeFor[resources.Openinformation](),
	"Openstatistics":        reflect.TypeFor[resources.Openstatistics](),
	"Sender":                reflect.TypeFor[resources.Sender](),
	"Senderstatistics":      reflect.TypeFor[resources.Senderstatistics](),
	"SenderValidate":        reflect.TypeFor[resources.SenderValidate](),
	"Toplinkclicked":        reflect.TypeFor[resources.Toplinkclicked](),
	"User":                  reflect.TypeFor[resources.User](),
}

// fieldOf finds the field that encoding/json puts a property into.
func fieldOf(s reflect.Type, property string) (reflect.StructField, bool) {
	for f := range s.Fields() {
		if strings.EqualFold(jsonName(f), property) {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "" {
		return f.Name
	}
	return name
}

// intoStruct says which properties of a row the SDK's struct does not take: each is decoded into the type of its own
// field, so that one error hides no other.
func intoStruct(name string, row map[string]json.RawMessage) []string {
	if name == "" {
		return nil
	}
	s, ok := structs[name]
	if !ok {
		return []string{"the Go SDK has no struct " + name}
	}
	var wrong []string
	for p, v := range row {
		f, ok := fieldOf(s, p)
		if !ok {
			continue // one that compat.yaml has and the SDK does not
		}
		if err := json.Unmarshal(v, reflect.New(f.Type).Interface()); err != nil {
			wrong = append(wrong, fmt.Sprintf("%s: %s into %s: %v", p, v, f.Type, err))
		}
	}
	return wrong
}

// unanswered says which fields of the SDK's struct compat.yaml is silent about.
func unanswered(r resource) []string {
	if r.Go == "" {
		return nil
	}
	var out []string
	for f := range structs[r.Go].Fields() {
		found := false
		for p := range r.Properties.all() {
			found = found || strings.EqualFold(p, jsonName(f))
		}
		if !found {
			out = append(out, "the Go SDK has "+jsonName(f)+", and compat.yaml does not say whether it is answered")
		}
	}
	return out
}

// pemKey writes a private key as a file has it.
func pemKey(key any) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}
