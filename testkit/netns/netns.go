// SPDX-License-Identifier: Apache-2.0

// Package netns makes hosts of network namespaces, for tests: the real kernel, and
// nothing of the machine's own network.
package netns
