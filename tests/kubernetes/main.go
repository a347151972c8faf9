// What the tests need of Kubernetes: etcd and etcdutl, the parts of a control plane and kubectl, as one program that is told
// by its first argument which of them to be. A server ends when its standard input does, so that no test leaves one behind.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/etcdutl/v3/etcdutl"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	if os.Args[1] != "kubectl" && os.Args[1] != "etcdutl" {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
	}
	var command *cobra.Command
	switch os.Args[1] {
	case "kubectl":
		command = kubectl.NewDefaultKubectlCommand()
	case "etcd":
		etcdmain.Main(os.Args[1:])
		return
	case "etcdutl":
		command = snapshots()
	case "kube-apiserver":
		command = apiserver.NewAPIServerCommand()
	case "kube-controller-manager":
		command = controllers.NewControllerManagerCommand()
	case "kube-scheduler":
		command = scheduler.NewSchedulerCommand()
	default:
		usage()
	}
	os.Args = os.Args[1:]
	os.Exit(cli.Run(command))
}

// etcdutl keeps its own root command to itself; this has what kspot calls.
func snapshots() *cobra.Command {
	root := &cobra.Command{Use: "etcdutl"}
	root.PersistentFlags().StringVarP(&etcdutl.OutputFormat, "write-out", "w", "simple", "simple, json, ...")
	root.AddCommand(etcdutl.NewSnapshotCommand(), etcdutl.NewVersionCommand())
	return root
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: kubernetes kubectl | etcd | etcdutl | kube-apiserver | kube-controller-manager | kube-scheduler [FLAG...]")
	os.Exit(2)
}
