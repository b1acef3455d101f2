package monitor

// Kind is the first byte of every message on the monitor's socket
// (SOCK_SEQPACKET: one message per packet, at most MaxPayload+1 bytes).
// The rest of the packet is the payload, written beside each kind; numbers
// are little endian.
type Kind byte

// MaxPayload is the most bytes that follow the kind in one message.
const MaxPayload = 32 << 10

// From client to monitor.
const (
	MsgAttach      Kind = 'a' // 1 byte: Stream bits wanted. Answer: MsgStatus
	MsgStdin       Kind = 'i' // bytes for the container's stdin
	MsgStdinEOF    Kind = 'I' // close the container's stdin
	MsgResize      Kind = 'w' // uint16 rows, uint16 cols
	MsgSignal      Kind = 'k' // uint32 signal, sent to the container's first process
	MsgStop        Kind = 's' // uint32 signal (0: configured), int32 seconds (-1: configured). Not restarted after
	MsgStart       Kind = 'g' // start a created container
	MsgDetach      Kind = 'd' // client leaves on purpose: keep the output for the next one
	MsgClaimRemove Kind = 'c' // this client will remove the container when it ends
	MsgRemoved     Kind = 'r' // ... and has done so: the monitor may go
	MsgReload      Kind = 'u' // read ConfigFile again (restart policy, stop timeout, ...)
	MsgWatch       Kind = 'x' // tell me when the container ends; no streams
	MsgCheck       Kind = 'h' // ask the health check now. Answer: MsgChecked
)

// From monitor to client.
const (
	MsgStdout  Kind = 'o' // output bytes
	MsgStderr  Kind = 'e'
	MsgCreated Kind = 'C' // the runtime created it: uint32 pid
	MsgStarted Kind = 'S' // its process runs: uint32 pid
	MsgFailed  Kind = 'F' // 1 byte exit code (125, 126, 127), then the runtime's words
	MsgExited  Kind = 'X' // uint32 exit code, 1 byte: 1 when it will be started again after a back-off, 0 at the final end. All output was sent before
	MsgCleaned Kind = 'Z' // the runtime's state, mounts and helpers are gone; nothing follows
	MsgStatus  Kind = 't' // Record as JSON
	MsgRefused Kind = 'n' // 1 byte: kind of the request that cannot be honoured, then words
	MsgDone    Kind = 'y' // 1 byte: kind of the request that was honoured (MsgSignal, MsgReload, MsgClaimRemove, MsgDetach)
	MsgChecked Kind = 'H' // int32 exit code of the health check (-1: it took too long), 1 byte: 1 for a startup check
	MsgCredit  Kind = 'q' // uint32: so many more bytes of stdin may be sent (see StdinWindow)
)

// StdinWindow is how many bytes of MsgStdin a client may have sent that the
// container has not taken yet; MsgCredit widens the window again. So a
// container that does not read its stdin never keeps a signal or a detach,
// sent on the same socket, from being heard.
const StdinWindow = 64 << 10

// Stream bits of MsgAttach.
const (
	Stdin  = 1 << 0
	Stdout = 1 << 1
	Stderr = 1 << 2
)
