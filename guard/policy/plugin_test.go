// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/policy/generic"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/warning"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	clientscheme "k8s.io/client-go/kubernetes/scheme"

	"whohas/guard/policy"
)

func init() { generic.SetPolicyRefreshIntervalForTests(10 * time.Millisecond) }

// apiserver is the real ValidatingAdmissionPolicy plugin, with policies, parameters
// and namespaces from a client that holds them in memory.
type apiserver struct {
	plugin *validating.Plugin
	client *fake.Clientset
}

// served starts a plugin with a policy and what else the cluster holds.
func served(t testing.TB, m policy.Manifest, objects ...runtime.Object) *apiserver {
	t.Helper()
	return serve(t, fake.NewClientset(clusterObjects(m, objects)...))
}

func clusterObjects(m policy.Manifest, objects []runtime.Object) []runtime.Object {
	for _, ns := range []string{"default", "demo", "whohas"} {
		objects = append(objects, &core.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}})
	}
	return append(objects, m.Objects()...)
}

func serve(t testing.TB, client *fake.Clientset) *apiserver {
	t.Helper()
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(core.SchemeGroupVersion.WithKind("Node"), meta.RESTScopeRoot)
	mapper.Add(core.SchemeGroupVersion.WithKind("ConfigMap"), meta.RESTScopeNamespace)
	factory := informers.NewSharedInformerFactory(client, 0)
	p, err := validating.NewPlugin(nil)
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	p.SetExternalKubeInformerFactory(factory)
	p.SetExternalKubeClientSet(client)
	p.SetDynamicClient(dynamicfake.NewSimpleDynamicClient(clientscheme.Scheme))
	p.SetRESTMapper(mapper)
	p.SetUnconditionalAuthorizer(override{})
	p.SetDrainedNotification(stop)
	if err := p.ValidateInitialization(); err != nil {
		t.Fatal(err)
	}
	factory.Start(stop)
	t.Cleanup(func() {
		close(stop)
		factory.Shutdown()
	})
	if !p.WaitForReady() {
		t.Fatal("the plugin is not ready")
	}
	return &apiserver{p, client}
}

// override lets group "break-glass" override claims, and nobody else.
type override struct{}

func (override) Authorize(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	if a.GetAPIGroup() == "whohas.io" && a.GetResource() == "claims" && a.GetVerb() == "override" && slices.Contains(a.GetUser().GetGroups(), "break-glass") {
		return authorizer.DecisionAllow, "", nil
	}
	return authorizer.DecisionDeny, "", nil
}

var (
	anybody = &user.DefaultInfo{Name: "admin", Groups: []string{"system:masters"}}
	rescuer = &user.DefaultInfo{Name: "rescuer", Groups: []string{"break-glass"}}
)

// warnings gathers what an apiserver would send as warnings.
type warnings struct {
	sync.Mutex
	texts []string
}

func (w *warnings) AddWarning(_, text string) {
	w.Lock()
	defer w.Unlock()
	w.texts = append(w.texts, text)
}

// write asks for the admission of a Service: before is nil for a creation.
func (s *apiserver) write(ctx context.Context, before, after *core.Service, who user.Info) error {
	op, old := admission.Create, runtime.Object(nil)
	if before != nil {
		op, old = admission.Update, before
	}
	a := admission.NewAttributesRecord(after, old, core.SchemeGroupVersion.WithKind("Service"), after.Namespace, after.Name,
		core.SchemeGroupVersion.WithResource("services"), "", op, nil, false, who)
	return s.plugin.Validate(ctx, a, objectInterfaces)
}

var objectInterfaces = admission.NewObjectInterfacesFromScheme(clientscheme.Scheme)

// send is a write by anybody to the object or to a subresource, or its deletion.
func (s *apiserver) send(op admission.Operation, resource, subresource, kind string, before, after *core.Service) error {
	var now, old runtime.Object
	if after != nil {
		now = after
	}
	if before != nil {
		old = before
	}
	a := admission.NewAttributesRecord(now, old, core.SchemeGroupVersion.WithKind(kind), "demo", "web",
		schema.GroupVersionResource{Version: "v1", Resource: resource}, subresource, op, nil, false, anybody)
	return s.plugin.Validate(context.Background(), a, objectInterfaces)
}

// service reads a Service as the API has it.
func service(t testing.TB, text string) *core.Service {
	t.Helper()
	s := &core.Service{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}}
	if err := json.Unmarshal([]byte(text), s); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if s.Name == "" {
		s.Name, s.Namespace = "web", "demo"
	}
	return s
}

// refusedFor gives the message of a refusal, "" if the write passes. Any other error
// is a fault of the policy.
func refusedFor(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var status *apierrors.StatusError
	if !errors.As(err, &status) {
		t.Fatalf("no refusal, but: %v", err)
	}
	return status.ErrStatus.Message
}

func withWarnings(w *warnings) context.Context {
	return warning.WithWarningRecorder(context.Background(), w)
}
