package translate

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"

	core "k8s.io/api/core/v1"
)

// alphabet is Kubernetes' for generated names: no vowels and nothing that
// looks like another character, so that no words come about.
const alphabet = "bcdfghjklmnpqrstvwxz2456789"

// suffix is the end of the name of pod i of the object. Where Kubernetes rolls
// dice, it is made of the object's name: the same file gives the same names.
func suffix(object string, i int) string {
	return letters([]byte(fmt.Sprintf("%s\x00%d", object, i)), 5)
}

// templateHash is the middle of the names of a Deployment's pods: another
// template, other names.
func templateHash(template core.PodTemplateSpec) string {
	body, err := json.Marshal(template)
	if err != nil {
		body = []byte(err.Error()) // cannot happen: it was JSON before
	}
	return letters(body, 10)
}

func letters(of []byte, n int) string {
	sum := sha256.Sum256(of)
	out := make([]byte, n)
	for i := range out {
		out[i] = alphabet[int(binary.BigEndian.Uint16(sum[2*i:]))%len(alphabet)]
	}
	return string(out)
}

// uid is an object's metadata.uid: there is none before a cluster gives one,
// so it is made of the pod's namespace and name.
func uid(namespace, name string) string {
	sum := sha256.Sum256([]byte(namespace + "/" + name))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // a UUID of version 8: RFC 9562, 5.8
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}
