// Pause waits for its end and reaps orphans: the first process of a pod's sandbox, and of a node.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// Children of a process that ignores this signal leave no zombies.
	signal.Ignore(syscall.SIGCHLD)
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM)
	<-ended
}
