// SPDX-License-Identifier: Apache-2.0

package server

// Certify writes a certificate for localhost, for the tests in a cluster.
var Certify = certify
