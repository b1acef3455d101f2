package userns

// IDMap is one line of an id mapping: Size ids from Container on, inside, are
// those from Host on in the namespace outside.
type IDMap struct {
	Container, Host, Size uint32
}
