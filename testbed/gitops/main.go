// Command gitops-health says of objects what the tools think of them that wait for objects:
// kstatus, by the library that Flux and Helm 4 use, and Argo CD, by its Lua and the health.lua of
// the kind.
//
//	gitops-health RESOURCE_CUSTOMIZATIONS < objects.json
//
// reads a JSON array of objects as `kubectl get --output json` prints them, and writes a JSON array
// of what is said of each.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	luajson "layeh.com/gopher-json"
)

type opinion struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

type opinions struct {
	Kstatus opinion `json:"kstatus"`
	ArgoCD  opinion `json:"argocd"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gitops-health:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: gitops-health RESOURCE_CUSTOMIZATIONS < objects.json")
	}
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	var objects []json.RawMessage
	if err := json.Unmarshal(input, &objects); err != nil {
		return err
	}
	answers := []opinions{}
	for _, text := range objects {
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(text); err != nil {
			return err
		}
		kstatus, err := status.Compute(object)
		if err != nil {
			return err
		}
		health, err := argoHealth(object, text, os.Args[1])
		if err != nil {
			return fmt.Errorf("%s: %w", object.GetName(), err)
		}
		answers = append(answers, opinions{
			Kstatus: opinion{kstatus.Status.String(), kstatus.Message},
			ArgoCD:  health,
		})
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

// argoHealth does as GetResourceHealth of gitops-engine/pkg/health: what is being deleted is
// Progressing, whatever its script says.
func argoHealth(
	object *unstructured.Unstructured, text []byte, customizations string,
) (opinion, error) {
	if object.GetDeletionTimestamp() != nil {
		return opinion{"Progressing", "Pending deletion"}, nil
	}
	script := filepath.Join(
		customizations, object.GroupVersionKind().Group, object.GetKind(), "health.lua")
	source, err := os.ReadFile(script)
	if err != nil {
		return opinion{}, err
	}
	return runLua(text, string(source))
}

// runLua runs a script with what a script in argocd-cm has: the base and table libraries and a
// second of time (runLua in Argo CD's util/lua/lua.go; os.time and os.date, which it opens too, are
// left out).
func runLua(object []byte, source string) (opinion, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	libraries := []struct {
		name string
		open lua.LGFunction
	}{
		{lua.LoadLibName, lua.OpenPackage},
		{lua.BaseLibName, lua.OpenBase},
		{lua.TabLibName, lua.OpenTable},
	}
	for _, library := range libraries {
		open := lua.P{Fn: state.NewFunction(library.open), Protect: true}
		if err := state.CallByParam(open, lua.LString(library.name)); err != nil {
			return opinion{}, err
		}
	}
	limit, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(limit)
	value, err := luajson.Decode(state, object)
	if err != nil {
		return opinion{}, err
	}
	state.SetGlobal("obj", value)
	if err := state.DoString(source); err != nil {
		return opinion{}, err
	}
	result, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return opinion{}, fmt.Errorf("the script returns a %s and not a table", state.Get(-1).Type())
	}
	answer, err := luajson.Encode(result)
	if err != nil {
		return opinion{}, err
	}
	var health opinion
	err = json.Unmarshal(answer, &health)
	return health, err
}
