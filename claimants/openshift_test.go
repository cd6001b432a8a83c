// SPDX-License-Identifier: Apache-2.0

package claimants

var openShiftScenes = []scene{
	{"as deployed", "openshift.serviceNetwork", openShiftNetwork, []string{"servicerange 172.30.0.0/16 for Network cluster"}},
	{"as wanted", "openshift.serviceNetwork", `
apiVersion: config.openshift.io/v1
kind: Network
metadata: {name: cluster}
spec: {serviceNetwork: [172.31.0.0/16]}
status: {serviceNetwork: []}
`, []string{"servicerange 172.31.0.0/16 for Network cluster"}},
	{"another group's Network", "openshift.serviceNetwork", operatorNetwork, nil},
	{"as deployed", "openshift.clusterNetwork", openShiftNetwork, []string{"podrange 10.128.0.0/14 for Network cluster"}},
	{"another group's Network", "openshift.clusterNetwork", operatorNetwork, nil},
	{"for LoadBalancer Services", "openshift.autoAssignCIDR", openShiftNetwork, []string{"pool 192.168.132.0/29 by openshift for Network cluster"}},
	{"what is allowed is no pool", "openshift.autoAssignCIDR", `
apiVersion: config.openshift.io/v1
kind: Network
metadata: {name: cluster}
spec: {externalIP: {policy: {allowedCIDRs: [192.168.132.0/24]}}}
`, nil},

	{"the list", "openshift.apiServerInternalIP", openShiftInfrastructure, []string{
		"controlplane 192.168.111.5 for ControlPlane apiserver", "controlplane fd00:111::5 for ControlPlane apiserver",
	}},
	{"the older field", "openshift.apiServerInternalIP", oldOpenShiftInfrastructure, []string{"controlplane 192.168.111.5 for ControlPlane apiserver"}},
	{"a cloud", "openshift.apiServerInternalIP", cloudInfrastructure, nil},
	{"the list", "openshift.ingressIP", openShiftInfrastructure, []string{"reserved 192.168.111.4 for Infrastructure cluster"}},
	{"a cloud", "openshift.ingressIP", cloudInfrastructure, nil},
}

const openShiftNetwork = `
apiVersion: config.openshift.io/v1
kind: Network
metadata: {name: cluster}
spec:
  serviceNetwork: [172.30.0.0/16]
  clusterNetwork: [{cidr: 10.128.0.0/14, hostPrefix: 23}]
  externalIP: {autoAssignCIDRs: [192.168.132.0/29], policy: {}}
status:
  serviceNetwork: [172.30.0.0/16]
  clusterNetwork: [{cidr: 10.128.0.0/14, hostPrefix: 23}]
`

const operatorNetwork = `
apiVersion: operator.openshift.io/v1
kind: Network
metadata: {name: cluster}
spec: {serviceNetwork: [172.30.0.0/16], clusterNetwork: [{cidr: 10.128.0.0/14}]}
`

const openShiftInfrastructure = `
apiVersion: config.openshift.io/v1
kind: Infrastructure
metadata: {name: cluster}
status:
  apiServerInternalURI: https://api-int.example:6443
  platformStatus:
    type: BareMetal
    baremetal:
      apiServerInternalIP: 192.168.111.5
      apiServerInternalIPs: [192.168.111.5, "fd00:111::5"]
      ingressIP: 192.168.111.4
      ingressIPs: [192.168.111.4]
`

const oldOpenShiftInfrastructure = `
apiVersion: config.openshift.io/v1
kind: Infrastructure
metadata: {name: cluster}
status: {platformStatus: {type: VSphere, vsphere: {apiServerInternalIP: 192.168.111.5, ingressIP: 192.168.111.4}}}
`

const cloudInfrastructure = `
apiVersion: config.openshift.io/v1
kind: Infrastructure
metadata: {name: cluster}
status: {platformStatus: {type: AWS, aws: {region: us-east-1}}}
`
