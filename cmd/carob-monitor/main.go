// Command carob-monitor supervises one container. It is started by carob,
// never by hand; docs/PROTOCOL.md says how.
package main

import (
	"os"

	"github.com/carob-containers/carob/libpod/monitor"
)

func main() { os.Exit(monitor.Main(os.Args[1:])) }
