// Command sleeper is what a monitor under test dozes in: no more than the
// constructor of package join.
package main

import _ "github.com/carob-containers/carob/pkg/userns/join"

func main() {}
