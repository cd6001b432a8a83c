// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command lab runs the lab's scenarios.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"whohas/lab"
	"whohas/lab/director"
	"whohas/lab/runner"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == runner.Inside {
		if err := director.Main(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	self, _ := os.Executable()
	all, err := lab.ReadAll(os.DirFS("lab/scenarios"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	var pick []*lab.Scenario
	for _, s := range all {
		for _, a := range os.Args[3:] {
			if s.Name == a {
				pick = append(pick, s)
			}
		}
	}
	_, err = runner.Run(ctx, runner.Options{Program: self, Tools: "tools/build", Follow: func(e lab.Event) { fmt.Println(e) }, Console: os.Stderr}, lab.Backend(os.Args[2]), pick)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
