// Command argocd does what Argo CD's application controller does, with Argo CD's own engine and
// Lua, without its Applications, its repositories and its servers. The health checks are those of
// ARGOCD_CM, a file with the ConfigMap argocd-cm.
//
//	argocd sync ARGOCD_CM NAMESPACE < manifests.yaml
//
// applies the manifests to the cluster of KUBECONFIG, hooks and waves in their order, until the
// sync is over. It then writes a JSON object: how the sync ended, what is said of each resource,
// and which of them are OutOfSync.
//
//	argocd health ARGOCD_CM < objects.json
//
// reads a JSON array of objects and writes a JSON array with the health of each.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/gitops-engine/pkg/cache"
	"github.com/argoproj/gitops-engine/pkg/diff"
	"github.com/argoproj/gitops-engine/pkg/health"
	"github.com/argoproj/gitops-engine/pkg/sync"
	"github.com/argoproj/gitops-engine/pkg/sync/common"
	"github.com/argoproj/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/gitops-engine/pkg/utils/tracing"
	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2/textlogger"
	"sigs.k8s.io/yaml"
)

const (
	tracking = "argocd.argoproj.io/tracking-id"
	prefix   = "resource.customizations.health."
)

type resource struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Status  string `json:"status"`
	Phase   string `json:"phase"`
	Message string `json:"message"`
}

type report struct {
	Phase     string     `json:"phase"`
	Message   string     `json:"message"`
	Resources []resource `json:"resources"`
	OutOfSync []string   `json:"outOfSync"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "argocd:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) < 3 {
		return fmt.Errorf("usage: argocd sync ARGOCD_CM NAMESPACE < manifests.yaml; " +
			"argocd health ARGOCD_CM < objects.json")
	}
	overrides, err := healthOverrides(os.Args[2])
	if err != nil {
		return err
	}
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	var answer any
	switch {
	case os.Args[1] == "sync" && len(os.Args) == 4:
		answer, err = syncOnce(input, os.Args[3], overrides)
	case os.Args[1] == "health":
		answer, err = healthOf(input, overrides)
	default:
		err = fmt.Errorf("unknown command %s", os.Args[1])
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(answer)
}

func healthOf(input []byte, overrides health.HealthOverride) ([]*health.HealthStatus, error) {
	var objects []map[string]any
	if err := json.Unmarshal(input, &objects); err != nil {
		return nil, err
	}
	answer := []*health.HealthStatus{}
	for _, object := range objects {
		found, err := health.GetResourceHealth(&unstructured.Unstructured{Object: object}, overrides)
		if err != nil {
			return nil, err
		}
		answer = append(answer, found)
	}
	return answer, nil
}

func syncOnce(input []byte, namespace string, overrides health.HealthOverride) (*report, error) {
	targets, err := kube.SplitYAML(input)
	if err != nil {
		return nil, err
	}
	for _, target := range targets {
		target.SetNamespace(namespace)
		annotations := target.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		kind := target.GroupVersionKind()
		annotations[tracking] = fmt.Sprintf("test:%s/%s:%s/%s",
			kind.Group, kind.Kind, namespace, target.GetName())
		target.SetAnnotations(annotations)
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return nil, err
	}
	log := textlogger.NewLogger(textlogger.NewConfig(textlogger.Output(os.Stderr)))
	cluster := cache.NewClusterCache(config,
		cache.SetNamespaces([]string{namespace}),
		cache.SetLogr(log),
		cache.SetPopulateResourceInfoHandler(func(live *unstructured.Unstructured, _ bool) (any, bool) {
			isOurs := live.GetAnnotations()[tracking] != ""
			return isOurs, isOurs
		}))
	if err := cluster.EnsureSynced(); err != nil {
		return nil, err
	}
	return syncUntilOver(config, cluster, targets, namespace, overrides, log)
}

// healthOverrides reads the scripts from the ConfigMap, by its keys as Argo CD documents them.
func healthOverrides(file string) (health.HealthOverride, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var settings corev1.ConfigMap
	if err := yaml.Unmarshal(text, &settings); err != nil {
		return nil, err
	}
	overrides := lua.ResourceHealthOverrides{}
	for key, script := range settings.Data {
		if name, ok := strings.CutPrefix(key, prefix); ok {
			overrides[strings.Replace(name, "_", "/", 1)] = v1alpha1.ResourceOverride{HealthLua: script}
		}
	}
	return overrides, nil
}

// syncUntilOver takes a step, looks at the cluster again, and takes the next with the state of the
// last, as the controller does.
func syncUntilOver(
	config *rest.Config, cluster cache.ClusterCache, targets []*unstructured.Unstructured,
	namespace string, overrides health.HealthOverride, log logr.Logger,
) (*report, error) {
	isOurs := func(live *cache.Resource) bool { return live.Info == true }
	kubectl := &kube.KubectlCmd{Log: log, Tracer: tracing.NopTracer{}}
	answer := &report{Phase: string(common.OperationRunning)}
	var results []common.ResourceSyncResult
	startedAt := metav1.Now()
	for !common.OperationPhase(answer.Phase).Completed() {
		live, err := cluster.GetManagedLiveObjs(targets, isOurs)
		if err != nil {
			return nil, err
		}
		state := sync.Reconcile(targets, live, namespace, cluster)
		step, cleanup, err := sync.NewSyncContext("revision", state, config, config, kubectl, namespace,
			cluster.GetOpenAPISchema(),
			sync.WithLogr(log),
			sync.WithHealthOverride(overrides),
			sync.WithPrune(true),
			sync.WithInitialState(common.OperationPhase(answer.Phase), answer.Message, results, startedAt))
		if err != nil {
			return nil, err
		}
		step.Sync()
		cleanup()
		phase, message, now := step.GetState()
		answer.Phase, answer.Message, results = string(phase), message, now
		time.Sleep(200 * time.Millisecond)
	}
	for _, result := range results {
		answer.Resources = append(answer.Resources, resource{
			result.ResourceKey.Kind, result.ResourceKey.Name,
			string(result.Status), string(result.HookPhase), result.Message,
		})
	}
	outOfSync, err := outOfSync(cluster, targets, namespace, isOurs)
	answer.OutOfSync = outOfSync
	return answer, err
}

// outOfSync compares as Argo CD does without any ignoreDifferences.
func outOfSync(
	cluster cache.ClusterCache, targets []*unstructured.Unstructured, namespace string,
	isOurs func(*cache.Resource) bool,
) ([]string, error) {
	live, err := cluster.GetManagedLiveObjs(targets, isOurs)
	if err != nil {
		return nil, err
	}
	state := sync.Reconcile(targets, live, namespace, cluster)
	differences, err := diff.DiffArray(state.Target, state.Live)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for index, difference := range differences.Diffs {
		if difference.Modified {
			object := state.Target[index]
			if object == nil {
				object = state.Live[index]
			}
			names = append(names, object.GetName())
		}
	}
	return names, nil
}
