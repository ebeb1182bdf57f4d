// Command cri calls one method of the Container Runtime Interface, as kubelet does: the request is JSON on standard input,
// the answer JSON on standard output.
//
//	cri SOCKET METHOD <request.json
//
// It knows no method by itself: the interface's own descriptor does, so that new fields need no new code here.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// timeout is far above what a call takes. kubelet's own is two minutes.
const timeout = 2 * time.Minute

func main() {
	if err := call(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func call(args []string, stdin io.Reader, stdout io.Writer) error {
	if len(args) != 2 {
		return errors.New("usage: cri SOCKET METHOD <request.json")
	}
	method, err := find(args[1])
	if err != nil {
		return err
	}
	request, answer := dynamicpb.NewMessage(method.Input()), dynamicpb.NewMessage(method.Output())
	body, err := io.ReadAll(stdin)
	if err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	if err := protojson.Unmarshal(body, request); err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	conn, err := grpc.NewClient("unix://"+args[0], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("connect to %q: %w", args[0], err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	path := fmt.Sprintf("/%s/%s", method.Parent().FullName(), method.Name())
	if err := conn.Invoke(ctx, path, request, answer); err != nil {
		return fmt.Errorf("call %s: %w", method.Name(), err)
	}
	out, err := protojson.Marshal(answer)
	if err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	_, err = stdout.Write(append(out, '\n'))
	return err
}

// find looks a method up in the services of the interface.
func find(name string) (protoreflect.MethodDescriptor, error) {
	services := runtime.File_staging_src_k8s_io_cri_api_pkg_apis_runtime_v1_api_proto.Services()
	for i := range services.Len() {
		if m := services.Get(i).Methods().ByName(protoreflect.Name(name)); m != nil {
			return m, nil
		}
	}
	return nil, fmt.Errorf("find method %q: the interface has none of that name", name)
}
