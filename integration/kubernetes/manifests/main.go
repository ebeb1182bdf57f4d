// Command manifests checks Kubernetes objects without a cluster: each must be exactly what the published types say, unknown and
// repeated fields are errors. It prints what the Pod Security Standards object to, level by level.
//
//	manifests FILE...
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	serializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// A verdict is what is known of one object.
type verdict struct {
	File, Kind, Name string
	// Baseline and Restricted are what those levels forbid. Empty: nothing, or the object is no pod.
	Baseline, Restricted []string
	Object               runtime.Object
}

func main() {
	verdicts, err := check(os.Args[1:])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(verdicts)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(files []string) ([]verdict, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), appsv1.AddToScheme(scheme), nodev1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	decoder := serializer.NewSerializerWithOptions(serializer.DefaultMetaFactory, scheme, scheme, serializer.SerializerOptions{Yaml: true, Strict: true})
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return nil, err
	}
	var verdicts []verdict
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		documents := yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(data)))
		for {
			document := make([]byte, len(data)+1)
			n, err := documents.Read(document)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			object, kind, err := decoder.Decode(document[:n], nil, nil)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			v := verdict{File: file, Kind: kind.Kind, Object: object}
			if named, ok := object.(metav1.Object); ok {
				v.Name = named.GetName()
			}
			if meta, spec := podOf(object); spec != nil {
				forbidden := func(level api.Level) []string {
					return policy.AggregateCheckResults(evaluator.EvaluatePod(api.LevelVersion{Level: level, Version: api.LatestVersion()}, meta, spec)).ForbiddenReasons
				}
				v.Baseline, v.Restricted = forbidden(api.LevelBaseline), forbidden(api.LevelRestricted)
			}
			verdicts = append(verdicts, v)
		}
	}
	return verdicts, nil
}

// podOf is the pod that an object is, or makes.
func podOf(object runtime.Object) (*metav1.ObjectMeta, *corev1.PodSpec) {
	switch o := object.(type) {
	case *corev1.Pod:
		return &o.ObjectMeta, &o.Spec
	case *appsv1.DaemonSet:
		return &o.Spec.Template.ObjectMeta, &o.Spec.Template.Spec
	}
	return nil, nil
}
